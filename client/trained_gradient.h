// Leaves out of gradients what is of frozen tables, before anything else is
// made of them: filters, local rules and pushes have the trained values alone
// (protocol/trained_ranges.h), and no rows of frozen sparse tables.
#ifndef EBB_CLIENT_TRAINED_GRADIENT_H_
#define EBB_CLIENT_TRAINED_GRADIENT_H_

#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/actions.h"
#include "common/ids.h"
#include "protocol/plan.h"
#include "protocol/trained_ranges.h"

namespace ebb::client {

// The trained parts of a job.
struct TrainedParts {
  TrainedRangesPtr dense;  // Null: all dense values.
  // By sparse table; empty: none is frozen.
  std::vector<bool> frozen_rows = {};
};

// Thread-compatible.
class TrainedGradient {
 public:
  using Maker =
      std::function<absl::StatusOr<TrainedParts>(const JobRecord& record)>;

  explicit TrainedGradient(Maker maker) : maker_(std::move(maker)) {}

  // Makes the result's gradient, of the whole vector, one of the trained
  // vector, and leaves out frozen rows. An error of the maker becomes the
  // result's.
  void Apply(const ComputeTask& task, ComputeResult* result);

 private:
  struct Job {
    JobRecordPtr record;
    TrainedParts trained;
  };

  // The pointer is good until the next call.
  absl::StatusOr<const TrainedParts*> PartsOf(const JobRecordPtr& record);

  const Maker maker_;
  std::map<JobId, Job> jobs_;  // Few.
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_TRAINED_GRADIENT_H_
