#include "common/shm/memory_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

// Younger than some C libraries' headers.
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010  // Linux 5.1
#endif

namespace ebb::shm {

namespace {

absl::Status Refused(absl::string_view call, int64_t bytes) {
  return absl::ResourceExhaustedError(absl::StrCat(
      call, " of shared memory, ", bytes, " bytes, failed: ", strerror(errno)));
}

absl::StatusOr<Mapping> Map(int fd, int64_t bytes, int protection) {
  struct stat info = {};
  if (fstat(fd, &info) != 0) return Refused("fstat", bytes);
  const int seals = fcntl(fd, F_GET_SEALS);
  // One of huge pages (hugetlbfs) may have no memory behind what is read of it.
  struct statfs system = {};
  const bool ordinary =
      fstatfs(fd, &system) == 0 && system.f_type == TMPFS_MAGIC;
  if (info.st_size < bytes || bytes <= 0 || seals < 0 ||
      (seals & F_SEAL_SHRINK) == 0 || !ordinary) {
    return absl::InvalidArgumentError(
        absl::StrCat("a shared file of ", info.st_size, " bytes with seals ",
                     seals, " cannot be relied upon for ", bytes));
  }
  void* const memory = mmap(nullptr, static_cast<size_t>(bytes), protection,
                            MAP_SHARED | MAP_NORESERVE, fd, /*offset=*/0);
  if (memory == MAP_FAILED) return Refused("mmap", bytes);
  // Fewer address translations. Where it is refused all is as well, but slower.
  madvise(memory, static_cast<size_t>(bytes), MADV_HUGEPAGE);
  return Mapping({static_cast<std::byte*>(memory), static_cast<size_t>(bytes)});
}

}  // namespace

Mapping::~Mapping() {
  if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
}

absl::StatusOr<Fd> CreateMemoryFile(const std::string& name, int64_t bytes) {
  Fd fd(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return Refused("memfd_create", bytes);
  if (ftruncate(fd.get(), bytes) != 0) return Refused("ftruncate", bytes);
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    return Refused("sealing", bytes);
  }
  return fd;
}

absl::Status SealAgainstWriters(int fd) {
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0) {
    return absl::OkStatus();
  }
  return absl::UnimplementedError(
      "this system cannot keep others from writing to shared memory; Linux 5.1 "
      "can");
}

bool SealedAgainstWriters(int fd) {
  const int seals = fcntl(fd, F_GET_SEALS);
  constexpr int kNeeded = F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE;
  return seals >= 0 && (seals & kNeeded) == kNeeded;
}

absl::StatusOr<Mapping> MapToRead(int fd, int64_t bytes) {
  return Map(fd, bytes, PROT_READ);
}

absl::StatusOr<Mapping> MapToWrite(int fd, int64_t bytes) {
  return Map(fd, bytes, PROT_READ | PROT_WRITE);
}

}  // namespace ebb::shm
