#include "protocol/plan.h"

#include <cstdint>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb {

namespace {

constexpr int64_t kMaxExamples = int64_t{1} << 53;
// So that a run's examples are a number.
constexpr int32_t kMaxBatches = 1'000'000;

template <typename... Parts>
absl::Status InvalidPlan(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat("job plan: ", parts...));
}

absl::Status CheckPlannedGrowth(const JobPlan& plan) {
  if (!plan.grows) {
    if (plan.last_epoch_examples == 0) return absl::OkStatus();
    return InvalidPlan("only data that grows has a last epoch of ",
                       plan.last_epoch_examples, " examples");
  }
  if (plan.examples > JobPlan::kMaxGrowingEpoch) {
    return InvalidPlan("data that grows has epochs of at most ",
                       JobPlan::kMaxGrowingEpoch, " examples, not of ",
                       plan.examples);
  }
  if (plan.epochs > JobPlan::kEndlessEpochs || plan.last_epoch_examples < 1 ||
      plan.last_epoch_examples > plan.examples ||
      (plan.endless() && plan.last_epoch_examples != plan.examples)) {
    return InvalidPlan("data that grows ends after ", plan.epochs,
                       " epochs, with ", plan.last_epoch_examples, " of ",
                       plan.examples, " examples");
  }
  if (plan.consistency.kind == ConsistencyKind::kRounds) {
    return InvalidPlan("rounds know no data that grows");
  }
  if (plan.KeepsEffect() || plan.algorithm.has_local_rule() ||
      plan.consistency.local_steps > 0) {
    return InvalidPlan("of data that grows nothing stays with a worker");
  }
  if (plan.evaluate_every > 0) {
    return InvalidPlan("evaluations come after epochs of bounded data");
  }
  return absl::OkStatus();
}

absl::Status CheckPlannedData(const JobPlan& plan) {
  if (plan.epochs < 1) {
    return InvalidPlan("epochs is ", plan.epochs, ", at least 1 needed");
  }
  if (plan.examples < 1)
    return InvalidPlan("the training data has no examples");
  if (plan.shard_size < 1) {
    return InvalidPlan("shard_size is ", plan.shard_size);
  }
  // So that shards() and items() are what they say.
  if (plan.examples > kMaxExamples || plan.shard_size > kMaxExamples) {
    return InvalidPlan(plan.examples, " examples in shards of ",
                       plan.shard_size, " are more than 2^53");
  }
  if ((plan.examples - 1) / plan.shard_size >=
      std::numeric_limits<int32_t>::max()) {
    return InvalidPlan("too many shards: ", plan.examples,
                       " examples in shards of ", plan.shard_size,
                       "; make shards larger");
  }
  if (plan.batch_by_epoch.empty()) return InvalidPlan("no batch size");
  for (int64_t batch : plan.batch_by_epoch) {
    if (batch < 1) {
      return InvalidPlan("batch size ", batch, ", at least 1 needed");
    }
  }
  EBB_RETURN_IF_ERROR(CheckPlannedGrowth(plan));
  if (!plan.grows && plan.items() > int64_t{1} << 32) {
    return InvalidPlan("too many items: ", plan.epochs, " epochs of ",
                       plan.shards(), " shards; make shards larger");
  }
  return absl::OkStatus();
}

absl::Status CheckPlannedPartitions(const JobPlan& plan) {
  if (plan.parameters < 0) {
    return InvalidPlan("parameters is ", plan.parameters);
  }
  if (plan.block_floats < 1)
    return InvalidPlan("block_floats is ", plan.block_floats);
  if (plan.partitions < 1 || plan.partitions > JobPlan::kMaxPartitions) {
    return InvalidPlan("partitions is ", plan.partitions, ", 1 to ",
                       JobPlan::kMaxPartitions, " possible");
  }
  if (plan.cut_floats < 0 || plan.cut_floats > plan.block_floats) {
    return InvalidPlan("partitions begin at multiples of ", plan.cut_floats,
                       " floats; at most a block of ", plan.block_floats,
                       " is possible");
  }
  constexpr int64_t kMaxFloats =
      JobPlan::kMaxPartitionBytes / static_cast<int64_t>(sizeof(float));
  if (plan.parameters > 0 && plan.MostPartitionFloats() > kMaxFloats) {
    return InvalidPlan("partitions is ", plan.partitions, ", so one has up to ",
                       plan.MostPartitionFloats(), " parameters; at most ",
                       kMaxFloats,
                       " can be pushed at once: set partitions to at least ",
                       (plan.parameters + kMaxFloats - 1) / kMaxFloats);
  }
  return absl::OkStatus();
}

