#include "common/storage/store_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb {

namespace {

namespace fs = std::filesystem;

constexpr char kLockFile[] = "lock";

absl::Status Failed(absl::string_view doing, absl::string_view path, int error,
                    absl::string_view next = "") {
  const absl::string_view reason = std::strerror(error);
  const absl::StatusCode code = CodeOfSystemError(reason);
  if (next.empty()) next = NextStepFor(code);
  return absl::Status(code, absl::StrCat("cannot ", doing, " ", path, ": ",
                                         reason, "; ", next));
}

// A daemon that cannot lock its folder ends, and does not try again.
absl::Status NotLocked(absl::string_view doing, absl::string_view path,
                       int error) {
  if (error == ENOTDIR || error == EEXIST) {
    return Failed(doing, path, error,
                  "a file is in its place, or in that of a folder above: name "
                  "a folder");
  }
  if (error == EROFS) {
    return Failed(doing, path, error,
                  "its disk is read-only: mount it so that it can be written "
                  "to, or choose another folder");
  }
  const bool known =
      CodeOfSystemError(std::strerror(error)) != absl::StatusCode::kUnavailable;
  return Failed(doing, path, error,
                known ? "" : "look at the disk or the mount, and start again");
}

// A rename is durable only once its folder is.
absl::Status SyncFolder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed("open", path, errno);
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error == 0 ? absl::OkStatus() : Failed("sync", path, error);
}

// The holder of the lock: a hint for people, so any failure only makes it
// shorter.
std::string HolderOf(int fd) {
  char text[32] = {};
  const ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
  return size > 0 ? absl::StrCat("process ", absl::string_view(text, size))
                  : "another process";
}

}  // namespace

absl::StatusCode CodeOfSystemError(absl::string_view message) {
  for (const int error : {ENOSPC, EDQUOT, EFBIG, ENOMEM}) {
    if (absl::StrContains(message, std::strerror(error))) {
      return absl::StatusCode::kResourceExhausted;
    }
  }
  for (const int error : {EACCES, EPERM, EROFS}) {
    if (absl::StrContains(message, std::strerror(error))) {
      return absl::StatusCode::kPermissionDenied;
    }
  }
  return absl::StatusCode::kUnavailable;
}

absl::string_view NextStepFor(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kResourceExhausted:
      return "make room on its disk (or raise the quota); what is stored is "
             "intact";
    case absl::StatusCode::kPermissionDenied:
      return "make the folder writable for the user of this process, or choose "
             "another one";
    default:
      return "look at the disk or the mount; a daemon that runs tries again";
  }
}

absl::StatusOr<StoreFolder> StoreFolder::Lock(absl::string_view path) {
  const std::string folder(path);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return NotLocked("create the folder", folder, error.value());
  const std::string file = absl::StrCat(folder, "/", kLockFile);
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return NotLocked("write", file, errno);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int reason = errno;
    const std::string holder = HolderOf(fd);
    close(fd);
    if (reason != EWOULDBLOCK) return NotLocked("lock", file, reason);
    return absl::FailedPreconditionError(
        absl::StrCat("the folder ", folder, " is in use by ", holder,
                     "; stop that process, or choose another folder"));
  }
  // The number is only for the message above, so a full disk does not matter.
  const std::string pid = absl::StrCat(getpid());
  if (ftruncate(fd, 0) == 0) {
    [[maybe_unused]] const ssize_t n = pwrite(fd, pid.data(), pid.size(), 0);
  }
  return StoreFolder(folder, fd);
}

StoreFolder::~StoreFolder() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

std::string StoreFolder::File(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

bool StoreFolder::Has(absl::string_view name) const {
  std::error_code error;
  return fs::exists(File(name), error);
}

absl::StatusOr<std::string> StoreFolder::SetAside(
    absl::string_view name) const {
  int n = 1;
  while (Has(absl::StrCat(name, ".damaged-", n))) ++n;
  const std::string to = absl::StrCat(name, ".damaged-", n);
  EBB_RETURN_IF_ERROR(Rename(name, to));
  return File(to);
}

absl::Status StoreFolder::Rename(absl::string_view from,
                                 absl::string_view to) const {
  std::error_code error;
  fs::rename(File(from), File(to), error);
  if (error) return Failed("rename", File(from), error.value());
  return SyncFolder(path_);
}

absl::Status StoreFolder::Remove(absl::string_view name) const {
  std::error_code error;
  fs::remove_all(File(name), error);
  if (error) return Failed("remove", File(name), error.value());
  return absl::OkStatus();
}

}  // namespace ebb
