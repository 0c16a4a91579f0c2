// Figures of a spot market from its record.
#ifndef EBB_TOOLS_CHAOS_MARKET_H_
#define EBB_TOOLS_CHAOS_MARKET_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "tools/chaos/trace.h"

namespace ebb::chaos {

// Estimates of the figures that a Market is made of, as if both times were
// exponential. Times that a trace ends in the middle of count as far as they
// are known (the maximum likelihood of censored times).
struct MarketFigures {
  double node_hours = 0;  // Over the trace, of all nodes.
  int64_t losses = 0;
  // Losses over node-hours; 0: nothing was lost.
  double losses_per_node_hour = 0;
  // Losses over instants at which some were; 1 where nothing was lost.
  double bulk = 1;
  // A name does not tell which node replaces which: the node lost longest ago
  // is replaced first, by the next that is added. Infinite: none ever was.
  absl::Duration replaced_after = absl::InfiniteDuration();
};

MarketFigures FiguresOf(const Trace& trace);

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_MARKET_H_
