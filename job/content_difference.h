// Whether two submissions are of the same job.
#ifndef EBB_JOB_CONTENT_DIFFERENCE_H_
#define EBB_JOB_CONTENT_DIFFERENCE_H_

#include <string>

#include "protocol/plan.h"

namespace ebb::job {

// What of two records is another, for people: "name", "job file", "data",
// "specification" or "plan"; empty: nothing. Their numbers do not count, nor
// what may differ where one job is submitted twice: the text of its file, the
// id and the time of the request, and the token.
std::string ContentDifference(const JobRecord& a, const JobRecord& b);

}  // namespace ebb::job

#endif  // EBB_JOB_CONTENT_DIFFERENCE_H_
