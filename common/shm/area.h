// Room for values beside a ring: which parts of it are taken. Its owner's own
// affair; the other process is only told where values lie.
#ifndef EBB_COMMON_SHM_AREA_H_
#define EBB_COMMON_SHM_AREA_H_

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>

namespace ebb::shm {

// Thread-compatible.
class Area {
 public:
  explicit Area(int64_t bytes) : bytes_(bytes) {
    if (bytes > 0) free_[0] = bytes;
  }

  int64_t bytes() const { return bytes_; }

  // Returns a place for `bytes` (more than 0): the lowest one, so that the same
  // lines of the cache are used again. Absent: no such room now.
  std::optional<int64_t> Take(int64_t bytes) {
    const int64_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    const auto fits =
        std::find_if(free_.begin(), free_.end(),
                     [&](const auto& part) { return part.second >= rounded; });
    if (fits == free_.end()) return std::nullopt;
    const auto [offset, size] = *fits;
    free_.erase(fits);
    if (size > rounded) free_[offset + rounded] = size - rounded;
    taken_[offset] = rounded;
    return offset;
  }

  // False: nothing was taken there.
  bool Free(int64_t offset) {
    const auto taken = taken_.find(offset);
    if (taken == taken_.end()) return false;
    auto it = free_.emplace(offset, taken->second).first;
    taken_.erase(taken);
    if (const auto after = std::next(it);
        after != free_.end() && it->first + it->second == after->first) {
      it->second += after->second;
      free_.erase(after);
    }
    if (it != free_.begin()) {
      const auto before = std::prev(it);
      if (before->first + before->second == it->first) {
        before->second += it->second;
        free_.erase(it);
      }
    }
    return true;
  }

 private:
  static constexpr int64_t kAlignment = 64;

  const int64_t bytes_;
  std::map<int64_t, int64_t> free_;   // Size by offset; no two touch.
  std::map<int64_t, int64_t> taken_;  // The same.
};

}  // namespace ebb::shm

#endif  // EBB_COMMON_SHM_AREA_H_
