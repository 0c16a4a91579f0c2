#include "workloads/kmeans/model/lloyd_result.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ebb::workloads {

namespace {

struct Head {
  double inertia = 0;
  uint32_t rounds = 0;
  uint32_t converged = 0;
};

}  // namespace

int64_t LloydResult::EncodedBytes(int64_t clusters, int64_t features) {
  return static_cast<int64_t>(sizeof(Head)) +
         clusters * (features + 1) * static_cast<int64_t>(sizeof(float));
}

std::string LloydResult::Encode() const {
  const Head head = {inertia, static_cast<uint32_t>(rounds),
                     converged ? 1U : 0U};
  std::string bytes(sizeof(head) + values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), &head, sizeof(head));
  std::memcpy(bytes.data() + sizeof(head), values.data(),
              values.size() * sizeof(float));
  return bytes;
}

absl::StatusOr<LloydResult> LloydResult::Decode(absl::string_view bytes,
                                                int64_t clusters,
                                                int64_t features) {
  if (static_cast<int64_t>(bytes.size()) != EncodedBytes(clusters, features)) {
    return absl::DataLossError(absl::StrCat(
        "a run of ", clusters, " centroids of ", features, " features has ",
        EncodedBytes(clusters, features), " bytes, not ", bytes.size()));
  }
  Head head;
  std::memcpy(&head, bytes.data(), sizeof(head));
  LloydResult result;
  result.inertia = head.inertia;
  result.rounds = head.rounds;
  result.converged = head.converged == 1;
  result.values.resize(clusters * (features + 1));
  std::memcpy(result.values.data(), bytes.data() + sizeof(head),
              bytes.size() - sizeof(head));
  const bool finite = std::ranges::all_of(
      result.values, [](float value) { return std::isfinite(value); });
  if (!(finite && std::isfinite(result.inertia) && result.inertia >= 0 &&
        head.converged <= 1)) {
    return absl::DataLossError("a run has numbers that no run comes to");
  }
  return result;
}

}  // namespace ebb::workloads
