// Files that exist in memory only, and parts of them in a process.
#ifndef EBB_COMMON_SHM_MEMORY_FILE_H_
#define EBB_COMMON_SHM_MEMORY_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/fd.h"

namespace ebb::shm {

// `bytes` of memory that another process maps, too; unmapped with it.
class Mapping {
 public:
  Mapping() = default;
  explicit Mapping(std::span<std::byte> bytes) : bytes_(bytes) {}
  Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Mapping();

  std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

// Makes a file of zeros whose size never changes, so that a process that maps
// it never meets its end. ResourceExhausted: the system refuses.
absl::StatusOr<Fd> CreateMemoryFile(const std::string& name, int64_t bytes);

// From now on only existing mappings can write to the file. Unimplemented: not
// on this system (Linux before 5.1).
absl::Status SealAgainstWriters(int fd);
bool SealedAgainstWriters(int fd);

// Maps the first `bytes` of the file. InvalidArgument: it is shorter, or could
// be made shorter while it is mapped.
absl::StatusOr<Mapping> MapToRead(int fd, int64_t bytes);
absl::StatusOr<Mapping> MapToWrite(int fd, int64_t bytes);

}  // namespace ebb::shm

#endif  // EBB_COMMON_SHM_MEMORY_FILE_H_
