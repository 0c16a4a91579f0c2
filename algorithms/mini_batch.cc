// Mini-batch K-Means (Sculley 2010, "Web-scale k-means clustering"): each batch
// moves its nearest centroids by a part of the way that falls with the number
// of examples that a cluster has had. The model knows both from the values that
// it was computed from, and its push is the change. Servers add it, to the
// centroids as to the sizes, so a push does the same whatever came before it.
#include <memory>

#include "algorithms/builtin.h"

namespace ebb {

namespace {

class MiniBatch final : public Algorithm {
 public:
  bool Adds() const override { return true; }
};

}  // namespace

absl::Status RegisterMiniBatch(AlgorithmRegistry* registry) {
  return registry->Register(
      "mini_batch", "moves the nearest centroids of each batch",
      [](const AlgorithmConfig&)
          -> absl::StatusOr<std::unique_ptr<const Algorithm>> {
        return std::make_unique<MiniBatch>();
      });
}

}  // namespace ebb
