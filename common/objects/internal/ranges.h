// Ranges of bytes as HTTP says them.
#ifndef EBB_COMMON_OBJECTS_INTERNAL_RANGES_H_
#define EBB_COMMON_OBJECTS_INTERNAL_RANGES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/objects/internal/http_client.h"
#include "common/objects/object_store.h"

namespace ebb {

// The header "range" of what is not the whole: "bytes=0-9".
inline std::string RangeHeader(const GetOptions& options) {
  std::string range = absl::StrCat("bytes=", options.offset, "-");
  if (options.bytes != kWholeObject) {
    absl::StrAppend(&range, options.offset + options.bytes - 1);
  }
  return range;
}

// The size in the header "content-range", "bytes 0-9/443"; nullopt: it says
// none.
inline std::optional<uint64_t> WholeSize(const HttpResponse& response) {
  const std::string range = response.Header("content-range");
  const size_t slash = range.rfind('/');
  uint64_t size = 0;
  if (slash == std::string::npos ||
      !absl::SimpleAtoi(range.substr(slash + 1), &size)) {
    return std::nullopt;
  }
  return size;
}

}  // namespace ebb

#endif  // EBB_COMMON_OBJECTS_INTERNAL_RANGES_H_
