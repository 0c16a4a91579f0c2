// Jobs whose pushes are runs of a worker's own steps
// (docs/decisions/0055-runs.md): the optimizers of both sides, and what the
// rest of the job must be.
#ifndef EBB_JOB_RUN_RULES_H_
#define EBB_JOB_RUN_RULES_H_

#include "ebb/v1/job.pb.h"
#include "job/base/complaints.h"
#include "job/base/data_facts.h"

namespace ebb::job {

// Returns the optimizer of the servers' outer steps, of which no key is absent:
// nesterov at a constant rate, or sgd without momentum.
v1::Optimizer OuterRuleOf(const v1::Algorithm& algorithm);

// Checks a job that has its defaults. Without the data's facts it does not
// compare a run with an epoch. Does nothing for other jobs.
void CheckRunRules(const v1::Job& job, const DataFacts& facts,
                   Complaints* found);

}  // namespace ebb::job

#endif  // EBB_JOB_RUN_RULES_H_
