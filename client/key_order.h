// The distinct keys of a batch, in the order in which partitions have them, and
// the rows that the trained tables have under them.
//
//   const KeyOrder order(plan, keys_of_all_entries, &places);
//   ... ask for order.Pulls(plan) ...
//   EBB_RETURN_IF_ERROR(order.Assemble(plan, *values, rows));
//   ... compute: entry i is of row places[i] of each table ...
//   result.rows = order.Pushes(plan, gradient);
//
// In a matrix with a row for each key, the rows of a partition are one run. So
// pulled rows are copied once, and pushed rows are not copied at all.
#ifndef EBB_CLIENT_KEY_ORDER_H_
#define EBB_CLIENT_KEY_ORDER_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "client/actions.h"
#include "common/ids.h"
#include "common/payload.h"
#include "protocol/messages.h"
#include "protocol/plan.h"

namespace ebb::client {

// Immutable, so thread-safe.
class KeyOrder {
 public:
  // Orders `keys`, which may repeat; (*places)[i] is the place of keys[i].
  KeyOrder(const JobPlan& plan, std::span<const uint64_t> keys,
           std::vector<int32_t>* places);

  // Distinct keys.
  int64_t size() const { return firsts_.back(); }
  // The places [first, second) of a partition's keys, which ascend.
  std::pair<int64_t, int64_t> PlacesOf(PartitionId p) const {
    return {firsts_[p.value()], firsts_[p.value() + 1]};
  }

  // Its keys, uint64.
  Payload KeysOf(PartitionId p) const;

  // BatchRows::partitions: all keys, of each of the plan's trained tables.
  std::vector<std::vector<PullRows>> Pulls(const JobPlan& plan) const;

  // Floats of all trained tables together.
  int64_t Floats(const JobPlan& plan) const;
  // Assembles the pulled rows: for each table in turn the matrix (size(),
  // width). `rows` has Floats() floats. Internal: the values are not of these
  // keys.
  absl::Status Assemble(const JobPlan& plan, const PulledValues& values,
                        std::span<float> rows) const;
  // ComputeResult::rows of sums in the same order, float32.
  std::vector<std::vector<PushRows>> Pushes(const JobPlan& plan,
                                            const Payload& gradient) const;

 private:
  Payload keys_;                 // uint64, by place.
  std::vector<int64_t> firsts_;  // By partition, and one more.
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_KEY_ORDER_H_
