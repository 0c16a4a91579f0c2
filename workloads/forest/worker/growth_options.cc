#include "workloads/forest/worker/growth_options.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace ebb::workloads {

forest::GrowthOptions GrowthOptionsOf(const v1::Job& job,
                                      const data::Index& train) {
  const v1::Model& model = job.model();
  forest::GrowthOptions options;
  options.seed = job.seed();
  options.classes = static_cast<int64_t>(train.classes.size());
  options.depth = model.depth();
  options.leaf_examples = std::max<int64_t>(1, model.leaf_examples());
  const int64_t root =
      static_cast<int64_t>(std::sqrt(static_cast<double>(train.features)));
  const int64_t by_default =
      options.classes > 0 ? std::max<int64_t>(1, root) : train.features;
  options.split_features = std::min(train.features, model.has_split_features()
                                                        ? model.split_features()
                                                        : by_default);
  options.bootstrap = model.bootstrap();
  return options;
}

}  // namespace ebb::workloads
