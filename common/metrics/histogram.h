// How often values came that are at most so large.
#ifndef EBB_COMMON_METRICS_HISTOGRAM_H_
#define EBB_COMMON_METRICS_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ebb::metrics {

struct HistogramSnapshot {
  std::vector<double> bounds;   // Ascending; a value is counted at the first
                                // that it does not exceed.
  std::vector<int64_t> counts;  // One more than bounds: what exceeds all.
  double sum = 0;               // Sum of the values.
};

// Durations from 50 us to 50 s: bounds of 1, 2 and 5 times a power of ten.
//
// Thread-safe and wait-free. A snapshot taken while values are recorded may
// have some of them in one figure and not yet in another.
class SecondsHistogram {
 public:
  void Record(double seconds) {
    size_t i = 0;
    while (i < kBounds.size() && seconds > kBounds[i]) ++i;
    // Relaxed: figures for people.
    counts_[i].fetch_add(1, std::memory_order_relaxed);
    nanos_.fetch_add(static_cast<int64_t>(seconds * 1e9),
                     std::memory_order_relaxed);
  }

  HistogramSnapshot Snapshot() const {
    HistogramSnapshot snapshot;
    snapshot.bounds.assign(kBounds.begin(), kBounds.end());
    for (const auto& count : counts_) {
      snapshot.counts.push_back(count.load(std::memory_order_relaxed));
    }
    snapshot.sum =
        static_cast<double>(nanos_.load(std::memory_order_relaxed)) * 1e-9;
    return snapshot;
  }

 private:
  static constexpr std::array<double, 19> kBounds = {
      50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3,
      0.1,   0.2,    0.5,    1,      2,    5,    10,   20,    50};

  std::array<std::atomic<int64_t>, kBounds.size() + 1> counts_ = {};
  std::atomic<int64_t> nanos_ = 0;
};

// Makes a histogram of a list of counts, the index being the value: bounds at
// powers of two.
HistogramSnapshot HistogramOfCounts(const std::vector<int64_t>& counts);

}  // namespace ebb::metrics

#endif  // EBB_COMMON_METRICS_HISTOGRAM_H_
