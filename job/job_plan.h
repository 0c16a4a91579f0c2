// The plan of a job: partitions, items and bounds as numbers.
#ifndef EBB_JOB_JOB_PLAN_H_
#define EBB_JOB_JOB_PLAN_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ebb/v1/job.pb.h"
#include "job/job_facts.h"
#include "protocol/plan.h"

namespace ebb::job {

// Plans a job that has all defaults, and in which ValidateJob found no mistake.
// What sparse tables have of the job file is added later. InvalidArgument,
// naming the key: the job is not possible.
absl::StatusOr<JobPlan> PlanOf(const v1::Job& job, const JobFacts& facts);

// Sparse tables of all partitions together, each some KiB where it is empty.
inline constexpr int64_t kMaxRowTables = int64_t{1} << 17;

// InvalidArgument where servers would have more of them. No part of
// JobPlan::Validate(): a job that was submitted before stays readable.
absl::Status CheckRowTables(const JobPlan& plan);

// JobPlan::layout_hash: a process with other data, another order or another
// grid gets another number. `plan` needs its data part only.
uint64_t LayoutHash(uint64_t index_hash, int order_version,
                    const JobPlan& plan);

}  // namespace ebb::job

#endif  // EBB_JOB_JOB_PLAN_H_
