// Leaves out of gradients what is of frozen tables, before anything else is
// made of them: filters, local rules and pushes have the trained values alone
// (protocol/trained_ranges.h).
#ifndef EBB_CLIENT_TRAINED_GRADIENT_H_
#define EBB_CLIENT_TRAINED_GRADIENT_H_

#include <functional>
#include <map>
#include <utility>

#include "absl/status/statusor.h"
#include "client/actions.h"
#include "common/ids.h"
#include "protocol/plan.h"
#include "protocol/trained_ranges.h"

namespace ebb::client {

// Thread-compatible.
class TrainedGradient {
 public:
  // What of a job is trained; null: all of it.
  using Maker =
      std::function<absl::StatusOr<TrainedRangesPtr>(const JobRecord& record)>;

  explicit TrainedGradient(Maker maker) : maker_(std::move(maker)) {}

  // Makes the result's gradient, of the whole vector, one of the trained
  // vector. An error of the maker becomes the result's.
  void Apply(const ComputeTask& task, ComputeResult* result);

 private:
  struct Job {
    JobRecordPtr record;
    TrainedRangesPtr trained;
  };

  absl::StatusOr<TrainedRangesPtr> RangesOf(const JobRecordPtr& record);

  const Maker maker_;
  std::map<JobId, Job> jobs_;  // Few.
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_TRAINED_GRADIENT_H_
