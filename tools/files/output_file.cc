#include "tools/files/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"

namespace ebb::tools {

namespace {

constexpr unsigned kBufferBytes = 256 << 10;

absl::Status CannotWrite(const std::string& path) {
  return absl::ErrnoToStatus(errno != 0 ? errno : EIO,
                             absl::StrCat("cannot write ", path));
}

}  // namespace

absl::StatusOr<OutputFile> OutputFile::Create(const std::string& path,
                                              bool gzip) {
  errno = 0;
  const std::string fresh = path + ".new";
  const int fd =
      open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
           0666);
  if (fd < 0 && errno == EEXIST) {
    return absl::AlreadyExistsError(absl::StrCat(
        fresh,
        " is there: a process writes it, or was killed while writing; "
        "remove it if none does"));
  }
  if (fd < 0) return CannotWrite(path);
  // T: as it is, without compression.
  gzFile file = gzdopen(fd, gzip ? "wb" : "wbT");
  if (file == nullptr) {
    close(fd);
    std::remove(fresh.c_str());
    return CannotWrite(path);
  }
  gzbuffer(file, kBufferBytes);
  return OutputFile(path, file);
}

OutputFile::~OutputFile() {
  if (path_.empty()) return;
  file_.reset();
  std::remove(Fresh().c_str());
}

absl::Status OutputFile::Append(absl::string_view bytes) {
  errno = 0;
  if (!bytes.empty() && gzwrite(file_.get(), bytes.data(),
                                static_cast<unsigned>(bytes.size())) == 0) {
    return CannotWrite(path_);
  }
  return absl::OkStatus();
}

absl::Status OutputFile::Close() {
  errno = 0;
  if (gzclose_w(file_.release()) != Z_OK) return CannotWrite(path_);
  return absl::OkStatus();
}

absl::Status OutputFile::Publish() {
  errno = 0;
  if (std::rename(Fresh().c_str(), path_.c_str()) != 0) {
    return CannotWrite(path_);
  }
  path_.clear();
  return absl::OkStatus();
}

}  // namespace ebb::tools
