// A job that predicts, on a cluster that runs.
#ifndef EBB_TOOLS_EBB_PREDICT_CLUSTER_PREDICTION_H_
#define EBB_TOOLS_EBB_PREDICT_CLUSTER_PREDICTION_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/ebb/cluster/audit.h"
#include "tools/ebb/cluster/cluster_access.h"
#include "tools/ebb/job/submission.h"

namespace ebb::tools {

struct ClusterPrediction {
  v1::JobStatus status;              // The last one.
  std::optional<AuditReport> audit;  // Once it is complete.
  double seconds = 0;                // Since it was submitted.
  bool interrupted = false;          // The job goes on.
  // It had ended when it was submitted, as a job that was known.
  bool had_ended = false;
  std::vector<std::string> problems;
};

struct ClusterPredictionOptions {
  bool quiet = false;
  // The name may be that of a job which was submitted before.
  bool known = false;
};

// Submits the job, under `request_id` only once, and watches it to its end.
// Blocks, and prints its progress unless `quiet`. A scheduler that is away is
// waited for. If the job `had_ended` without all of its parts, there is no
// audit. The errors of SubmitJob; later ones are problems.
absl::StatusOr<ClusterPrediction> PredictOnCluster(
    const ClusterAccess& access, const PreparedJob& prepared,
    const std::string& request_id, const ClusterPredictionOptions& options);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_PREDICT_CLUSTER_PREDICTION_H_
