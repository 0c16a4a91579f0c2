// JobPlan: what the decision logic needs to know of a job, and nothing else.
//
// It is a pure function of the job's specification and its data's index, so
// every process that knows these has the same plan. All of it is fixed for the
// life of the job.
#ifndef EBB_PROTOCOL_PLAN_H_
#define EBB_PROTOCOL_PLAN_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/example_hash.h"
#include "common/filters/filter.h"
#include "common/ids.h"
#include "common/row_kind.h"
#include "protocol/algorithm_plan.h"

namespace ebb {

enum class ConsistencyKind { kAsp, kSsp, kRounds };

struct ConsistencyPlan {
  ConsistencyKind kind = ConsistencyKind::kAsp;
  // SSP: how many clocks the fastest worker may be ahead of the slowest.
  // BSP is 0.
  int64_t clock_bound = 0;
  // Rounds: items per round; the last round of an epoch may have fewer.
  int32_t round_items = 0;
  // Rounds: K, how many rounds may be closed but not yet durable.
  int32_t rounds_in_memory = 2;
  // Updates a partition may have applied between a push's pull and the push;
  // -1: any number.
  int64_t max_staleness_updates = -1;
  // ASP: batches that a worker computes for the partitions of servers that are
  // away, and keeps for them; 0: it waits (docs/decisions/0007-local-steps.md).
  int32_t local_steps = 0;
};

// Bounds of what a plan may ask for.
inline constexpr int32_t kMaxSparseTables = 64;
inline constexpr int32_t kMaxRowWidth = 4096;
// Most rows of one table that a worker keeps.
inline constexpr int64_t kMaxCachedRows = int64_t{1} << 30;
inline constexpr int64_t kMaxCacheBatches = 1'000'000;

// The reaction to an item that keeps killing workers, or to a batch with a
// gradient that is not finite.
enum class PoisonPolicy {
  kPause,
  kSkip,
  kRollBack,  // For gradients only: see NonfiniteRollback.
};

// Goes back to older values, and on with a smaller rate
// (docs/decisions/0015-rollback-with-a-smaller-rate.md).
struct NonfiniteRollback {
  // Factor of the rate at each rollback, above 0 and below 1.
  double factor = 0.5;
  // How many versions to go back, before each partition's newest; or rounds.
  int32_t versions = 2;
  int32_t most = 3;  // Rollbacks of a job, after which it pauses instead.
  friend bool operator==(const NonfiniteRollback&,
                         const NonfiniteRollback&) = default;
};

// Rows under 64-bit keys. How they begin and change is in the specification
// (docs/decisions/0013-sparse-tables.md).
struct SparseTablePlan {
  // Values of clock_bound beside a number of clocks: as for the job's dense
  // values; and no waiting.
  static constexpr int64_t kBoundOfJob = -2;
  static constexpr int64_t kNoBound = -1;

  int32_t width = 1;  // Elements per row; of kWriteOnce bytes, at most.
  // How many clocks a worker may be ahead of the slowest where it pulls rows of
  // this table.
  int64_t clock_bound = kBoundOfJob;
  RowKind kind = RowKind::kTrained;
  // How many rows a worker keeps of those that it pulled, to use them again
  // instead of pulling them; 0: none.
  int64_t cache_rows = 0;
  // In how many batches after the one that it was pulled for a kept row may be
  // used, at most; 0: in as many as the clock bound allows.
  int64_t cache_batches = 0;

  // Pulled with each batch, where it has their keys; else training only writes.
  bool trained() const { return kind == RowKind::kTrained; }
  // Size of a row as it travels and lies in memory, in words of four bytes. For
  // kWriteOnce the first word is 1 more than the number of bytes that follow,
  // and the rest of the row is 0. A row of zeros means that there is none.
  int64_t row_words() const {
    if (kind == RowKind::kCounts) return int64_t{2} * width;
    if (kind == RowKind::kWriteOnce) return 1 + (int64_t{width} + 3) / 4;
    return width;
  }
  int64_t row_bytes() const { return 4 * row_words(); }

  friend bool operator==(const SparseTablePlan&,
                         const SparseTablePlan&) = default;
};

struct JobPlan {
  // --- Data -----------------------------------------------------------------
  // kEndlessEpochs for data that grows, until its end is decided.
  int32_t epochs = 1;
  // In an epoch. Each is seen once per epoch, if the data is bounded. If it
  // grows, each epoch has the next ones.
  int64_t examples = 0;
  int64_t shard_size = 0;  // Examples per data shard; the last may be shorter.
  // Batch size by epoch; the last entry holds for all later epochs.
  std::vector<int64_t> batch_by_epoch = {1};
  uint64_t seed = 0;
  // Hash of (index, order, reader, grid): leases and pushes carry it, and a
  // mismatch is refused.
  uint64_t layout_hash = 0;
  // The data grows: its examples are numbered, and each is seen once, in this
  // order (docs/decisions/0059-data-that-grows.md).
  bool grows = false;
  // The examples of the last epoch of data that grows; else 0.
  int64_t last_epoch_examples = 0;

