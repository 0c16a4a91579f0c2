// The values, rows and states of a model as tensors.
#ifndef EBB_WORKLOADS_GRADIENTS_TOOLS_MODEL_TENSORS_H_
#define EBB_WORKLOADS_GRADIENTS_TOOLS_MODEL_TENSORS_H_

#include "absl/functional/function_ref.h"
#include "models/model.h"
#include "tools/ebb/model/model_export.h"
#include "tools/ebb/model/stored_model.h"

namespace ebb::tools {

// Adds all tensors of the model in the order of docs/export.md. `own` adds
// those of a workload, behind the dense tables. They refer to the model.
void AddModelTensors(const StoredModel& stored,
                     const models::ModelDescription& description,
                     absl::FunctionRef<void(ModelExport*)> own,
                     ModelExport* all);

}  // namespace ebb::tools

#endif  // EBB_WORKLOADS_GRADIENTS_TOOLS_MODEL_TENSORS_H_
