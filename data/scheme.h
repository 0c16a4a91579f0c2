// Paths that begin with a scheme, as s3:// and https:// do.
#ifndef EBB_DATA_SCHEME_H_
#define EBB_DATA_SCHEME_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ebb::data {

// Returns whether the path is "SCHEME://..." and so no file of this machine.
bool HasScheme(absl::string_view path);

// Checks that a path is of this machine. kInvalidArgument: the path has a
// scheme; the error says what to write instead.
absl::Status CheckLocal(absl::string_view path);

}  // namespace ebb::data

#endif  // EBB_DATA_SCHEME_H_
