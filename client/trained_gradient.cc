#include "client/trained_gradient.h"

#include <cstddef>
#include <string>
#include <utility>

#include "common/status_macros.h"

namespace ebb::client {

namespace {

// A worker works on one job at a time, and may come back to another.
constexpr size_t kMostJobsKnown = 4;

}  // namespace

absl::StatusOr<TrainedRangesPtr> TrainedGradient::RangesOf(
    const JobRecordPtr& record) {
  const auto known = jobs_.find(record->id);
  // A change of the job comes with the same number.
  if (known != jobs_.end() && known->second.record == record) {
    return known->second.trained;
  }
  EBB_ASSIGN_OR_RETURN(TrainedRangesPtr trained, maker_(*record));
  if (jobs_.size() >= kMostJobsKnown) jobs_.clear();
  jobs_[record->id] = {record, trained};
  return trained;
}

void TrainedGradient::Apply(const ComputeTask& task, ComputeResult* result) {
  if (result->gradient.empty()) return;
  absl::StatusOr<TrainedRangesPtr> trained = RangesOf(task.record);
  if (!trained.ok()) {
    *result = {};
    result->error = std::string(trained.status().message());
    return;
  }
  if (*trained == nullptr) return;
  result->gradient = (*trained)->TrainedOf(result->gradient);
  result->trained = *std::move(trained);
}

}  // namespace ebb::client
