#include "common/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ebb {
namespace {

// OK for a regular file. `front` begins the message.
absl::Status CheckKind(mode_t mode, absl::string_view front) {
  if (S_ISREG(mode)) return absl::OkStatus();
  absl::string_view what = "something that is not a file";
  if (S_ISDIR(mode)) what = "a folder";
  if (S_ISFIFO(mode)) what = "a named pipe (FIFO)";
  if (S_ISCHR(mode)) what = "a character device";
  if (S_ISBLK(mode)) what = "a block device";
  if (S_ISSOCK(mode)) what = "a socket";
  return absl::InvalidArgumentError(
      absl::StrCat(front, "is ", what, "; name ",
                   S_ISDIR(mode) ? "the file in it"
                                 : "a regular file, which can be read again"));
}

}  // namespace

absl::StatusOr<Fd> OpenRegularFile(const std::string& path,
                                   absl::string_view called) {
  const std::string front = absl::StrCat(called, ": ");
  // First, for opening some devices does something.
  struct stat info;
  if (stat(path.c_str(), &info) == 0) {
    const absl::Status kind = CheckKind(info.st_mode, front);
    if (!kind.ok()) return kind;
  }
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat(called, ": cannot be opened"));
  }
  if (fstat(fd.get(), &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(called, ": cannot be read"));
  }
  const absl::Status kind = CheckKind(info.st_mode, front);
  if (!kind.ok()) return kind;
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
