// Tells whether two submissions are of the same job.
#ifndef EBB_JOB_CONTENT_DIFFERENCE_H_
#define EBB_JOB_CONTENT_DIFFERENCE_H_

#include <string>

#include "protocol/plan.h"

namespace ebb::job {

// The part in which two records differ, for people: "name", "job file", "data",
// "specification" or "plan"; empty: none. It ignores the records' numbers, and
// what may differ if one job is submitted twice: the text of its file, the id
// and the time of the request, and the token. The known job may have ended
// early since (EndsEarlyAs).
std::string ContentDifference(const JobRecord& known, const JobRecord& given);

}  // namespace ebb::job

#endif  // EBB_JOB_CONTENT_DIFFERENCE_H_
