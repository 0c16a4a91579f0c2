#include "bench/common/watch.h"

#include "absl/strings/str_cat.h"

namespace ebb::bench {

absl::Status Watch::Tell(const std::string& what) const {
  if (stop != nullptr && stop()) {
    return absl::CancelledError("it was stopped");
  }
  if (progress != nullptr) progress(what);
  return absl::OkStatus();
}

absl::Status Watch::Tell(const std::string& what, int pair, int pairs) const {
  return Tell(absl::StrCat(what, ": pair ", pair + 1, " of ", pairs));
}

}  // namespace ebb::bench
