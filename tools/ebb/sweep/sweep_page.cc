#include "tools/ebb/sweep/sweep_page.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/scores/figures.h"
#include "sweep/folds.h"
#include "tools/ebb/sweep/sweep_table.h"
#include "tools/text/charts.h"
#include "tools/text/console.h"
#include "tools/text/evaluation_text.h"
#include "tools/text/page.h"

namespace ebb::tools {

namespace {

using sweep::Dimension;
using sweep::Sweep;
using sweep::Trial;

constexpr double kHeight = 240;
constexpr double kTop = 26;
constexpr double kBottom = 34;
constexpr double kSide = 54;
constexpr size_t kMostCurves = 200;  // The best; a page stays small.

// Returns where the trial's value lies on the axis of a key, from 0 to 1.
// Absent: the trial does not have the key.
std::optional<double> PlaceOn(const Dimension& dimension, const Trial& trial) {
  const auto chosen = trial.choices.find(dimension.key);
  if (chosen == trial.choices.end()) return std::nullopt;
  if (dimension.kind != Dimension::Kind::kList) {
    return sweep::PlaceOf(dimension, chosen->second);
  }
  const auto at = std::ranges::find(dimension.values, chosen->second);
  if (at == dimension.values.end()) return std::nullopt;
  const auto count = static_cast<double>(dimension.values.size());
  return (static_cast<double>(at - dimension.values.begin()) + 0.5) / count;
}

// The texts along the axis of a key, with their places.
std::vector<std::pair<double, std::string>> TicksOf(
    const Dimension& dimension) {
  std::vector<std::pair<double, std::string>> ticks;
  if (dimension.kind != Dimension::Kind::kList) {
    for (const double place : {0.0, 0.5, 1.0}) {
      ticks.emplace_back(place, sweep::ValueAt(dimension, place));
    }
    return ticks;
  }
  constexpr size_t kMostTicks = 8;
  const size_t count = dimension.values.size();
  const size_t step = (count + kMostTicks - 1) / kMostTicks;
  for (size_t i = 0; i < count; i += step) {
    ticks.emplace_back(
        (static_cast<double>(i) + 0.5) / static_cast<double>(count),
        dimension.values[i]);
  }
  return ticks;
}

// Trials with a result, the best last: so they are drawn above the others.
struct Ranked {
  std::vector<const Trial*> trials;
  double low = 0;  // The ends of the metric.
  double high = 1;

