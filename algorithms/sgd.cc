// Every batch is pulled for and pushed by itself, and servers step by the mean
// of its gradient. Without waiting it is asynchronous SGD (Recht et al. 2011,
// "Hogwild!", on a parameter server: Li et al. 2014). With a bound it is stale
// synchronous (Ho et al. 2013). In rounds it is synchronous SGD with backup
// tasks (Chen et al. 2016, "Revisiting distributed synchronous SGD").
#include <memory>

#include "algorithms/builtin.h"

namespace ebb {

namespace {

class GradientDescent final : public Algorithm {};

}  // namespace

absl::Status RegisterGradientDescent(AlgorithmRegistry* registry) {
  return registry->Register(
      "sgd", "each batch is a step, as the consistency says",
      [](const AlgorithmConfig&)
          -> absl::StatusOr<std::unique_ptr<const Algorithm>> {
        return std::make_unique<GradientDescent>();
      });
}

}  // namespace ebb
