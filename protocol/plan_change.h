// The parts of a job's plan that may change while the job goes on.
#ifndef EBB_PROTOCOL_PLAN_CHANGE_H_
#define EBB_PROTOCOL_PLAN_CHANGE_H_

#include "absl/status/status.h"
#include "protocol/plan.h"

namespace ebb {

// OK: marks, ledgers and values of a job with the plan `before` are those of
// one with the plan `after`, as far as `before` reaches. `after` may have more
// epochs, and other bounds of workers, checkpoints, evaluations, priority and
// policies. InvalidArgument, naming what else differs.
absl::Status MayFollow(const JobPlan& before, const JobPlan& after);

// OK: `after` is `before` with fewer epochs, as an operation that closed a
// round, or an evaluation, may end a job. InvalidArgument: it is something
// else.
absl::Status MayEndAs(const JobPlan& before, const JobPlan& after);

}  // namespace ebb

#endif  // EBB_PROTOCOL_PLAN_CHANGE_H_