absl::Status CheckPlannedConsistency(const JobPlan& plan) {
  if (plan.rounds() && plan.consistency.round_items < 1) {
    return InvalidPlan("round_items is ", plan.consistency.round_items);
  }
  if (plan.rounds() && plan.consistency.rounds_in_memory < 1) {
    return InvalidPlan("rounds_in_memory is ",
                       plan.consistency.rounds_in_memory);
  }
  if (plan.consistency.local_steps < 0 ||
      (plan.consistency.local_steps > 0 &&
       plan.consistency.kind != ConsistencyKind::kAsp)) {
    return InvalidPlan("local_steps is ", plan.consistency.local_steps,
                       ", only asp has any");
  }
  if (plan.consistency.clock_bound < 0) {
    return InvalidPlan("clock bound is ", plan.consistency.clock_bound);
  }
  return absl::OkStatus();
}

absl::Status CheckPlannedFilters(const JobPlan& plan) {
  if (plan.filters.pull.kind > FilterKind::kInt8) {
    return InvalidPlan("pulls cannot have a filter that leaves values out");
  }
  if (!(plan.filters.push.threshold >= 0) ||
      plan.filters.push.threshold > std::numeric_limits<float>::max()) {
    return InvalidPlan("filter threshold is ", plan.filters.push.threshold);
  }
  if (!(plan.filters.push.share >= 0 && plan.filters.push.share <= 1) ||
      (plan.filters.push.kind == FilterKind::kTopK &&
       plan.filters.push.share == 0)) {
    return InvalidPlan("filter share is ", plan.filters.push.share);
  }
  return absl::OkStatus();
}

absl::Status CheckPlannedPolicies(const JobPlan& plan) {
  if (plan.on_poison == PoisonPolicy::kRollBack) {
    return InvalidPlan("on_poison cannot roll back, only on_nonfinite can");
  }
  const NonfiniteRollback& rollback = plan.nonfinite_rollback;
  if (!(rollback.factor > 0 && rollback.factor < 1)) {
    return InvalidPlan("a rollback's factor is ", rollback.factor);
  }
  if (rollback.versions < 0 || rollback.most < 0) {
    return InvalidPlan("a rollback goes back ", rollback.versions,
                       " versions, ", rollback.most, " times");
  }
  if (plan.on_nonfinite == PoisonPolicy::kRollBack &&
      rollback.versions >= plan.checkpoint_keep) {
    return InvalidPlan("a rollback goes back ", rollback.versions,
                       " versions, but only ", plan.checkpoint_keep,
                       " are kept");
  }
  return absl::OkStatus();
}

// A run depends on the pulled values and its examples alone.
absl::Status CheckPlannedRuns(const JobPlan& plan) {
  const AlgorithmPlan& runs = plan.algorithm;
  if (runs.push_batches != runs.pull_batches || runs.pulls_to_push) {
    return InvalidPlan("a run is one push from one pull, but a push covers ",
                       runs.push_batches, " batches and a pull ",
                       runs.pull_batches);
  }
  if (plan.KeepsEffect() || plan.consistency.local_steps > 0) {
    return InvalidPlan("nothing of a run stays with its worker");
  }
  if (!plan.sparse_tables.empty()) {
    return InvalidPlan("runs know no sparse tables");
  }
  return absl::OkStatus();
}

absl::Status CheckPlannedAlgorithm(const JobPlan& plan) {
  if (plan.KeepsEffect() && plan.rounds()) {
    return InvalidPlan(
        "a filter or algorithm that keeps a part of gradients would make "
        "rounds depend on who computes them");
  }
  if (plan.KeepsEffect() && plan.consistency.local_steps > 0) {
    return InvalidPlan(
        "local_steps is ", plan.consistency.local_steps,
        ", but a filter or algorithm that keeps a part of gradients "
        "allows none");
  }
  if (KeepsResiduals(plan.filters.push) && plan.algorithm.keeps_effect) {
    return InvalidPlan(
        "both the filter and the algorithm keep a part of gradients");
  }
  const auto count = [](int32_t n) { return n >= 0 && n <= kMaxBatches; };
  if (!count(plan.algorithm.push_batches) ||
      !count(plan.algorithm.pull_batches)) {
    return InvalidPlan("a push covers ", plan.algorithm.push_batches,
                       " batches and a pull ", plan.algorithm.pull_batches,
                       ", 0 to ", kMaxBatches, " possible");
  }
  if (plan.algorithm.worker_vectors < 0) {
    return InvalidPlan("a local rule of ", plan.algorithm.worker_vectors,
                       " vectors");
  }
  if (!plan.algorithm.has_local_rule() &&
      plan.algorithm != AlgorithmPlan{.operated = plan.algorithm.operated}) {
    return InvalidPlan("pushes of several batches need a local rule");
  }
  if (plan.algorithm.operated && !plan.rounds()) {
    return InvalidPlan("only rounds are closed by operations");
  }
  if (plan.algorithm.runs) EBB_RETURN_IF_ERROR(CheckPlannedRuns(plan));
  // In a round every computation of an item must come to the same.
  const bool whole_items =
      plan.algorithm.push_batches == 0 && plan.algorithm.pull_batches == 0;
  if (plan.algorithm.has_local_rule() &&
      plan.consistency.kind != ConsistencyKind::kAsp &&
      !(plan.rounds() && whole_items)) {
    return InvalidPlan(
        "only asp has local rules, and rounds those of whole items");
  }
  return absl::OkStatus();
}

