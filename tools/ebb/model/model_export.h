// The content of an exported file: tensors and their meaning.
#ifndef EBB_TOOLS_EBB_MODEL_MODEL_EXPORT_H_
#define EBB_TOOLS_EBB_MODEL_MODEL_EXPORT_H_

#include <map>
#include <string>
#include <vector>

#include "tools/tensors/tensor_files.h"
#include "tools/text/json.h"
#include "worker/base/exported_model.h"

namespace ebb::tools {

// The metadata that other programs read: ModelExport::model on one line.
using worker::kModelKey;

// The content of an exported file. It refers to the model.
struct ModelExport {
  std::vector<TensorStream> tensors;
  std::map<std::string, std::string> metadata;
  Json model;  // Says what the tensors mean (docs/export.md).
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_MODEL_EXPORT_H_
