#include "client/trained_gradient.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "common/plant.h"
#include "common/status_macros.h"

namespace ebb::client {

namespace {

// A worker works on one job at a time, and may come back to another.
constexpr size_t kMostJobsKnown = 4;

}  // namespace

absl::StatusOr<const TrainedParts*> TrainedGradient::PartsOf(
    const JobRecordPtr& record) {
  const auto known = jobs_.find(record->id);
  // A change of the job comes with the same number.
  if (known != jobs_.end() && known->second.record == record) {
    return &known->second.trained;
  }
  EBB_ASSIGN_OR_RETURN(TrainedParts trained, maker_(*record));
  if (jobs_.size() >= kMostJobsKnown) jobs_.clear();
  Job& job = jobs_[record->id];
  job = {record, std::move(trained)};
  return &job.trained;
}

void TrainedGradient::Apply(const ComputeTask& task, ComputeResult* result) {
  if (result->gradient.empty() && result->rows.empty()) return;
  const absl::StatusOr<const TrainedParts*> trained = PartsOf(task.record);
  if (!trained.ok()) {
    *result = {};
    result->error = std::string(trained.status().message());
    return;
  }
  const TrainedParts& parts = **trained;
  if (!parts.frozen_rows.empty() && !EBB_PLANTED(frozen_rows_take_a_step)) {
    for (std::vector<PushRows>& of_partition : result->rows) {
      std::erase_if(of_partition, [&](const PushRows& rows) {
        return parts.frozen_rows[static_cast<size_t>(rows.table)];
      });
    }
  }
  if (result->gradient.empty() || parts.dense == nullptr) return;
  result->gradient = parts.dense->TrainedOf(result->gradient);
  result->trained = parts.dense;
}

}  // namespace ebb::client
