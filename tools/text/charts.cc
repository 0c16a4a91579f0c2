#include "tools/text/charts.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "tools/text/console.h"

namespace ebb::tools {

const char kChartColors[] = R"(
:root { color-scheme: light dark; --ink: #1c2733; --soft: #66788a;
  --line: #dde4ea; --page: #ffffff; --card: #f7f9fb; --good: #1a7f4b;
  --bad: #c0392b; --c0: #0b6bcb; --c1: #e67e22; --c2: #1a7f4b; --c3: #8e44ad;
  --c4: #c2185b; --c5: #7a6a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4eaf0; --soft: #92a2b2;
  --line: #2c3844; --page: #12181f; --card: #1a222b; --good: #4cc38a;
  --bad: #ff6b5e; --c0: #58a6ff; --c1: #f0a35e; --c2: #4cc38a;
  --c3: #c39bd3; --c4: #ff7aa8; --c5: #d4c04a; } }
)";

const char kChartStyle[] = R"(
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
svg .g { stroke: var(--line); stroke-width: 1; }
svg .m { stroke: var(--bad); stroke-width: 1.5; }
svg polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg rect { fill: var(--c0); }
)";

namespace {

constexpr double kHeight = 220;
constexpr double kLeft = 46;
constexpr double kRight = 12;
constexpr double kTop = 12;
constexpr double kBottom = 26;
constexpr size_t kColors = 6;

// Round numbers between `low` and `high`, about `count`.
std::vector<double> Ticks(double low, double high, int count) {
  const double rough = (high - low) / count;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> ticks;
  const auto first = static_cast<int64_t>(std::ceil(low / step - 1e-9));
  for (int64_t i = first; static_cast<double>(i) * step <= high + step * 1e-9;
       ++i) {
    ticks.push_back(static_cast<double>(i) * step);
  }
  return ticks;
}

std::string TickText(double value) {
  if (std::abs(value) >= 1000) return Short(value);
  return absl::StrFormat("%g", std::round(value * 1e6) / 1e6);
}

// Three digits are enough for a look.
std::string BarText(double value) {
  if (std::abs(value) >= 1000) return Short(value);
  return absl::StrFormat("%.3g", value);
}

// The part of the plane that a chart shows.
struct Frame {
  double x0 = 0, x1 = 1, y0 = 0, y1 = 1;
  double width = kChartWidth;
  double X(double x) const {
    return kLeft + (x - x0) / (x1 - x0) * (width - kLeft - kRight);
  }
  double Y(double y) const {
    return kHeight - kBottom -
           (y - y0) / (y1 - y0) * (kHeight - kTop - kBottom);
  }
};

std::optional<Frame> FrameOf(const std::vector<Curve>& curves,
                             const ChartOptions& options) {
  std::optional<Frame> frame;
  for (const Curve& curve : curves) {
    for (const auto& [x, y] : curve.points) {
      if (!frame) frame = Frame{0, x, y, y, options.width};
      frame->x0 = std::min(frame->x0, x);
      frame->x1 = std::max(frame->x1, x);
      frame->y0 = std::min(frame->y0, y);
      frame->y1 = std::max(frame->y1, y);
    }
  }
  if (!frame) return frame;
  const std::optional<double>& floor = options.floor;
  if (floor) frame->y0 = std::min(frame->y0, *floor);
  frame->x1 = std::max(frame->x1, options.reach);
  const double height = frame->y1 - frame->y0;
  const double margin = height > 0 ? height * 0.06 : std::abs(frame->y1) + 1e-3;
  // The curves' names stand above them.
  frame->y1 += curves.size() > 1 ? 2.5 * margin : margin;
  if (!floor) frame->y0 -= margin;
  if (frame->x1 <= frame->x0) frame->x1 = frame->x0 + 1;
  if (!options.x_names.empty()) {  // The outer ones need room, too.
    frame->x0 -= 0.25;
    frame->x1 += 0.25;
  }
  return frame;
}

void AppendGrid(const Frame& frame, std::string* svg) {
  for (const double y : Ticks(frame.y0, frame.y1, 4)) {
    absl::StrAppend(
        svg,
        absl::StrFormat("<line class=\"g\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" "
                        "y2=\"%.1f\"/><text x=\"%.1f\" y=\"%.1f\" "
                        "text-anchor=\"end\">%s</text>",
                        kLeft, frame.width - kRight, frame.Y(y), frame.Y(y),
                        kLeft - 6, frame.Y(y) + 4, TickText(y)));
  }
}

void AppendUnderAxis(double x, absl::string_view text, std::string* svg) {
  absl::StrAppend(svg, absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" "
                                       "text-anchor=\"middle\">%s</text>",
                                       x, kHeight - 8, EscapeHtml(text)));
}

