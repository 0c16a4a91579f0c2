#include "data/array_names.h"

#include "data/formats/arrays/npz.h"

namespace ebb::data {

absl::StatusOr<std::vector<std::string>> ReadArrayNames(const std::string& path,
                                                        const OpenBytes& open) {
  return internal::NpzNames(path, open);
}

}  // namespace ebb::data
