// The simulator's source of randomness.
//
// SplitMix64 as a counter: the n-th number of a stream is a hash of (seed, n),
// the same on every machine and in every release of a standard library. No
// std::*_distribution is used: their results are not specified.
#ifndef EBB_SIM_RNG_H_
#define EBB_SIM_RNG_H_

#include <cstdint>

#include "absl/time/time.h"
#include "common/example_hash.h"

namespace ebb::sim {

// Thread-compatible.
class Rng {
 public:
  explicit Rng(uint64_t seed) : seed_(HashAppend(0x51ed270b, seed)) {}

  uint64_t Next() { return HashAppend(seed_, count_++); }
  // In [0, bound); the bias is below bound / 2^64.
  int64_t Below(int64_t bound) {
    return bound <= 1
               ? 0
               : static_cast<int64_t>(Next() % static_cast<uint64_t>(bound));
  }
  // In [least, most].
  int64_t Between(int64_t least, int64_t most) {
    return least + Below(most - least + 1);
  }
  // True with the probability `p`.
  bool Chance(double p) {
    return p > 0 && static_cast<double>(Next() >> 11) < p * 0x1p53;
  }
  absl::Duration Between(absl::Duration least, absl::Duration most) {
    return absl::Nanoseconds(Between(absl::ToInt64Nanoseconds(least),
                                     absl::ToInt64Nanoseconds(most)));
  }
  // A stream of its own, so that what draws from it disturbs no other.
  Rng Fork(uint64_t label) { return Rng(HashAppend(seed_, ~label)); }

 private:
  uint64_t seed_;
  uint64_t count_ = 0;
};

}  // namespace ebb::sim

#endif  // EBB_SIM_RNG_H_