  // --- Model ----------------------------------------------------------------
  // Dense tables are concatenated into one flat vector of float32, and the
  // partitions have equal runs of it. A partition keeps its run in blocks.
  int64_t parameters = 0;
  int64_t block_floats = 16384;  // 64 KiB.
  int32_t partitions = 1;
  // Runs begin at multiples of this many floats; 0: at those of block_floats.
  // Less than a block is for models of fewer blocks than partitions.
  int64_t cut_floats = 0;
  // 64-bit integer sums per partition, to which every example adds a known
  // vector (OracleValue): final values can be checked exactly.
  int32_t oracle_width = 0;
  // Named by their place here. Only in asp and ssp. Those that are trained come
  // first.
  std::vector<SparseTablePlan> sparse_tables;

  // --- How ------------------------------------------------------------------
  ConsistencyPlan consistency;
  int32_t min_workers = 0;
  int32_t max_workers = 0;       // 0: no limit.
  int32_t evaluate_every = 0;    // Epochs; 0: never.
  int32_t quarantine_after = 3;  // Failed leases of one item.
  PoisonPolicy on_poison = PoisonPolicy::kPause;
  PoisonPolicy on_nonfinite = PoisonPolicy::kPause;
  NonfiniteRollback nonfinite_rollback;  // The settings of kRollBack.
  int64_t checkpoint_interval_ms = 10'000;
  int32_t checkpoint_keep = 3;  // Versions per partition.
  // Jobs of a higher one take workers from those of a lower one.
  int32_t priority = 0;
  FilterPlan filters;
  AlgorithmPlan algorithm;

  // How many of the sparse tables are trained.
  int32_t trained_tables() const {
    return static_cast<int32_t>(
        std::count_if(sparse_tables.begin(), sparse_tables.end(),
                      [](const SparseTablePlan& t) { return t.trained(); }));
  }

  // Returns whether a part of a batch's effect may stay with its worker, marked
  // or not, until the end of its item.
  bool KeepsEffect() const {
    return KeepsResiduals(filters.push) || algorithm.keeps_effect;
  }

  // The last epoch of data that grows may have fewer.
  int32_t shards() const { return CountShards(examples); }
  int32_t ShardsOf(int32_t epoch) const {
    return CountShards(EpochExamples(epoch));
  }
  int64_t items() const { return ItemsBefore(epochs); }
  bool HasItem(ItemId item) const {
    return item.epoch >= 0 && item.epoch < epochs && item.shard >= 0 &&
           item.shard < ShardsOf(item.epoch);
  }
  // Position of an item in the order in which items are leased.
  int64_t Ordinal(ItemId item) const {
    return int64_t{item.epoch} * shards() + item.shard;
  }
  ItemId ItemAt(int64_t ordinal) const {
    return {static_cast<int32_t>(ordinal / shards()),
            static_cast<int32_t>(ordinal % shards())};
  }
  int64_t ItemSize(ItemId item) const {
    return std::min(shard_size,
                    EpochExamples(item.epoch) - item.shard * shard_size);
  }

  // --- Data that grows ------------------------------------------------------
  // Enough for 2^50 examples in epochs of the default size.
  static constexpr int32_t kEndlessEpochs = 1 << 30;
  // So that no count of examples overflows.
  static constexpr int64_t kMaxGrowingEpoch = int64_t{1} << 24;

  // The job has no end yet.
  bool endless() const { return grows && epochs == kEndlessEpochs; }
  int64_t EpochExamples(int32_t epoch) const {
    return grows && epoch == epochs - 1 ? last_epoch_examples : examples;
  }
  // Counts the epochs below this one, all of which the job has.
  int64_t ItemsBefore(int32_t epoch) const {
    if (!grows || epoch < epochs) return int64_t{epoch} * shards();
    return int64_t{epochs - 1} * shards() + ShardsOf(epochs - 1);
  }
  int64_t ExamplesBefore(int32_t epoch) const {
    if (!grows || epoch < epochs) return epoch * examples;
    return (epochs - 1) * examples + last_epoch_examples;
  }
  // In all epochs together.
  int64_t AllExamples() const { return ExamplesBefore(epochs); }
  // How many examples, of all epochs, come before position `begin` of the item.
  int64_t PlaceOf(ItemId item, int64_t begin) const {
    return item.epoch * examples + item.shard * shard_size + begin;
  }

