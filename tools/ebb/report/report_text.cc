// The result of a run for people; see run_report.h.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/scores/figures.h"
#include "job/base/traits.h"
#include "tools/ebb/report/run_report.h"
#include "tools/text/console.h"
#include "tools/text/evaluation_text.h"
#include "tools/text/lateness.h"
#include "tools/text/progress_line.h"
#include "tools/text/traffic.h"
#include "tools/text/validation.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::tools {

namespace {

std::string ExpectedText(const RunReport& report, absl::string_view figure) {
  for (const Expectation& expectation : report.expectations) {
    if (expectation.figure != figure) continue;
    return absl::StrCat(" (expected ", expectation.wanted,
                        expectation.met     ? ")"
                        : report.complete() ? ": missed)"
                                            : " at the end)");
  }
  return "";
}

std::string SilenceText(const AuditReport& audit) {
  const auto silent =
      static_cast<int64_t>(audit.partitions.size()) - audit.sum.partitions;
  return audit.silent.empty()
             ? ""
             : absl::StrCat("; no answer for ", Count(silent, "partition"));
}

// Before the end, what is missing is yet to come.
std::string WrongText(const AuditResult& result, bool complete) {
  return absl::StrCat(
      complete ? absl::StrCat(WithCommas(result.missing), " missing, ") : "",
      WithCommas(result.doubled), " doubled");
}

// The figures of the partition that is worst off. Those of all partitions
// together follow by that name, if they are others.
std::string AppliedText(const RunReport& report) {
  const AuditReport& audit = *report.audit;
  if (audit.sum.partitions == 0 && !audit.silent.empty()) {
    return absl::StrCat("not known: ", absl::StrJoin(audit.Problems(), "; "));
  }
  const bool complete = report.complete();
  const std::string done =
      report.job.has_predict()
          ? "predicted"
          : absl::StrCat(
                "applied ", complete && audit.sum.exact() ? "" : "at least ",
                "in each of ", Count(audit.sum.partitions, "partition"));
  const std::string worst = WrongText(audit.worst, complete);
  const std::string sum = WrongText(audit.sum, complete);
  return absl::StrCat(
      WithCommas(audit.worst.applied), " of ", WithCommas(audit.worst.expected),
      " ", done, ": ", worst, ", ", WithCommas(audit.worst.skipped), " skipped",
      sum == worst ? "" : absl::StrCat("; in all partitions together ", sum),
      SilenceText(audit));
}

std::string StalenessText(const std::vector<int64_t>& histogram) {
  int64_t all = 0;
  for (const int64_t count : histogram) all += count;
  // The histogram in the coarsest form that shows its shape.
  std::vector<std::string> shares;
  constexpr size_t kShown = 10;
  for (size_t i = 0; i < std::min(kShown, histogram.size()); ++i) {
    shares.push_back(absl::StrFormat(
        "%d: %.0f%%", i,
        100.0 * static_cast<double>(histogram[i]) / static_cast<double>(all)));
  }
  return absl::StrCat("median ", QuantileOfHistogram(histogram, 0.5), ", p99 ",
                      QuantileOfHistogram(histogram, 0.99), ", max ",
                      histogram.size() - 1, " updates (",
                      absl::StrJoin(shares, ", "),
                      histogram.size() > kShown ? ", …)" : ")");
}

std::string RestartsText(const RunReport& report) {
  const Restarts& restarts = report.restarts;
  if (restarts.total() == 0 && report.kills.empty()) return "none";
  return absl::StrCat(
      restarts.total(), " (scheduler ", restarts.scheduler, ", servers ",
      restarts.servers, ", workers ", restarts.workers, ")",
      report.kills.empty()
          ? ""
          : absl::StrCat(", ", Count(report.kills.size(), "planned kill")));
}

std::string RollbacksText(const RunReport& report) {
  return report.rollbacks == 0 ? ""
                               : absl::StrCat(report.rollbacks, ", the last ",
                                              report.status.rolled_back());
}

std::string ServersText(const RunReport& report) {
  return absl::StrJoin(PartitionsByServer(report), ", ",
                       [](std::string* out, const auto& server) {
                         absl::StrAppend(out, server.first, " ",
                                         Count(server.second, "partition"));
                       });
}

// All, or of many those that computed most.
std::string WorkersText(const RunReport& report) {
  constexpr size_t kMost = 8;
  constexpr size_t kOfMany = 3;
  std::vector<const v1::JobStatus::WorkerShare*> shares;
  for (const v1::JobStatus::WorkerShare& share : report.status.shares()) {
    shares.push_back(&share);
  }
  const size_t all = shares.size();
  if (all > kMost) {
    std::ranges::stable_sort(shares, std::greater<>(), [](const auto* share) {
      return share->examples();
    });
    shares.resize(kOfMany);
  }
  std::string text =
      absl::StrJoin(shares, ", ", [&](std::string* out, const auto* share) {
        absl::StrAppend(
            out, share->name(), " ",
            absl::StrFormat("%.0f%%", 100 * report.ShareOf(*share)));
      });
  if (all <= kMost) return text;
  return absl::StrCat(text, " and ", all - kOfMany, " that computed less");
}

std::string ClockLeadText(const RunReport& report) {
  const auto bound = report.clock_bound();
  if (!bound) return "";
  return absl::StrCat("at most ", report.status.clock_lead(),
                      " batches ahead of the slowest worker (bound ", *bound,
                      ")");
}

using Lines = std::vector<std::pair<std::string, std::string>>;

// Says what a model without features would reach; empty: it is not known.
std::string BaselineText(const v1::JobStatus::Evaluation& evaluation) {
  if (const auto rmse = FigureOf(evaluation, kBaselineRmse)) {
    return absl::StrCat("RMSE ", FigureText(*rmse), ": always the mean");
  }
  const auto accuracy = FigureOf(evaluation, kBaselineAccuracy);
  if (!accuracy) return "";
  const auto log_loss = FigureOf(evaluation, kBaselineLogLoss);
  return absl::StrCat(
      "accuracy ", FigureText(*accuracy), ": always the commonest class",
      log_loss ? absl::StrCat("; log loss ", FigureText(*log_loss),
                              ": always the shares of the classes")
               : "");
}

// Says what is known of a model that learns from labels and was never tested.
Lines UntestedLines(const RunReport& report) {
  // What plugins, modules and programs learn from, they know themselves.
  const bool learns_labels = workloads::FactsOf(report.job).labels &&
                             !job::IsOwn(report.job.model()) &&
                             !job::TraitsOf(report.job.model()).program() &&
                             !report.status.has_validation();
  const bool tested =
      LastEvaluation(report.status) != nullptr || job::HasTestData(report.job);
  if (!learns_labels || !report.complete() || tested) {
    return {};
  }
  Lines lines;
  if (!report.status.losses().empty()) {
    lines.emplace_back("training loss",
                       LossText(report.status.losses().rbegin()->mean(), 3));
  }
  lines.emplace_back(
      "quality",
      "not known: nothing was held back to test the model on, as "
      "`data: {split: 0.2}` would");
  return lines;
}

// A line for each figure of the last evaluation, and for the loss where
// something is expected of it. Then what they are to be compared with.
Lines FigureLines(const RunReport& report) {
  Lines lines;
  const auto* last = LastEvaluation(report.status);
  if (last == nullptr) return lines;
  std::vector<ShownFigure> figures = ShownFigures(*last);
  const bool has_loss =
      std::ranges::find(figures, "loss", &ShownFigure::name) != figures.end();
  if (report.job.expect().has_loss() && !has_loss) {
    figures.push_back({"loss", "loss", last->loss()});
  }
  for (const ShownFigure& figure : figures) {
    lines.emplace_back(
        absl::StrCat("test ", figure.title),
        absl::StrCat(FigureText(figure.value),
                     OfClass(figure.name, report.status.positive_class()),
                     ExpectedText(report, figure.name)));
  }
  lines.emplace_back("baseline", BaselineText(*last));
  return lines;
}

// The tables of the last evaluation.
Lines TableLines(const RunReport& report) {
  Lines lines;
  const auto* last = LastEvaluation(report.status);
  if (last == nullptr) return lines;
  const std::vector<std::string> rows = ConfusionRows(*last);
  for (size_t label = 0; label < rows.size(); ++label) {
    lines.emplace_back(
        label == 0 ? "confusion" : " ",
        absl::StrCat(rows[label], "  (label ", report.ClassText(label),
                     label == 0 ? ", by prediction)" : ")"));
  }
  const std::vector<std::string> bins = CalibrationRows(CalibrationOf(*last));
  for (size_t bin = 0; bin < bins.size(); ++bin) {
    lines.emplace_back(bin == 0 ? "calibration" : " ", bins[bin]);
  }
  return lines;
}

// The recoveries from events that stopped a daemon.
std::string RecoveriesText(const std::vector<PlannedEvent>& events) {
  const PlannedEvent* longest = nullptr;
  std::vector<double> seconds;
  for (const PlannedEvent& event : events) {
    if (!event.recovery_s) continue;
    seconds.push_back(*event.recovery_s);
    if (longest == nullptr || *event.recovery_s > *longest->recovery_s) {
      longest = &event;
    }
  }
  if (longest == nullptr) return "";
  std::sort(seconds.begin(), seconds.end());
  return absl::StrFormat(
      "%d, to the next example counted of what was lost: median %.2f s, "
      "longest %.2f s (%s)",
      seconds.size(), seconds[seconds.size() / 2], *longest->recovery_s,
      longest->what);
}

std::string BackupsText(const v1::JobStatus& status) {
  const v1::JobStatus::Backups& backups = status.backups();
  if (backups.leased() == 0 && backups.moved() == 0) return "";
  const auto were = [](int64_t count, absl::string_view noun) {
    return absl::StrCat(Count(count, noun), count == 1 ? " was" : " were");
  };
  return absl::StrCat(
      were(backups.leased(), "item"),
      " given to a second worker as well (the second was first ",
      Count(backups.won(), "time"), ", the first ",
      Count(backups.lost(), "time"), "), ", were(backups.moved(), "item"),
      " taken from a busy worker before it began, ",
      were(backups.computed_twice(), "example"),
      " computed twice and counted once");
}

double SecondsOf(int64_t microseconds) {
  return absl::ToDoubleSeconds(absl::Microseconds(microseconds));
}

std::string TailsText(const v1::JobStatus& status) {
  const v1::JobStatus::EpochTails& tails = status.epoch_tails();
  if (tails.epochs() == 0) return "";
  return absl::StrFormat(
      "idle workers waited %.2f s for the last items of an epoch on average, "
      "%.2f s at most (%s; a batch takes the slowest worker %.3f s)",
      SecondsOf(tails.sum_us()) / tails.epochs(), SecondsOf(tails.longest_us()),
      Count(tails.epochs(), "epoch"), SecondsOf(tails.slowest_batch_us()));
}

std::string GoodputText(const RunReport& report) {
  if (!report.goodput) return "";
  const chaos::Goodput& goodput = *report.goodput;
  std::string text = absl::StrFormat(
      "%.3f: %s of %s examples that the workers alive could have computed",
      goodput.value(), WithCommas(goodput.counted),
      WithCommas(static_cast<int64_t>(goodput.possible())));
  if (report.batch_time > absl::ZeroDuration()) {
    absl::StrAppend(&text, ", at ", absl::FormatDuration(report.batch_time),
                    " a batch (emulated)");
  }
  return text;
}

std::string AuditText(const RunReport& report, const Console& console) {
  const std::string verdict = AuditVerdict(report);
  if (verdict.empty()) {
    return "good so far: no example counts twice; what is missing is computed "
           "when the run goes on";
  }
  if (verdict != "exact") return Paint(console, Ink::kRed, "NOT EXACT");
  return absl::StrCat(
      verdict, report.audit->oracle_checked ? ", the integer table too" : "",
      report.audit->effect_approximate ? ": counted once, effect approximate"
                                       : "");
}

// The parts of predictions.
std::string PartsText(const RunReport& report) {
  const int64_t examples = report.status.examples();
  const int64_t each = report.job.train().item_examples();
  if (each <= 0) return "";
  const int64_t parts = (examples + each - 1) / each;
  if (parts == 1) return "1";
  return absl::StrCat(WithCommas(parts), " of ", Count(each, report.unit()),
                      " each");
}

// Says where the model is, which no server has in its memory any more.
std::string ModelText(const RunReport& report) {
  if (!report.complete()) return "";
  return absl::StrCat("in ", report.folder, "/state, a copy in ",
                      report.copies.empty()
                          ? absl::StrCat(report.folder, "/shared")
                          : report.copies,
                      "; `ebb checkpoint export ", report.folder,
                      " -o FILE.safetensors` takes it home");
}

// Writes the report, subject by subject, in lines "  name  text".
class ReportWriter {
 public:
  ReportWriter(const RunReport& report, const Console& console,
               ReportDetail detail)
      : report_(report), console_(console), detail_(detail) {}

