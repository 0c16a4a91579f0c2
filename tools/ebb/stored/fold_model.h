// Constants of the data, folded into the layers of an exported model.
#ifndef EBB_TOOLS_EBB_STORED_FOLD_MODEL_H_
#define EBB_TOOLS_EBB_STORED_FOLD_MODEL_H_

#include "absl/status/status.h"
#include "models/model.h"
#include "tools/ebb/model/model_export.h"
#include "tools/ebb/model/stored_model.h"

namespace ebb::tools {

// Changes the layers of `*all`, which ExportModel made of the model. The first
// takes the numbers of the data as they are: neither `scale` nor
// standardisation is left to do. The last has values in the units of the labels
// as its outputs. Layers that it changes become float64, because
// a feature with a mean far above its deviation would cost a float32 its last
// digits. Takes away what ebb predict would read, which would scale once more.
//
// InvalidArgument: the model has no layer that takes the features, or
// `*all` has slots, which belong to the layers as they were trained.
absl::Status FoldScaling(const StoredModel& stored,
                         const models::ModelDescription& description,
                         ModelExport* all);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STORED_FOLD_MODEL_H_
