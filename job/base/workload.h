// The workload of a job: its folder in workloads/.
#ifndef EBB_JOB_BASE_WORKLOAD_H_
#define EBB_JOB_BASE_WORKLOAD_H_

#include <string>

#include "ebb/v1/job.pb.h"

namespace ebb::job {

inline constexpr char kGradients[] = "gradients";

// The folder that says what jobs of the model do. Models that name none, and
// those of plugins, are the gradients'.
std::string WorkloadOf(const v1::Model& model);

}  // namespace ebb::job

#endif  // EBB_JOB_BASE_WORKLOAD_H_