  double PlaceOf(double value) const {
    return high > low ? (value - low) / (high - low) : 0.5;
  }
  // From faint to full.
  double Opacity(size_t index) const {
    const auto count = static_cast<double>(trials.size());
    return 0.15 + 0.85 * std::pow((static_cast<double>(index) + 1) / count, 3);
  }
};

double MetricOf(const Sweep& sweep, const Trial& trial) {
  return sweep::Directed(sweep, *sweep::ResultOf(trial));
}

Ranked RankedOf(const Sweep& sweep, const std::vector<Trial>& trials) {
  Ranked ranked;
  for (const size_t index : sweep::Ranking(trials)) {
    if (!sweep::ResultOf(trials[index])) continue;
    ranked.trials.push_back(&trials[index]);
  }
  if (ranked.trials.empty()) return ranked;
  ranked.low = ranked.high = MetricOf(sweep, *ranked.trials[0]);
  for (const Trial* trial : ranked.trials) {
    ranked.low = std::min(ranked.low, MetricOf(sweep, *trial));
    ranked.high = std::max(ranked.high, MetricOf(sweep, *trial));
  }
  std::ranges::reverse(ranked.trials);
  return ranked;
}

std::string TitleOf(const Sweep& sweep, const Trial& trial) {
  return EscapeHtml(absl::StrCat(
      "trial ", trial.number, ": ", sweep.metric, " ",
      FigureText(MetricOf(sweep, trial)), "; ",
      absl::StrJoin(trial.choices, ", ", [](std::string* out, const auto& one) {
        absl::StrAppend(out, one.first, " ", one.second);
      })));
}

double YOf(double place) {
  return kTop + (1 - place) * (kHeight - kTop - kBottom);
}

void AppendText(double x, double y, absl::string_view anchor,
                absl::string_view text, std::string* svg) {
  constexpr size_t kLongest = 26;
  const std::string shown =
      text.size() <= kLongest ? std::string(text)
                              : absl::StrCat(text.substr(0, kLongest - 1), "…");
  absl::StrAppend(svg, absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" "
                                       "text-anchor=\"%s\">%s</text>",
                                       x, y, anchor, EscapeHtml(shown)));
}

void AppendLine(double x0, double y0, double x1, double y1, std::string* svg) {
  absl::StrAppend(svg, absl::StrFormat("<line class=\"g\" x1=\"%.1f\" "
                                       "y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
                                       x0, y0, x1, y1));
}

// One that is wider than the page keeps its size, so that its texts can be
// read.
std::string Open(double width, absl::string_view title) {
  const std::string style =
      width > 2 * kChartWidth
          ? absl::StrFormat(" style=\"min-width:%gpx\"", width)
          : "";
  return absl::StrFormat(
      "<svg viewBox=\"0 0 %g %g\"%s role=\"img\"><title>%s</title>", width,
      kHeight, style, EscapeHtml(title));
}

// Empty: there is nothing in it.
std::string ScrollCard(absl::string_view title, absl::string_view content) {
  if (content.empty()) return "";
  return Card(title, absl::StrCat("<div class=\"scroll\">", content, "</div>"));
}

std::string TableOf(const Sweep& sweep, const std::vector<Trial>& trials) {
  constexpr size_t kRows = 50;
  std::string table = "<table><tr><th>trial</th><th>state</th><th>";
  absl::StrAppend(&table, EscapeHtml(sweep.metric), "</th>",
                  sweep.folds > 0 ? "<th>deviation</th>" : "");
  for (const Dimension& dimension : sweep.space) {
    absl::StrAppend(&table, "<th>", EscapeHtml(dimension.key), "</th>");
  }
  absl::StrAppend(&table, "</tr>\n");
  const std::vector<size_t> order = sweep::Ranking(trials);
  for (size_t i = 0; i < std::min(order.size(), kRows); ++i) {
    const Trial& trial = trials[order[i]];
    absl::StrAppend(
        &table, "<tr><td>", trial.number, "</td><td>",
        StateText(sweep, trials, order[i]), "</td><td>",
        sweep::ResultOf(trial) ? FigureText(MetricOf(sweep, trial)) : "",
        "</td>");
    if (sweep.folds > 0) {
      absl::StrAppend(&table, "<td>",
                      trial.deviation ? FigureText(*trial.deviation) : "",
                      "</td>");
    }
    for (const Dimension& dimension : sweep.space) {
      const auto chosen = trial.choices.find(dimension.key);
      absl::StrAppend(
          &table, "<td>",
          chosen == trial.choices.end() ? "" : EscapeHtml(chosen->second),
          "</td>");
    }
    absl::StrAppend(&table, "</tr>\n");
  }
  return table + "</table>";
}

// The class that figures of one class are of. The trials' data is the same.
std::string PositiveClassOf(const std::vector<Trial>& trials) {
  const auto known = std::ranges::find_if(
      trials, [](const Trial& one) { return !one.positive_class.empty(); });
  return known == trials.end() ? "" : known->positive_class;
}

// The figures of each fold of a setting, and their means and deviations.
std::string FoldsOf(const Sweep& sweep, const std::vector<Trial>& trials,
                    const sweep::Setting& setting) {
  const std::string positive = PositiveClassOf(trials);
  std::string table = "<table><tr><th>fold</th><th>state</th>";
  const auto add_row = [&](absl::string_view first, absl::string_view second,
                           const auto& value_of) {
    absl::StrAppend(&table, "<tr><td>", first, "</td><td>", second, "</td>");
    for (const sweep::FigureSpread& figure : setting.figures) {
      absl::StrAppend(&table, "<td>", value_of(figure), "</td>");
    }
    absl::StrAppend(&table, "</tr>\n");
  };
  for (const sweep::FigureSpread& figure : setting.figures) {
    const FigureKind* kind = FindFigureKind(figure.name);
    absl::StrAppend(
        &table, "<th>",
        EscapeHtml(absl::StrCat(kind == nullptr ? figure.name : kind->title,
                                OfClass(figure.name, positive))),
        "</th>");
  }
  absl::StrAppend(&table, "</tr>\n");
  for (const size_t index : setting.folds) {
    add_row(absl::StrCat(trials[index].number % sweep.folds),
            StateText(sweep, trials, index),
            [&](const sweep::FigureSpread& figure) {
              const auto& all = trials[index].figures;
              const auto own =
                  std::ranges::find(all, figure.name, &Figure::name);
              return own == all.end() ? "" : FigureText(own->value);
            });
  }
  if (!setting.figures.empty()) {
    add_row("mean", "", [](const sweep::FigureSpread& figure) {
      return FigureText(figure.spread.mean);
    });
    add_row("deviation", "", [](const sweep::FigureSpread& figure) {
      return FigureText(figure.spread.deviation);
    });
  }
  return table + "</table>";
}

// The best of the settings; without a result the first.
std::string FoldCards(const Sweep& sweep, const std::vector<Trial>& trials) {
  if (sweep.folds == 0) return "";
  const std::vector<sweep::Setting> settings = sweep::SettingsOf(sweep, trials);
  if (settings.empty()) return "";
  const size_t best = sweep::BestOf(sweep::WholesOf(settings)).value_or(0);
  const std::string title =
      sweep.space.empty()
          ? "Folds"
          : absl::StrCat("Folds of trial ", settings[best].whole.number);
  return ScrollCard(title, FoldsOf(sweep, trials, settings[best]));
}

}  // namespace

