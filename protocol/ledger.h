// The ledger: what a partition's values really contain, counted by the same
// path that changes them, and stored, moved and restored with them.
//
// It is an additive row per item: how many examples were added and the sum of
// their hashes mod 2^64. It does not use marks; the audit compares the two. A
// finished item whose row is exactly what the data says folds into its epoch's
// row, so the ledger stays small. Another row stays for ever.
//
// Thread-compatible. The plan outlives the ledger.
#ifndef EBB_PROTOCOL_LEDGER_H_
#define EBB_PROTOCOL_LEDGER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "protocol/plan.h"

namespace ebb {

struct LedgerRow {
  int64_t count = 0;
  uint64_t hash = 0;

  LedgerRow& operator+=(const LedgerRow& other) {
    count += other.count;
    hash += other.hash;
    return *this;
  }
  friend bool operator==(const LedgerRow&, const LedgerRow&) = default;
};

// Returns what examples [begin, end) of an item add to a ledger.
LedgerRow ExpectedRow(ItemId item, int64_t begin, int64_t end);
inline LedgerRow ExpectedRow(const JobPlan& plan, ItemId item) {
  return ExpectedRow(item, 0, plan.ItemSize(item));
}

// Returns what the example at `position` of an item adds to element `index` of
// the integer oracle table; the index runs over all partitions.
uint64_t OracleValue(ItemId item, int64_t position, int64_t index);

class Ledger {
 public:
  explicit Ledger(const JobPlan& plan) : plan_(&plan) {}

  // Adds a row. Folds the item when it then holds exactly the whole item.
  void Add(ItemId item, const LedgerRow& row);
  // Examples that were decided not to be applied; listed apart.
  void AddSkipped(const SkippedRange& range, const LedgerRow& row);

  // A row that stands by itself: neither folded nor zero.
  const absl::btree_map<ItemId, LedgerRow>& open_rows() const { return rows_; }
  // How many items folded into the epoch's row, and the row.
  struct EpochRow {
    int64_t items = 0;
    LedgerRow sum;
    std::vector<bool> folded;  // By shard; empty when all are.
    friend bool operator==(const EpochRow&, const EpochRow&) = default;
  };
  const std::map<int32_t, EpochRow>& epochs() const { return epochs_; }
  const std::vector<SkippedRange>& skipped() const { return skipped_; }
  int64_t skipped_examples() const;

  // All examples counted, however often.
  LedgerRow Total() const;

  std::string Encode() const;
  static absl::StatusOr<Ledger> Decode(const JobPlan& plan,
                                       absl::string_view bytes);

  friend bool operator==(const Ledger& a, const Ledger& b) {
    return a.rows_ == b.rows_ && a.epochs_ == b.epochs_ &&
           a.skipped_ == b.skipped_;
  }

 private:
  void MaybeFold(ItemId item);

  const JobPlan* plan_;  // Not owned.
  absl::btree_map<ItemId, LedgerRow> rows_;
  std::map<int32_t, EpochRow> epochs_;
  std::vector<SkippedRange> skipped_;
};

// The verdict on one partition's ledger, or the sum over partitions.
struct AuditResult {
  // All examples of the job (× partitions in a sum); while it has no end,
  // those below the end of what was applied of each item.
  int64_t expected = 0;
  int64_t applied = 0;
  int64_t missing = 0;
  int64_t doubled = 0;
  int64_t skipped = 0;
  int64_t partitions = 0;

  bool exact() const { return missing == 0 && doubled == 0; }
  AuditResult& operator+=(const AuditResult& other) {
    expected += other.expected;
    applied += other.applied;
    missing += other.missing;
    doubled += other.doubled;
    skipped += other.skipped;
    partitions += other.partitions;
    return *this;
  }
};

// Compares a ledger with the data: missing = sum of max(0, expected - count)
// over items, doubled = sum of max(0, count - expected); a wrong hash at the
// right count is one of each. Derived from no mark. While a job has no end, it
// finds doubled examples, and items that lack some before the last.
AuditResult AuditLedger(const JobPlan& plan, const Ledger& ledger);

}  // namespace ebb

#endif  // EBB_PROTOCOL_LEDGER_H_
