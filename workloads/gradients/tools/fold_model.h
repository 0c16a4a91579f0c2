// Constants of the data, folded into the layers of an exported model.
#ifndef EBB_WORKLOADS_GRADIENTS_TOOLS_FOLD_MODEL_H_
#define EBB_WORKLOADS_GRADIENTS_TOOLS_FOLD_MODEL_H_

#include <vector>

#include "absl/status/status.h"
#include "tools/ebb/model/model_export.h"
#include "tools/ebb/model/model_json.h"
#include "tools/ebb/model/stored_model.h"

namespace ebb::tools {

// InvalidArgument: the model has no layer that takes the features, or it has
// slots, which belong to the layers as they were trained.
absl::Status CheckFoldable(const StoredModel& stored);

// Changes the tensors of the layers in `*all`. The first takes the numbers of
// the data as they are: neither `scale` nor standardisation is left to do. The
// last has values in the units of the labels as its outputs. Layers that it
// changes become float64, because a feature with a mean far above its deviation
// would cost a float32 its last digits. Returns the scaling that is left.
Scaling FoldLayers(const StoredModel& stored, const std::vector<Layer>& layers,
                   ModelExport* all);

}  // namespace ebb::tools

#endif  // EBB_WORKLOADS_GRADIENTS_TOOLS_FOLD_MODEL_H_