std::string ParallelCoordinates(const Sweep& sweep,
                                const std::vector<Trial>& trials) {
  const Ranked ranked = RankedOf(sweep, trials);
  if (ranked.trials.empty()) return "";
  const auto axes = static_cast<double>(sweep.space.size());
  const double width = std::max(2 * kChartWidth, 2 * kSide + axes * 150);
  const double gap = (width - 2 * kSide) / axes;
  std::string svg = Open(width, "Choices and results of the trials");
  for (size_t d = 0; d < sweep.space.size(); ++d) {
    const double x = kSide + static_cast<double>(d) * gap;
    AppendLine(x, kTop, x, kHeight - kBottom, &svg);
    AppendText(x, kTop - 10, "middle", sweep.space[d].key, &svg);
    for (const auto& [place, text] : TicksOf(sweep.space[d])) {
      AppendText(x - 5, YOf(place) + 4, "end", text, &svg);
    }
  }
  const double right = width - kSide;
  AppendLine(right, kTop, right, kHeight - kBottom, &svg);
  AppendText(right, kTop - 10, "middle", sweep.metric, &svg);
  AppendText(right + 5, YOf(0) + 4, "start", FigureText(ranked.low), &svg);
  AppendText(right + 5, YOf(1) + 4, "start", FigureText(ranked.high), &svg);
  for (size_t i = 0; i < ranked.trials.size(); ++i) {
    const Trial& trial = *ranked.trials[i];
    std::vector<std::string> points;
    for (size_t d = 0; d < sweep.space.size(); ++d) {
      // A key that the trial does not have is passed below its axis.
      const double place = PlaceOn(sweep.space[d], trial).value_or(-0.08);
      points.push_back(absl::StrFormat(
          "%.1f,%.1f", kSide + static_cast<double>(d) * gap, YOf(place)));
    }
    points.push_back(absl::StrFormat(
        "%.1f,%.1f", right, YOf(ranked.PlaceOf(MetricOf(sweep, trial)))));
    const bool best = i + 1 == ranked.trials.size();
    absl::StrAppend(
        &svg,
        absl::StrFormat("<polyline stroke=\"var(--c%d)\" "
                        "stroke-opacity=\"%.2f\" points=\"%s\">"
                        "<title>%s</title></polyline>",
                        best ? 1 : 0, ranked.Opacity(i),
                        absl::StrJoin(points, " "), TitleOf(sweep, trial)));
  }
  return svg + "</svg>";
}

