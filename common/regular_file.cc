#include "common/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ebb {
namespace {

// OK for a regular file. The message begins with `called`, unless it is empty.
absl::Status CheckKind(mode_t mode, absl::string_view called) {
  if (S_ISREG(mode)) return absl::OkStatus();
  absl::string_view what = "something that is not a file";
  if (S_ISDIR(mode)) what = "a folder";
  if (S_ISFIFO(mode)) what = "a named pipe (FIFO)";
  if (S_ISCHR(mode)) what = "a character device";
  if (S_ISBLK(mode)) what = "a block device";
  if (S_ISSOCK(mode)) what = "a socket";
  return absl::InvalidArgumentError(
      absl::StrCat(called, called.empty() ? "" : ": ", "is ", what, "; name ",
                   S_ISDIR(mode) ? "the file in it"
                                 : "a regular file, which can be read again"));
}

}  // namespace

absl::StatusOr<Fd> OpenRegularFile(const std::string& path,
                                   absl::string_view called, int64_t* bytes) {
  // First, for opening some devices does something. The type alone costs a
  // third less than all of stat().
  struct statx type;
  if (statx(AT_FDCWD, path.c_str(), AT_STATX_DONT_SYNC, STATX_TYPE, &type) ==
      0) {
    const absl::Status kind = CheckKind(type.stx_mode, called);
    if (!kind.ok()) return kind;
  }
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat(called, ": cannot be opened"));
  }
  struct stat info;
  if (fstat(fd.get(), &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(called, ": cannot be read"));
  }
  const absl::Status kind = CheckKind(info.st_mode, called);
  if (!kind.ok()) return kind;
  if (bytes != nullptr) *bytes = info.st_size;
  return fd;
}

absl::Status CheckReadable(const std::string& path) {
  struct stat info;
  if (path == "/dev/stdin" || absl::StartsWith(path, "/dev/fd/") ||
      absl::StartsWith(path, "/proc/self/fd/") ||
      stat(path.c_str(), &info) != 0) {
    return absl::OkStatus();
  }
  return CheckKind(info.st_mode, "");
}

}  // namespace ebb
