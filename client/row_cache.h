// Rows of sparse tables that were pulled, to be used again instead of being
// pulled again, where a job's tables say so (the process cache of Petuum:
// docs/decisions/0021-cached-rows.md).
//
// A row may be used for a batch if the answer that brought it could also have
// answered that batch's own pull. The answer came from the same partition in
// the same term. When it was given, every worker of the view had reached the
// batch's clock less the table's clock bound. If the table limits the batches,
// too, the row is no older than that. Without a clock bound only this limit
// counts.
//
// The cache lacks what this worker pushed since.
//
// Thread-compatible.
#ifndef EBB_CLIENT_ROW_CACHE_H_
#define EBB_CLIENT_ROW_CACHE_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/ids.h"
#include "common/payload.h"
#include "protocol/messages.h"
#include "protocol/plan.h"

namespace ebb::client {

// Counts the rows that batches read of tables with a cache.
struct CachedRowCounts {
  int64_t used = 0;    // Were there.
  int64_t pulled = 0;  // Were not, or not any more.

  CachedRowCounts& operator+=(const CachedRowCounts& other) {
    used += other.used;
    pulled += other.pulled;
    return *this;
  }
};

// The rows of one partition for one batch, some of which are there.
struct CachedRows {
  struct Table {
    int32_t table = 0;
    int64_t keys = 0;
    // The rows of all keys, with those that are requested left unfilled; empty:
    // no row was there.
    std::vector<float> rows;
    // The places of the requested keys among the keys.
    std::vector<int32_t> missing;
    std::vector<uint64_t> asked;  // Their keys, of a table with a cache.
  };
  std::vector<Table> tables;  // In the order of what is wanted.
  // Rows to request; each table at most once, and only with keys.
  std::vector<PullRows> ask;
  // PullSegment::updates of the oldest answer that a row is of.
  int64_t updates = std::numeric_limits<int64_t>::max();
};

class RowCache {
 public:
  explicit RowCache(const JobPlan& plan);

  // Some table has a cache.
  bool on() const { return on_; }

  // A batch is begun, to be computed at the clock.
  void Begin(int64_t clock);
  // Finds cached rows of the partition, served in the term, for that batch.
  CachedRows Find(PartitionId partition, Term term,
                  const std::vector<PullRows>& wanted);
  // Takes the answer to the request of `found`, and returns all rows of it, as
  // they were wanted; nullopt: the answer does not fit the request. `clock` is
  // the smallest clock of the view at that time.
  std::optional<std::vector<Payload>> Complete(CachedRows found,
                                               PartitionId partition, Term term,
                                               int64_t updates, int64_t clock,
                                               std::vector<Payload> answered);

  // All rows that were pulled of the partition so far are too old.
  void Drop(PartitionId partition) { dropped_[partition.value()] = batch_; }
  void Clear();

  // Since the last time.
  CachedRowCounts TakeCounts() { return std::exchange(counts_, {}); }
  // Memory of all rows that the plan lets a worker keep, at most, about.
  static int64_t MostBytes(const JobPlan& plan);

 private:
  struct Entry {
    uint64_t key = 0;
    Term term;
    int64_t updates = 0;
    int64_t clock = 0;
    int64_t batch = 0;
    PartitionId partition;
    bool used = false;  // Since the hand came by.
  };
  // Rows come in blocks: a vector that grows would have them twice.
  struct Block {
    std::vector<Entry> entries;
    std::vector<float> rows;
  };
  // By CLOCK: of those that were not used since the hand came by, the next.
  struct Table {
    int64_t most = 0;  // Rows; 0: none are kept.
    int64_t batches = 0;
    int64_t bound = 0;  // The bound in clocks.
    int64_t width = 0;
    absl::flat_hash_map<uint64_t, uint32_t> places = {};
    std::vector<Block> blocks = {};
    int64_t size = 0;
    int64_t hand = 0;

    Entry& EntryAt(int64_t place);
    std::span<float> RowAt(int64_t place);
  };

  bool Usable(const Table& table, const Entry& entry, PartitionId partition,
              Term term) const;
  // A row that the table has, or has not yet, or has instead of another.
  static int64_t PlaceFor(Table* table, uint64_t key);
  static void Put(Table* table, const Entry& entry, const float* row);

  bool on_ = false;
  std::vector<Table> tables_;
  // By partition: rows pulled up to this batch are not used.
  std::vector<int64_t> dropped_;
  CachedRowCounts counts_;

  // The batch that is begun, and its clock.
  int64_t batch_ = 0;
  int64_t clock_ = 0;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_ROW_CACHE_H_
