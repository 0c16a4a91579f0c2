// The contribution of a batch's examples to the job's integer oracle table.
#ifndef EBB_CLIENT_ORACLE_SUMS_H_
#define EBB_CLIENT_ORACLE_SUMS_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "common/payload.h"
#include "protocol/ledger.h"
#include "protocol/plan.h"

namespace ebb::client {

// Element k of partition p is the sum over the positions [begin, end) of
// OracleValue(item, position, p * oracle_width + k). Empty without a table.
inline Payload OracleSums(const JobPlan& plan, ItemId item, int64_t begin,
                          int64_t end) {
  std::vector<uint64_t> sums(int64_t{plan.partitions} * plan.oracle_width);
  for (int64_t position = begin; position < end; ++position) {
    for (size_t index = 0; index < sums.size(); ++index) {
      sums[index] += OracleValue(item, position, static_cast<int64_t>(index));
    }
  }
  return Payload::Of(std::move(sums));
}

}  // namespace ebb::client

#endif  // EBB_CLIENT_ORACLE_SUMS_H_
