// Which point of the space a trial tries.
//
// A suggestion follows from its arguments alone: the same seed, number and
// outcomes give the same choices, on every machine.
#ifndef EBB_SWEEP_SAMPLER_H_
#define EBB_SWEEP_SAMPLER_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "sweep/space.h"

namespace ebb::sweep {

enum class Method {
  kGrid,    // All points, in order.
  kRandom,  // Points at random.
  // Tree-structured Parzen estimator (Bergstra et al., "Algorithms for
  // Hyper-Parameter Optimization", NIPS 2011, section 4): at random at first,
  // then where good trials are dense and bad ones are not.
  kTpe,
};

// A trial that has begun, as a sampler sees it.
struct Outcome {
  Choices choices;
  // Absent: it still trains, or failed.
  std::optional<double> value;  // Smaller is better.
  // Trials that were stopped early are worse than those that came further.
  int32_t epochs = 0;
};

// The trials of kTpe that are at random: before, there is nothing to learn
// from.
inline constexpr int64_t kRandomTrials = 10;

// The choices of trial `number`, counted from 0. `before` has the trials that
// began earlier, by number; none of them is suggested again. Absent: there are
// no more points.
std::optional<Choices> Suggest(const Space& space, Method method, uint64_t seed,
                               int64_t number,
                               const std::vector<Outcome>& before);

}  // namespace ebb::sweep

#endif  // EBB_SWEEP_SAMPLER_H_
