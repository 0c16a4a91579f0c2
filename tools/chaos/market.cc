#include "tools/chaos/market.h"

#include <deque>

namespace ebb::chaos {

MarketFigures FiguresOf(const Trace& trace) {
  MarketFigures figures;
  figures.node_hours = trace.mean_nodes * absl::ToDoubleHours(trace.duration);
  int64_t instants = 0, replaced = 0;
  absl::Duration last_loss = -absl::InfiniteDuration();
  absl::Duration waited;
  std::deque<absl::Duration> waiting;  // When what is not replaced was lost.
  for (const TraceEvent& event : trace.events) {
    if (event.add) {
      if (waiting.empty()) continue;
      waited += event.at - waiting.front();
      waiting.pop_front();
      ++replaced;
      continue;
    }
    ++figures.losses;
    if (event.at != last_loss) ++instants;
    last_loss = event.at;
    waiting.push_back(event.at);
  }
  for (const absl::Duration at : waiting) waited += trace.duration - at;
  if (figures.losses > 0 && figures.node_hours > 0) {
    figures.losses_per_node_hour =
        static_cast<double>(figures.losses) / figures.node_hours;
  }
  if (instants > 0) {
    figures.bulk =
        static_cast<double>(figures.losses) / static_cast<double>(instants);
  }
  if (replaced > 0) figures.replaced_after = waited / replaced;
  return figures;
}

}  // namespace ebb::chaos
