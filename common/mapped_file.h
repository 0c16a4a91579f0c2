// Files that are larger than memory may be, as bytes.
#ifndef EBB_COMMON_MAPPED_FILE_H_
#define EBB_COMMON_MAPPED_FILE_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb {

// A file as it is, mapped: the system has as much of it in memory as there is
// room for. Shortening the file ends the reading process; replacing it does not
// affect the reader. Thread-safe.
class MappedFile {
 public:
  // Errors name the file and what the system says.
  static absl::StatusOr<MappedFile> Open(const std::string& path);
  // Maps a file that is open and stays so; `path` is for errors.
  static absl::StatusOr<MappedFile> Of(int fd, const std::string& path);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept
      : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedFile();

  absl::string_view bytes() const { return bytes_; }

 private:
  explicit MappedFile(absl::string_view bytes) : bytes_(bytes) {}

  absl::string_view bytes_;
};

}  // namespace ebb

#endif  // EBB_COMMON_MAPPED_FILE_H_