  std::string Write() {
    AddHead();
    AddFigures();
    AddModelFigures();
    AddEnd();
    AddAudit();
    for (const auto& [name, text] : TableLines(report_)) Learnt(name, text);
    if (predicts()) Line("parts", PartsText(report_));
    AddCourse();
    AddDaemons();
    AddChaos();
    Learnt("model", ModelText(report_));
    Line("run", absl::StrCat(report_.folder, "/ (",
                             absl::StrJoin(report_.files, ", "), ")"));
    AddTrouble();
    return std::move(out_);
  }

 private:
  const v1::JobStatus& status() const { return report_.status; }
  // Predictions learn nothing.
  bool predicts() const { return report_.job.has_predict(); }

  void Line(absl::string_view name, absl::string_view text) {
    if (text.empty()) return;
    absl::StrAppend(&out_, absl::StrFormat("  %-15s %s\n", name, text));
  }
  void Learnt(absl::string_view name, absl::string_view text) {
    if (!predicts()) Line(name, text);
  }
  // How it was trained.
  void Detailed(absl::string_view name, absl::string_view text) {
    if (detail_ == ReportDetail::kAll) Line(name, text);
  }

  void AddHead() {
    const std::string took = DurationText(absl::Seconds(report_.seconds));
    if (report_.complete()) {
      out_ = Paint(console_, Ink::kBold, absl::StrCat("done in ", took)) + "\n";
      return;
    }
    const auto all =
        static_cast<double>(std::max<int64_t>(1, status().examples()));
    out_ =
        Paint(
            console_, Ink::kYellow,
            absl::StrFormat(
                "stopped after %s, at %d%%", took,
                static_cast<int>(
                    100 * static_cast<double>(status().applied_min()) / all))) +
        "\n";
  }

