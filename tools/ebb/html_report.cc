#include "tools/ebb/html_report.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tools/ebb/progress_line.h"

namespace ebb::tools {

namespace {

// Of a chart, in its own units.
constexpr double kWidth = 460;
constexpr double kHeight = 220;
constexpr double kLeft = 46;
constexpr double kRight = 12;
constexpr double kTop = 12;
constexpr double kBottom = 26;

constexpr char kStyle[] = R"(
:root { color-scheme: light dark; --ink: #1c2733; --soft: #66788a;
  --line: #dde4ea; --page: #ffffff; --card: #f7f9fb; --good: #1a7f4b;
  --bad: #c0392b; --c0: #0b6bcb; --c1: #e67e22; --c2: #1a7f4b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4eaf0; --soft: #92a2b2;
  --line: #2c3844; --page: #12181f; --card: #1a222b; --good: #4cc38a;
  --bad: #ff6b5e; --c0: #58a6ff; --c1: #f0a35e; --c2: #4cc38a; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--page); max-width: 1010px; margin: 2.5rem auto;
  padding: 0 1.2rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1rem; margin: 0 0 .4rem; font-weight: 600; }
.sub { color: var(--soft); margin: .2rem 0 1.4rem; }
.good { color: var(--good); } .bad { color: var(--bad); }
.grid { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); }
.card { background: var(--card); border-radius: 10px; padding: .9rem 1rem; }
.figures { grid-template-columns: repeat(auto-fit, minmax(140px, 1fr));
  margin-bottom: 1rem; }
.figure b { display: block; font-size: 1.45rem; font-weight: 650; }
.figure span { color: var(--soft); font-size: .85rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
td, th { text-align: left; padding: .25rem .6rem .25rem 0;
  border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
td.n { white-space: nowrap; }
pre { overflow-x: auto; font-size: .82rem; }
svg { width: 100%; height: auto; display: block; }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
svg .g { stroke: var(--line); stroke-width: 1; }
svg .m { stroke: var(--bad); stroke-width: 1.5; }
.log { max-height: 22rem; overflow-y: auto; }
svg polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg rect { fill: var(--c0); }
)";

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

// What a chart shows of the plane.
struct Frame {
  double x0 = 0, x1 = 1, y0 = 0, y1 = 1;
  double width = kWidth;
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
  frame->y1 += margin;
  if (!floor) frame->y0 -= margin;
  if (frame->x1 <= frame->x0) frame->x1 = frame->x0 + 1;
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
  for (const double x : Ticks(frame.x0, frame.x1, 6)) {
    absl::StrAppend(svg, absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" "
                                         "text-anchor=\"middle\">%s</text>",
                                         frame.X(x), kHeight - 8, TickText(x)));
  }
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

Curve CurveOf(const std::string& name, const std::vector<RunSample>& samples,
              std::optional<double> (*value)(const Progress&)) {
  Curve curve{name, {}};
  for (const RunSample& sample : samples) {
    if (const auto y = value(sample.progress); y && std::isfinite(*y)) {
      curve.points.emplace_back(sample.seconds, *y);
    }
  }
  return curve;
}

std::string Figure(absl::string_view number, absl::string_view name,
                   absl::string_view style = "") {
  return absl::StrCat("<div class=\"card figure\"><b class=\"", style, "\">",
                      EscapeHtml(number), "</b><span>", EscapeHtml(name),
                      "</span></div>\n");
}

std::string Figures(const RunReport& report) {
  std::string out = "<div class=\"grid figures\">\n";
  if (report.accuracy()) {
    absl::StrAppend(&out, Figure(absl::StrFormat("%.4f", *report.accuracy()),
                                 "test accuracy"));
  } else if (report.test_loss()) {
    absl::StrAppend(&out, Figure(absl::StrFormat("%.4f", *report.test_loss()),
                                 "test loss"));
  }
  absl::StrAppend(
      &out, Figure(DurationText(absl::Seconds(report.seconds)), "training"),
      Figure(Short(report.examples_per_second()), "examples/s"),
      Figure(WithCommas(report.status.updates()), "updates"));
  if (report.audit) {
    const bool exact = report.audit->exact();
    absl::StrAppend(
        &out,
        Figure(exact ? "exact" : "not exact",
               absl::StrCat("audit of ",
                            Count(report.audit->sum.partitions, "partition")),
               exact ? "good" : "bad"));
  }
  if (report.goodput) {
    absl::StrAppend(&out,
                    Figure(absl::StrFormat("%.3f", report.goodput->value()),
                           report.batch_time > absl::ZeroDuration()
                               ? "goodput, computing emulated"
                               : "goodput"));
  }
  absl::StrAppend(&out,
                  Figure(absl::StrCat(report.restarts.total()), "restarts"),
                  "</div>\n");
  return out;
}

std::string StalenessBars(const v1::JobStatus& status) {
  int64_t most = 1;
  int last = 0;
  for (int i = 0; i < status.staleness_size(); ++i) {
    most = std::max(most, status.staleness(i));
    if (status.staleness(i) > 0) last = i;
  }
  const double width = (kWidth - kLeft - kRight) / (last + 1);
  std::string svg =
      absl::StrFormat("<svg viewBox=\"0 0 %g %g\">", kWidth, kHeight);
  for (int i = 0; i <= last && i < status.staleness_size(); ++i) {
    const double height = static_cast<double>(status.staleness(i)) /
                          static_cast<double>(most) *
                          (kHeight - kTop - kBottom);
    absl::StrAppend(
        &svg,
        absl::StrFormat("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                        "height=\"%.1f\"><title>%d: %s updates</title></rect>",
                        kLeft + i * width, kHeight - kBottom - height,
                        std::max(1.0, width - 1), height, i,
                        WithCommas(status.staleness(i))));
  }
  for (const double x : Ticks(0, last + 1e-3, 8)) {
    absl::StrAppend(&svg, absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" "
                                          "text-anchor=\"middle\">%s</text>",
                                          kLeft + (x + 0.5) * width,
                                          kHeight - 8, TickText(x)));
  }
  return svg + "</svg>";
}

std::string Card(absl::string_view title, absl::string_view content) {
  return absl::StrCat("<div class=\"card\"><h2>", EscapeHtml(title), "</h2>",
                      content, "</div>\n");
}

std::string ListCard(absl::string_view title,
                     const std::vector<std::string>& lines) {
  if (lines.empty()) return "";
  std::string list;
  for (const std::string& line : lines) {
    absl::StrAppend(&list, "<li>", EscapeHtml(line), "</li>");
  }
  return Card(title, absl::StrCat("<ul>", list, "</ul>"));
}

std::string Charts(const RunReport& report,
                   const std::vector<RunSample>& samples) {
  const std::optional<double> zero = 0;
  using Value = std::optional<double>;
  ChartOptions options;
  if (!samples.empty()) options.reach = samples.back().seconds;
  for (const PlannedEvent& event : report.events) {
    options.marks.push_back(
        {event.seconds,
         absl::StrFormat("%.1f s: %s", event.seconds, event.what)});
  }
  if (!report.events.empty()) options.width = 2 * kWidth;
  // Below one another, one time axis can be followed through all.
  std::string out = report.events.empty()
                        ? "<div class=\"grid\">\n"
                        : "<div class=\"grid\" style=\""
                          "grid-template-columns:minmax(0,1fr)\">\n";
  const auto add = [&](absl::string_view title, std::vector<Curve> curves,
                       std::optional<double> floor) {
    options.floor = floor;
    const std::string chart = Chart(title, curves, options);
    if (!chart.empty()) absl::StrAppend(&out, Card(title, chart));
  };
  add("Loss by seconds",
      {CurveOf("training", samples, [](const Progress& p) { return p.loss; }),
       CurveOf("test", samples, [](const Progress& p) { return p.test_loss; })},
      zero);
  add("Test accuracy by seconds",
      {CurveOf("accuracy", samples,
               [](const Progress& p) { return p.test_accuracy; })},
      std::nullopt);
  add("Examples per second",
      {CurveOf(
          "examples/s", samples,
          [](const Progress& p) -> Value { return p.examples_per_second; })},
      zero);
  add("Alive",
      {CurveOf("workers", samples,
               [](const Progress& p) -> Value { return p.workers; }),
       CurveOf("servers", samples,
               [](const Progress& p) -> Value { return p.servers; })},
      zero);
  if (!report.events.empty()) {
    add("Staleness, mean in updates",
        {CurveOf("staleness", samples,
                 [](const Progress& p) { return p.staleness; })},
        zero);
  }
  return out + "</div>\n";
}

std::string StalenessCard(const v1::JobStatus& status) {
  if (status.staleness().empty()) return "";
  return Card("Updates by staleness", StalenessBars(status));
}

std::string Disturbances(const RunReport& report) {
  if (report.events.empty()) return "";
  std::string rows;
  for (const PlannedEvent& event : report.events) {
    const auto after = [](const std::optional<double>& seconds) {
      return seconds ? absl::StrFormat("%.2f s", *seconds) : std::string();
    };
    absl::StrAppend(&rows, "<tr><td class=\"n\">",
                    absl::StrFormat("%.1f s", event.seconds), "</td><td>",
                    EscapeHtml(event.what), "</td><td class=\"n\">",
                    after(event.resumed_s), "</td><td class=\"n\">",
                    after(event.recovery_s), "</td></tr>");
  }
  return Card(
      "What was done",
      absl::StrCat("<div class=\"log\"><table><tr><th class=\"n\">at</th>"
                   "<th>what</th><th class=\"n\">taken up after</th>"
                   "<th class=\"n\">counted again after</th></tr>",
                   rows, "</table></div>"));
}

std::string Details(const RunReport& report) {
  std::string rows;
  const auto row = [&](absl::string_view name, absl::string_view value) {
    absl::StrAppend(&rows, "<tr><td>", EscapeHtml(name),
                    "</td><td class=\"n\">", EscapeHtml(value), "</td></tr>");
  };
  for (const auto& [server, partitions] : PartitionsByServer(report.status)) {
    row(server, Count(partitions, "partition"));
  }
  for (const auto& share : report.status.shares()) {
    row(share.name(), Count(share.examples(), "example"));
  }
  if (report.audit) {
    const AuditReport& audit = *report.audit;
    row("examples applied, each partition", WithCommas(audit.worst.applied));
    row("examples expected", WithCommas(audit.worst.expected));
    row("missing", WithCommas(audit.sum.missing));
    row("doubled", WithCommas(audit.sum.doubled));
    row("skipped by decision", WithCommas(audit.worst.skipped));
    for (const SilentServer& one : audit.silent) {
      row("no answer", PartitionsText(one.partitions));
    }
  }
  row("examples computed again", WithCommas(report.recomputed()));
  if (!report.kills.empty()) {
    row("daemons killed on purpose", absl::StrCat(report.kills.size()));
  }
  if (report.rollbacks > 0) row("rollbacks", absl::StrCat(report.rollbacks));
  return Card("Who did what", absl::StrCat("<table>", rows, "</table>"));
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
  std::string svg = absl::StrFormat(
      "<svg viewBox=\"0 0 %g %g\" role=\"img\"><title>%s"
      "</title>",
      frame->width, kHeight, EscapeHtml(title));
  AppendGrid(*frame, &svg);
  AppendMarks(*frame, options.marks, &svg);
  double legend = kLeft + 8;
  for (size_t i = 0; i < curves.size(); ++i) {
    if (curves[i].points.empty()) continue;
    absl::StrAppend(
        &svg, absl::StrFormat("<polyline stroke=\"var(--c%d)\" points=\"", i),
        absl::StrJoin(curves[i].points, " ",
                      [&](std::string* out, const auto& point) {
                        absl::StrAppend(
                            out,
                            absl::StrFormat("%.1f,%.1f", frame->X(point.first),
                                            frame->Y(point.second)));
                      }),
        "\"/>");
    if (curves.size() > 1) {
      absl::StrAppend(
          &svg,
          absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" "
                          "style=\"fill:var(--c%d)\">%s</text>",
                          legend, kTop + 10, i, EscapeHtml(curves[i].name)));
      legend += 16 + 7 * static_cast<double>(curves[i].name.size());
    }
  }
  return svg + "</svg>";
}

std::string HtmlReport(const RunReport& report,
                       const std::vector<RunSample>& samples) {
  const bool passed = report.problems.empty() && !report.interrupted;
  const std::string problems =
      ListCard("What is wrong", report.problems) +
      ListCard("What others did to it", report.warnings);
  const std::string state = passed               ? "passed"
                            : report.interrupted ? "interrupted"
                                                 : "failed";
  return absl::StrCat(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\"><title>",
      EscapeHtml(report.job.name()), "</title><style>", kStyle,
      "</style></head><body>\n<h1>", EscapeHtml(report.job.name()),
      " <span class=\"", passed ? "good" : "bad", "\">", state,
      "</span></h1>\n<p class=\"sub\">",
      Count(report.job.train().epochs(), "epoch"), ", ",
      Count(report.status.examples(), "example"), " in all, seed ",
      report.job.seed(), ", ", EscapeHtml(report.folder), "</p>\n", problems,
      Figures(report), Charts(report, samples),
      "<div class=\"grid\" style=\"margin-top:1rem\">", Details(report),
      StalenessCard(report.status), Disturbances(report),
      "</div>\n</body></html>\n");
}

}  // namespace ebb::tools
