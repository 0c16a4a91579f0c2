#include "worker/engine/value_name.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ebb::worker {

std::string NameOfValue(absl::string_view table, std::span<const int64_t> dims,
                        int64_t place) {
  std::vector<int64_t> indices(dims.size());
  for (size_t i = dims.size(); i-- > 0;) {
    indices[i] = place % dims[i];
    place /= dims[i];
  }
  return absl::StrCat(table, "[", absl::StrJoin(indices, ", "), "]");
}

}  // namespace ebb::worker
