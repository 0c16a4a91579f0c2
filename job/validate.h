// Checks of a job, and the meaning of absent keys.
#ifndef EBB_JOB_VALIDATE_H_
#define EBB_JOB_VALIDATE_H_

#include <vector>

#include "ebb/v1/job.pb.h"
#include "job/base/data_facts.h"
#include "job/base/mistake.h"

namespace ebb::job {

// Returns all mistakes in the job, by line. Defaults count as if given. A job
// that came from no file has an empty source map. Mistakes that only follow
// from `before`, which are known already, are left out.
std::vector<Mistake> ValidateJob(const v1::Job& job, const DataFacts& facts,
                                 const SourceMap& sources,
                                 const std::vector<Mistake>& before = {});

// Sets every absent key that has a default, except those that follow from the
// data (fit.h). Idempotent. job.proto says what the remaining absent keys mean.
void FillDefaults(v1::Job* job);

}  // namespace ebb::job

#endif  // EBB_JOB_VALIDATE_H_
