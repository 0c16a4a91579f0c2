// File operations of the store, the cache and the pusher: system calls with
// errors that name the file and say what to do.
#ifndef EBB_DATASETS_INTERNAL_FILES_H_
#define EBB_DATASETS_INTERNAL_FILES_H_

#include <sys/stat.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/fd.h"

namespace ebb::datasets::internal {

// Makes a status of `errno`: ResourceExhausted if there is no room, NotFound,
// PermissionDenied, else Unavailable. `what`: "cannot be read".
absl::Status FileError(const std::string& path, absl::string_view what);

// Never follows a link at the end of the path.
absl::StatusOr<Fd> Open(const std::string& path, int flags);
// Reads the bytes at [offset, offset + size), or fewer at the end of the file.
absl::StatusOr<std::string> ReadAt(int fd, const std::string& path,
                                   int64_t offset, int64_t size);
absl::Status WriteAt(int fd, const std::string& path, int64_t offset,
                     absl::string_view bytes);
absl::StatusOr<std::string> ReadWhole(const std::string& path, int64_t most);
// Writes a file beside it and renames that, so that a reader sees all of it or
// nothing; durable when it returns.
absl::Status WriteWhole(const std::string& path, absl::string_view bytes);
// Syncs a file or a folder.
absl::Status Sync(const std::string& path);
// Returns whether the path exists; a link itself counts.
bool Exists(const std::string& path);
// True if `path` still names the file that is open as `fd`, and not a later
// one.
bool StillThere(int fd, const std::string& path);
// And all above it. Those that are there are fine.
absl::Status MakeFolders(const std::string& path);

// Locks a file, while the result lives, for one holder or for several that
// share it. It excludes processes and threads. Waits for at most `patience_ms`;
// then Unavailable, which says so.
absl::Status LockFile(int fd, const std::string& path, bool shared,
                      int64_t patience_ms);
// Does not wait; false: another has it.
bool TryLockFile(int fd, bool shared);
void Unlock(int fd);

// A size as errors name it: whole MiB, rounded up.
std::string Megabytes(int64_t bytes);

}  // namespace ebb::datasets::internal

#endif  // EBB_DATASETS_INTERNAL_FILES_H_
