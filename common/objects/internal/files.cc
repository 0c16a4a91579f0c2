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
