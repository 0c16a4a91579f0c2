#include "tools/ebb/job/draft_start.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "ebb/v1/job.pb.h"
#include "job/base/mistake.h"
#include "job/base/traits.h"
#include "job/validate.h"
#include "server/job_rule.h"
#include "tools/ebb/job/job_paths.h"
#include "tools/ebb/model/beginning.h"
#include "tools/ebb/model/initial_rows.h"
#include "tools/ebb/model/origins.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::tools {

namespace {

InitialValues::Differences DifferencesOf(const v1::Model& model,
                                         const job::JobFacts& facts) {
  InitialValues::Differences differences =
      workloads::ToolsOf(model).Differences();
  for (const job::SparseTable& table : facts.sparse_tables) {
    differences.sparse_tables.push_back(table.name);
  }
  return differences;
}

// Reads the file of initial values. A run that goes on begins with what it
// began with, wherever that file is now.
absl::Status ReadInitial(const std::optional<v1::Specification>& stored,
                         const v1::Job& job, job::JobFacts* facts,
                         std::shared_ptr<const InitialValues>* initial) {
  const v1::Model& model = job.model();
  const std::string here = std::filesystem::current_path().string();
  if (stored && stored->has_initial() &&
      stored->job().model().initial() == PathFrom(here, model.initial())) {
    facts->initial = stored->initial();
    return absl::OkStatus();
  }
  EBB_ASSIGN_OR_RETURN(*initial,
                       workloads::ToolsOf(model).ReadInitial(
                           job, facts->tables, DifferencesOf(model, *facts),
                           OriginsOf(job, *facts)));
  facts->initial = (*initial)->ToProto();
  return absl::OkStatus();
}

// True if the run that goes on began with the same `start`.
bool SameStart(const v1::Start& was, v1::Start is) {
  if (!StartJobOf(is.from())) {
    is.set_from(PathFrom(std::filesystem::current_path().string(), is.from()));
  }
  return google::protobuf::util::MessageDifferencer::Equals(was, is);
}

// Reads the tables that the job takes of another model. A run that goes on
// begins with what it began with, whatever that model is now.
absl::Status StartFromModel(const ModelOpener& open, Draft* draft,
                            job::JobFacts* facts,
                            std::shared_ptr<const InitialValues>* initial) {
  const v1::Job& job = draft->full;
  const auto& stored = draft->stored;
  if (stored && stored->has_initial() &&
      SameStart(stored->job().start(), job.start())) {
    facts->initial = stored->initial();
    return absl::OkStatus();
  }
  EBB_RETURN_IF_ERROR(CheckOrigins(OriginsOf(job, *facts)));
  StartOtherwise otherwise;
  otherwise.seed = job.seed();
  if (draft->module != nullptr) otherwise.values = draft->module->initial();
  EBB_ASSIGN_OR_RETURN(
      StartValues start,
      ReadStart(job.start(), {facts->tables, facts->sparse_tables}, otherwise,
                open));
  draft->with_rows = std::move(start.with_rows);
  *initial = std::move(start.values);
  facts->initial = (*initial)->ToProto();
  for (std::string& note : start.notes) {
    draft->notes.push_back(std::move(note));
  }
  return absl::OkStatus();
}

// The sparse tables of a job and what servers keep of them.
absl::StatusOr<InitialRows::Tables> RowTablesOf(const server::JobRule& rule,
                                                const JobRecord& record) {
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       job::ReadSpecification(record));
  InitialRows::Tables rows = {record.plan, {}, rule.RowStates()};
  EBB_ASSIGN_OR_RETURN(rows.tables,
                       job::SparseTablesOf(specification, record.plan));
  return rows;
}

// Says how many rounds of so many bytes servers keep until they are durable, at
// most `most_bytes` of them: rounds of small models are shorter than the disk
// takes to write one.
void KeepRounds(int64_t bytes, int64_t most_bytes, Draft* draft) {
  constexpr int64_t kMost = 1000;
  v1::Consistency& consistency = *draft->full.mutable_consistency();
  // A run that goes on is the job that it was.
  if (draft->stored && draft->stored->job().consistency().kind() ==
                           v1::Consistency::KIND_ROUNDS) {
    consistency.set_rounds_in_memory(
        draft->stored->job().consistency().rounds_in_memory());
    return;
  }
  consistency.set_rounds_in_memory(
      std::max(consistency.rounds_in_memory(),
               std::min(most_bytes / std::max<int64_t>(1, bytes), kMost)));
}

}  // namespace

