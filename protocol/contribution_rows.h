// Rows of contributions: what examples add to the counts of a partition
// (docs/decisions/0029-other-workloads.md, "State beside an
// example").
//
// An example has rows of its own in each partition, one for each run of
// kContributionWidth counts. Each word of a row, a float32, is 1 more than the
// place of a count in the partition, to which the row adds 1; 0: none. A push
// replaces rows, and the partition changes its counts by the difference.
#ifndef EBB_PROTOCOL_CONTRIBUTION_ROWS_H_
#define EBB_PROTOCOL_CONTRIBUTION_ROWS_H_

#include <cstdint>

#include "common/example_hash.h"
#include "common/ids.h"
#include "protocol/plan.h"

namespace ebb {

// The width of tables of contributions.
inline constexpr int32_t kContributionWidth = 16;
// Rows of one example in one partition, at most.
inline constexpr int64_t kMostContributionRows = int64_t{1} << 16;
// Examples whose rows have keys, at most.
inline constexpr int64_t kMostContributors = int64_t{1} << 32;
// Whole numbers up to here are exact in float32.
inline constexpr int64_t kMostCount = int64_t{1} << 24;

// The inverse of Mix64.
constexpr uint64_t Unmix64(uint64_t x) {
  x = (x ^ (x >> 31) ^ (x >> 62)) * 0x319642b2d24d8ec3;
  x = (x ^ (x >> 27) ^ (x >> 54)) * 0x96de1b173f119089;
  return x ^ (x >> 30) ^ (x >> 60);
}

// The key of a row of the example, less than kMostContributors. It is one that
// JobPlan::PartitionOfKey gives to this of the partitions: the row lies where
// its counts are. `row` is less than kMostContributionRows. No two are alike.
inline uint64_t ContributionKey(const JobPlan& plan, PartitionId partition,
                                int64_t example, int64_t row) {
  const auto all = static_cast<uint64_t>(plan.partitions);
  const auto p = static_cast<uint64_t>(partition.value());
  // The least upper half of a hash that belongs to the partition.
  const uint64_t first = ((p << 32) + all - 1) / all;
  const auto number = static_cast<uint64_t>(example * kMostContributionRows) +
                      static_cast<uint64_t>(row);
  return Unmix64((first << 32) + number);
}

}  // namespace ebb

#endif  // EBB_PROTOCOL_CONTRIBUTION_ROWS_H_
