// A field-aware factorisation machine (Juan et al. 2016, "Field-aware
// Factorization Machines for CTR Prediction", equation 4, with the linear part
// that their library has as well):
//
//   score = b + sum_e w(key_e) x_e
//       + sum_{pairs d, e} <v(key_d, field_e), v(key_e, field_d)> x_d x_e
//
// A row of `factors` has `rank` numbers for each field, one field after the
// other. Factors start normally with deviation 0.01, as those of fm do. (The
// paper's, evenly up to 1 / sqrt(rank), rely on examples that are scaled to
// length 1.)
#include "common/status_macros.h"
#include "models/keyed_model.h"
#include "models/registry.h"

namespace ebb::models::zoo {
namespace {

absl::StatusOr<std::unique_ptr<Model>> CreateFfm(const ModelConfig& config,
                                                 ComputeBackend* backend) {
  EBB_RETURN_IF_ERROR(CheckOnlyUses(config, {"rank"}));
  constexpr int64_t kDefaultRank = 4;
  KeyedSpec spec;
  spec.vectors = "factors";
  spec.vector_size = config.rank == 0 ? kDefaultRank : config.rank;
  spec.vectors_init = InitRule::Normal(0.01f);
  spec.pairs = Pairs::kFieldFactors;
  EBB_ASSIGN_OR_RETURN(spec.loss, LossOfLabels(config));
  return MakeKeyedModel(spec, config, backend);
}

}  // namespace

absl::Status RegisterFfm(Registry* registry) {
  return registry->Register("ffm", "as fm, with factors for each other field",
                            CreateFfm);
}

}  // namespace ebb::models::zoo
