// Errors about data that cannot be used.
#ifndef EBB_DATA_BYTES_WRONG_DATA_H_
#define EBB_DATA_BYTES_WRONG_DATA_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ebb::data::internal {

// The data of a job is wrong, or does not fit: kInvalidArgument.
template <typename... Args>
absl::Status WrongData(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(args...));
}

}  // namespace ebb::data::internal

#endif  // EBB_DATA_BYTES_WRONG_DATA_H_
