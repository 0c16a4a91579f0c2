#include "tools/ebb/job/draft_notes.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/initializer.h"
#include "ebb/v1/job.pb.h"
#include "job/average_rules.h"
#include "job/base/traits.h"
#include "job/fit.h"
#include "job/frozen_rows.h"
#include "job/overruled.h"
#include "job/specification.h"
#include "tools/ebb/job/draft_start.h"
#include "tools/text/console.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::tools {

namespace {

// Prices or counts are whole numbers, too, and no classes. Empty: the labels
// look like classes.
std::string QuantityNote(const v1::Job& job, const job::SourceFacts& data) {
  constexpr int64_t kFewClasses = 50;
  if (data.classes <= kFewClasses || 2 * data.classes <= data.examples) {
    return "";
  }
  return absl::StrCat(
      "warning: the labels have ", data.classes, " different values in ",
      Count(data.examples, "example"), ", and `model: ", job.model().kind(),
      "` takes each for a class of its own. If they are quantities to predict, "
      "take ",
      workloads::ToolsOf(job.model()).Facts().trees
          ? "`model.labels: values`"
          : "`model: linear`, or `model.labels: values` with layers");
}

// "freeze: 2 of 4 tables, with 100352 of 109386 parameters": empty if none is.
std::string FrozenNote(const job::JobFacts& facts, const v1::Job& job) {
  const auto is_frozen = [&](const std::string& table) {
    return job::IsFrozen(job, table);
  };
  size_t tables = 0;
  int64_t parameters = 0;
  for (const job::DenseTable& table : facts.tables) {
    if (!is_frozen(table.name)) continue;
    ++tables;
    parameters += table.size;
  }
  std::vector<std::string> of_rows;
  for (const job::SparseTable& table : facts.sparse_tables) {
    if (is_frozen(table.name)) of_rows.push_back(table.name);
  }
  if (tables + of_rows.size() == 0) return "";
  std::vector<std::string> parts;
  if (tables > 0) {
    parts.push_back(absl::StrCat(parameters, " of ",
                                 Count(ParametersOf(facts), "parameter")));
  }
  if (!of_rows.empty()) {
    parts.push_back(absl::StrCat("the rows of ", absl::StrJoin(of_rows, ", ")));
  }
  return absl::StrCat(
      "frozen: ", tables + of_rows.size(), " of ",
      Count(facts.tables.size() + facts.sparse_tables.size(), "table"),
      ", with ", absl::StrJoin(parts, " and "),
      ". They are not pushed, and take no optimizer's memory");
}

constexpr char kTakeTrained[] =
    "start: {from: FILE} takes it from a model that was trained";

bool IsRandom(const InitRule& init) {
  return init.kind == InitRule::Kind::kUniform ||
         init.kind == InitRule::Kind::kNormal;
}

// "at random", "as 0".
std::string BeginText(const InitRule& init) {
  if (IsRandom(init)) return "at random";
  return absl::StrCat(
      "as ", init.kind == InitRule::Kind::kConstant ? init.parameter : 0.0F);
}

// Warns of frozen tables that nothing has trained. What a module begins with,
// it may have trained.
void NoteRandomTables(const job::JobFacts& facts, Draft* draft) {
  const v1::Job& job = draft->full;
  if (job.model().has_initial() || job::TraitsOf(job.model()).python()) return;
  for (const job::DenseTable& table : facts.tables) {
    if (!IsRandom(table.init) || !job::IsFrozen(job, table.name) ||
        Starts(job, table.name)) {
      continue;
    }
    draft->notes.push_back(
        absl::StrCat("warning: freeze: ", table.name,
                     " begins at random, and stays so: ", kTakeTrained));
  }
}

// Warns of frozen tables without a row: each of their keys counts as what a row
// begins as, for ever.
void NoteMissingRows(const job::JobFacts& facts, const JobRecord& record,
                     const InitialValues* initial, Draft* draft) {
  const v1::Job& job = draft->full;
  // A run that goes on has the rows that it began with.
  if (facts.initial && initial == nullptr) return;
  const auto specification = job::ReadSpecification(record);
  if (!specification.ok()) return;
  const auto tables = job::SparseTablesOf(*specification, record.plan);
  if (!tables.ok()) return;
  for (size_t t = 0; t < tables->size(); ++t) {
    const job::SparseTable& table = (*tables)[t];
    if (!job::IsFrozen(job, table.name)) continue;
    if (initial != nullptr && initial->HasRowsOf(t)) continue;
    const bool looked = job.model().has_initial() || Starts(job, table.name);
    draft->notes.push_back(absl::StrCat(
        "warning: freeze: ", table.name, " has rows that begin ",
        BeginText(table.init), ", and stays so: ",
        looked ? "the model that the job begins with has no row of it"
               : kTakeTrained));
  }
}

// Updates of a partition, at most.
int64_t UpdatesOf(const JobPlan& plan) {
  if (plan.rounds()) return plan.RoundsPerEpoch() * plan.epochs;
  // A run is one update.
  const int64_t push = *std::ranges::min_element(plan.batch_by_epoch) *
                       (plan.algorithm.runs ? plan.algorithm.push_batches : 1);
  return plan.items() * ((plan.shard_size + push - 1) / push);
}

// Warns of workers that have no run in a round of few.
std::string RoundOfRunsNote(const JobPlan& plan) {
  const int64_t runs = plan.consistency.round_items;
  if (!plan.algorithm.runs || !plan.rounds() || plan.max_workers <= runs) {
    return "";
  }
  const bool epoch = plan.RoundsPerEpoch() == 1;
  return absl::StrCat(
      "warning: ", epoch ? "algorithm.period" : "consistency.examples", ": ",
      epoch ? "an epoch" : "a round", " has ", Count(runs, "run"),
      ", so at most ", runs, " of up to ", Count(plan.max_workers, "worker"),
      " compute: take ", epoch ? "" : "a larger number, ",
      "a smaller algorithm.period, or workers: {max: ", runs, "}");
}

// Warns of so few outer steps that hardly anything is learned.
std::string OuterStepsNote(const JobPlan& plan) {
  constexpr int64_t kFew = 10;
  const int64_t steps = UpdatesOf(plan);
  if (!plan.algorithm.runs || steps >= kFew) return "";
  return absl::StrCat("warning: algorithm.period: the servers make ",
                      Count(steps, "step"),
                      " in all, and so few change little: take a smaller "
                      "period, fewer workers, or more train.epochs");
}

// Empty: as many partitions are made as are asked for.
std::string PartitionsNote(const v1::Job& job, const JobPlan& plan) {
  if (plan.partitions >= job.partitions()) return "";
  return absl::StrCat("partitions: ", job.partitions(), " are asked for, ",
                      plan.partitions, " are made: there ",
                      plan.parameters == 1 ? "is " : "are ",
                      Count(plan.parameters, "parameter"),
                      ", and the others would hold nothing");
}

}  // namespace

void NoteJob(const job::JobFacts& facts, const JobRecord& record,
             const InitialValues* initial, Draft* draft) {
  const v1::Job& job = draft->full;
  const JobPlan& plan = record.plan;
  const auto note = [&](std::string text) {
    if (!text.empty()) draft->notes.push_back(std::move(text));
  };
  note(FrozenNote(facts, job));
  NoteRandomTables(facts, draft);
  NoteMissingRows(facts, record, initial, draft);
  note(job::AverageNotes(job, UpdatesOf(plan)));
  note(RoundOfRunsNote(plan));
  note(OuterStepsNote(plan));
  note(PartitionsNote(job, plan));
  for (std::string& text : job::Overruled(draft->file.job, job, plan)) {
    note(std::move(text));
  }
  note(QuantityNote(job, *draft->known.train));
}

}  // namespace ebb::tools
