// Logistic regression over keys (McMahan et al. 2013, "Ad Click Prediction: a
// View from the Trenches"). The probability of 1 is
//   1 / (1 + exp(-(b + sum_e w(key_e) x_e))),
// and labels are 0/1 or -1/+1. Its rows start at zero, so that a row exists
// only where a key has been met.
#include "common/status_macros.h"
#include "models/keyed_model.h"
#include "models/registry.h"

namespace ebb::models::zoo {
namespace {

absl::StatusOr<std::unique_ptr<Model>> CreateSparseLogistic(
    const ModelConfig& config, ComputeBackend* backend) {
  EBB_RETURN_IF_ERROR(CheckOnlyUses(config, {}));
  EBB_RETURN_IF_ERROR(CheckTwoClasses(config));
  const KeyedSpec spec;
  return MakeKeyedModel(spec, config, backend);
}

}  // namespace

absl::Status RegisterSparseLogistic(Registry* registry) {
  return registry->Register("sparse_logistic",
                            "two classes, by a weight of each key",
                            CreateSparseLogistic);
}

}  // namespace ebb::models::zoo
