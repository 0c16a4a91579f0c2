// The tensors of a sparse table's rows, as an export has them.
#ifndef EBB_TOOLS_EBB_MODEL_ROW_TENSORS_H_
#define EBB_TOOLS_EBB_MODEL_ROW_TENSORS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "tools/ebb/model/row_runs.h"
#include "tools/tensors/tensor_files.h"

namespace ebb::tools {

// The keys of the rows, which ascend, and an array of the rows in their order:
// that with the number `array`, of `width` floats in a row. `runs` must outlive
// the tensors.
TensorStream KeyTensor(std::string name, const RowRuns& runs);
TensorStream RowTensor(std::string name, int64_t width, const RowRuns& runs,
                       size_t array);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_ROW_TENSORS_H_
