#include "tools/ebb/report/html_report.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "common/scores/figures.h"
#include "tools/text/charts.h"
#include "tools/text/console.h"
#include "tools/text/evaluation_text.h"
#include "tools/text/lateness.h"
#include "tools/text/page.h"
#include "tools/text/progress_line.h"
#include "tools/text/validation.h"
#include "workloads/seam/rules/rules.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::tools {

namespace {

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

std::string ModelCounts(const RunReport& report) {
  std::string out;
  if (!report.figures) return out;
  for (const auto& [number, name] : report.figures->counts) {
    absl::StrAppend(&out, Figure(WithCommas(number), name));
  }
  return out;
}

std::string SpeedFigure(const RunReport& report) {
  if (report.tokens() > 0) {
    return Figure(Short(report.tokens_per_second()), "tokens/s");
  }
  return Figure(Short(report.examples_per_second()),
                absl::StrCat(report.unit(), "s/s"));
}

std::string Figures(const RunReport& report) {
  std::string out = "<div class=\"grid figures\">\n";
  if (const auto* last = LastEvaluation(report.status)) {
    for (const ShownFigure& figure : ShownFigures(*last)) {
      absl::StrAppend(
          &out, Figure(FigureText(figure.value),
                       absl::StrCat("test ", figure.title,
                                    OfClass(figure.name,
                                            report.status.positive_class()))));
    }
  }
  absl::StrAppend(
      &out, Figure(DurationText(absl::Seconds(report.seconds)), "training"),
      SpeedFigure(report), ModelCounts(report));
  if (!report.has_trees()) {
    absl::StrAppend(&out,
                    Figure(WithCommas(report.status.updates()), "updates"));
  }
  if (report.audit) {
    const std::string verdict = AuditVerdict(report);
    const bool good = verdict != "not exact";
    absl::StrAppend(
        &out,
        Figure(verdict.empty() ? "good so far" : verdict,
               absl::StrCat("audit of ",
                            Count(report.audit->sum.partitions, "partition")),
               good ? "good" : "bad"));
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

std::string ListCard(absl::string_view title,
                     const std::vector<std::string>& lines) {
  if (lines.empty()) return "";
  std::string list;
  for (const std::string& line : lines) {
    // A program's last words have lines of their own.
    const bool several = line.find('\n') != std::string::npos;
    absl::StrAppend(&list,
                    several ? "<li style=\"white-space:pre-wrap\">" : "<li>",
                    EscapeHtml(line), "</li>");
  }
  return Card(title, absl::StrCat("<ul>", list, "</ul>"));
}

// Counts by label, a row each, and prediction, a column each.
std::string ConfusionCard(const RunReport& report) {
  const auto* last = LastEvaluation(report.status);
  if (last == nullptr) return "";
  const std::vector<std::string> rows = ConfusionRows(*last);
  if (rows.empty()) return "";
  // More columns than these need the page's width.
  constexpr size_t kFewClasses = 4;
  std::string table = absl::StrCat(
      "<div class=\"scroll\"><table><tr><th>label</th><th class=\"n\" "
      "colspan=\"",
      rows.size(), "\">taken for</th></tr><tr><th></th>");
  for (size_t predicted = 0; predicted < rows.size(); ++predicted) {
    absl::StrAppend(&table, "<th class=\"n\">",
                    EscapeHtml(report.ClassText(predicted)), "</th>");
  }
  for (size_t label = 0; label < rows.size(); ++label) {
    absl::StrAppend(
        &table, "</tr><tr><td>", EscapeHtml(report.ClassText(label)),
        "</td><td class=\"n\">",
        absl::StrReplaceAll(rows[label], {{" ", "</td><td class=\"n\">"}}),
        "</td>");
  }
  return Card("Confusion matrix", table + "</tr></table></div>",
              rows.size() > kFewClasses ? " wide" : "");
}

// Returns how much the features say, by the gains of the splits.
std::string ImportancesCard(const RunReport& report) {
  constexpr size_t kMost = 20;
  if (!report.figures) return "";
  const std::vector<Importance>& all = report.figures->importances;
  if (all.empty() || all.front().share <= 0) return "";
  const bool shuffled = all.front().permutation.has_value();
  std::string table = absl::StrCat(
      "<table><tr><th>feature</th><th></th><th class=\"n\">share of the "
      "gains</th>",
      shuffled ? "<th class=\"n\">lost if shuffled</th>" : "", "</tr>");
  for (size_t i = 0; i < all.size() && i < kMost; ++i) {
    const Importance& one = all[i];
    if (one.share <= 0) break;
    absl::StrAppend(
        &table, "<tr><td>", EscapeHtml(one.feature),
        absl::StrFormat("</td><td style=\"width:35%%\"><div class=\"bar\" "
                        "style=\"width:%.1f%%\"></div></td><td "
                        "class=\"n\">%.1f %%</td>",
                        100 * one.share / all.front().share, 100 * one.share));
    if (shuffled) {
      absl::StrAppend(&table, "<td class=\"n\">",
                      one.permutation ? FigureText(*one.permutation) : "",
                      "</td>");
    }
    table += "</tr>";
  }
  return Card("Importance of the features", table + "</table>");
}

// A reliability diagram: how often came true what was predicted.
std::string CalibrationCard(const RunReport& report) {
  const auto* last = LastEvaluation(report.status);
  if (last == nullptr) return "";
  Curve observed{"observed share", {}, /*dots=*/true};
  for (const CalibrationBin& bin : CalibrationOf(*last)) {
    observed.points.emplace_back(bin.predicted, bin.observed);
  }
  if (observed.points.empty()) return "";
  const std::string title = absl::StrCat(
      "Calibration", OfClass(kCalibrationError, report.status.positive_class()),
      ": observed by predicted probability");
  return Card(title,
              Chart(title,
                    {std::move(observed),
                     {"if every probability were right", {{0, 0}, {1, 1}}}},
                    {.floor = 0, .reach = 1}));
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
  if (!report.events.empty()) options.width = 2 * kChartWidth;
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
  if (workloads::ToolsOf(report.job.model()).Facts().loss) {
    add("Loss by seconds",
        {CurveOf("training", samples, [](const Progress& p) { return p.loss; }),
         CurveOf("test", samples,
                 [](const Progress& p) { return p.test_loss; })},
        zero);
  }
  add("Test accuracy by seconds",
      {CurveOf("accuracy", samples,
               [](const Progress& p) { return p.test_accuracy; }),
       CurveOf("AUC", samples, [](const Progress& p) { return p.test_auc; })},
      std::nullopt);
  add("Test RMSE by seconds",
      {CurveOf("RMSE", samples, [](const Progress& p) { return p.test_rmse; })},
      zero);
  std::string units = absl::StrCat(report.unit(), "s");
  units[0] = absl::ascii_toupper(units[0]);
  add(absl::StrCat(units, " per second"),
      {CurveOf(
          "rate", samples,
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
  const bool scaled = std::ranges::any_of(samples, [](const RunSample& sample) {
    return sample.progress.scale.value_or(1) < 1;
  });
  if (scaled) {
    add("Rate that late updates keep, mean",
        {CurveOf("factor", samples, [](const Progress& p) { return p.scale; })},
        zero);
  }
  return out + "</div>\n";
}

std::string StalenessCard(const RunReport& report) {
  const v1::JobStatus& status = report.status;
  if (status.staleness().empty() || report.has_trees()) return "";
  return Card("Updates by staleness",
              Histogram({status.staleness().begin(), status.staleness().end()},
                        "updates"));
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
      "Planned disturbances",
      absl::StrCat("<div class=\"log\"><table><tr><th class=\"n\">at</th>"
                   "<th>what</th><th class=\"n\">taken up after</th>"
                   "<th class=\"n\">counted again after</th></tr>",
                   rows, "</table></div>"));
}

std::string Details(const RunReport& report) {
  const std::string units = absl::StrCat(report.unit(), "s");
  std::string rows;
  const auto row = [&](absl::string_view name, absl::string_view value) {
    absl::StrAppend(&rows, "<tr><td>", EscapeHtml(name),
                    "</td><td class=\"v\">", EscapeHtml(value), "</td></tr>");
  };
  for (const auto& [server, partitions] : PartitionsByServer(report)) {
    row(server, Count(partitions, "partition"));
  }
  for (const auto& share : report.status.shares()) {
    row(share.name(), Count(share.examples(), report.unit()));
  }
  if (report.audit) {
    const AuditReport& audit = *report.audit;
    row(absl::StrCat(units, " applied, each partition"),
        WithCommas(audit.worst.applied));
    row(absl::StrCat(units, " expected"), WithCommas(audit.worst.expected));
    if (report.tokens() > 0) {
      row("tokens applied, each partition",
          WithCommas(TokensOf(audit.worst.applied, report.tokens())));
    }
    row("missing, in all partitions together", WithCommas(audit.sum.missing));
    row("doubled, in all partitions together", WithCommas(audit.sum.doubled));
    row("skipped by decision", WithCommas(audit.worst.skipped));
    if (audit.left_out > 0) {
      row("bad, left out of the data", WithCommas(audit.left_out));
    }
    for (const SilentServer& one : audit.silent) {
      row("no answer", PartitionsText(one.partitions));
    }
  }
  row(absl::StrCat(units, " computed again"), WithCommas(report.recomputed()));
  const auto row_if = [&](absl::string_view name, absl::string_view value) {
    if (!value.empty()) row(name, value);
  };
  row_if("late updates scaled", ScaledText(report.status.scaled()));
  row_if("bound waits", BoundWaitText(report.status));
  row_if("trees", ValidationText(report.status));
  if (report.figures) {
    for (const auto& [name, text] : report.figures->details) {
      row_if(name, text);
    }
  }
  row_if("tested with the values of a later epoch",
         LateEvaluationsText(report.status));
  if (!report.kills.empty()) {
    row("daemons killed on purpose", absl::StrCat(report.kills.size()));
  }
  if (report.rollbacks > 0) row("rollbacks", absl::StrCat(report.rollbacks));
  if (const std::string rate = RateText(report.status.rate_factor(),
                                        report.status.nonfinite_rollbacks());
      !rate.empty()) {
    row("rate", rate);
  }
  return Card("Servers, workers and examples",
              absl::StrCat("<table>", rows, "</table>"));
}

// "8 epochs, 480,000 examples in all": what the model was made by.
std::string WorkDone(const RunReport& report) {
  const int64_t epochs = report.job.train().epochs();
  const int64_t examples = report.status.examples();
  if (workloads::FactsOf(report.job).tasks > 0) {
    return Count(examples, report.unit());
  }
  std::string own = workloads::ToolsOf(report.job.model())
                        .WorkText(report.figures ? &*report.figures : nullptr,
                                  epochs, examples);
  if (!own.empty()) return own;
  return absl::StrCat(report.converged ? "converged after " : "",
                      Count(epochs, report.converged ? "round" : "epoch"), ", ",
                      Count(examples, "example"), " in all");
}

}  // namespace

std::string HtmlReport(const RunReport& report,
                       const std::vector<RunSample>& samples) {
  const bool passed = report.problems.empty() && !report.interrupted;
  const std::string problems = ListCard("What is wrong", report.problems) +
                               ListCard("Warnings", report.warnings);
  const std::string state = passed               ? "passed"
                            : report.interrupted ? "interrupted"
                                                 : "failed";
  return HtmlPage(
      report.job.name(),
      absl::StrCat(" <span class=\"", passed ? "good" : "bad", "\">", state,
                   "</span>"),
      absl::StrCat(WorkDone(report), ", seed ", report.job.seed(), ", ",
                   EscapeHtml(report.folder)),
      absl::StrCat(problems, Figures(report), Charts(report, samples),
                   "<div class=\"grid\">", Details(report),
                   ImportancesCard(report), ConfusionCard(report),
                   CalibrationCard(report), StalenessCard(report),
                   Disturbances(report), "</div>\n"));
}

}  // namespace ebb::tools