  void AddFigures() {
    for (const auto& [name, text] : FigureLines(report_)) Learnt(name, text);
    for (const auto& [name, text] : UntestedLines(report_)) Learnt(name, text);
    if (status().has_inertia()) {
      Line("inertia",
           absl::StrCat(FigureText(status().inertia().sum()), " in round ",
                        status().inertia().epoch() + 1));
    }
    Learnt("validation", ValidationText(status()));
  }

  void AddModelFigures() {
    if (!report_.figures) return;
    for (const auto& [name, text] : report_.figures->lines) Line(name, text);
  }

  // How evaluations ended it, or it itself.
  void AddEnd() {
    const std::string late = LateEvaluationsText(status());
    if (!late.empty()) {
      Learnt("tested late",
             absl::StrCat(late,
                          ", with the values of a later epoch, for want of "
                          "a snapshot"));
    }
    Learnt("best", BestText(status()));
    Learnt("ended", status().ended());
    if (report_.converged && status().ended().empty()) {
      Line(
          "converged",
          absl::StrCat("after ", Count(report_.job.train().epochs(), "round")));
    }
  }

  void AddAudit() {
    if (!report_.audit) return;
    Line(absl::StrCat(report_.unit(), "s"), AppliedText(report_));
    Line("tokens", TokensText(*report_.audit));
    if (report_.audit->left_out > 0) {
      Line("left out", Count(report_.audit->left_out, "bad example"));
    }
    Line("audit", AuditText(report_, console_));
  }

