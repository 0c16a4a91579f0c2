// Which of the updates that follow from one event run together.
//
// A push of a large model is one update for each of its partitions, and small
// ones cost less than handing them from thread to thread. So the thread that
// brings small updates does them. The rest is cut into runs, one for a thread
// at a time: long enough to be worth it, and short enough that the first
// partitions are soon free for the next push.
//
// The smallest are computed within the core.
#ifndef EBB_SERVER_UPDATE_GROUPS_H_
#define EBB_SERVER_UPDATE_GROUPS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ebb::server {

// Most bytes that are computed under the core's lock, while pulls wait: of one
// update, about 10 us; of all updates of one event, 100 to 200 us.
inline constexpr int64_t kUpdateInEventBytes = int64_t{64} << 10;
inline constexpr int64_t kUpdatesInEventBytes = int64_t{1} << 20;

// Work that one thread does at once, whatever the number of threads: 100 to 200
// us of arithmetic on a gradient that it has just read. A hand-over and back
// takes 20 to 50 us, and moves it to the cache of another core.
inline constexpr int64_t kUpdateAtOnceBytes = int64_t{2} << 20;
inline constexpr int64_t kLeastUpdateGroupBytes = int64_t{256} << 10;
inline constexpr int64_t kMostUpdateGroupBytes = int64_t{1} << 20;

// `bytes`: what each update goes through. Returns the ends of the runs, in
// their order. Each run has at least one update, and at most
// kMostUpdateGroupBytes if it has several.
inline std::vector<size_t> GroupUpdates(std::span<const int64_t> bytes,
                                        int threads) {
  int64_t total = 0;
  for (const int64_t n : bytes) total += n;
  const int64_t most = std::clamp(total / threads, kLeastUpdateGroupBytes,
                                  kMostUpdateGroupBytes);
  std::vector<size_t> ends;
  int64_t group = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (group > 0 && group + bytes[i] > most) {
      ends.push_back(i);
      group = 0;
    }
    group += bytes[i];
  }
  if (!bytes.empty()) ends.push_back(bytes.size());
  return ends;
}

}  // namespace ebb::server

#endif  // EBB_SERVER_UPDATE_GROUPS_H_
