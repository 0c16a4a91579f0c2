// The error of a job that is not possible.
#ifndef EBB_JOB_INVALID_H_
#define EBB_JOB_INVALID_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ebb::job {

// InvalidArgument with the parts as its message, which begins with the key.
template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

}  // namespace ebb::job

#endif  // EBB_JOB_INVALID_H_
