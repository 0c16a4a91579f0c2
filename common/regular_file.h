// Opening a file that a user names, to read it.
#ifndef EBB_COMMON_REGULAR_FILE_H_
#define EBB_COMMON_REGULAR_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/fd.h"

namespace ebb {

// Opens the regular file at `path` to read it. Never waits, as open() of a pipe
// without a writer does. Errors call it `called`: kNotFound, kPermissionDenied,
// and kInvalidArgument for anything else: a folder, a pipe, a device, a socket.
// Sets `*bytes` to its size, if it is not null.
absl::StatusOr<Fd> OpenRegularFile(const std::string& path,
                                   absl::string_view called,
                                   int64_t* bytes = nullptr);

// The same check, for a file that is to be opened in another way; its message
// does not repeat the path. Also OK for a missing file, and for one that this
// process was given open (/dev/stdin, or /dev/fd/63 of `<(command)`).
absl::Status CheckReadable(const std::string& path);

}  // namespace ebb

#endif  // EBB_COMMON_REGULAR_FILE_H_
