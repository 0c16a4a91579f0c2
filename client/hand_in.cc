#include "client/hand_in.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/oracle_sums.h"
#include "common/status_macros.h"
#include "job/training.h"

namespace ebb::client {

// A push without the rows that its examples write would count all the same. The
// rows would be missing for good, as the ledger does not count them.
absl::Status CheckHandIn(const JobRecord& record) {
  EBB_ASSIGN_OR_RETURN(const bool steps, job::ProgramsStep(record));
  if (steps) {
    return absl::FailedPreconditionError(absl::StrCat(
        "job ", record.name, " has algorithm.program_steps: its programs step ",
        "by optimizers of their own, as with ebb.torch.DiLoCo"));
  }
  const size_t tables = record.plan.sparse_tables.size();
  if (tables == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("job ", record.name, " has ", tables,
                   " sparse table(s), and a program hands in no rows of them; "
                   "let ebb-workers train it"));
}

ComputeResult HandIn(const JobPlan& plan, ItemId item, int64_t begin,
                     int64_t end, FloatBufferPtr gradient, double loss_sum) {
  ComputeResult result = StepOfRun(plan, item, begin, end, loss_sum);
  result.gradient = FloatPool::AsPayload(std::move(gradient));
  return result;
}

ComputeResult StepOfRun(const JobPlan& plan, ItemId item, int64_t begin,
                        int64_t end, double loss_sum) {
  ComputeResult result;
  result.oracle = OracleSums(plan, item, begin, end);
  result.ledger = ExpectedRow(item, begin, end);
  result.loss_sum = loss_sum;
  return result;
}

}  // namespace ebb::client
