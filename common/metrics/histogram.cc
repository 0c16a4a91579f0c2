#include "common/metrics/histogram.h"

namespace ebb::metrics {

HistogramSnapshot HistogramOfCounts(const std::vector<int64_t>& counts) {
  constexpr size_t kMostBound = 1024;
  HistogramSnapshot snapshot;
  snapshot.bounds.push_back(0);
  for (size_t bound = 1; bound <= kMostBound; bound *= 2) {
    snapshot.bounds.push_back(static_cast<double>(bound));
  }
  snapshot.counts.resize(snapshot.bounds.size() + 1);
  size_t place = 0;
  for (size_t value = 0; value < counts.size(); ++value) {
    const auto number = static_cast<double>(value);
    while (place < snapshot.bounds.size() && number > snapshot.bounds[place]) {
      ++place;
    }
    snapshot.counts[place] += counts[value];
    snapshot.sum += number * static_cast<double>(counts[value]);
  }
  return snapshot;
}

}  // namespace ebb::metrics