void AppendAxis(const Frame& frame, const std::vector<std::string>& names,
                std::string* svg) {
  if (names.empty()) {
    for (const double x : Ticks(frame.x0, frame.x1, 6)) {
      AppendUnderAxis(frame.X(x), TickText(x), svg);
    }
  }
  for (size_t i = 0; i < names.size(); ++i) {
    const auto x = static_cast<double>(i);
    if (x < frame.x0 || x > frame.x1) continue;
    AppendUnderAxis(frame.X(x), names[i], svg);
  }
}

// Returns where the next name may begin.
double AppendLegend(double at, size_t color, absl::string_view name,
                    std::string* svg) {
  absl::StrAppend(
      svg, absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" "
                           "style=\"fill:var(--c%d)\">%s</text>",
                           at, kTop + 10, color % kColors, EscapeHtml(name)));
  return at + 16 + 7 * static_cast<double>(name.size());
}

std::string Open(double width, absl::string_view title) {
  return absl::StrFormat(
      "<svg viewBox=\"0 0 %g %g\" role=\"img\"><title>%s</title>", width,
      kHeight, EscapeHtml(title));
}

// Short strokes at the axis: there may be hundreds.
void AppendMarks(const Frame& frame, const std::vector<Mark>& marks,
                 std::string* svg) {
  for (const Mark& mark : marks) {
    absl::StrAppend(
        svg,
        absl::StrFormat("<line class=\"m\" x1=\"%.1f\" x2=\"%.1f\" "
                        "y1=\"%g\" y2=\"%g\"><title>%s</title></line>",
                        frame.X(mark.x), frame.X(mark.x), kHeight - kBottom + 1,
                        kHeight - kBottom - 9, EscapeHtml(mark.title)));
  }
}

void AppendDots(const Frame& frame, const Curve& curve, size_t color,
                std::string* svg) {
  for (const auto& [x, y] : curve.points) {
    absl::StrAppend(
        svg, absl::StrFormat("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" "
                             "style=\"fill:var(--c%d)\"><title>%s: %s</title>"
                             "</circle>",
                             frame.X(x), frame.Y(y), color % kColors,
                             BarText(x), BarText(y)));
  }
}

}  // namespace

