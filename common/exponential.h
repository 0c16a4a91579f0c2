// Exponential draws that are the same on every machine.
#ifndef EBB_COMMON_EXPONENTIAL_H_
#define EBB_COMMON_EXPONENTIAL_H_

#include <cstdint>

namespace ebb {

// Draws exponentially distributed numbers with mean 1. Each call of `next`
// draws an evenly distributed 64-bit number.
//
// It uses comparisons alone (von Neumann 1951), as neither the distributions
// nor the logarithm of a library promise the same result everywhere. It draws
// falling rows of numbers until a row has odd length. The result is the first
// number of that row, plus 1 for each row before it.
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
