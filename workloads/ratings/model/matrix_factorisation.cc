// Ratings by users of items (Koren, Bell and Volinsky 2009, "Matrix
// Factorization Techniques for Recommender Systems", equation 4): the rating is
//
//   mean + bias(user) + bias(item) + <factors(user), factors(item)>
//
// and the loss of an example (prediction - rating)^2 / 2. An example has an
// entry of field 0, its user, and one of field 1, its item, both with the value
// 1. The mean, a dense bias, is learned with the rest. With l2, the penalty is
// that of the paper's equation 5: once for each rating of the user or item.
// Factors start normally with deviation 0.1, the default of libFM (Rendle
// 2012): with 0.01, gradient descent needs epochs to leave the saddle at zero.
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "models/keyed_model.h"
#include "models/registry.h"

namespace ebb::workloads {
namespace {

using models::CheckOnlyUses;
using models::ComputeBackend;
using models::ConfigError;
using models::KeyedSpec;
using models::Loss;
using models::MakeKeyedModel;
using models::Model;
using models::ModelConfig;
using models::Pairs;
using models::Registry;

absl::StatusOr<std::unique_ptr<Model>> CreateMatrixFactorisation(
    const ModelConfig& config, ComputeBackend* backend) {
  EBB_RETURN_IF_ERROR(CheckOnlyUses(config, {"rank"}));
  if (config.classes != 0) {
    return ConfigError(
        "model.kind",
        absl::StrCat(config.kind, " predicts values, but the labels are ",
                     config.classes, " classes"),
        "kind: fm");
  }
  if (config.features != 2) {
    return ConfigError("data.train",
                       absl::StrCat("the examples have ", config.features,
                                    " fields; ratings have 2, user and item"),
                       "ratings: FILE");
  }
  constexpr int64_t kDefaultRank = 16;
  KeyedSpec spec;
  spec.weights = "biases";
  spec.vectors = "factors";
  spec.vector_size = config.rank == 0 ? kDefaultRank : config.rank;
  spec.vectors_init = InitRule::Normal(0.1f);
  spec.pairs = Pairs::kFactors;
  spec.loss = Loss::kSquared;
  spec.ratings = true;
  return MakeKeyedModel(spec, config, backend);
}

}  // namespace

absl::Status RegisterRatingsModel(Registry* registry) {
  return registry->Register("matrix_factorisation", "ratings of items by users",
                            CreateMatrixFactorisation);
}

}  // namespace ebb::workloads
