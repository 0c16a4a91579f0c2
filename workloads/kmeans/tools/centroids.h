// Finds what a job of clusters begins with.
#ifndef EBB_WORKLOADS_KMEANS_TOOLS_CENTROIDS_H_
#define EBB_WORKLOADS_KMEANS_TOOLS_CENTROIDS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ebb/v1/job.pb.h"
#include "job/specification.h"
#include "tools/ebb/model/initial_values.h"

namespace ebb::tools {

// The examples that each cluster counts as having had when a job begins.
float FirstSize(const v1::Job& job);

// InitialValues::Read, of a file that may lack `sizes`: then each is
// `first_size`, and the centroids are in the units of the data, so that the
// features' origins (origins.h) are subtracted. InvalidArgument: the file has
// sizes, so it was learned from other features, and there are origins.
absl::StatusOr<std::shared_ptr<const InitialValues>> ReadCentroids(
    const std::string& path, const std::vector<job::DenseTable>& tables,
    float first_size, const std::vector<double>& origins);

}  // namespace ebb::tools

#endif  // EBB_WORKLOADS_KMEANS_TOOLS_CENTROIDS_H_