  // --- The batch grid of an item --------------------------------------------
  int64_t BatchSize(ItemId item) const {
    const auto last = static_cast<int32_t>(batch_by_epoch.size()) - 1;
    return batch_by_epoch[std::min(item.epoch, last)];
  }
  int64_t BatchEnd(ItemId item, int64_t begin) const {
    return std::min(begin + BatchSize(item), ItemSize(item));
  }
  // Returns whether [begin, end) is a run of whole batches, and not empty.
  bool OnGrid(ItemId item, int64_t begin, int64_t end) const {
    const int64_t batch = BatchSize(item);
    return begin >= 0 && begin < end && end <= ItemSize(item) &&
           begin % batch == 0 && (end % batch == 0 || end == ItemSize(item));
  }

  // Returns the end of the push that begins at `begin` of the item.
  int64_t PushEnd(ItemId item, int64_t begin) const {
    const int64_t run = BatchSize(item) * algorithm.push_batches;
    const int64_t size = ItemSize(item);
    return run == 0 ? size : std::min((begin / run + 1) * run, size);
  }
  // Returns whether the batch that begins there is computed from newer values
  // than the one before it.
  bool PullsAt(ItemId item, int64_t begin) const {
    if (algorithm.pulls_to_push) {
      return begin == 0 || BatchEnd(item, begin) == PushEnd(item, begin);
    }
    const int64_t run = BatchSize(item) * algorithm.pull_batches;
    return begin == 0 || (run > 0 && begin % run == 0);
  }

  // Runs: the examples that make a whole step of the servers, in the epoch of
  // the item: those of the longest run, or in rounds of the first round.
  int64_t ExamplesOfAStep(ItemId item) const {
    if (rounds()) return RoundExamples(item.epoch * RoundsPerEpoch());
    return PushEnd({item.epoch, 0}, 0);
  }

  // --- Clocks ---------------------------------------------------------------
  // How many clocks a worker may be ahead of the slowest where it pulls dense
  // values, or rows of the sparse table with this number; kNoBound: any number.
  int64_t DenseClockBound() const {
    return consistency.kind == ConsistencyKind::kSsp
               ? consistency.clock_bound
               : SparseTablePlan::kNoBound;
  }
  int64_t ClockBoundOf(int32_t table) const {
    const int64_t own = sparse_tables[table].clock_bound;
    return own == SparseTablePlan::kBoundOfJob ? DenseClockBound() : own;
  }
  // The smallest there is.
  int64_t LeastClockBound() const;
  // True if anything has one: then workers are in a view and tell clocks.
  bool clocked() const {
    return LeastClockBound() != SparseTablePlan::kNoBound;
  }

  // --- Rounds ---------------------------------------------------------------
  bool rounds() const { return consistency.kind == ConsistencyKind::kRounds; }
  int64_t RoundsPerEpoch() const {
    return (shards() + consistency.round_items - 1) / consistency.round_items;
  }
  int64_t RoundCount() const { return epochs * RoundsPerEpoch(); }
  int64_t RoundOf(ItemId item) const {
    return item.epoch * RoundsPerEpoch() + item.shard / consistency.round_items;
  }
  // The ordinals [first, second) of the items of a round.
  std::pair<int64_t, int64_t> RoundItems(int64_t round) const {
    const int64_t per_epoch = RoundsPerEpoch();
    const int64_t epoch_first = round / per_epoch * shards();
    const int64_t first = round % per_epoch * consistency.round_items;
    return {epoch_first + first,
            epoch_first +
                std::min<int64_t>(first + consistency.round_items, shards())};
  }
  int64_t RoundExamples(int64_t round) const {
    const auto [first, last] = RoundItems(round);
    int64_t sum = 0;
    for (int64_t i = first; i < last; ++i) sum += ItemSize(ItemAt(i));
    return sum;
  }

