// Figures taken in turns with a limit of the same machine: what holds is their
// ratio, pair by pair, so that whatever disturbs the machine for a while
// disturbs both.
#ifndef EBB_BENCH_COMMON_PAIRED_H_
#define EBB_BENCH_COMMON_PAIRED_H_

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ebb::bench {

// The median of at least one value; the mean of the middle two for an even
// number.
double Median(std::vector<double> values);

// The pairs' ratios: the median, and the least and greatest.
struct PairedRatio {
  double median = 0;
  double low = 0;
  double high = 0;
  int pairs = 0;
};
// ours[i] / limits[i]. As many of both, at least one; no limit is 0.
PairedRatio RatioOf(std::span<const double> ours,
                    std::span<const double> limits);

// The requirement on a ratio.
struct Bound {
  enum class Kind { kAtLeast, kAtMost };
  Kind kind = Kind::kAtLeast;
  double value = 0;

  bool Allows(double ratio) const {
    return kind == Kind::kAtLeast ? ratio >= value : ratio <= value;
  }
  // ">= 0.8", "<= 9".
  std::string ToString() const;
};

// One line of a benchmark's table.
struct Row {
  std::string what;     // "push 4 MiB, 1 in flight"
  std::string measure;  // "GB/s"
  double limit = 0;     // Medians.
  double ours = 0;
  PairedRatio ratio;
  std::optional<Bound> bound;  // None: it is only told.

  bool holds() const { return !bound || bound->Allows(ratio.median); }
};

// A row of as many figures of both, in their pairs.
Row MakeRow(std::string what, std::string measure, std::span<const double> ours,
            std::span<const double> limits, std::optional<Bound> bound);

bool AllHold(std::span<const Row> rows);

}  // namespace ebb::bench

#endif  // EBB_BENCH_COMMON_PAIRED_H_