std::string SlicePlot(const Sweep& sweep, const std::vector<Trial>& trials,
                      const Dimension& dimension) {
  const Ranked ranked = RankedOf(sweep, trials);
  if (ranked.trials.empty()) return "";
  std::string svg = Open(kChartWidth, dimension.key);
  const auto x_of = [](double place) {
    return kSide + place * (kChartWidth - kSide - 16);
  };
  for (const double place : {0.0, 0.5, 1.0}) {
    AppendLine(kSide, YOf(place), kChartWidth - 16, YOf(place), &svg);
    AppendText(kSide - 6, YOf(place) + 4, "end",
               FigureText(ranked.low + place * (ranked.high - ranked.low)),
               &svg);
  }
  for (const auto& [place, text] : TicksOf(dimension)) {
    AppendText(x_of(place), kHeight - 12, "middle", text, &svg);
  }
  bool any = false;
  for (size_t i = 0; i < ranked.trials.size(); ++i) {
    const Trial& trial = *ranked.trials[i];
    const auto place = PlaceOn(dimension, trial);
    if (!place) continue;
    any = true;
    const bool best = i + 1 == ranked.trials.size();
    absl::StrAppend(
        &svg, absl::StrFormat(
                  "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\" "
                  "style=\"fill:var(--c%d);fill-opacity:%.2f\">"
                  "<title>%s</title></circle>",
                  x_of(*place), YOf(ranked.PlaceOf(MetricOf(sweep, trial))),
                  best ? 5 : 4, best ? 1 : 0, std::max(0.4, ranked.Opacity(i)),
                  TitleOf(sweep, trial)));
  }
  return any ? svg + "</svg>" : "";
}

std::string LearningCurves(const Sweep& sweep,
                           const std::vector<Trial>& trials) {
  std::vector<Curve> curves;
  const std::vector<size_t> order = sweep::Ranking(trials);
  for (size_t i = 0; i < std::min(order.size(), kMostCurves); ++i) {
    const Trial& trial = trials[order[i]];
    Curve curve{absl::StrCat(trial.number), {}};
    for (const sweep::Measured& measured : trial.measured) {
      if (!std::isfinite(measured.value)) continue;
      curve.points.emplace_back(measured.epochs,
                                sweep::Directed(sweep, measured.value));
    }
    // A single point makes no line.
    if (curve.points.size() > 1) curves.push_back(std::move(curve));
  }
  if (curves.empty()) return "";
  // Names would not fit.
  constexpr size_t kMostNames = 20;
  if (curves.size() > kMostNames) {
    for (Curve& curve : curves) curve.name.clear();
  }
  ChartOptions options;
  options.width = 2 * kChartWidth;
  return Chart(absl::StrCat(sweep.metric, " by epoch"), curves, options);
}

std::string SweepPage(const Sweep& chosen, const std::vector<Trial>& all) {
  Sweep sweep = chosen;  // With the metric as the page calls it.
  absl::StrAppend(&sweep.metric, OfClass(sweep.metric, PositiveClassOf(all)));
  // Without a space there is one setting, and folds have the curves.
  const bool only_folds = sweep.folds > 0 && sweep.space.empty();
  const std::vector<Trial> trials = RankedTrials(sweep, all);
  std::string slices;
  for (const Dimension& dimension : sweep.space) {
    absl::StrAppend(
        &slices, ScrollCard(absl::StrCat(sweep.metric, " by ", dimension.key),
                            SlicePlot(sweep, trials, dimension)));
  }
  const auto best = sweep::BestOf(trials);
  const std::string sub =
      !best ? "no trial has a result yet"
            : absl::StrCat(only_folds ? "mean of the folds"
                                      : absl::StrCat("best: trial ",
                                                     trials[*best].number),
                           ", ", sweep.metric, " ",
                           FigureText(MetricOf(sweep, trials[*best])));
  return HtmlPage(
      sweep.name, "",
      absl::StrCat(
          Count(static_cast<int64_t>(only_folds ? all.size() : trials.size()),
                only_folds ? "fold" : "trial"),
          "; ", EscapeHtml(sub)),
      absl::StrCat(
          ScrollCard("Choices and results",
                     only_folds ? "" : ParallelCoordinates(sweep, trials)),
          slices.empty()
              ? ""
              : absl::StrCat("<div class=\"grid\">", slices, "</div>\n"),
          ScrollCard(absl::StrCat(sweep.metric, " by epoch"),
                     LearningCurves(sweep, only_folds ? all : trials)),
          "<div class=\"grid\" style=\"grid-template-columns:minmax(0,1fr)\">",
          FoldCards(sweep, all),
          ScrollCard("Trials", only_folds ? "" : TableOf(sweep, trials)),
          "</div>"));
}

}  // namespace ebb::tools
