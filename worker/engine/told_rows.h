// Keeps what a program told of the keys of batches to come. Thread-compatible.
#ifndef EBB_WORKER_ENGINE_TOLD_ROWS_H_
#define EBB_WORKER_ENGINE_TOLD_ROWS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "worker/engine/messages.h"

namespace ebb::worker {

inline bool SamePlace(const PlaceBody& a, const PlaceBody& b) {
  return a.epoch == b.epoch && a.shard == b.shard && a.begin == b.begin &&
         a.end == b.end;
}

class ToldRows {
 public:
  struct Told {
    PlaceBody place;
    std::vector<std::vector<uint64_t>> keys;  // By table.
    std::optional<std::string> failed;        // Why the batch cannot be read.
  };

  // Forgets what was told earlier of the same batch; and the oldest, where
  // there is too much. The program is asked again for what is forgotten.
  void Tell(Told told) {
    Take(told.place);
    told_.push_back(std::move(told));
    if (told_.size() > kMost) told_.pop_front();
  }

  std::optional<Told> Take(const PlaceBody& place) {
    const auto found = std::find_if(
        told_.begin(), told_.end(),
        [&](const Told& told) { return SamePlace(told.place, place); });
    if (found == told_.end()) return std::nullopt;
    std::optional<Told> taken = std::move(*found);
    told_.erase(found);
    return taken;
  }

 private:
  static constexpr size_t kMost = 8;
  std::deque<Told> told_;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_ENGINE_TOLD_ROWS_H_
