#include "tools/ebb/trained/stored_model.h"

#include <glog/logging.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "job/base/traits.h"
#include "job/program_tables.h"
#include "server/job_rule.h"
#include "tools/ebb/checkpoint/model_doubts.h"
#include "tools/ebb/checkpoint/read_model.h"
#include "tools/ebb/model/row_runs.h"
#include "tools/process/temporary_folder.h"
#include "tools/tensors/slot_tensors.h"
#include "worker/job_data.h"
#include "worker/python/python_program.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::tools {

namespace {

// The table as plans have it.
SparseTablePlan PlanOf(const job::SparseTable& table) {
  return {.width = table.width, .kind = table.kind};
}

// Into files of the tables.
class RowWriter final : public RowReceiver {
 public:
  RowWriter(const StoredModel& model, std::string folder,
            std::vector<RowRuns>* runs)
      : model_(model), folder_(std::move(folder)), runs_(*runs) {}

  absl::Status Restart() override {
    runs_.clear();
    for (size_t t = 0; t < model_.sparse_tables.size(); ++t) {
      const size_t arrays = 1 + model_.run_slots[t].size();
      const int64_t words = PlanOf(model_.sparse_tables[t]).row_words();
      EBB_ASSIGN_OR_RETURN(
          RowRuns runs,
          RowRuns::Create(folder_, std::vector<int64_t>(arrays, words)));
      runs_.push_back(std::move(runs));
    }
    return absl::OkStatus();
  }
  absl::Status Add(int32_t table, std::span<const uint64_t> keys,
                   const std::vector<std::span<const float>>& arrays) override {
    return runs_[table].Add(keys, arrays);
  }

 private:
  const StoredModel& model_;
  const std::string folder_;
  std::vector<RowRuns>& runs_;
};

}  // namespace

// The steps behind the values of a version. A round is one.
int64_t StepsOf(const JobPlan& plan, const VersionInfo& version) {
  if (!plan.rounds()) return version.updates;
  int64_t round = 0;
  for (int64_t rest = version.examples; round < plan.RoundCount(); ++round) {
    rest -= plan.RoundExamples(round);
    if (rest < 0) break;
  }
  return round;
}

// By table, those that the rule made before the job and in it. Parts of a table
// may have got different ones: then the least.
std::vector<int64_t> StepsOf(
    const JobPlan& plan, const std::vector<job::DenseTable>& tables,
    const std::vector<server::JobRule::TableState>& states,
    const std::vector<VersionInfo>& versions) {
  std::vector<int64_t> steps;
  int64_t first = 0;
  for (size_t t = 0; t < states.size(); ++t) {
    const int64_t last = first + tables[t].size;
    std::optional<int64_t> least;
    for (const VersionInfo& version : versions) {
      const auto range = plan.ParameterRange(version.key.partition);
      if (range.second <= first || range.first >= last) continue;
      const int64_t made = StepsOf(plan, version);
      least = std::min(made, least.value_or(made));
    }
    steps.push_back(states[t].steps + least.value_or(0));
    first = last;
  }
  return steps;
}

// The same of the sparse tables, whose rows are in all partitions.
std::vector<int64_t> StepsOfRows(
    const JobPlan& plan, const std::vector<server::JobRule::TableState>& states,
    const std::vector<VersionInfo>& versions) {
  int64_t least = 0;
  for (size_t v = 0; v < versions.size(); ++v) {
    const int64_t made = StepsOf(plan, versions[v]);
    least = v == 0 ? made : std::min(least, made);
  }
  std::vector<int64_t> steps;
  for (const auto& state : states) steps.push_back(state.steps + least);
  return steps;
}

namespace {

// Before the arrays of slots are moved away. `tables` are the dense ones.
void CopyAverages(const server::JobRule& rule,
                  const std::vector<job::DenseTable>& tables,
                  const NamedArrays& arrays, StoredModel* stored) {
  const auto states = rule.DenseStates();
  int64_t first = 0;
  for (size_t t = 0; t < states.size(); ++t) {
    const std::vector<std::string>& slots = states[t].slots;
    const auto slot = std::ranges::find(slots, kAverageSlot);
    const int64_t last = first + tables[t].size;
    if (slot != slots.end()) {
      if (stored->averages.empty()) {
        stored->averages = stored->parameters;
        stored->has_average.resize(states.size());
      }
      const auto& from = arrays.at(
          rule.PublicName(absl::StrCat("slot:", slot - slots.begin())));
      std::copy(from.begin() + first, from.begin() + last,
                stored->averages.begin() + first);
      stored->has_average[t] = true;
    }
    first = last;
  }
}

}  // namespace

