#include "protocol/plan.h"

#include <cstdint>
#include <limits>

#include "absl/strings/str_cat.h"

namespace ebb {

namespace {

constexpr int64_t kMaxExamples = int64_t{1} << 53;
// So that a run's examples are a number.
constexpr int32_t kMaxBatches = 1'000'000;

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
  const auto invalid = [](auto&&... parts) {
    return absl::InvalidArgumentError(absl::StrCat("job plan: ", parts...));
  };
  if (epochs < 1) return invalid("epochs is ", epochs, ", at least 1 needed");
  if (examples < 1) return invalid("the training data has no examples");
  if (shard_size < 1) return invalid("shard_size is ", shard_size);
  // So that shards() and items() are what they say.
  if (examples > kMaxExamples || shard_size > kMaxExamples) {
    return invalid(examples, " examples in shards of ", shard_size,
                   " are more than 2^53");
  }
  if ((examples - 1) / shard_size >= std::numeric_limits<int32_t>::max()) {
    return invalid("too many shards: ", examples, " examples in shards of ",
                   shard_size, "; make shards larger");
  }
  if (batch_by_epoch.empty()) return invalid("no batch size");
  for (int64_t batch : batch_by_epoch) {
    if (batch < 1) return invalid("batch size ", batch, ", at least 1 needed");
  }
  if (parameters < 0) return invalid("parameters is ", parameters);
  if (block_floats < 1) return invalid("block_floats is ", block_floats);
  if (partitions < 1 || partitions > kMaxPartitions) {
    return invalid("partitions is ", partitions, ", 1 to ", kMaxPartitions,
                   " possible");
  }
  if (cut_floats < 0 || cut_floats > block_floats) {
    return invalid("partitions begin at multiples of ", cut_floats,
                   " floats; at most a block of ", block_floats,
                   " is possible");
  }
  constexpr int64_t kMaxFloats =
      kMaxPartitionBytes / static_cast<int64_t>(sizeof(float));
  if (parameters > 0 && MostPartitionFloats() > kMaxFloats) {
    return invalid("partitions is ", partitions, ", so one has up to ",
                   MostPartitionFloats(), " parameters; at most ", kMaxFloats,
                   " can be pushed at once: set partitions to at least ",
                   (parameters + kMaxFloats - 1) / kMaxFloats);
  }
  if (items() > int64_t{1} << 32) {
    return invalid("too many items: ", epochs, " epochs of ", shards(),
                   " shards; make shards larger");
  }
  if (rounds() && consistency.round_items < 1) {
    return invalid("round_items is ", consistency.round_items);
  }
  if (rounds() && consistency.rounds_in_memory < 1) {
    return invalid("rounds_in_memory is ", consistency.rounds_in_memory);
  }
  const bool asp = consistency.kind == ConsistencyKind::kAsp;
  if (consistency.local_steps < 0 || (consistency.local_steps > 0 && !asp)) {
    return invalid("local_steps is ", consistency.local_steps,
                   ", only asp has any");
  }
  if (filters.pull.kind > FilterKind::kInt8) {
    return invalid("pulls cannot have a filter that leaves values out");
  }
  if (!(filters.push.threshold >= 0) ||
      filters.push.threshold > std::numeric_limits<float>::max()) {
    return invalid("filter threshold is ", filters.push.threshold);
  }
  if (!(filters.push.share >= 0 && filters.push.share <= 1) ||
      (filters.push.kind == FilterKind::kTopK && filters.push.share == 0)) {
    return invalid("filter share is ", filters.push.share);
  }
  if (on_poison == PoisonPolicy::kRollBack) {
    return invalid("on_poison cannot roll back, only on_nonfinite can");
  }
  const NonfiniteRollback& rollback = nonfinite_rollback;
  if (!(rollback.factor > 0 && rollback.factor < 1)) {
    return invalid("a rollback's factor is ", rollback.factor);
  }
  if (rollback.versions < 0 || rollback.most < 0) {
    return invalid("a rollback goes back ", rollback.versions, " versions, ",
                   rollback.most, " times");
  }
  if (on_nonfinite == PoisonPolicy::kRollBack &&
      rollback.versions >= checkpoint_keep) {
    return invalid("a rollback goes back ", rollback.versions,
                   " versions, but only ", checkpoint_keep, " are kept");
  }
  if (KeepsEffect() && rounds()) {
    return invalid(
        "a filter or algorithm that keeps a part of gradients would make "
        "rounds depend on who computes them");
  }
  if (KeepsEffect() && consistency.local_steps > 0) {
    return invalid("local_steps is ", consistency.local_steps,
                   ", but a filter or algorithm that keeps a part of gradients "
                   "allows none");
  }
  if (KeepsResiduals(filters.push) && algorithm.keeps_effect) {
    return invalid(
        "both the filter and the algorithm keep a part of gradients");
  }
  const auto count = [](int32_t n) { return n >= 0 && n <= kMaxBatches; };
  if (!count(algorithm.push_batches) || !count(algorithm.pull_batches)) {
    return invalid("a push covers ", algorithm.push_batches,
                   " batches and a pull ", algorithm.pull_batches, ", 0 to ",
                   kMaxBatches, " possible");
  }
  if (algorithm.worker_vectors < 0) {
    return invalid("a local rule of ", algorithm.worker_vectors, " vectors");
  }
  if (!algorithm.has_local_rule() &&
      algorithm != AlgorithmPlan{.operated = algorithm.operated}) {
    return invalid("pushes of several batches need a local rule");
  }
  if (algorithm.operated && !rounds()) {
    return invalid("only rounds are closed by operations");
  }
  // In a round every computation of an item must come to the same.
  const bool whole_items =
      algorithm.push_batches == 0 && algorithm.pull_batches == 0;
  if (algorithm.has_local_rule() && !asp && !(rounds() && whole_items)) {
    return invalid("only asp has local rules, and rounds those of whole items");
  }
  if (sparse_tables.size() > kMaxSparseTables) {
    return invalid(sparse_tables.size(), " sparse tables, at most ",
                   kMaxSparseTables, " possible");
  }
  for (size_t t = 0; t < sparse_tables.size(); ++t) {
    const SparseTablePlan& table = sparse_tables[t];
    if (table.width < 1 || table.width > kMaxRowWidth) {
      return invalid("a sparse table has rows of ", table.width,
                     " elements, 1 to ", kMaxRowWidth, " possible");
    }
    if (table.trained() && t > 0 && !sparse_tables[t - 1].trained()) {
      return invalid("sparse table ", t,
                     " is trained, but the one before it is not");
    }
    if (table.clock_bound < SparseTablePlan::kBoundOfJob) {
      return invalid("the clock bound of a sparse table is ",
                     table.clock_bound);
    }
    if (table.cache_rows < 0 || table.cache_rows > kMaxCachedRows ||
        table.cache_batches < 0 || table.cache_batches > kMaxCacheBatches) {
      return invalid("workers keep ", table.cache_rows,
                     " rows of a sparse table for ", table.cache_batches,
                     " batches, at most ", kMaxCachedRows, " and ",
                     kMaxCacheBatches, " possible");
    }
    if (table.cache_rows == 0) continue;
    if (!table.trained()) {
      return invalid("rows are kept of sparse table ", t,
                     ", which nobody pulls");
    }
    const int64_t bound = ClockBoundOf(static_cast<int32_t>(t));
    if (bound == 0) {
      return invalid("rows are kept of sparse table ", t,
                     ", where each batch needs the newest");
    }
    if (bound == SparseTablePlan::kNoBound && table.cache_batches == 0) {
      return invalid("rows are kept of sparse table ", t,
                     " for any number of batches");
    }
  }
  if (!sparse_tables.empty() && rounds()) {
    return invalid("sparse tables need asp or ssp; rounds know none");
  }
  // A pull has the rows of one batch, and a clock is one.
  if (trained_tables() > 0 && algorithm.has_local_rule() &&
      (algorithm.pull_batches != 1 || algorithm.pulls_to_push || clocked())) {
    return invalid(
        "with sparse tables a local rule pulls with each batch, and in asp");
  }
  if (!sparse_tables.empty() && algorithm.keeps_effect) {
    return invalid("of sparse tables no algorithm keeps a part");
  }
  if (!sparse_tables.empty() && consistency.local_steps > 0) {
    return invalid("local_steps is ", consistency.local_steps,
                   ", but sparse tables allow none");
  }
  if (consistency.clock_bound < 0) {
    return invalid("clock bound is ", consistency.clock_bound);
  }
  return absl::OkStatus();
}

}  // namespace ebb
