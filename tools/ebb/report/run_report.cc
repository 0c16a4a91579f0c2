#include "tools/ebb/report/run_report.h"

#include <algorithm>
#include <functional>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/scores/figures.h"
#include "job/base/traits.h"
#include "tools/text/daemon_names.h"
#include "tools/text/evaluation_text.h"
#include "tools/text/lateness.h"
#include "tools/text/progress_line.h"
#include "tools/text/traffic.h"
#include "tools/text/validation.h"

namespace ebb::tools {

namespace {

std::vector<int64_t> Staleness(const v1::JobStatus& status) {
  std::vector<int64_t> histogram(status.staleness().begin(),
                                 status.staleness().end());
  while (!histogram.empty() && histogram.back() == 0) histogram.pop_back();
  return histogram;
}

double ShareOf(const v1::JobStatus& status, int64_t examples) {
  int64_t all = 0;
  for (const auto& share : status.shares()) all += share.examples();
  return all > 0 ? static_cast<double>(examples) / static_cast<double>(all) : 0;
}

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
std::string WorkersText(const v1::JobStatus& status) {
  constexpr size_t kMost = 8;
  constexpr size_t kOfMany = 3;
  std::vector<const v1::JobStatus::WorkerShare*> shares;
  for (const v1::JobStatus::WorkerShare& share : status.shares())
    shares.push_back(&share);
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
            absl::StrFormat("%.0f%%",
                            100 * ShareOf(status, share->examples())));
      });
  if (all <= kMost) return text;
  return absl::StrCat(text, " and ", all - kOfMany, " that computed less");
}

// How far ahead of the slowest a worker may be; nothing: as far as it likes.
std::optional<int64_t> ClockBound(const v1::Job& job) {
  switch (job.consistency().kind()) {
    case v1::Consistency::KIND_SSP:
      return job.consistency().bound();
    case v1::Consistency::KIND_BSP:
      return 0;
    default:
      return std::nullopt;
  }
}

std::string ClockLeadText(const RunReport& report) {
  const auto bound = ClockBound(report.job);
  if (!bound) return "";
  return absl::StrCat("at most ", report.status.clock_lead(),
                      " batches ahead of the slowest worker (bound ", *bound,
                      ")");
}

Json StalenessJson(const v1::JobStatus& status) {
  const std::vector<int64_t> histogram = Staleness(status);
  Json json = Json::Object();
  const auto known = [&](int64_t value) {
    return histogram.empty() ? Json() : Json(value);
  };
  json["median"] = known(QuantileOfHistogram(histogram, 0.5));
  json["p99"] = known(QuantileOfHistogram(histogram, 0.99));
  json["max"] = known(static_cast<int64_t>(histogram.size()) - 1);
  const auto mean = MeanOfHistogram(histogram);
  json["mean"] = mean ? Json(*mean) : Json();
  json["histogram"] = Json::List();
  for (const int64_t count : histogram) json["histogram"].Add(count);
  return json;
}

