#include "datasets/internal/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "common/steady_time.h"

namespace ebb::datasets::internal {

absl::Status FileError(const std::string& path, absl::string_view what) {
  const int error = errno;
  std::string text = absl::StrCat(path, ": ", what, ": ", strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(
          absl::StrCat(text, "; free space there, or use another folder"));
    case ENOENT:
      return absl::NotFoundError(text);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(text);
    case ELOOP:
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": ", what, ": it is a symbolic link"));
    default:
      return absl::UnavailableError(text);
  }
}

absl::StatusOr<Fd> Open(const std::string& path, int flags) {
  constexpr mode_t kMode = 0644;
  int fd;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, kMode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return FileError(path, "cannot be opened");
  return Fd(fd);
}

absl::StatusOr<std::string> ReadAt(int fd, const std::string& path,
                                   int64_t offset, int64_t size) {
  std::string bytes(static_cast<size_t>(size), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = pread(fd, bytes.data() + done, bytes.size() - done,
                            offset + static_cast<int64_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError(path, "cannot be read");
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

absl::Status WriteAt(int fd, const std::string& path, int64_t offset,
                     absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError(path, "cannot be written");
    bytes.remove_prefix(static_cast<size_t>(n));
    offset += n;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadWhole(const std::string& path, int64_t most) {
  EBB_ASSIGN_OR_RETURN(const Fd fd, Open(path, O_RDONLY));
  EBB_ASSIGN_OR_RETURN(std::string bytes, ReadAt(fd.get(), path, 0, most + 1));
  if (static_cast<int64_t>(bytes.size()) > most) {
    return absl::DataLossError(
        absl::StrCat(path, ": is longer than ", most, " bytes"));
  }
  return bytes;
}

absl::Status WriteWhole(const std::string& path, absl::string_view bytes) {
  // One writer at a time of the same process; of several, each has its own.
  const std::string beside = absl::StrCat(path, ".new-", getpid());
  {
    EBB_ASSIGN_OR_RETURN(const Fd fd,
                         Open(beside, O_WRONLY | O_CREAT | O_TRUNC));
    EBB_RETURN_IF_ERROR(WriteAt(fd.get(), beside, 0, bytes));
    if (fsync(fd.get()) != 0) return FileError(beside, "cannot be stored");
  }
  if (rename(beside.c_str(), path.c_str()) != 0) {
    return FileError(path, "cannot be written");
  }
  return Sync(std::filesystem::path(path).parent_path().string());
}

absl::Status Sync(const std::string& path) {
  // The folder may be named by a link.
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return FileError(path, "cannot be opened");
  // Some file systems know no sync of folders.
  if (fsync(fd.get()) != 0 && errno != EINVAL) {
    return FileError(path, "cannot be stored");
  }
  return absl::OkStatus();
}

bool Exists(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0;
}

bool StillThere(int fd, const std::string& path) {
  // While it is open, nothing else gets its number.
  struct stat open;
  struct stat named;
  return fstat(fd, &open) == 0 && lstat(path.c_str(), &named) == 0 &&
         open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

absl::Status MakeFolders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error) return absl::OkStatus();
  errno = error.value();
  return FileError(path, "cannot be made");
}

bool TryLockFile(int fd, bool shared) {
  int result;
  do {
    result = flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

void Unlock(int fd) { flock(fd, LOCK_UN); }

absl::Status LockFile(int fd, const std::string& path, bool shared,
                      int64_t patience_ms) {
  // The system has no waiting for a lock with an end to it.
  constexpr absl::Duration kLook = absl::Milliseconds(20);
  const absl::Time until = SteadyNow() + absl::Milliseconds(patience_ms);
  Mutex mu;
  CondVar nobody_signals;
  MutexLock lock(&mu);
  while (!TryLockFile(fd, shared)) {
    if (SteadyNow() >= until) {
      return absl::UnavailableError(
          absl::StrCat(path, ": another process has held it for ", patience_ms,
                       " ms; end that, or try again later"));
    }
    nobody_signals.WaitFor(&mu, kLook);
  }
  return absl::OkStatus();
}

std::string Megabytes(int64_t bytes) {
  return absl::StrCat((bytes + (int64_t{1} << 20) - 1) >> 20, " MiB");
}

}  // namespace ebb::datasets::internal
