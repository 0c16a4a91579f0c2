// Random forests. Their trees are tasks (forest/tree_grower.h): this model, as
// jobs make it, says which table they are stored in.
#include "models/forest/forest.h"

#include <memory>

#include "models/model.h"
#include "models/registry.h"

namespace ebb::models::zoo {

absl::Status RegisterForest(Registry* registry) {
  return registry->Register(
      "forest", "a random forest of decision trees",
      [](const ModelConfig& config, ComputeBackend* /*backend*/)
          -> absl::StatusOr<std::unique_ptr<Model>> {
        return forest::MakeForestModel(config, nullptr);
      });
}

}  // namespace ebb::models::zoo
