// Exponential draws that are the same on every machine.
#ifndef EBB_COMMON_EXPONENTIAL_H_
#define EBB_COMMON_EXPONENTIAL_H_

#include <cstdint>

namespace ebb {

// Exponential with mean 1. `next` draws an even 64-bit number at each call.
//
// By comparisons alone (von Neumann 1951), for neither the distributions nor
// the logarithm of a library promise the same result everywhere: of a falling
// row of even draws the first counts if the row's length is odd, and each row
// of even length before it adds 1.
template <typename Next>
double DrawExponential(Next&& next) {
  for (double whole = 0;; ++whole) {
    const uint64_t first = next();
    uint64_t last = first;
    int length = 1;
    for (uint64_t drawn = next(); drawn < last; drawn = next()) {
      last = drawn;
      ++length;
    }
    if (length % 2 == 1) {
      constexpr double kUnit = 1.0 / (uint64_t{1} << 53);
      return whole + static_cast<double>(first >> 11) * kUnit;
    }
  }
}

}  // namespace ebb

#endif  // EBB_COMMON_EXPONENTIAL_H_