Json OptionalJson(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

Json EvaluationsJson(const v1::JobStatus& status) {
  Json list = Json::List();
  for (const auto& evaluation : status.evaluations()) {
    list.Add(EvaluationJson(status, evaluation));
  }
  return list;
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

// Adds what the servers and workers did.
void AddShares(const RunReport& report, Json* json) {
  const v1::JobStatus& status = report.status;
  (*json)["training_loss"] = Json::List();
  for (const auto& loss : status.losses()) {
    (*json)["training_loss"].Add(loss.mean());
  }
  if (report.restarted) {
    (*json)["inertia"] = report.restarted->best_run().inertia;
  } else if (status.has_inertia()) {
    (*json)["inertia"] = status.inertia().sum();
  }
  if (status.has_validation()) (*json)["validation"] = ValidationJson(status);
  (*json)["servers"] = Json::List();
  for (const auto& [name, partitions] : PartitionsByServer(report)) {
    Json one = Json::Object();
    one["name"] = name;
    one["partitions"] = partitions;
    (*json)["servers"].Add(std::move(one));
  }
  (*json)["workers"] = Json::List();
  for (const auto& share : status.shares()) {
    Json one = Json::Object();
    one["name"] = share.name();
    one["examples"] = share.examples();
    one["share"] = ShareOf(status, share.examples());
    (*json)["workers"].Add(std::move(one));
  }
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

double Seconds(int64_t microseconds) {
  return static_cast<double>(microseconds) / 1e6;
}

std::string TailsText(const v1::JobStatus& status) {
  const v1::JobStatus::EpochTails& tails = status.epoch_tails();
  if (tails.epochs() == 0) return "";
  return absl::StrFormat(
      "idle workers waited %.2f s for the last items of an epoch on average, "
      "%.2f s at most (%s; a batch takes the slowest worker %.3f s)",
      Seconds(tails.sum_us()) / tails.epochs(), Seconds(tails.longest_us()),
      Count(tails.epochs(), "epoch"), Seconds(tails.slowest_batch_us()));
}

Json TailsJson(const v1::JobStatus& status) {
  const v1::JobStatus::EpochTails& tails = status.epoch_tails();
  if (tails.epochs() == 0) return {};
  Json json = Json::Object();
  json["epochs"] = tails.epochs();
  json["mean_s"] = Seconds(tails.sum_us()) / tails.epochs();
  json["longest_s"] = Seconds(tails.longest_us());
  json["slowest_batch_s"] = Seconds(tails.slowest_batch_us());
  return json;
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

void AddChaos(const RunReport& report, Json* json) {
  (*json)["events"] = Json::List();
  for (const PlannedEvent& event : report.events) {
    Json one = Json::Object();
    one["seconds"] = event.seconds;
    one["what"] = event.what;
    one["resumed_s"] = OptionalJson(event.resumed_s);
    one["recovery_s"] = OptionalJson(event.recovery_s);
    (*json)["events"].Add(std::move(one));
  }
  (*json)["batch_time"] = absl::ToDoubleSeconds(report.batch_time);
  if (!report.goodput) {
    (*json)["goodput"] = Json();
    return;
  }
  const chaos::Goodput& goodput = *report.goodput;
  Json figures = Json::Object();
  figures["value"] = goodput.value();
  figures["counted"] = goodput.counted;
  figures["possible"] = goodput.possible();
  figures["rate_of_one_worker"] = goodput.rate;
  figures["worker_seconds"] = absl::ToDoubleSeconds(goodput.worker_time);
  figures["from_seconds"] = absl::ToDoubleSeconds(goodput.begin);
  figures["to_seconds"] = absl::ToDoubleSeconds(goodput.end);
  (*json)["goodput"] = std::move(figures);
}

}  // namespace

std::vector<std::pair<std::string, int>> PartitionsByServer(
    const RunReport& report) {
  const auto& placement = report.status.placement();
  std::map<int32_t, int> owned;
  for (const auto& server : placement.servers()) owned[server.server()];
  if (report.audit) {
    for (const PartitionAudit& one : report.audit->partitions) {
      if (one.server >= 0) ++owned[one.server];
    }
  } else {
    for (const auto& place : placement.partitions()) ++owned[place.server()];
  }
  std::vector<std::pair<std::string, int>> servers;
  for (const auto& [server, partitions] : owned) {
    servers.emplace_back(ServerName(server), partitions);
  }
  return servers;
}

std::string AuditVerdict(const RunReport& report) {
  const AuditReport& audit = *report.audit;
  if (!report.complete()) {
    return audit.Problems(/*complete=*/false).empty() ? "" : "not exact";
  }
  return audit.exact() ? "exact" : "not exact";
}

absl::string_view RunReport::unit() const { return job::NameOfAnExample(job); }

bool RunReport::has_trees() const {
  const v1::ModelTraits& traits = job::TraitsOf(job.model());
  return traits.forest() || traits.boosted();
}

std::optional<double> RunReport::accuracy() const {
  const auto* last = LastEvaluation(status);
  return last == nullptr ? std::nullopt : FigureOf(*last, kAccuracy);
}

std::optional<double> RunReport::test_loss() const {
  const auto* last = LastEvaluation(status);
  if (last == nullptr) return std::nullopt;
  return last->loss();
}

int64_t RunReport::recomputed() const {
  int64_t computed = 0;
  for (const auto& share : status.shares()) computed += share.examples();
  return std::max<int64_t>(0,
                           computed - (status.applied_min() - applied_before));
}

namespace {

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
  return absl::StrCat(
      "in ", report.folder, "/state, a copy in ",
      report.copies.empty() ? absl::StrCat(report.folder, "/shared")
                            : report.copies,
      "; `ebb checkpoint export ", report.folder, " -o FILE` takes it home");
}

}  // namespace

std::string ReportText(const RunReport& report, const Console& console,
                       ReportDetail detail) {
  const v1::JobStatus& status = report.status;
  std::string out;
  const auto line = [&](absl::string_view name, absl::string_view text) {
    if (!text.empty()) {
      absl::StrAppend(&out, absl::StrFormat("  %-15s %s\n", name, text));
    }
  };
  const std::string took = DurationText(absl::Seconds(report.seconds));
  if (report.complete()) {
    out = Paint(console, Ink::kBold, absl::StrCat("done in ", took)) + "\n";
  } else {
    out = Paint(console, Ink::kYellow,
                absl::StrFormat(
                    "stopped after %s, at %d%%", took,
                    static_cast<int>(100 *
                                     static_cast<double>(status.applied_min()) /
                                     static_cast<double>(std::max<int64_t>(
                                         1, status.examples()))))) +
          "\n";
  }
  // Predictions learn nothing.
  const bool predicts = report.job.has_predict();
  const auto learnt = [&](absl::string_view name, absl::string_view text) {
    if (!predicts) line(name, text);
  };
  // How it was trained.
  const auto detailed = [&](absl::string_view name, absl::string_view text) {
    if (detail == ReportDetail::kAll) line(name, text);
  };
  for (const auto& [name, text] : FigureLines(report)) learnt(name, text);
  if (report.restarted) {
    const StoredRestarts::Run& best = report.restarted->best_run();
    line("inertia",
         absl::StrCat(FigureText(best.inertia), ", of run ", best.number,
                      " after ", Count(best.rounds, "round"), "; ",
                      Count(report.restarted->runs.size(), "run"), " done"));
  } else if (status.has_inertia()) {
    line("inertia", absl::StrCat(FigureText(status.inertia().sum()),
                                 " in round ", status.inertia().epoch() + 1));
  }
  learnt("validation", ValidationText(status));
  if (report.forest) {
    line("out of bag", OutOfBagText(*report.forest));
    line("importance", ImportancesText(report.forest->importances));
    line("forest", absl::StrCat(Count(report.forest->trees, "tree"), ", ",
                                Count(report.forest->nodes, "node")));
  }
  if (report.boosted) {
    line("importance", ImportancesText(report.boosted->importances));
    line("trees", absl::StrCat(WithCommas(report.boosted->trees), ", ",
                               Count(report.boosted->splits, "split")));
  }
  if (const std::string late = LateEvaluationsText(status); !late.empty()) {
    learnt("tested late",
           absl::StrCat(late,
                        ", with the values of a later epoch, for want of "
                        "a snapshot"));
  }
  learnt("best", BestText(status));
  learnt("ended", status.ended());
  if (report.converged && status.ended().empty()) {
    line("converged",
         absl::StrCat("after ", Count(report.job.train().epochs(), "round")));
  }
  if (report.audit) {
    line(absl::StrCat(report.unit(), "s"), AppliedText(report));
    if (report.audit->left_out > 0) {
      line("left out", Count(report.audit->left_out, "bad example"));
    }
    line("audit", AuditText(report, console));
  }
  for (const auto& [name, text] : TableLines(report)) learnt(name, text);
  if (predicts) line("parts", PartsText(report));
  line("speed", absl::StrCat(Short(report.examples_per_second()), " ",
                             report.unit(), "s/s"));
  line("restarts", RestartsText(report));
  learnt("rollbacks", RollbacksText(report));
  learnt("rate", RateText(status.rate_factor(), status.nonfinite_rollbacks()));
  if (report.recomputed() > 0) {
    // What went with the epochs after the best is among them.
    line(status.has_best() ? "beyond it" : "computed again",
         absl::StrCat(
             Count(report.recomputed(), report.unit()),
             status.has_best() ? " of later epochs or computed again" : ""));
  }
  if (!predicts) {
    if (status.updates() > 0) {
      detailed("updates", absl::StrCat(WithCommas(status.updates()),
                                       " applied by all partitions together"));
    }
    if (const auto histogram = Staleness(status); !histogram.empty()) {
      detailed("staleness", StalenessText(histogram));
    }
    detailed("scaled", ScaledText(status.scaled()));
    detailed("clock lead", ClockLeadText(report));
    detailed("bound waits", BoundWaitText(status));
    detailed("servers", ServersText(report));
  }
  detailed("workers", WorkersText(status));
  detailed("backup tasks", BackupsText(status));
  if (!predicts) {
    detailed("epoch ends", TailsText(status));
    detailed("values", TrafficText(status.traffic()));
  }
  if (!report.events.empty()) {
    line("disturbances",
         WithCommas(static_cast<int64_t>(report.events.size())));
    line("recoveries", RecoveriesText(report.events));
  }
  line("goodput", GoodputText(report));
  learnt("model", ModelText(report));
  line("run", absl::StrCat(report.folder, "/ (",
                           absl::StrJoin(report.files, ", "), ")"));
  for (const std::string& warning : report.warnings) {
    absl::StrAppend(&out, Paint(console, Ink::kYellow, "warning:"), " ",
                    warning, "\n");
  }
  for (const std::string& problem : report.problems) {
    absl::StrAppend(&out, Paint(console, Ink::kRed, "error:"), " ", problem,
                    "\n");
  }
  return out;
}

std::string RunReport::ClassText(size_t label) const {
  return label < classes.size() ? classes[label] : absl::StrCat(label);
}

Json ReportJson(const RunReport& report) {
  const v1::JobStatus& status = report.status;
  Json json = Json::Object();
  json["name"] = report.job.name();
  json["passed"] = report.problems.empty() && !report.interrupted;
  json["complete"] = report.complete();
  json["interrupted"] = report.interrupted;
  json["cancelled"] = status.summary().state() == v1::JOB_STATE_CANCELLED;
  json["accuracy"] = OptionalJson(report.accuracy());
  json["loss"] = OptionalJson(report.test_loss());
  if (const auto* last = LastEvaluation(status)) {
    json["test"] = EvaluationJson(status, *last);
    if (!report.classes.empty()) json["test"]["classes"] = Json::List();
    for (const std::string& text : report.classes) {
      json["test"]["classes"].Add(text);
    }
    if (!status.positive_class().empty()) {
      json["test"]["positive_class"] = status.positive_class();
    }
  }
  json["seconds"] = report.seconds;
  json["examples_before"] = report.applied_before;
  json["total_seconds"] = report.total_seconds;
  json["cpu_seconds"] = report.cpu_seconds;
  json["examples_per_second"] = report.examples_per_second();
  json["epochs"] = report.job.train().epochs();
  if (report.converged) json["converged"] = true;
  json["seed"] = report.job.seed();
  json["updates"] = status.updates();
  json["audit"] =
      report.audit ? AuditJson(*report.audit, report.complete()) : Json();
  json["staleness"] = StalenessJson(status);
  AddLateness(status, &json);
  json["traffic"] = TrafficJson(status.traffic());
  json["clock_lead"] =
      ClockBound(report.job) ? Json(status.clock_lead()) : Json();
  json["restarts"]["total"] = report.restarts.total();
  json["restarts"]["scheduler"] = report.restarts.scheduler;
  json["restarts"]["servers"] = report.restarts.servers;
  json["restarts"]["workers"] = report.restarts.workers;
  json["kills"] = Json::List();
  for (const std::string& daemon : report.kills) json["kills"].Add(daemon);
  if (!report.events.empty() || report.goodput) AddChaos(report, &json);
  json["generation"] = status.summary().generation();
  json["rollbacks"] = report.rollbacks;
  json["rolled_back"] = status.rolled_back();
  json["rate_factor"] = status.rate_factor();
  json["nonfinite_rollbacks"] = status.nonfinite_rollbacks();
  json["leases_repeated"] = status.leases_repeated();
  json["examples_recomputed"] = report.recomputed();
  const v1::JobStatus::Backups& backups = status.backups();
  json["backups"]["leased"] = backups.leased();
  json["backups"]["won"] = backups.won();
  json["backups"]["lost"] = backups.lost();
  json["backups"]["moved"] = backups.moved();
  json["backups"]["computed_twice"] = backups.computed_twice();
  json["epoch_ends"] = TailsJson(status);
  json["evaluations"] = EvaluationsJson(status);
  json["best"] = status.has_best() ? BestJson(status) : Json();
  json["ended"] = status.ended();
  if (report.forest) json["forest"] = ForestFiguresJson(*report.forest);
  if (report.boosted) json["boosted"] = BoostedFiguresJson(*report.boosted);
  if (report.restarted) json["runs"] = RestartsJson(*report.restarted);
  AddShares(report, &json);
  json["expectations"] = Json::List();
  for (const Expectation& expectation : report.expectations) {
    Json one = Json::Object();
    one["figure"] = expectation.figure;
    one["wanted"] = expectation.wanted;
    one["found"] = OptionalJson(expectation.found);
    one["met"] = expectation.met;
    json["expectations"].Add(std::move(one));
  }
  json["folder"] = report.folder;
  json["problems"] = Json::List();
  for (const std::string& problem : report.problems) {
    json["problems"].Add(problem);
  }
  json["warnings"] = Json::List();
  for (const std::string& warning : report.warnings) {
    json["warnings"].Add(warning);
  }
  return json;
}

}  // namespace ebb::tools
