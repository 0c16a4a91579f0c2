#include "workloads/boosted/rules/shape.h"

namespace ebb::workloads {

BoostedShape BoostedShapeOf(const v1::Model& model, int64_t features,
                            int64_t classes) {
  return {.features = features,
          .outputs = classes > 2 ? classes : 1,
          .trees = model.trees(),
          .depth = model.depth(),
          .leaves = model.leaves(),
          .bins = model.bins(),
          .validates = ValidationShareOf(model) > 0};
}

double ValidationShareOf(const v1::Model& model) {
  return model.has_patience() ? model.validation_share() : 0;
}

bool DrawsShares(const v1::Model& model) {
  return model.row_share() < 1 || model.column_share() < 1;
}

}  // namespace ebb::workloads
