// The trees of a forest in an exported file.
#ifndef EBB_WORKER_PREDICT_EXPORTED_FOREST_H_
#define EBB_WORKER_PREDICT_EXPORTED_FOREST_H_

#include "absl/status/statusor.h"
#include "common/tensor_view.h"
#include "data/index.h"
#include "worker/base/exported_model.h"

namespace ebb::worker {

// The trees that the tensors are (docs/export.md). `index` is that of the
// training data. DataLoss: the file has no such tensors.
absl::StatusOr<ForestPtr> ReadForest(const TensorFileView& file,
                                     const data::Index& index);

}  // namespace ebb::worker

#endif  // EBB_WORKER_PREDICT_EXPORTED_FOREST_H_
