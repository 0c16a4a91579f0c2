#include "client/hand_in.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/oracle_sums.h"

namespace ebb::client {

// A push without the rows that its examples write would count all the same. The
// rows would be missing for good, as the ledger does not count them.
absl::Status CheckHandIn(const JobRecord& record) {
  const size_t tables = record.plan.sparse_tables.size();
  if (tables == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("job ", record.name, " has ", tables,
                   " sparse table(s), and a program hands in no rows of them; "
                   "let ebb-workers train it"));
}

ComputeResult HandIn(const JobPlan& plan, ItemId item, int64_t begin,
                     int64_t end, FloatBufferPtr gradient, double loss_sum) {
  ComputeResult result;
  result.gradient = FloatPool::AsPayload(std::move(gradient));
  result.oracle = OracleSums(plan, item, begin, end);
  result.ledger = ExpectedRow(item, begin, end);
  result.loss_sum = loss_sum;
  return result;
}

}  // namespace ebb::client
