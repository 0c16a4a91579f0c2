// The hash that names one training example in the ledger, and the mixer it is
// made of. Both are part of the formats: docs/data-order.md specifies them and
// has the test vectors; nothing here may change without a new version there.
#ifndef EBB_COMMON_EXAMPLE_HASH_H_
#define EBB_COMMON_EXAMPLE_HASH_H_

#include <cstdint>

#include "common/ids.h"

namespace ebb {

// A bijection of 64 bits in which each input bit flips each output bit with
// probability one half: the finaliser of SplitMix64 (Steele et al. 2014, with
// Stafford's variant 13 of the constants).
constexpr uint64_t Mix64(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Appends one number to the hash of a sequence; an empty sequence is 0.
// HashAppend(h, 0), HashAppend(h, 1), ... are the outputs of SplitMix64
// started at state h.
constexpr uint64_t HashAppend(uint64_t hash, uint64_t value) {
  constexpr uint64_t kGoldenRatio = 0x9e3779b97f4a7c15;
  return Mix64(hash + (value + 1) * kGoldenRatio);
}

// A number in [0, 1) of a hash, evenly.
constexpr double UnitOf(uint64_t hash) {
  return static_cast<double>(hash >> 11) * 0x1p-53;
}

// The name of the example at `position` of the order of `item`. A ledger sums
// these mod 2^64.
constexpr uint64_t ExampleHash(ItemId item, int64_t position) {
  const uint64_t epoch = HashAppend(0, static_cast<uint64_t>(item.epoch));
  const uint64_t shard = HashAppend(epoch, static_cast<uint64_t>(item.shard));
  return HashAppend(shard, static_cast<uint64_t>(position));
}

// The sum of ExampleHash over the positions [begin, end), mod 2^64; 0 when
// the range is empty.
constexpr uint64_t ExampleHashSum(ItemId item, int64_t begin, int64_t end) {
  const uint64_t epoch = HashAppend(0, static_cast<uint64_t>(item.epoch));
  const uint64_t shard = HashAppend(epoch, static_cast<uint64_t>(item.shard));
  uint64_t sum = 0;
  for (int64_t position = begin; position < end; ++position) {
    sum += HashAppend(shard, static_cast<uint64_t>(position));
  }
  return sum;
}

}  // namespace ebb

#endif  // EBB_COMMON_EXAMPLE_HASH_H_
