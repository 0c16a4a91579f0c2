// Copies through two buffers in turns: one is filled while the other is read.
#ifndef EBB_MODELS_GPU_STAGING_H_
#define EBB_MODELS_GPU_STAGING_H_

#include <algorithm>
#include <cstdint>

namespace ebb::models::gpu {

struct Chunk {
  int64_t offset;
  int64_t bytes;
  int slot;  // 0 or 1.
};

// Cuts `bytes` into chunks of at most `most`, the first in `slot`. Calls
// begin(chunk) and end(chunk) for each, in order, so that the next is begun
// before the last is ended and no slot has two. Returns the slot of the next.
template <typename Begin, typename End>
int ForEachChunk(int64_t bytes, int64_t most, int slot, const Begin& begin,
                 const End& end) {
  Chunk last = {0, 0, 0};
  for (int64_t offset = 0; offset < bytes; offset += most, slot = 1 - slot) {
    const Chunk chunk = {offset, std::min(most, bytes - offset), slot};
    begin(chunk);
    if (last.bytes > 0) end(last);
    last = chunk;
  }
  if (last.bytes > 0) end(last);
  return slot;
}

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_STAGING_H_