std::string EscapeHtml(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

std::string Chart(absl::string_view title, const std::vector<Curve>& curves,
                  const ChartOptions& options) {
  const auto frame = FrameOf(curves, options);
  if (!frame) return "";
  std::string svg = Open(frame->width, title);
  AppendGrid(*frame, &svg);
  AppendAxis(*frame, options.x_names, &svg);
  AppendMarks(*frame, options.marks, &svg);
  double legend = kLeft + 8;
  for (size_t i = 0; i < curves.size(); ++i) {
    if (curves[i].points.empty()) continue;
    absl::StrAppend(
        &svg,
        absl::StrFormat("<polyline stroke=\"var(--c%d)\" points=\"",
                        i % kColors),
        absl::StrJoin(curves[i].points, " ",
                      [&](std::string* out, const auto& point) {
                        absl::StrAppend(
                            out,
                            absl::StrFormat("%.1f,%.1f", frame->X(point.first),
                                            frame->Y(point.second)));
                      }),
        "\"/>");
    if (curves[i].dots) AppendDots(*frame, curves[i], i, &svg);
    if (curves.size() > 1) {
      legend = AppendLegend(legend, i, curves[i].name, &svg);
    }
  }
  return svg + "</svg>";
}

std::string BarChart(absl::string_view title,
                     const std::vector<BarGroup>& groups,
                     const BarOptions& options) {
  Frame frame{0, static_cast<double>(groups.size()), 0, 0, options.width};
  size_t series = 0;
  bool any = false;
  for (const BarGroup& group : groups) {
    series = std::max(series, group.values.size());
    for (const auto& value : group.values) {
      if (!value) continue;
      any = true;
      frame.y1 = std::max(frame.y1, *value);
    }
  }
  if (!any) return "";
  frame.y1 = std::max(frame.y1, options.line.value_or(0));
  if (frame.y1 <= 0) frame.y1 = 1;
  frame.y1 *= 1.18;  // Room for names above the bars.
  std::string svg = Open(frame.width, title);
  AppendGrid(frame, &svg);
  const double slot = frame.X(1) - frame.X(0);
  const double width = slot * 0.8 / static_cast<double>(series);
  for (size_t g = 0; g < groups.size(); ++g) {
    const double left = frame.X(static_cast<double>(g)) + slot * 0.1;
    for (size_t i = 0; i < groups[g].values.size(); ++i) {
      if (!groups[g].values[i]) continue;
      const double value = *groups[g].values[i];
      const double x = left + static_cast<double>(i) * width;
      absl::StrAppend(
          &svg,
          absl::StrFormat("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                          "height=\"%.1f\" style=\"fill:var(--c%d)\"/>"
                          "<text x=\"%.1f\" y=\"%.1f\" "
                          "text-anchor=\"middle\">%s</text>",
                          x, frame.Y(value), std::max(1.0, width - 1),
                          frame.Y(0) - frame.Y(value), i % kColors,
                          x + width / 2, frame.Y(value) - 4, BarText(value)));
    }
    AppendUnderAxis(frame.X(static_cast<double>(g) + 0.5), groups[g].name,
                    &svg);
  }
  if (options.line) {
    absl::StrAppend(
        &svg, absl::StrFormat("<line class=\"m\" x1=\"%.1f\" "
                              "x2=\"%.1f\" y1=\"%.1f\" "
                              "y2=\"%.1f\"/>",
                              kLeft, frame.width - kRight,
                              frame.Y(*options.line), frame.Y(*options.line)));
  }
  double legend = kLeft + 8;
  for (size_t i = 0; i < options.series.size() && series > 1; ++i) {
    legend = AppendLegend(legend, i, options.series[i], &svg);
  }
  return svg + "</svg>";
}

std::string Histogram(const std::vector<int64_t>& counts,
                      absl::string_view noun) {
  int64_t most = 1;
  size_t end = 1;
  for (size_t i = 0; i < counts.size(); ++i) {
    most = std::max(most, counts[i]);
    if (counts[i] > 0) end = i + 1;
  }
  const double width =
      (kChartWidth - kLeft - kRight) / static_cast<double>(end);
  std::string svg =
      absl::StrFormat("<svg viewBox=\"0 0 %g %g\">", kChartWidth, kHeight);
  for (size_t i = 0; i < std::min(end, counts.size()); ++i) {
    const double height = static_cast<double>(counts[i]) /
                          static_cast<double>(most) *
                          (kHeight - kTop - kBottom);
    absl::StrAppend(
        &svg,
        absl::StrFormat("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                        "height=\"%.1f\"><title>%d: %s %s</title></rect>",
                        kLeft + static_cast<double>(i) * width,
                        kHeight - kBottom - height, std::max(1.0, width - 1),
                        height, i, WithCommas(counts[i]), noun));
  }
  for (const double x : Ticks(0, static_cast<double>(end) - 1 + 1e-3, 8)) {
    AppendUnderAxis(kLeft + (x + 0.5) * width, TickText(x), &svg);
  }
  return svg + "</svg>";
}

std::string SvgFile(absl::string_view svg) {
  absl::ConsumePrefix(&svg, "<svg ");
  return absl::StrCat("<svg xmlns=\"http://www.w3.org/2000/svg\" ",
                      "style=\"background:var(--page)\" ",
                      svg.substr(0, svg.find('>') + 1), "<style>", kChartColors,
                      kChartStyle, "</style>", svg.substr(svg.find('>') + 1),
                      "\n");
}

}  // namespace ebb::tools
