// The trees of a forest in an exported file.
#ifndef EBB_WORKLOADS_FOREST_WORKER_EXPORTED_FOREST_H_
#define EBB_WORKLOADS_FOREST_WORKER_EXPORTED_FOREST_H_

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "common/tensor_view.h"
#include "data/index.h"
#include "worker/base/exported_model.h"
#include "workloads/forest/model/forest.h"

namespace ebb::workloads {

using ForestPtr = std::shared_ptr<const forest::Forest>;

// The trees of a model, as ExportedModel has them.
struct AssembledForest final : worker::Assembled {
  explicit AssembledForest(ForestPtr all) : trees(std::move(all)) {}
  ForestPtr trees;
};

// The trees that the tensors are (docs/export.md). `index` is that of the
// training data. DataLoss: the file has no such tensors.
absl::StatusOr<ForestPtr> ReadForest(const TensorFileView& file,
                                     const data::Index& index);

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_FOREST_WORKER_EXPORTED_FOREST_H_
