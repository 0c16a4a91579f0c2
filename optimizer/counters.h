// Additive tables of integers.
#ifndef EBB_OPTIMIZER_COUNTERS_H_
#define EBB_OPTIMIZER_COUNTERS_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ebb {

static_assert(std::endian::native == std::endian::little,
              "values travel as little-endian bytes and are used in place");

// out[i] = in[i] + delta[i] mod 2^64, where `delta` is in.size() little-endian
// integers at any address. `in` and `out` have one size and are the same span
// or do not overlap.
inline void AddCounters(std::span<const uint64_t> in, const std::byte* delta,
                        std::span<uint64_t> out) {
  for (size_t i = 0; i < in.size(); ++i) {
    uint64_t value;
    std::memcpy(&value, delta + i * sizeof(value), sizeof(value));
    out[i] = in[i] + value;
  }
}

}  // namespace ebb

#endif  // EBB_OPTIMIZER_COUNTERS_H_
