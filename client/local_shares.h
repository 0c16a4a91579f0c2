// The sums that a worker computed for an item while servers were away. Each of
// their partitions has one over a run of whole batches. It is pushed as one
// when the partition is served again (docs/decisions/0007-local-steps.md).
//
// A share is not sent yet, so a broken stream or a new term does not affect it.
// It stays until the partition's mark is above its begin.
//
// Thread-compatible.
#ifndef EBB_CLIENT_LOCAL_SHARES_H_
#define EBB_CLIENT_LOCAL_SHARES_H_

#include <cstdint>
#include <map>

#include "common/ids.h"
#include "protocol/ledger.h"
#include "protocol/messages.h"

namespace ebb::client {

// Sums over the examples [begin, end) of an item, for one partition.
struct LocalShare {
  int64_t begin = 0;
  int64_t end = 0;
  // Names the oldest values that went into it; without a term.
  PushSegment segment;
  LedgerRow ledger;
  double loss_sum = 0;
};

class LocalShares {
 public:
  bool empty() const { return shares_.empty(); }
  const std::map<PartitionId, LocalShare>& all() const { return shares_; }
  // Null: there is none.
  const LocalShare* Find(PartitionId p) const;

  // Adds a batch to the share of its partition, which ends where the batch
  // begins, or begins one.
  void Add(const LocalShare& batch);
  // The partition has applied the item up to its mark: a share that begins
  // below it is of no use any more.
  void Acknowledged(PartitionId p, int64_t mark);
  void Drop(PartitionId p) { shares_.erase(p); }
  void Clear() { shares_.clear(); }

  // Returns where the next batch for the partition begins, if the sent pushes
  // end at `sent`.
  int64_t Next(PartitionId p, int64_t sent) const {
    const LocalShare* share = shares_.empty() ? nullptr : Find(p);
    return share != nullptr && share->begin == sent ? share->end : sent;
  }
  // Examples of the longest.
  int64_t Longest() const;

 private:
  std::map<PartitionId, LocalShare> shares_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_LOCAL_SHARES_H_