void KeepRoundsOfRuns(int64_t parameters, Draft* draft) {
  const v1::Job& job = draft->full;
  if (!job::TraitsOf(job.algorithm().kind()).runs() ||
      job.consistency().kind() != v1::Consistency::KIND_ROUNDS ||
      draft->file.job.consistency().has_rounds_in_memory()) {
    return;
  }
  // So little that a server of 128 MiB has room for it.
  constexpr int64_t kMostBytes = int64_t{1} << 23;
  // Servers keep whole blocks of each partition.
  const int64_t floats =
      std::max(parameters,
               std::max<int64_t>(1, job.partitions()) * JobPlan().block_floats);
  KeepRounds(floats * static_cast<int64_t>(sizeof(float)), kMostBytes, draft);
}

void ChooseStart(const data::Dataset& train, Draft* draft,
                 job::JobFacts* facts) {
  if (draft->WrongIn("model")) return;
  const BeginInput input = {train, draft->file.job,
                            draft->stored ? &*draft->stored : nullptr};
  auto begun =
      workloads::ToolsOf(draft->full.model()).Begin(input, &draft->full);
  draft->Fail(begun.status(), "data.train");
  if (!begun.ok()) return;
  if (begun->kept_parameters > 0 && !draft->file.job.has_consistency()) {
    constexpr int64_t kMostBytes = int64_t{1} << 26;
    KeepRounds(begun->kept_parameters * static_cast<int64_t>(sizeof(float)),
               kMostBytes, draft);
  }
  if (begun->before) facts->initial = begun->before;
  for (const std::string& note : begun->notes) draft->notes.push_back(note);
  draft->begun = *std::move(begun);
}

absl::Status MakeStart(const ModelOpener& open, Draft* draft,
                       job::JobFacts* facts,
                       std::shared_ptr<const InitialValues>* initial) {
  const v1::Job& job = draft->full;
  if (!draft->begun.values.empty()) {
    EBB_ASSIGN_OR_RETURN(
        *initial,
        InitialValues::Of(draft->begun.origin, std::move(draft->begun.values),
                          facts->tables));
    facts->initial = (*initial)->ToProto();
  } else if (job.has_start()) {
    draft->Fail(StartFromModel(open, draft, facts, initial), "start");
  } else if (job.model().has_initial()) {
    draft->Fail(ReadInitial(draft->stored, job, facts, initial),
                "model.initial");
  }
  return job::ToStatus(draft->file.mistakes);
}

absl::Status ReadState(const v1::Job& job, job::JobFacts* facts,
                       std::shared_ptr<const InitialValues>* initial,
                       JobRecord* record) {
  EBB_ASSIGN_OR_RETURN(const auto rule, server::JobRule::Create(*record));
  InitialValues::States states = rule->DenseStates();
  if (record->plan.algorithm.operated) {
    for (auto& state : states) state.slots.clear();
  }
  EBB_ASSIGN_OR_RETURN(const InitialRows::Tables rows,
                       RowTablesOf(*rule, *record));
  EBB_ASSIGN_OR_RETURN(
      *initial, InitialValues::Read((*initial)->path(), facts->tables,
                                    DifferencesOf(job.model(), *facts), &states,
                                    rows.tables.empty() ? nullptr : &rows));
  facts->initial = (*initial)->ToProto();
  EBB_ASSIGN_OR_RETURN(*record, job::MakeJobRecord(job, *facts));
  return absl::OkStatus();
}

absl::Status AddStartRows(const Draft& draft, job::JobFacts* facts,
                          std::shared_ptr<const InitialValues>* initial,
                          JobRecord* record) {
  EBB_ASSIGN_OR_RETURN(const auto rule, server::JobRule::Create(*record));
  EBB_ASSIGN_OR_RETURN(InitialRows::Tables rows, RowTablesOf(*rule, *record));
  EBB_ASSIGN_OR_RETURN(*initial, draft.with_rows(std::move(rows)));
  facts->initial = (*initial)->ToProto();
  EBB_ASSIGN_OR_RETURN(*record, job::MakeJobRecord(draft.full, *facts));
  return absl::OkStatus();
}

bool Starts(const v1::Job& job, const std::string& table) {
  const auto& tables = job.start().tables();
  return job.has_start() &&
         (tables.empty() || std::ranges::count(tables, table) > 0);
}

}  // namespace ebb::tools
