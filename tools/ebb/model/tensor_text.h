// How errors about tensors call them and their shapes.
#ifndef EBB_TOOLS_EBB_MODEL_TENSOR_TEXT_H_
#define EBB_TOOLS_EBB_MODEL_TENSOR_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ebb::tools {

// "(2, 3)".
inline std::string ShapeText(const std::vector<int64_t>& dims) {
  return absl::StrCat("(", absl::StrJoin(dims, ", "), ")");
}

// "a, b, and 3 more": the first 20.
inline std::string Listed(std::vector<std::string> names) {
  constexpr size_t kMost = 20;
  const size_t all = names.size();
  if (all > kMost) {
    names.resize(kMost);
    names.push_back(absl::StrCat("and ", all - kMost, " more"));
  }
  return absl::StrJoin(names, ", ");
}

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_TENSOR_TEXT_H_
