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
#include "common/boosted_shape.h"
#include "common/status_macros.h"
#include "data/index.h"
#include "ebb/v1/job.pb.h"
#include "job/base/mistake.h"
#include "job/base/traits.h"
#include "job/boosted.h"
#include "job/validate.h"
#include "models/backends.h"
#include "server/job_rule.h"
#include "tools/ebb/job/boosted_start.h"
#include "tools/ebb/job/centroids.h"
#include "tools/ebb/job/job_paths.h"
#include "tools/ebb/job/origins.h"
#include "tools/ebb/model/initial_rows.h"
#include "worker/first_centroids.h"

namespace ebb::tools {

namespace {

// Says how many rounds servers keep, unless the job does: rounds of small data
// are shorter than the disk takes to write one.
void KeepRounds(int64_t parameters, Draft* draft) {
  if (draft->file.job.has_consistency()) return;
  constexpr int64_t kMostBytes = int64_t{1} << 26;
  constexpr int64_t kMost = 1000;
  v1::Consistency& consistency = *draft->full.mutable_consistency();
  // A run that goes on is the job that it was.
  if (draft->stored && draft->stored->job().consistency().kind() ==
                           v1::Consistency::KIND_ROUNDS) {
    consistency.set_rounds_in_memory(
        draft->stored->job().consistency().rounds_in_memory());
    return;
  }
  const int64_t bytes = parameters * static_cast<int64_t>(sizeof(float));
  consistency.set_rounds_in_memory(std::max(
      consistency.rounds_in_memory(), std::min(kMostBytes / bytes, kMost)));
}

// Chooses the intervals, of which the job says how many there are.
void StartBoosted(const data::Dataset& train, Draft* draft) {
  v1::Model& model = *draft->full.mutable_model();
  const int64_t most = draft->file.job.model().has_bins()
                           ? std::min(model.bins(), kMostBoostedBins)
                           : DefaultBoostedBins(train.features());
  auto start = ChooseBoostedStart(train, most, draft->full.seed());
  draft->Fail(start.status(), "data.train");
  if (!start.ok()) return;
  model.set_bins(start->bins);
  draft->boosted = *std::move(start);
  KeepRounds(job::BoostedShapeOf(model, train.features(),
                                 std::ssize(train.index().classes))
                 .Parameters(),
             draft);
}

// The centroids that k-means++ chose for a run that goes on, whatever it would
// choose now.
std::optional<v1::InitialValues> ChosenBefore(
    const std::optional<v1::Specification>& stored, const v1::Job& job,
    absl::string_view train_index) {
  if (!stored || !stored->has_initial() ||
      stored->job().model().has_initial() ||
      stored->job().model().clusters() != job.model().clusters() ||
      stored->job().model().seeding() != job.model().seeding() ||
      stored->job().seed() != job.seed() ||
      stored->train_index() != train_index) {
    return std::nullopt;
  }
  return stored->initial();
}

// Clusters beyond the different examples stay empty, or share a place.
void NoteEqualExamples(const data::Dataset& train, Draft* draft) {
  const int64_t clusters = draft->full.model().clusters();
  const auto different = worker::CountDifferent(train, clusters);
  draft->Fail(different.status(), "data.train");
  if (!different.ok() || *different >= clusters) return;
  draft->notes.push_back(absl::StrCat(
      "model.clusters: there are ", clusters, " clusters, but data.train has ",
      *different, " different example", *different == 1 ? "" : "s",
      ": the other clusters get none of their own"));
}

// Chooses the centroids, unless a run that goes on has them. Restarts choose by
// themselves.
void StartClusters(const data::Dataset& train, Draft* draft,
                   job::JobFacts* facts) {
  const v1::Job& job = draft->full;
  if (job::HasRestarts(job)) {
    draft->Fail(worker::CheckSeeding(train, job.model()), "data.train");
    return;
  }
  facts->initial = ChosenBefore(draft->stored, job, facts->train_index);
  if (facts->initial) return;
  const auto backend = models::CreateBackend({});
  draft->Fail(backend.status(), "model");
  if (!backend.ok()) return;
  auto centroids =
      worker::ChooseCentroids(train, job.model(), job.seed(), backend->get());
  draft->Fail(centroids.status(), "data.train");
  if (centroids.ok()) draft->centroids = *std::move(centroids);
}

// An export of topics has their shares beside the counts, and where they were
// drawn the assignments, too. What makes topics differ at first is of
// no use to topics that differ.
InitialValues::Differences DifferencesOf(const v1::Model& model,
                                         const job::JobFacts& facts) {
  InitialValues::Differences differences;
  if (job::TraitsOf(model).topics()) {
    differences = {
        {"topics", "assignments/keys", "assignments/rows"}, "start", {}};
  }
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
  const std::vector<double> origins = OriginsOf(job, *facts);
  if (job::TraitsOf(model).clusters()) {
    EBB_ASSIGN_OR_RETURN(*initial, ReadCentroids(model.initial(), facts->tables,
                                                 FirstSize(job), origins));
  } else {
    EBB_RETURN_IF_ERROR(CheckOrigins(origins));
    EBB_ASSIGN_OR_RETURN(*initial,
                         InitialValues::Read(model.initial(), facts->tables,
                                             DifferencesOf(model, *facts)));
  }
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

}  // namespace

void ChooseStart(const data::Dataset& train, Draft* draft,
                 job::JobFacts* facts) {
  const v1::Model& model = draft->full.model();
  if (draft->WrongIn("model")) return;
  if (job::TraitsOf(model).clusters()) {
    NoteEqualExamples(train, draft);
    if (!model.has_initial()) StartClusters(train, draft, facts);
    if (draft->full.consistency().kind() == v1::Consistency::KIND_ROUNDS) {
      KeepRounds(model.clusters() * (train.features() + 1), draft);
    }
  }
  if (job::TraitsOf(model).boosted()) StartBoosted(train, draft);
}

absl::Status MakeStart(const ModelOpener& open, Draft* draft,
                       job::JobFacts* facts,
                       std::shared_ptr<const InitialValues>* initial) {
  const v1::Job& job = draft->full;
  if (!draft->centroids.empty()) {
    // The sizes of the clusters are not known yet.
    draft->centroids.resize(ParametersOf(*facts), FirstSize(job));
    EBB_ASSIGN_OR_RETURN(
        *initial,
        InitialValues::Of("model.seeding", std::move(draft->centroids),
                          facts->tables));
    facts->initial = (*initial)->ToProto();
  } else if (draft->boosted) {
    EBB_ASSIGN_OR_RETURN(const data::Index index,
                         data::Index::Decode(facts->train_index));
    const BoostedShape shape = job::BoostedShapeOf(job.model(), index.features,
                                                   std::ssize(index.classes));
    EBB_ASSIGN_OR_RETURN(
        *initial,
        InitialValues::Of("the intervals of the data",
                          BoostedInitialValues(shape, *draft->boosted),
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
