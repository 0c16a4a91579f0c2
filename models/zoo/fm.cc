// A factorisation machine (Rendle 2010, "Factorization Machines", equation 1):
//
//   score = b + sum_e w(key_e) x_e
//             + sum_{pairs d, e} <v(key_d), v(key_e)> x_d x_e
//
// with two classes or values as labels. Factors start normally with deviation
// 0.01, as in the reference implementation of DeepFM, one half of which this
// is. They are small beside weights, so that the first predictions are those of
// a linear model. But they are not zero, where factors would have no gradient.
#include "common/status_macros.h"
#include "models/keyed_model.h"
#include "models/registry.h"

namespace ebb::models::zoo {
namespace {

absl::StatusOr<std::unique_ptr<Model>> CreateFm(const ModelConfig& config,
                                                ComputeBackend* backend) {
  EBB_RETURN_IF_ERROR(CheckOnlyUses(config, {"rank"}));
  constexpr int64_t kDefaultRank = 8;
  KeyedSpec spec;
  spec.vectors = "factors";
  spec.vector_size = config.rank == 0 ? kDefaultRank : config.rank;
  spec.vectors_init = InitRule::Normal(0.01f);
  spec.pairs = Pairs::kFactors;
  EBB_ASSIGN_OR_RETURN(spec.loss, LossOfLabels(config));
  return MakeKeyedModel(spec, config, backend);
}

}  // namespace

absl::Status RegisterFm(Registry* registry) {
  return registry->Register(
      "fm", "weights and interactions of keys, by factors", CreateFm);
}

}  // namespace ebb::models::zoo