  void AddCourse() {
    Line("speed",
         absl::StrCat(
             Short(report_.examples_per_second()), " ", report_.unit(), "s/s",
             report_.tokens() == 0
                 ? ""
                 : absl::StrCat(", ", Short(report_.tokens_per_second()),
                                " tokens/s")));
    Line("restarts", RestartsText(report_));
    Learnt("rollbacks", RollbacksText(report_));
    Learnt("rate",
           RateText(status().rate_factor(), status().nonfinite_rollbacks()));
    if (report_.recomputed() == 0) return;
    // What went with the epochs after the best is among them.
    Line(status().has_best() ? "beyond it" : "computed again",
         absl::StrCat(
             Count(report_.recomputed(), report_.unit()),
             status().has_best() ? " of later epochs or computed again" : ""));
  }

  // How late updates were, and what each daemon did.
  void AddDaemons() {
    if (!predicts()) {
      if (status().updates() > 0) {
        Detailed("updates",
                 absl::StrCat(WithCommas(status().updates()),
                              " applied by all partitions together"));
      }
      if (const auto histogram = report_.staleness(); !histogram.empty()) {
        Detailed("staleness", StalenessText(histogram));
      }
      Detailed("scaled", ScaledText(status().scaled()));
      Detailed("clock lead", ClockLeadText(report_));
      Detailed("bound waits", BoundWaitText(status()));
      Detailed("servers", ServersText(report_));
    }
    Detailed("workers", WorkersText(report_));
    Detailed("backup tasks", BackupsText(status()));
    if (!predicts()) {
      Detailed("epoch ends", TailsText(status()));
      Detailed("values", TrafficText(status().traffic()));
    }
  }

  void AddChaos() {
    if (!report_.events.empty()) {
      Line("disturbances",
           WithCommas(static_cast<int64_t>(report_.events.size())));
      Line("recoveries", RecoveriesText(report_.events));
    }
    Line("goodput", GoodputText(report_));
  }

  void AddTrouble() {
    for (const std::string& warning : report_.warnings) {
      absl::StrAppend(&out_, Paint(console_, Ink::kYellow, "warning:"), " ",
                      warning, "\n");
    }
    for (const std::string& problem : report_.problems) {
      absl::StrAppend(&out_, Paint(console_, Ink::kRed, "error:"), " ", problem,
                      "\n");
    }
  }

  const RunReport& report_;
  const Console& console_;
  const ReportDetail detail_;
  std::string out_;
};

}  // namespace

std::string ReportText(const RunReport& report, const Console& console,
                       ReportDetail detail) {
  return ReportWriter(report, console, detail).Write();
}

}  // namespace ebb::tools
