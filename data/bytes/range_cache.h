// Parts of remote files, kept in a folder of this machine.
#ifndef EBB_DATA_BYTES_RANGE_CACHE_H_
#define EBB_DATA_BYTES_RANGE_CACHE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "common/mutex.h"

namespace ebb::data::internal {

// Several processes may share a folder. A part is written beside its place and
// renamed, and has a checksum: what is damaged, or cannot be read, is not
// there. The parts used longest ago go first. Thread-safe.
class RangeCache {
 public:
  // The folder is made when the first part is kept. It holds nothing else.
  RangeCache(std::string folder, uint64_t max_bytes)
      : folder_(std::move(folder)), max_bytes_(max_bytes) {}

  // The part that was kept under the key, or nullopt.
  std::optional<std::string> Find(absl::string_view key) const;
  // Keeps it if that is possible: if the disk is full or fails, it does not.
  void Keep(absl::string_view key, absl::string_view bytes);

 private:
  std::string PathOf(absl::string_view key) const;
  void MakeRoom() const;

  const std::string folder_;
  const uint64_t max_bytes_;
  Mutex mu_;  // One at a time makes room.
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_BYTES_RANGE_CACHE_H_