absl::Status CheckPlannedTable(const JobPlan& plan, size_t t) {
  const SparseTablePlan& table = plan.sparse_tables[t];
  if (table.width < 1 || table.width > kMaxRowWidth) {
    return InvalidPlan("a sparse table has rows of ", table.width,
                       " elements, 1 to ", kMaxRowWidth, " possible");
  }
  if (table.trained() && t > 0 && !plan.sparse_tables[t - 1].trained()) {
    return InvalidPlan("sparse table ", t,
                       " is trained, but the one before it is not");
  }
  if (table.clock_bound < SparseTablePlan::kBoundOfJob) {
    return InvalidPlan("the clock bound of a sparse table is ",
                       table.clock_bound);
  }
  if (table.cache_rows < 0 || table.cache_rows > kMaxCachedRows ||
      table.cache_batches < 0 || table.cache_batches > kMaxCacheBatches) {
    return InvalidPlan("workers keep ", table.cache_rows,
                       " rows of a sparse table for ", table.cache_batches,
                       " batches, at most ", kMaxCachedRows, " and ",
                       kMaxCacheBatches, " possible");
  }
  if (table.cache_rows == 0) return absl::OkStatus();
  if (!table.trained()) {
    return InvalidPlan("rows are kept of sparse table ", t,
                       ", which nobody pulls");
  }
  const int64_t bound = plan.ClockBoundOf(static_cast<int32_t>(t));
  if (bound == 0) {
    return InvalidPlan("rows are kept of sparse table ", t,
                       ", where each batch needs the newest");
  }
  if (bound == SparseTablePlan::kNoBound && table.cache_batches == 0) {
    return InvalidPlan("rows are kept of sparse table ", t,
                       " for any number of batches");
  }
  return absl::OkStatus();
}

absl::Status CheckPlannedTables(const JobPlan& plan) {
  if (plan.sparse_tables.size() > kMaxSparseTables) {
    return InvalidPlan(plan.sparse_tables.size(), " sparse tables, at most ",
                       kMaxSparseTables, " possible");
  }
  for (size_t t = 0; t < plan.sparse_tables.size(); ++t) {
    EBB_RETURN_IF_ERROR(CheckPlannedTable(plan, t));
  }
  if (!plan.sparse_tables.empty() && plan.rounds()) {
    return InvalidPlan("sparse tables need asp or ssp; rounds know none");
  }
  // A pull has the rows of one batch, and a clock is one.
  if (plan.trained_tables() > 0 && plan.algorithm.has_local_rule() &&
      (plan.algorithm.pull_batches != 1 || plan.algorithm.pulls_to_push ||
       plan.clocked())) {
    return InvalidPlan(
        "with sparse tables a local rule pulls with each batch, and in asp");
  }
  if (!plan.sparse_tables.empty() && plan.algorithm.keeps_effect) {
    return InvalidPlan("of sparse tables no algorithm keeps a part");
  }
  if (!plan.sparse_tables.empty() && plan.consistency.local_steps > 0) {
    return InvalidPlan("local_steps is ", plan.consistency.local_steps,
                       ", but sparse tables allow none");
  }
  return absl::OkStatus();
}

}  // namespace

int64_t JobPlan::LeastClockBound() const {
  int64_t least = DenseClockBound();
  for (size_t t = 0; t < sparse_tables.size(); ++t) {
    const int64_t bound = ClockBoundOf(static_cast<int32_t>(t));
    if (bound == SparseTablePlan::kNoBound) continue;
    least = least == SparseTablePlan::kNoBound ? bound : std::min(least, bound);
  }
  return least;
}

absl::Status JobPlan::Validate() const {
  EBB_RETURN_IF_ERROR(CheckPlannedData(*this));
  EBB_RETURN_IF_ERROR(CheckPlannedPartitions(*this));
  EBB_RETURN_IF_ERROR(CheckPlannedConsistency(*this));
  EBB_RETURN_IF_ERROR(CheckPlannedFilters(*this));
  EBB_RETURN_IF_ERROR(CheckPlannedPolicies(*this));
  EBB_RETURN_IF_ERROR(CheckPlannedAlgorithm(*this));
  return CheckPlannedTables(*this);
}

}  // namespace ebb
