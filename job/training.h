// The mathematics of a job's training.
#ifndef EBB_JOB_TRAINING_H_
#define EBB_JOB_TRAINING_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "algorithms/algorithm.h"
#include "algorithms/schedule.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/specification.pb.h"
#include "job/training_facts.h"
#include "protocol/plan.h"

namespace ebb::job {

// The jobs have their defaults. InvalidArgument, naming the key: the value is
// not possible.

// How the rate changes with the place in the data.
absl::StatusOr<RateSchedule> ScheduleOf(const v1::Schedule& schedule);

// The optimizer, with their defaults for the keys of its kind that are absent.
// An absent rate is 0.01.
absl::StatusOr<v1::Optimizer> OptimizerOf(const v1::Optimizer& optimizer);

// Makes the algorithm that the job names; by default the one that makes a step
// of each batch. It does not load plugins: workers and `ebb submit` do that
// (algorithms/plugin.h).
absl::StatusOr<std::unique_ptr<const Algorithm>> AlgorithmOf(
    const v1::Job& job);

// The servers' part of the algorithm, also of a plugin.
absl::StatusOr<std::unique_ptr<const Algorithm>> ServersAlgorithmOf(
    const v1::Specification& specification);

// Errors of ReadSpecification.
absl::StatusOr<TrainingFacts> TrainingFactsOf(const JobRecord& record);

// The rate of the steps that workers take by themselves, in a job of this many
// epochs: by default the optimizer's, and in runs that of the inner one.
absl::StatusOr<LearningRate> LocalRateOf(const v1::Job& job, int64_t epochs);

// Returns whether the programs of the job make the steps of its runs by
// optimizers of their own. Errors of ReadSpecification.
absl::StatusOr<bool> ProgramsStep(const JobRecord& record);

}  // namespace ebb::job

#endif  // EBB_JOB_TRAINING_H_
