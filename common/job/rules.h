// The rules of ValidateJob that take more than one key to state.
#ifndef EBB_COMMON_JOB_RULES_H_
#define EBB_COMMON_JOB_RULES_H_

#include <vector>

#include "common/job/mistake.h"
#include "common/job/validate.h"
#include "ebb/v1/job.pb.h"

namespace ebb::job {

// `job` has its defaults. Of keys that are missing or malformed by themselves
// nothing is said.
std::vector<Mistake> CheckRules(const v1::Job& job, const DataFacts& facts,
                                const SourceMap& sources);

}  // namespace ebb::job

#endif  // EBB_COMMON_JOB_RULES_H_
