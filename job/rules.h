// The rules of ValidateJob that take more than one key to state.
#ifndef EBB_JOB_RULES_H_
#define EBB_JOB_RULES_H_

#include <vector>

#include "ebb/v1/job.pb.h"
#include "job/base/mistake.h"
#include "job/validate.h"

namespace ebb::job {

// `job` has its defaults. It does not report keys that are missing or malformed
// by themselves.
std::vector<Mistake> CheckRules(const v1::Job& job, const DataFacts& facts,
                                const SourceMap& sources);

}  // namespace ebb::job

#endif  // EBB_JOB_RULES_H_