absl::StatusOr<StoredModel> LoadStoredModel(CheckpointSource* source,
                                            const std::string& folder,
                                            const StoredParts& parts) {
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       job::ReadSpecification(source->job()));
  StoredModel stored;
  stored.job = specification.job();
  EBB_ASSIGN_OR_RETURN(stored.index,
                       data::Index::Decode(specification.train_index()));
  stored.columns = worker::ColumnsOf(specification);
  EBB_ASSIGN_OR_RETURN(stored.sparse_tables,
                       job::SparseTablesOf(specification, source->job().plan));
  const workloads::ToolsSide& workload = workloads::ToolsOf(stored.job.model());
  EBB_RETURN_IF_ERROR(workload.CheckParts(stored.job, parts));
  EBB_ASSIGN_OR_RETURN(const auto rule, server::JobRule::Create(source->job()));
  for (size_t t = 0; t < stored.sparse_tables.size(); ++t) {
    auto& names = stored.run_slots.emplace_back();
    if (!parts.slots) continue;
    const auto optimizer = rule->RowOptimizer(static_cast<int32_t>(t));
    for (const absl::string_view slot : optimizer->SlotNames()) {
      names.emplace_back(slot);
    }
  }
  RowWriter rows(stored, folder, &stored.runs);
  std::vector<VersionInfo> versions;
  SlotsRead slots = SlotsRead::kNone;
  if (parts.averages) slots = SlotsRead::kAverages;
  if (parts.slots) slots = SlotsRead::kAll;
  EBB_ASSIGN_OR_RETURN(
      NamedArrays arrays,
      ReadModel(
          source, slots, parts.rows ? &rows : nullptr, &versions,
          parts.only_complete ? ModelsRead::kComplete : ModelsRead::kAll));
  stored.incomplete = IncompleteText(source->job().plan, versions);
  stored.parameters = std::move(arrays["values"]);
  EBB_RETURN_IF_ERROR(workload.Assemble(&stored));
  EBB_ASSIGN_OR_RETURN(const std::vector<job::DenseTable> tables,
                       job::TablesOf(specification, source->job().plan));
  if (parts.slots || parts.averages) {
    CopyAverages(*rule, tables, arrays, &stored);
  }
  for (const auto& state : rule->DenseStates()) {
    auto& names = stored.slot_names.emplace_back();
    if (!parts.slots) continue;
    for (const std::string& slot : state.slots) {
      names.push_back(absl::StrCat(state.optimizer, "/", slot));
    }
    while (stored.slots.size() < names.size()) {
      const auto slot = absl::StrCat("slot:", stored.slots.size());
      stored.slots.push_back(std::move(arrays[rule->PublicName(slot)]));
    }
  }
  if (parts.slots) {
    stored.steps =
        StepsOf(source->job().plan, tables, rule->DenseStates(), versions);
    stored.run_steps =
        StepsOfRows(source->job().plan, rule->RowStates(), versions);
  }
  return stored;
}

absl::Status TakeAverages(StoredModel* stored) {
  if (stored->averages.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "job ", stored->job.name(), " keeps no averages of its weights\nhint: ",
        "optimizer: {ema: 0.999} of a job keeps them"));
  }
  stored->parameters = std::exchange(stored->averages, {});
  stored->has_average.clear();
  stored->is_average = true;
  return absl::OkStatus();
}

ModelExport ExportModel(const StoredModel& stored,
                        const models::ModelDescription& description) {
  return workloads::ToolsOf(stored.job.model()).Export(stored, description);
}

absl::Status FoldScaling(const StoredModel& stored,
                         const models::ModelDescription& description,
                         ModelExport* all) {
  return workloads::ToolsOf(stored.job.model()).Fold(stored, description, all);
}

absl::StatusOr<StoredModel> LoadExportedModel(const std::string& path) {
  StoredModel stored;
  EBB_ASSIGN_OR_RETURN(static_cast<worker::ExportedModel&>(stored),
                       worker::LoadExport(path));
  return stored;
}

absl::Status MakeRowsFindable(const models::ModelDescription& description,
                              const std::string& folder, StoredModel* stored) {
  if (stored->runs.empty()) return absl::OkStatus();
  EBB_ASSIGN_OR_RETURN(
      const TemporaryFolder own,
      TemporaryFolder::Make(absl::StrCat(folder, "/ebb-model")));
  const std::string path = own / "model.safetensors";
  const ModelExport all = ExportModel(*stored, description);
  EBB_RETURN_IF_ERROR(WriteSafetensors(path, all.tensors, all.metadata));
  EBB_ASSIGN_OR_RETURN(StoredModel found, LoadExportedModel(path));
  stored->runs.clear();
  stored->rows = std::move(found.rows);
  // Mapped, it stays as long as it is needed, without its name.
  stored->file = std::move(found.file);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LoadedModel>> CreateStoredModel(
    const StoredModel& stored, const std::vector<std::string>& plugin_folders) {
  return worker::CreateExported(stored,
                                {plugin_folders, worker::ChosenPython()});
}

absl::StatusOr<models::ModelDescription> DescriptionOf(
    const StoredModel& stored, const std::vector<std::string>& plugin_folders) {
  const v1::ModelTraits& traits = job::TraitsOf(stored.job.model());
  // What Python computes is not asked for: the job has its tables.
  if (!traits.program() && !traits.python()) {
    EBB_ASSIGN_OR_RETURN(const auto loaded,
                         CreateStoredModel(stored, plugin_folders));
    return loaded->model->description();
  }
  EBB_ASSIGN_OR_RETURN(const std::vector<job::DenseTable> tables,
                       job::ProgramTablesOf(stored.job.model()));
  models::ModelDescription description;
  for (const job::DenseTable& table : tables) {
    description.tables.push_back({table.name, table.dims, table.init});
  }
  for (const job::SparseTable& table :
       job::ProgramSparseTablesOf(stored.job.model())) {
    description.sparse_tables.push_back({table.name, table.width, table.init});
  }
  EBB_RETURN_IF_ERROR(worker::CheckParameters(stored, description));
  return description;
}

}  // namespace ebb::tools
