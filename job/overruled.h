// Keys of a job file that others, or the data, overrule.
#ifndef EBB_JOB_OVERRULED_H_
#define EBB_JOB_OVERRULED_H_

#include <string>
#include <vector>

#include "ebb/v1/job.pb.h"
#include "protocol/plan.h"

namespace ebb::job {

// A sentence for each key of `given`, the job as its user wrote it, that says
// something else than what is done: that its number is another one in `plan`,
// or that nothing looks at it. `full` is the job with all defaults. What
// contradicts other keys is refused instead (rules.h).
std::vector<std::string> Overruled(const v1::Job& given, const v1::Job& full,
                                   const JobPlan& plan);

}  // namespace ebb::job

#endif  // EBB_JOB_OVERRULED_H_