  // --- Partitions -----------------------------------------------------------
  int64_t Blocks() const {
    return (parameters + block_floats - 1) / block_floats;
  }
  // The range [first, second) of the flat vector that a partition has.
  std::pair<int64_t, int64_t> ParameterRange(PartitionId partition) const {
    const int64_t cuts = Cuts();
    const int64_t p = partition.value();
    const int64_t first = cuts * p / partitions * CutFloats();
    const int64_t last = cuts * (p + 1) / partitions * CutFloats();
    return {std::min(first, parameters), std::min(last, parameters)};
  }
  // The dense values of a partition at most: they are pushed and pulled in one
  // call, in however many pieces.
  static constexpr int64_t kMaxPartitionBytes = int64_t{32} << 30;
  static constexpr int64_t kMaxPartitions = 65536;
  // How many the largest of them has.
  int64_t MostPartitionFloats() const {
    return (Cuts() + partitions - 1) / partitions * CutFloats();
  }
  int64_t CutFloats() const {
    return cut_floats > 0 ? cut_floats : block_floats;
  }
  int64_t Cuts() const { return (parameters + CutFloats() - 1) / CutFloats(); }

  // The partition that has the key's row, in every sparse table.
  PartitionId PartitionOfKey(uint64_t key) const {
    // The upper half of the hash, as a fraction of all there are.
    return PartitionId(static_cast<int32_t>(
        (Mix64(key) >> 32) * static_cast<uint64_t>(partitions) >> 32));
  }

  // InvalidArgument when no job can have this plan.
  absl::Status Validate() const;

 private:
  int32_t CountShards(int64_t of) const {
    return static_cast<int32_t>((of + shard_size - 1) / shard_size);
  }
};

// The place where a job ends: after so many of its epochs, the last of which
// has so many examples.
struct JobEnd {
  int32_t epochs = 0;
  int64_t last_epoch_examples = 0;  // See JobPlan.

  // After so many examples, of all epochs, of data that grows; at least 1.
  static JobEnd After(int64_t examples, const JobPlan& plan) {
    const int64_t before = (examples - 1) / plan.examples;
    return {static_cast<int32_t>(before + 1),
            examples - before * plan.examples};
  }
};

// One contiguous run of examples that an operator decided to skip.
struct SkippedRange {
  ItemId item;
  int64_t begin = 0;
  int64_t end = 0;
  friend bool operator==(const SkippedRange&, const SkippedRange&) = default;
};

// A stored version of a partition. Versions are ordered by (term, sequence).
struct VersionKey {
  JobId job;
  Generation generation;
  PartitionId partition;
  Term term;
  int64_t sequence = 0;
  friend constexpr auto operator<=>(const VersionKey&,
                                    const VersionKey&) = default;
};

// Bounds of a rate factor. NaN is invalid.
inline constexpr double kMinRateFactor = 1e-9;
inline constexpr double kMaxRateFactor = 1e9;
inline bool IsRateFactor(double factor) {
  return factor >= kMinRateFactor && factor <= kMaxRateFactor;
}

// The versions from which a generation starts, and its differences from the
// submitted job: one durable scheduler write. A partition that is not named
// starts from its initial values.
struct RollbackRecord {
  std::vector<VersionKey> versions;  // At most one per partition.
  // Factor of the specification's rates.
  double rate_factor = 1;
  // How often the job rolled back by itself since a gradient was not finite.
  int32_t nonfinite = 0;

  // The version that the partition starts from; null: its initial values.
  const VersionKey* Find(PartitionId partition) const {
    const auto it = std::find_if(
        versions.begin(), versions.end(),
        [&](const VersionKey& key) { return key.partition == partition; });
    return it == versions.end() ? nullptr : &*it;
  }
  friend bool operator==(const RollbackRecord&,
                         const RollbackRecord&) = default;
};

// Returns whether a version is of the generation's line: its own, or of the
// generation that it was rolled back to, no newer than the one it started from.
inline bool OfLine(const VersionKey& key, Generation generation,
                   const RollbackRecord& rollback) {
  if (key.generation == generation) return true;
  const VersionKey* from = rollback.Find(key.partition);
  return from != nullptr && key.generation == from->generation && key <= *from;
}

// Rounds: the rounds whose pulls can be answered, [oldest, open]. The open one
// has not closed yet.
struct RoundSpan {
  int64_t oldest = 0;
  int64_t open = 0;
  bool Has(int64_t round) const { return oldest <= round && round <= open; }
  friend bool operator==(const RoundSpan&, const RoundSpan&) = default;
};

// A stored version of a job in rounds.
struct RoundVersion {
  VersionKey key;
  RoundSpan rounds;
  friend bool operator==(const RoundVersion&, const RoundVersion&) = default;
};

// A job as every daemon knows it. Immutable; shared.
struct JobRecord {
  JobId id;
  std::string name;
  JobPlan plan;
  // The serialized specification and data index, opaque to the cores.
  std::string specification;
};
using JobRecordPtr = std::shared_ptr<const JobRecord>;

}  // namespace ebb

#endif  // EBB_PROTOCOL_PLAN_H_
