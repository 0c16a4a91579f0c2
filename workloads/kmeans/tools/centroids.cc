#include "workloads/kmeans/tools/centroids.h"

#include <cstddef>
#include <utility>

#include "common/status_macros.h"
#include "tools/ebb/model/origins.h"
#include "tools/files/files.h"
#include "tools/tensors/tensor_files.h"

namespace ebb::tools {

float FirstSize(const v1::Job& job) {
  // In rounds, a cluster without examples gets one in the first.
  return job.algorithm().kind() == v1::Algorithm::KIND_MINI_BATCH ? 0 : 1;
}

absl::StatusOr<std::shared_ptr<const InitialValues>> ReadCentroids(
    const std::string& path, const std::vector<job::DenseTable>& tables,
    float first_size, const std::vector<double>& origins) {
  const auto bytes = ReadFile(path);
  if (!bytes.ok()) return InitialValues::Read(path, tables);
  auto file = DecodeSafetensors(*bytes);
  const bool only_centroids =
      file.ok() && file->tensors.size() == 1 && tables.size() == 2 &&
      file->tensors.front().name == tables.front().name &&
      file->tensors.front().dims == tables.front().dims;
  if (!only_centroids) {
    EBB_RETURN_IF_ERROR(CheckOrigins(origins));
    return InitialValues::Read(path, tables);
  }
  // (clusters, features)
  std::vector<float> values = std::move(file->tensors.front().values);
  for (size_t i = 0; i < values.size() && !origins.empty(); ++i) {
    values[i] = static_cast<float>(values[i] - origins[i % origins.size()]);
  }
  values.resize(tables[0].size + tables[1].size, first_size);
  return InitialValues::Of(path, std::move(values), tables);
}

}  // namespace ebb::tools
