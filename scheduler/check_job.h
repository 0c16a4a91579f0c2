// Checks the jobs that operators submit, and the jobs that servers know.
#ifndef EBB_SCHEDULER_CHECK_JOB_H_
#define EBB_SCHEDULER_CHECK_JOB_H_

#include "absl/status/status.h"
#include "protocol/messages.h"

namespace ebb::scheduler {

// InvalidArgument: it contradicts itself, or is too large to be kept.
absl::Status CheckPlan(const JobRecord& record);

// A server's claim about a job stands against the scheduler's memory. The
// scheduler refuses a number that cannot have been drawn (DataLoss), and a job
// that could not have been submitted (InvalidArgument).
absl::Status CheckRegistration(const JobRegistration& registration);

// It has something of a job that it could go on from.
bool HasData(const RegisterServer& message);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_CHECK_JOB_H_
