// A random forest as jobs store it and as exported files have it.
#ifndef EBB_WORKLOADS_FOREST_TOOLS_STORED_FOREST_H_
#define EBB_WORKLOADS_FOREST_TOOLS_STORED_FOREST_H_

#include <vector>

#include "absl/status/statusor.h"
#include "data/index.h"
#include "tools/ebb/model/row_runs.h"
#include "tools/ebb/model/stored_model.h"
#include "tools/tensors/tensor_files.h"
#include "tools/text/json.h"
#include "workloads/forest/model/forest.h"
#include "workloads/forest/worker/exported_forest.h"

namespace ebb::tools {

using workloads::ForestPtr;

// The trees that are whole, from the rows of their table. `index` is that of
// the training data. DataLoss: such data cannot have these trees.
absl::StatusOr<ForestPtr> ForestOf(const RowRuns& rows,
                                   const data::Index& index);

// The trees that were assembled.
const ForestPtr& ForestIn(const StoredModel& stored);

// The nodes of all trees, one tree after the other. docs/export.md says what
// the tensors mean. They refer to the forest.
std::vector<TensorStream> ForestTensors(const ForestPtr& forest);
// Tells other programs what the tensors mean.
Json ForestJson(const workloads::forest::Forest& forest);

}  // namespace ebb::tools

#endif  // EBB_WORKLOADS_FOREST_TOOLS_STORED_FOREST_H_
