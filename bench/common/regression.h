// A line through points, by least squares.
#ifndef EBB_BENCH_COMMON_REGRESSION_H_
#define EBB_BENCH_COMMON_REGRESSION_H_

#include <span>
#include <utility>

namespace ebb::bench {

struct Line {
  double slope = 0;
  double intercept = 0;
  // The share of the variance that the line explains: 0 to 1.
  double r_squared = 0;
};

// `points` are (x, y). The line is level if all have one x, and explains
// nothing if all have one y.
inline Line FitLine(std::span<const std::pair<double, double>> points) {
  double n = 0, x_mean = 0, y_mean = 0;
  for (const auto& [x, y] : points) {
    n += 1;
    x_mean += (x - x_mean) / n;
    y_mean += (y - y_mean) / n;
  }
  double xx = 0, xy = 0, yy = 0;
  for (const auto& [x, y] : points) {
    xx += (x - x_mean) * (x - x_mean);
    xy += (x - x_mean) * (y - y_mean);
    yy += (y - y_mean) * (y - y_mean);
  }
  if (xx == 0) return {.intercept = y_mean};
  const double slope = xy / xx;
  return {.slope = slope,
          .intercept = y_mean - slope * x_mean,
          .r_squared = yy == 0 ? 0 : xy * xy / (xx * yy)};
}

}  // namespace ebb::bench

#endif  // EBB_BENCH_COMMON_REGRESSION_H_
