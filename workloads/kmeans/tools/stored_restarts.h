// The runs of a K-Means job with restarts, as jobs store them.
#ifndef EBB_WORKLOADS_KMEANS_TOOLS_STORED_RESTARTS_H_
#define EBB_WORKLOADS_KMEANS_TOOLS_STORED_RESTARTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ebb/v1/job.pb.h"
#include "tools/ebb/model/row_runs.h"
#include "tools/text/json.h"
#include "worker/base/exported_model.h"
#include "workloads/kmeans/model/lloyd_result.h"

namespace ebb::tools {

struct StoredRestarts final : worker::Assembled {
  struct Run {
    int64_t number = 0;
    double inertia = 0;
    int64_t rounds = 0;
    bool converged = false;
  };
  // By number: those that are whole.
  std::vector<Run> runs;
  // Place of the one with the least inertia; of equals the first.
  size_t best = 0;
  // Its centroids and sizes.
  std::vector<float> values;

  const Run& best_run() const { return runs[best]; }
};

// The runs in the rows of their table. DataLoss: a job with these settings and
// so many features cannot have them.
absl::StatusOr<StoredRestarts> RestartsOf(const RowRuns& rows,
                                          const v1::Model& model,
                                          int64_t features);

// "the best of 8 runs: number 3, inertia 25.1".
std::string RestartsText(const StoredRestarts& restarts);
// The JSON for the export and the report.
Json RestartsJson(const StoredRestarts& restarts);

}  // namespace ebb::tools

#endif  // EBB_WORKLOADS_KMEANS_TOOLS_STORED_RESTARTS_H_
