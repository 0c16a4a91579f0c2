#include "client/local_mathematics.h"

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "algorithms/schedule.h"
#include "common/status_macros.h"
#include "job/frozen_rows.h"
#include "job/specification.h"
#include "job/training.h"

namespace ebb::client {

absl::StatusOr<TrainedParts> TrainedPartsOf(const JobRecord& record) {
  TrainedParts parts;
  if (record.specification.empty()) return parts;
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       job::ReadSpecification(record));
  EBB_ASSIGN_OR_RETURN(parts.dense,
                       job::TrainedRangesOf(specification, record.plan));
  parts.frozen_rows = job::FrozenRowsOf(specification);
  return parts;
}

absl::StatusOr<LocalMathematics> LocalMathematicsOf(const JobRecord& record) {
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       job::ReadSpecification(record));
  const v1::Job& job = specification.job();
  EBB_ASSIGN_OR_RETURN(const std::unique_ptr<const Algorithm> algorithm,
                       job::AlgorithmOf(job));
  return LocalMathematicsWith(*algorithm, job, record);
}

absl::StatusOr<LocalMathematics> LocalMathematicsWith(
    const Algorithm& algorithm, const v1::Job& job, const JobRecord& record) {
  const JobPlan& plan = record.plan;
  EBB_ASSIGN_OR_RETURN(const LearningRate rate,
                       job::LocalRateOf(job, plan.epochs));
  LocalMathematics mathematics;
  if (plan.trained_tables() > 0) mathematics.rows = algorithm.MakeRowRule();
  if (!record.specification.empty()) {
    EBB_ASSIGN_OR_RETURN(mathematics.trained, job::TrainedRangesOf(record));
  }
  const int64_t floats = mathematics.trained != nullptr
                             ? mathematics.trained->floats()
                             : plan.parameters;
  mathematics.rule = mathematics.rows != nullptr
                         ? MakeRunRule(mathematics.rows, floats)
                         : algorithm.MakeLocalRule(floats);
  if (job.algorithm().has_most_rows()) {
    mathematics.limits.most_rows = job.algorithm().most_rows();
  }
  if (mathematics.rule == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "job ", record.name, ": algorithm ", job.algorithm().kind(),
        " has nothing for a worker to do; run the ebb that submitted it"));
  }
  mathematics.rate = [rate, size = plan.shard_size, examples = plan.examples](
                         ItemId item, int64_t begin, int64_t end) {
    const int64_t first = item.shard * size;
    return rate.At(
        BatchPosition(item.epoch, first + begin, first + end, examples));
  };
  return mathematics;
}

}  // namespace ebb::client
