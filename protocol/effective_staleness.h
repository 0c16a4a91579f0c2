// The staleness of the steps that were made, from sums over updates.
#ifndef EBB_PROTOCOL_EFFECTIVE_STALENESS_H_
#define EBB_PROTOCOL_EFFECTIVE_STALENESS_H_

#include <optional>

namespace ebb {

// The mean staleness, in updates, where each update counts by the factor that
// its rate was multiplied by. The sums are those of ScaledUpdates, whether a
// struct or a message. Nothing: no update was counted, or all factors are 0.
inline std::optional<double> EffectiveStaleness(double factor_sum,
                                                double scaled_staleness) {
  if (factor_sum <= 0) return std::nullopt;
  return scaled_staleness / factor_sum;
}

}  // namespace ebb

#endif  // EBB_PROTOCOL_EFFECTIVE_STALENESS_H_
