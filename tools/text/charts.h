// Charts as SVG: lines over a grid, and bars.
#ifndef EBB_TOOLS_TEXT_CHARTS_H_
#define EBB_TOOLS_TEXT_CHARTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace ebb::tools {

// `text` with what means something in HTML written as entities.
std::string EscapeHtml(absl::string_view text);

// Width of a chart, in its own units.
inline constexpr double kChartWidth = 460;

struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;  // By ascending first.
  bool dots = false;                              // A circle at each point.
};

// A moment on the horizontal axis, and what it was.
struct Mark {
  double x = 0;
  std::string title;
};

struct ChartOptions {
  double width = kChartWidth;   // It is 220 high.
  std::optional<double> floor;  // The vertical axis reaches down to it, ...
  double reach = 0;             // ... the horizontal one at least up to it.
  std::vector<Mark> marks;
  // Texts below 0, 1, 2 ... of the horizontal axis; empty: round numbers.
  std::vector<std::string> x_names;
};

// An SVG element: lines over a grid, round numbers at the axes. Curves without
// points are left out.
std::string Chart(absl::string_view title, const std::vector<Curve>& curves,
                  const ChartOptions& options);

// Bars that stand side by side above a name, one of each series.
struct BarGroup {
  std::string name;
  std::vector<std::optional<double>> values;  // Absent: no bar.
};

struct BarOptions {
  double width = kChartWidth;
  std::vector<std::string> series;  // Named where there are several.
  std::optional<double> line;       // Across, at what must be reached.
};

// An SVG element: bars from 0, each with its value. Empty where there are none.
std::string BarChart(absl::string_view title,
                     const std::vector<BarGroup>& groups,
                     const BarOptions& options);

// An SVG element: a bar for each count, whose index is its value.
std::string Histogram(const std::vector<int64_t>& counts,
                      absl::string_view noun);

// The style sheet of these elements; colors are variables.
extern const char kChartColors[];
extern const char kChartStyle[];

// An element of the above as a file of its own, light or dark as the reader
// likes.
std::string SvgFile(absl::string_view svg);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_TEXT_CHARTS_H_
