#include "data/keys.h"

// Words are short: a call into the library would take as long as the hash.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ebb::data {

uint64_t KeyOf(Field field, absl::string_view word) {
  return XXH64(word.data(), word.size(), field);
}

}  // namespace ebb::data
