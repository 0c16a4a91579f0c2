#include "tools/ebb/stored/stored_model.h"

#include <glog/logging.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/row_kind_number.h"
#include "common/status_macros.h"
#include "job/base/traits.h"
#include "job/program_tables.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "server/job_rule.h"
#include "tools/ebb/model/row_tensors.h"
#include "tools/ebb/stored/model_json.h"
#include "tools/ebb/stored/stored_forest.h"
#include "tools/ebb/stored/topics.h"
#include "tools/ebb/stored/word_export.h"
#include "tools/ebb/versions/model_doubts.h"
#include "tools/ebb/versions/read_model.h"
#include "tools/process/temporary_folder.h"
#include "tools/tensors/slot_tensors.h"
#include "worker/job_data.h"
#include "worker/python/python_program.h"

namespace ebb::tools {

namespace {

using worker::kExportColumns;
using worker::kExportIncomplete;
using worker::kExportIndex;
using worker::kExportJob;
using worker::kExportTables;
using worker::KeysName;
using worker::LengthsName;
using worker::RowsName;

// The table as plans have it.
SparseTablePlan PlanOf(const job::SparseTable& table) {
  return {.width = table.width, .kind = table.kind};
}

std::string NameOf(const v1::Optimizer& optimizer) {
  return absl::AsciiStrToLower(
      absl::StripPrefix(v1::Optimizer::Kind_Name(optimizer.kind()), "KIND_"));
}

template <typename T>
void WriteAll(std::ostream& out, std::span<const T> values) {
  out.write(reinterpret_cast<const char*>(values.data()),
            static_cast<std::streamsize>(values.size_bytes()));
}

// Tensor by tensor, as the flat vector has them, under the names that `name`
// makes of the numbers of tables; without those that it gives none.
void AddTensors(const models::ModelDescription& description,
                std::span<const float> values,
                absl::FunctionRef<std::string(size_t)> name,
                std::vector<TensorStream>* tensors) {
  for (size_t t = 0; t < description.tables.size(); ++t) {
    const models::TableShape& table = description.tables[t];
    const auto part = values.first(table.size());
    values = values.subspan(table.size());
    std::string named = name(t);
    if (named.empty()) continue;
    tensors->push_back({std::move(named), TensorType::kFloat32, table.dims,
                        [part](std::ostream& out) {
                          WriteAll(out, part);
                          return absl::OkStatus();
                        }});
  }
}

// The steps that made the slots of a table.
TensorStream StepsTensor(const std::string& optimizer, const std::string& table,
                         int64_t steps) {
  return {SlotTensorName(optimizer, kStepSlot, table),
          TensorType::kInt64,
          {1},
          [steps](std::ostream& out) {
            WriteAll(out, std::span<const int64_t>(&steps, 1));
            return absl::OkStatus();
          }};
}

// For each table that has slots.
void AddSteps(const StoredModel& stored,
              absl::FunctionRef<std::string(size_t)> table_name,
              std::vector<TensorStream>* tensors) {
  for (size_t t = 0; t < stored.steps.size(); ++t) {
    if (stored.slot_names[t].empty()) continue;
    const std::string& slot = stored.slot_names[t].front();
    const std::string optimizer = slot.substr(0, slot.find('/'));
    tensors->push_back(StepsTensor(optimizer, table_name(t), stored.steps[t]));
  }
  for (size_t t = 0; t < stored.run_steps.size(); ++t) {
    const job::SparseTable& table = stored.sparse_tables[t];
    if (t >= stored.runs.size() || stored.run_slots[t].empty()) continue;
    tensors->push_back(
        StepsTensor(NameOf(table.optimizer.value_or(stored.job.optimizer())),
                    table.name, stored.run_steps[t]));
  }
}

// Calls `write` with the words of row after row.
TensorStream WordsOf(
    std::string name, TensorType type, std::vector<int64_t> dims,
    const RowRuns& runs,
    std::function<void(std::span<const std::byte>, std::ostream& out)> write) {
  return {std::move(name), type, std::move(dims),
          [&runs, write = std::move(write)](std::ostream& out) {
            return runs.Merge([&](uint64_t, std::span<const float> words) {
              write(std::as_bytes(words), out);
              return absl::OkStatus();
            });
          }};
}

// Adds rows of a table that is not trained: numbers; for bytes also their
// lengths.
void AddWrittenRows(const job::SparseTable& table, const RowRuns& runs,
                    std::vector<TensorStream>* tensors) {
  const auto all = [](std::span<const std::byte> words, std::ostream& out) {
    WriteAll(out, words);
  };
  const std::vector<int64_t> dims = {runs.rows(), table.width};
  if (table.kind != RowKind::kWriteOnce) {
    tensors->push_back(WordsOf(RowsName(table.name),
                               table.kind == RowKind::kCounts
                                   ? TensorType::kInt64
                                   : TensorType::kFloat32,
                               dims, runs, all));
    return;
  }
  tensors->push_back(
      WordsOf(LengthsName(table.name), TensorType::kUint64, {runs.rows()}, runs,
              [](std::span<const std::byte> words, std::ostream& out) {
                uint32_t more = 0;
                std::memcpy(&more, words.data(), sizeof(more));
                const uint64_t length = more - 1;
                WriteAll(out, std::span<const uint64_t>(&length, 1));
              }));
  const auto width = static_cast<size_t>(table.width);
  tensors->push_back(
      WordsOf(RowsName(table.name), TensorType::kUint8, dims, runs,
              [width](std::span<const std::byte> words, std::ostream& out) {
                WriteAll(out, words.subspan(sizeof(uint32_t), width));
              }));
}

std::string EncodeTables(const std::vector<job::SparseTable>& tables) {
  v1::Specification specification;
  for (const job::SparseTable& table : tables) {
    *specification.add_sparse_tables() = job::ToProto(table);
  }
  return specification.SerializeAsString();
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

// The best of the restarts is the model.
absl::Status TakeRestarts(StoredModel* stored) {
  if (!job::HasRestarts(stored->job)) return absl::OkStatus();
  if (!stored->runs.empty()) {
    EBB_ASSIGN_OR_RETURN(stored->restarts,
                         RestartsOf(stored->runs.front(), stored->job.model(),
                                    stored->index.features));
  }
  if (!stored->restarts || stored->restarts->runs.empty()) {
    return absl::NotFoundError(
        "no restart of kmeans is done yet, and so there is no model");
  }
  stored->parameters = std::move(stored->restarts->values);
  stored->runs.clear();
  stored->run_slots.clear();
  stored->sparse_tables.clear();
  return absl::OkStatus();
}

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

// True if a name of StoredModel::slot_names is that of averages of weights.
bool IsAverage(absl::string_view name) {
  return absl::ConsumeSuffix(&name, kAverageSlot) && absl::EndsWith(name, "/");
}

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
  const v1::ModelTraits& traits = job::TraitsOf(stored.job.model());
  if (!parts.rows && (traits.forest() || traits.words())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--without-rows: a model of kind ", stored.job.model().kind(),
        " has nothing else; leave it out"));
  }
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
  if (traits.forest() && !stored.runs.empty()) {
    EBB_ASSIGN_OR_RETURN(stored.forest,
                         ForestOf(stored.runs.front(), stored.index));
    stored.runs.clear();
  }
  EBB_RETURN_IF_ERROR(TakeRestarts(&stored));
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
  ModelExport all;
  all.model = DescribeModel(stored, description, ScalingOf(stored));
  all.metadata[kModelKey] = all.model.ToLine();
  all.metadata[kExportJob] =
      job::JobToYaml(stored.job, job::YamlStyle::kCompact);
  all.metadata[kExportIndex] = absl::Base64Escape(stored.index.Encode());
  if (!stored.incomplete.empty()) {
    all.metadata[kExportIncomplete] = stored.incomplete;
  }
  if (const auto columns = worker::ToProto(stored.columns)) {
    all.metadata[kExportColumns] =
        absl::Base64Escape(columns->SerializeAsString());
  }
  if (job::TraitsOf(stored.job.model()).words()) {
    all.tensors = WordTensors(stored);
    return all;
  }
  if (!stored.sparse_tables.empty()) {
    all.metadata[kExportTables] =
        absl::Base64Escape(EncodeTables(stored.sparse_tables));
  }
  if (stored.forest != nullptr) {
    all.tensors = ForestTensors(stored.forest);
    return all;
  }
  // Keys first: what is read in words of 8 bytes lies at multiples of them.
  std::vector<TensorStream> written;
  for (size_t t = 0; t < stored.runs.size(); ++t) {
    const job::SparseTable& table = stored.sparse_tables[t];
    all.tensors.push_back(KeyTensor(KeysName(table.name), stored.runs[t]));
    if (table.kind != RowKind::kTrained) {
      AddWrittenRows(table, stored.runs[t], &written);
    }
  }
  // Then what else has words of 8 bytes; what has single bytes comes last.
  const auto take = [&](bool wide) {
    for (TensorStream& tensor : written) {
      const bool is_wide = tensor.type == TensorType::kInt64 ||
                           tensor.type == TensorType::kUint64;
      if (tensor.write != nullptr && (is_wide || !wide)) {
        all.tensors.push_back(std::exchange(tensor, {}));
      }
    }
  };
  take(/*wide=*/true);
  const auto table_name = [&](size_t t) { return description.tables[t].name; };
  AddSteps(stored, table_name, &all.tensors);
  AddTensors(description, stored.parameters, table_name, &all.tensors);
  AddTopicShares(stored, &all);
  for (size_t t = 0; t < stored.runs.size(); ++t) {
    const job::SparseTable& table = stored.sparse_tables[t];
    if (table.kind != RowKind::kTrained) continue;
    all.tensors.push_back(
        RowTensor(RowsName(table.name), table.width, stored.runs[t], 0));
  }
  if (!stored.averages.empty()) {
    const auto average_name = [&](size_t t) {
      return stored.has_average[t]
                 ? absl::StrCat(kAveragesPrefix, table_name(t))
                 : std::string();
    };
    AddTensors(description, stored.averages, average_name, &all.tensors);
  }
  for (size_t slot = 0; slot < stored.slots.size(); ++slot) {
    const auto slot_name = [&](size_t t) {
      const std::vector<std::string>& names = stored.slot_names[t];
      return slot < names.size() && !IsAverage(names[slot])
                 ? absl::StrCat(kSlotsPrefix, names[slot], "/", table_name(t))
                 : std::string();
    };
    AddTensors(description, stored.slots[slot], slot_name, &all.tensors);
  }
  for (size_t t = 0; t < stored.runs.size(); ++t) {
    const job::SparseTable& table = stored.sparse_tables[t];
    const std::string optimizer =
        NameOf(table.optimizer.value_or(stored.job.optimizer()));
    size_t array = 0;
    for (const std::string& slot : stored.run_slots[t]) {
      all.tensors.push_back(
          RowTensor(absl::StrCat(kSlotsPrefix, optimizer, "/", slot, "/",
                                 RowsName(table.name)),
                    table.width, stored.runs[t], ++array));
    }
  }
  std::ranges::stable_sort(written, {}, &TensorStream::type);  // Floats first.
  take(/*wide=*/false);
  return all;
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
