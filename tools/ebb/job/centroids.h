// The centroids that a job which finds clusters begins with.
#ifndef EBB_TOOLS_EBB_JOB_CENTROIDS_H_
#define EBB_TOOLS_EBB_JOB_CENTROIDS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "ebb/v1/job.pb.h"
#include "job/specification.h"
#include "tools/ebb/job/initial_values.h"

namespace ebb::tools {

// The examples that k-means++ chooses from: fewer of them where it would
// compute for long, or take much memory. InvalidArgument: it would with the
// fewest that serve.
absl::StatusOr<int64_t> CentroidSample(int64_t examples, int64_t features,
                                       int64_t clusters);

// Returns `model.clusters` examples, row after row, chosen as `model.seeding`
// says: a function of the data and the seed. InvalidArgument: the data has
// fewer examples, or names its features by keys; as CentroidSample.
absl::StatusOr<std::vector<float>> ChooseCentroids(const data::Dataset& train,
                                                   const v1::Model& model,
                                                   uint64_t seed);

// The examples that each cluster counts as having had when a job begins.
float FirstSize(const v1::Job& job);

// InitialValues::Read, of a file that may lack `sizes`: then each is
// `first_size`.
absl::StatusOr<std::shared_ptr<const InitialValues>> ReadCentroids(
    const std::string& path, const std::vector<job::DenseTable>& tables,
    float first_size);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_CENTROIDS_H_
