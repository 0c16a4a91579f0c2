// The stored bytes of a window: in a file of this machine, or elsewhere.
#ifndef EBB_DATA_PACK_WINDOW_BYTES_H_
#define EBB_DATA_PACK_WINDOW_BYTES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/fd.h"
#include "data/byte_source.h"
#include "data/pack/file_state.h"
#include "data/pack/mapped_bytes.h"

namespace ebb::data::pack {

// The whole of a small regular file. kDataLoss: it has more than `most` bytes.
absl::StatusOr<std::string> ReadWhole(const std::string& path, int64_t most);
// The same by `open`.
absl::StatusOr<std::string> ReadWhole(const OpenBytes& open,
                                      const std::string& path, int64_t most);
// kNotFound; kUnavailable.
absl::StatusOr<int64_t> SizeOfFile(const std::string& path);

// Used by one thread.
class WindowBytes {
 public:
  // So much is fetched at once of bytes that are elsewhere, and held.
  static constexpr int64_t kFetchedBytes = int64_t{8} << 20;

  // A file of this machine, which is open as long as this is there.
  static absl::StatusOr<WindowBytes> InFile(const std::string& path);
  // The bytes from `begin` to `end`. They are fetched part by part, and one
  // part is held.
  static WindowBytes Elsewhere(std::shared_ptr<const ByteRanges> ranges,
                               int64_t begin, int64_t end);

  // Bytes in memory, which outlive it; offsets count from their first.
  static WindowBytes InMemory(absl::string_view bytes);

  // The file before anything of it was read; nothing: it is elsewhere.
  const std::optional<FileState>& state() const { return state_; }

  // Fills `to`. Blocks. kUnavailable: they cannot be read; kDataLoss: they are
  // not there.
  absl::Status Read(int64_t offset, char* to, int64_t bytes);
  // Null: they are to be read. kDataLoss: they are not there.
  absl::StatusOr<std::shared_ptr<const MappedBytes>> Map(int64_t offset,
                                                         int64_t bytes) const;

 private:
  WindowBytes() = default;

  absl::Status Fetch(int64_t offset);

  std::string path_;
  Fd file_;
  std::optional<FileState> state_;

  std::optional<absl::string_view> memory_;

  std::shared_ptr<const ByteRanges> ranges_;
  int64_t begin_ = 0, end_ = 0;
  std::vector<char> part_;
  int64_t part_at_ = 0;
};

}  // namespace ebb::data::pack

#endif  // EBB_DATA_PACK_WINDOW_BYTES_H_
