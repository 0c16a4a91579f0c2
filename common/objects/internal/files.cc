#include "common/objects/internal/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/fd.h"
#include "common/regular_file.h"
#include "common/status_macros.h"
#include "common/storage/store_folder.h"

namespace ebb {

absl::Status FileError(absl::string_view doing, absl::string_view path,
                       int error) {
  const std::string what =
      absl::StrCat("cannot ", doing, " ", path, ": ", std::strerror(error));
  if (error == ENOENT || error == ENOTDIR) return absl::NotFoundError(what);
  if (error == EEXIST) return absl::AlreadyExistsError(what);
  const absl::StatusCode code = CodeOfSystemError(std::strerror(error));
  return absl::Status(code, absl::StrCat(what, "; ", NextStepFor(code)));
}

absl::StatusOr<std::string> ReadFileAt(int fd, absl::string_view path,
                                       uint64_t offset, uint64_t bytes) {
  std::string read(bytes, '\0');
  uint64_t done = 0;
  while (done < bytes) {
    const ssize_t n = pread(fd, read.data() + done, bytes - done,
                            static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError("read", path, errno);
    if (n == 0) break;
    done += static_cast<uint64_t>(n);
  }
  read.resize(done);
  return read;
}

absl::Status WriteFileParts(int fd, absl::string_view path,
                            std::span<const absl::string_view> parts) {
  for (absl::string_view part : parts) {
    while (!part.empty()) {
      const ssize_t n = write(fd, part.data(), part.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return FileError("write", path, errno);
      part.remove_prefix(static_cast<size_t>(n));
    }
  }
  if (fsync(fd) != 0) return FileError("sync", path, errno);
  return absl::OkStatus();
}

absl::Status SyncFolderAt(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return FileError("open", path, errno);
  if (fsync(fd.get()) != 0) return FileError("sync", path, errno);
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path,
                                          uint64_t most) {
  EBB_ASSIGN_OR_RETURN(const Fd fd, OpenRegularFile(path, path));
  EBB_ASSIGN_OR_RETURN(std::string text,
                       ReadFileAt(fd.get(), path, 0, most + 1));
  if (text.size() > most) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path, " has more than ", most, " bytes"));
  }
  return text;
}

}  // namespace ebb
