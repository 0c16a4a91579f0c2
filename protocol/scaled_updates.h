// How much the learning rate of updates was scaled, as their gradients came
// late.
#ifndef EBB_PROTOCOL_SCALED_UPDATES_H_
#define EBB_PROTOCOL_SCALED_UPDATES_H_

#include <cstdint>

namespace ebb {

// Sums over updates of partitions. All 0: none was counted.
struct ScaledUpdates {
  // An update with a smaller factor is scaled to nothing.
  static constexpr double kNothing = 0.01;

  int64_t updates = 0;
  int64_t scaled = 0;           // Updates with a factor below 1.
  int64_t to_nothing = 0;       // Updates with a factor below kNothing.
  double factor_sum = 0;        // All factors; not scaled: 1.
  double scaled_staleness = 0;  // The sum of factor times staleness.

  void Add(double factor, int64_t staleness) {
    ++updates;
    if (factor < 1) ++scaled;
    if (factor < kNothing) ++to_nothing;
    factor_sum += factor;
    scaled_staleness += factor * static_cast<double>(staleness);
  }
  ScaledUpdates& operator+=(const ScaledUpdates& other) {
    updates += other.updates;
    scaled += other.scaled;
    to_nothing += other.to_nothing;
    factor_sum += other.factor_sum;
    scaled_staleness += other.scaled_staleness;
    return *this;
  }
};

}  // namespace ebb

#endif  // EBB_PROTOCOL_SCALED_UPDATES_H_
