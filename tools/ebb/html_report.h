// A run as one page: what came out, and how it went there. The page needs
// nothing else: no script, no file beside it.
#ifndef EBB_TOOLS_EBB_HTML_REPORT_H_
#define EBB_TOOLS_EBB_HTML_REPORT_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "tools/ebb/run_folder.h"
#include "tools/ebb/run_report.h"

namespace ebb::tools {

std::string HtmlReport(const RunReport& report,
                       const std::vector<RunSample>& samples);

// `text` with what means something in HTML written as entities.
std::string EscapeHtml(absl::string_view text);

struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;  // By ascending first.
};

// A moment on the horizontal axis, and what it was.
struct Mark {
  double x = 0;
  std::string title;
};

struct ChartOptions {
  double width = 460;           // In the chart's own units; it is 220 high.
  std::optional<double> floor;  // The vertical axis reaches down to it, ...
  double reach = 0;             // ... the horizontal one at least up to it.
  std::vector<Mark> marks;
};

// An SVG element: lines over a grid, round numbers at the axes. Curves without
// points are left out.
std::string Chart(absl::string_view title, const std::vector<Curve>& curves,
                  const ChartOptions& options);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_HTML_REPORT_H_
