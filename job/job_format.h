// The formats of specifications.
#ifndef EBB_JOB_JOB_FORMAT_H_
#define EBB_JOB_JOB_FORMAT_H_

#include <cstdint>

#include "ebb/v1/job.pb.h"
#include "job/job_facts.h"

namespace ebb::job {

// The newest format, and so the newest that this ebb reads.
inline constexpr uint32_t kSpecificationFormat = 19;

// The oldest format in which a reader understands all of the job: it must not
// train by another algorithm than the job's, nor on another device.
uint32_t SpecificationFormatOf(const v1::Job& job, const JobFacts& facts);

}  // namespace ebb::job

#endif  // EBB_JOB_JOB_FORMAT_H_
