#include "data/keys.h"

#include <xxhash.h>

namespace ebb::data {

uint64_t KeyOf(Field field, absl::string_view word) {
  return XXH64(word.data(), word.size(), field);
}

}  // namespace ebb::data
