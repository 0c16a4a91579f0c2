#include "common/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/fd.h"
#include "common/nearest.h"

namespace ebb {

namespace {

absl::Status CannotRead(const std::string& path, int error = errno) {
  return WithNearestPath(
      absl::ErrnoToStatus(error, absl::StrCat("cannot read ", path)), path);
}

}  // namespace

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  // A pipe without a writer would block.
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return CannotRead(path);
  return Of(fd.get(), path);
}

absl::StatusOr<MappedFile> MappedFile::Of(int fd, const std::string& path) {
  struct stat about = {};
  if (fstat(fd, &about) != 0) return CannotRead(path);
  if (S_ISDIR(about.st_mode)) return CannotRead(path, EISDIR);
  if (!S_ISREG(about.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read ", path,
                     ": it is a pipe, a socket or a device; name a "
                     "file"));
  }
  const auto size = static_cast<size_t>(about.st_size);
  if (size == 0) return MappedFile();
  void* const memory = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return CannotRead(path);
  return MappedFile({static_cast<const char*>(memory), size});
}

MappedFile::~MappedFile() {
  if (bytes_.empty()) return;
  munmap(const_cast<char*>(bytes_.data()), bytes_.size());
}

}  // namespace ebb
