// How a batch for one server is divided into pushes.
#ifndef EBB_CLIENT_PUSH_SIZE_H_
#define EBB_CLIENT_PUSH_SIZE_H_

#include <algorithm>
#include <cstdint>

namespace ebb::client {

// A server begins with a push when all of it is there: with several it computes
// while the rest is on its way. Smaller ones cost more than that saves.
inline constexpr int64_t kPushesOfBatch = 4;
inline constexpr int64_t kLeastPushBytes = int64_t{1} << 20;

// Most values of each push of a batch that has `bytes` of them for a server;
// `most`: of any push.
inline int64_t PushBytesFor(int64_t bytes, int64_t most) {
  return std::clamp(bytes / kPushesOfBatch, std::min(kLeastPushBytes, most),
                    most);
}

}  // namespace ebb::client

#endif  // EBB_CLIENT_PUSH_SIZE_H_
