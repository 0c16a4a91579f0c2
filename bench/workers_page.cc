#include "bench/workers_page.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "bench/algorithm_cases.h"
#include "bench/workers_cases.h"
#include "common/scores/figures.h"
#include "tools/text/charts.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

using RunsList = std::vector<const AlgorithmFigures*>;

// Up to so many workers half of what is allowed.
constexpr int kFew = 16;
// The examples that 64 workers may need to a loss, beside one worker.
constexpr double kMostExamples = 1.5;
// The least speed, as a share of that of as many single workers.
constexpr double kLeastSpeed = 0.9;
constexpr double kMostWaiting = 0.15;
// The share of the examples after which one worker's loss is the target.
constexpr double kTargetAt = 0.5;

// How a metric is compared with that of one worker.
struct Metric {
  std::string name;
  double factor = 1;      // To the unit; negative where more is better.
  bool relative = false;  // To that of one worker.
  double allowed = 0;     // How much worse it may be.
  std::string unit;
  int digits = 0;

  double Worse(double score, double one) const {
    return factor * (score - one) / (relative ? one : 1);
  }
  std::string Text(double worse) const {
    return absl::StrFormat("%+.*f", digits, worse);
  }
};

Metric MetricOf(const WorkersJob& job) {
  if (job.metric == kAccuracy) {
    return {"accuracy", -100, false, 1, "points", 2};
  }
  if (job.metric == kRmse) return {"RMSE", 100, true, 1, "%", 2};
  return {"log loss", 1, false, 0.005, "", 4};
}

std::string WorkersRow(const std::vector<std::string>& cells) {
  return absl::StrCat("| ", absl::StrJoin(cells, " | "), " |\n");
}

std::string WorkersHeader(const std::vector<std::string>& names) {
  std::string text = WorkersRow(names) + "|---|";
  for (size_t i = 1; i < names.size(); ++i) text += "--:|";
  return text + "\n";
}

// The run with each loss replaced by the mean over the examples just before it,
// so that a run with more points does not reach a loss sooner by chance.
AlgorithmFigures Smooth(const AlgorithmFigures& run) {
  constexpr double kWindow = 0.05;  // A share of the examples.
  AlgorithmFigures smooth = run;
  const double window = kWindow * static_cast<double>(run.examples);
  size_t first = 0;
  double sum = 0;
  for (size_t i = 0; i < run.curve.size(); ++i) {
    sum += run.curve[i].loss;
    while (static_cast<double>(run.curve[i].examples -
                               run.curve[first].examples) > window) {
      sum -= run.curve[first++].loss;
    }
    smooth.curve[i].loss = sum / static_cast<double>(i + 1 - first);
  }
  return smooth;
}

// Which runs are compared.
struct Group {
  std::string data;
  std::string variant = kDefaultVariant;
  std::string disturbance = kQuiet;
  std::optional<int> workers;  // Absent: any number.
};

class Runs {
 public:
  explicit Runs(const std::vector<AlgorithmFigures>& all) : all_(all) {}

  RunsList Of(const Group& group) const {
    RunsList list;
    for (const AlgorithmFigures& one : all_) {
      if (one.data == group.data && one.algorithm == group.variant &&
          one.disturbance == group.disturbance &&
          (!group.workers || one.workers == *group.workers)) {
        list.push_back(&one);
      }
    }
    return list;
  }

  // Over the seeds.
  std::optional<double> Score(const Group& group) const {
    double sum = 0;
    int64_t count = 0;
    for (const AlgorithmFigures* one : Of(group)) {
      // A run that went astray has none, and no mean hides it.
      if (!one->score) return std::nullopt;
      sum += *one->score;
      ++count;
    }
    if (count == 0) return std::nullopt;
    return sum / static_cast<double>(count);
  }

  // The score of one worker, undisturbed.
  std::optional<double> One(const std::string& data) const {
    return Score({.data = data, .workers = 1});
  }

  std::set<int> Counts(const std::string& data,
                       const std::string& variant) const {
    std::set<int> counts;
    for (const AlgorithmFigures& one : all_) {
      if (one.data == data && one.algorithm == variant &&
          (one.disturbance == kQuiet || one.disturbance == kKills)) {
        counts.insert(one.workers);
      }
    }
    return counts;
  }

  // The markets and traces, in order.
  std::vector<std::string> Markets(const std::string& data) const {
    std::vector<std::string> names;
    for (const AlgorithmFigures& one : all_) {
      if (one.data == data && one.algorithm == kDefaultVariant &&
          one.disturbance != kQuiet && one.disturbance != kKills &&
          std::ranges::count(names, one.disturbance) == 0) {
        names.push_back(one.disturbance);
      }
    }
    return names;
  }

  std::vector<const WorkersJob*> Jobs() const {
    std::vector<const WorkersJob*> jobs;
    for (const WorkersJob& job : WorkersJobs()) {
      if (std::ranges::count(all_, job.data, &AlgorithmFigures::data) > 0) {
        jobs.push_back(&job);
      }
    }
    return jobs;
  }

  // Examples to the loss that one worker has half-way: the mean over the seeds.
  // nullopt: some run never has it.
  std::optional<double> ExamplesToLoss(const std::string& data,
                                       int workers) const {
    double loss = 0;
    const RunsList ones = Of({.data = data, .workers = 1});
    for (const AlgorithmFigures* one : ones) {
      const auto at = Smooth(*one).LossAt(kTargetAt);
      if (!at) return std::nullopt;
      loss += *at / static_cast<double>(ones.size());
    }
    const RunsList runs = Of({.data = data, .workers = workers});
    if (ones.empty() || runs.empty()) return std::nullopt;
    double examples = 0;
    for (const AlgorithmFigures* run : runs) {
      const auto reached = Smooth(*run).Reached(loss);
      if (!reached) return std::nullopt;
      examples += static_cast<double>(reached->examples);
    }
    return examples / static_cast<double>(runs.size());
  }

 private:
  const std::vector<AlgorithmFigures>& all_;
};

// The largest loss against one worker among some runs.
struct Worst {
  double worse = -HUGE_VAL;
  std::string where;
  bool astray = false;  // A run has no score at all.
};

class Judge {
 public:
  explicit Judge(const Runs& runs) : runs_(runs) {}

  std::vector<WorkersRequirement> All() const {
    std::vector<WorkersRequirement> all;
    for (const WorkersJob* job : runs_.Jobs()) {
      all.push_back(Scores(*job, /*few=*/true));
      all.push_back(Scores(*job, /*few=*/false));
    }
    for (const WorkersJob* job : runs_.Jobs()) all.push_back(Examples(*job));
    for (const WorkersJob* job : runs_.Jobs()) {
      if (!runs_.Counts(job->data, kSpeedVariant).empty()) Speed(*job, &all);
    }
    return all;
  }

 private:
  void Compare(const WorkersJob& job, const Group& group,
               const std::string& where, Worst* worst) const {
    if (runs_.Of(group).empty()) return;
    const auto score = runs_.Score(group);
    const double worse =
        score ? MetricOf(job).Worse(*score, *runs_.One(job.data)) : HUGE_VAL;
    if (!score) worst->astray = true;
    if (worse > worst->worse) {
      worst->worse = worse;
      worst->where = where;
    }
  }

  WorkersRequirement Scores(const WorkersJob& job, bool few) const {
    const Metric metric = MetricOf(job);
    const double allowed = few ? metric.allowed / 2 : metric.allowed;
    WorkersRequirement found = {
        .name = absl::StrFormat(
            "%s: %s with %s at most %g%s%s worse than with one worker",
            job.title, metric.name,
            few ? absl::StrCat("up to ", kFew, " workers")
                : "any number and any churn",
            allowed, metric.unit.empty() ? "" : " ", metric.unit)};
    if (!runs_.One(job.data)) return found;
    Worst worst;
    for (const int workers : runs_.Counts(job.data, kDefaultVariant)) {
      for (const char* disturbance : {kQuiet, kKills}) {
        if (few && workers > kFew) continue;
        if (workers == 1 && disturbance == std::string(kQuiet)) continue;
        Compare(
            job,
            {.data = job.data, .disturbance = disturbance, .workers = workers},
            absl::StrCat(Count(workers, "worker"), ", ", disturbance), &worst);
      }
    }
    if (!few) {
      for (const std::string& market : runs_.Markets(job.data)) {
        Compare(job, {.data = job.data, .disturbance = market}, market, &worst);
      }
    }
    if (worst.where.empty()) return found;
    found.found = worst.astray ? absl::StrCat("no result: ", worst.where)
                               : absl::StrCat(metric.Text(worst.worse),
                                              " with ", worst.where);
    found.met = worst.worse <= allowed;
    return found;
  }

  WorkersRequirement Examples(const WorkersJob& job) const {
    constexpr int kMany = 64;
    WorkersRequirement found = {
        .name = absl::StrFormat("%s: examples to a given loss with %d workers "
                                "at most %g times those of one",
                                job.title, kMany, kMostExamples)};
    const auto one = runs_.ExamplesToLoss(job.data, 1);
    if (!one || runs_.Of({.data = job.data, .workers = kMany}).empty()) {
      return found;
    }
    const auto many = runs_.ExamplesToLoss(job.data, kMany);
    if (!many) {
      found.found = "never";
      return found;
    }
    found.found = absl::StrFormat("%.2f times", *many / *one);
    found.met = *many <= kMostExamples * *one;
    return found;
  }

  void Speed(const WorkersJob& job,
             std::vector<WorkersRequirement>* all) const {
    WorkersRequirement speed = {
        .name = absl::StrFormat("%s: %d workers compute at least %g of the "
                                "examples/s of as many single ones",
                                job.title, kSpeedWorkers, kLeastSpeed)};
    WorkersRequirement waiting = {
        .name = absl::StrFormat("%s: %d workers wait for less than %.0f %% of "
                                "their time",
                                job.title, kSpeedWorkers, 100 * kMostWaiting)};
    const auto run = [&](int workers) {
      const RunsList list = runs_.Of(
          {.data = job.data, .variant = kSpeedVariant, .workers = workers});
      return list.empty() ? nullptr : list.front();
    };
    const AlgorithmFigures* one = run(1);
    const AlgorithmFigures* many = run(kSpeedWorkers);
    const auto alone =
        one == nullptr ? std::nullopt : one->Rate(kSpeedFrom, kSpeedTo);
    const auto together =
        many == nullptr ? std::nullopt : many->Rate(kSpeedFrom, kSpeedTo);
    if (alone && together) {
      double single = 0;
      for (int i = 0; i < kSpeedWorkers; ++i) single += *alone / SlownessOf(i);
      speed.found = absl::StrFormat(
          "%s examples/s, where one has %s and so many single ones would have "
          "%s: %.2f; the servers used %.2f of a core",
          Short(*together), Short(*alone), Short(single), *together / single,
          many->server_cores);
      speed.met = *together >= kLeastSpeed * single;
    }
    if (many != nullptr) {
      waiting.found = absl::StrFormat("%.0f %%", 100 * many->WaitedShare());
      waiting.met = many->WaitedShare() < kMostWaiting;
    }
    all->push_back(std::move(speed));
    all->push_back(std::move(waiting));
  }

  const Runs& runs_;
};

// Where most of the readers' time goes: the table of a job.
class JobTable {
 public:
  JobTable(const Runs& runs, const WorkersJob& job)
      : runs_(runs), job_(job), metric_(MetricOf(job)) {}

  std::vector<std::string> Header() const {
    const std::string worse = metric_.unit.empty()
                                  ? "worse by"
                                  : absl::StrCat("worse by, ", metric_.unit);
    return {"workers", "at a time", "quiet",     worse,
            "kills",   worse,       "staleness", "examples to the loss",
            "within"};
  }

  std::vector<std::vector<std::string>> Rows() const {
    std::vector<std::vector<std::string>> rows;
    for (const int workers : runs_.Counts(job_.data, kDefaultVariant)) {
      const Group quiet = {.data = job_.data, .workers = workers};
      const Group kills = {
          .data = job_.data, .disturbance = kKills, .workers = workers};
      const double allowed =
          workers <= kFew ? metric_.allowed / 2 : metric_.allowed;
      std::vector<std::string> row = {absl::StrCat(workers), AtOnce(quiet)};
      Append(quiet, &row);
      Append(kills, &row);
      row.push_back(Staleness(quiet));
      const auto examples = runs_.ExamplesToLoss(job_.data, workers);
      const bool known = runs_.One(job_.data) && !runs_.Of(quiet).empty();
      row.push_back(examples ? WithCommas(std::llround(*examples))
                    : known  ? "never"
                             : "");
      row.push_back(Verdict({quiet, kills}, allowed));
      rows.push_back(std::move(row));
    }
    for (const std::string& market : runs_.Markets(job_.data)) {
      const Group group = {.data = job_.data, .disturbance = market};
      std::vector<std::string> row = {
          market == kMarket ? absl::StrFormat("%d to %d to %d", kMarketLow,
                                              kMarketHigh, kMarketLow)
                            : absl::StrCat("as in ", market),
          AtOnce(group), "", ""};
      Append(group, &row);
      row.push_back(Staleness(group));
      row.push_back("");
      row.push_back(Verdict({group}, metric_.allowed));
      rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  std::string AtOnce(const Group& group) const {
    const RunsList list = runs_.Of(group);
    return list.empty() ? "" : absl::StrCat(list.front()->at_once);
  }

  std::string Staleness(const Group& group) const {
    double sum = 0;
    int count = 0;
    for (const AlgorithmFigures* one : runs_.Of(group)) {
      if (!one->staleness) continue;
      sum += *one->staleness;
      ++count;
    }
    return count == 0 ? "" : absl::StrFormat("%.1f", sum / count);
  }

  void Append(const Group& group, std::vector<std::string>* row) const {
    const auto score = runs_.Score(group);
    const auto one = runs_.One(job_.data);
    if (runs_.Of(group).empty()) {
      row->insert(row->end(), {"", ""});
      return;
    }
    row->push_back(score ? absl::StrFormat("%.4f", *score) : "none");
    const bool reference = group.workers == 1 && group.disturbance == kQuiet;
    row->push_back(score && one && !reference
                       ? metric_.Text(metric_.Worse(*score, *one))
                       : "");
  }

  std::string Verdict(const std::vector<Group>& groups, double allowed) const {
    const auto one = runs_.One(job_.data);
    if (!one) return "";
    const bool good = std::ranges::all_of(groups, [&](const Group& group) {
      if (runs_.Of(group).empty()) return true;
      const auto score = runs_.Score(group);
      return score && metric_.Worse(*score, *one) <= allowed;
    });
    return good ? "within" : "**not within**";
  }

  const Runs& runs_;
  const WorkersJob& job_;
  const Metric metric_;
};

// Variants side by side.
std::vector<std::string> VariantsOf(const Runs& runs, const WorkersJob& job) {
  std::vector<std::string> found;
  for (const std::string& variant : WorkersVariants()) {
    if (!runs.Counts(job.data, variant).empty()) found.push_back(variant);
  }
  return found;
}

std::string VariantsTable(const Runs& runs, const WorkersJob& job) {
  const std::vector<std::string> variants = VariantsOf(runs, job);
  if (variants.size() < 2) return "";
  std::set<int> counts;
  for (const std::string& variant : variants) {
    if (variant != kDefaultVariant)
      counts.merge(runs.Counts(job.data, variant));
  }
  std::vector<std::string> header = {MetricOf(job).name};
  for (const int count : counts) header.push_back(Count(count, "worker"));
  std::string text = absl::StrCat("\nOther algorithms, undisturbed:\n\n",
                                  WorkersHeader(header));
  for (const std::string& variant : variants) {
    std::vector<std::string> cells = {variant};
    for (const int count : counts) {
      const Group group = {
          .data = job.data, .variant = variant, .workers = count};
      const auto score = runs.Score(group);
      cells.push_back(score                    ? absl::StrFormat("%.4f", *score)
                      : runs.Of(group).empty() ? ""
                                               : "none");
    }
    text += WorkersRow(cells);
  }
  return text;
}

// Points at equal distances, by the number of workers.
Curve CurveOf(const Runs& runs, const std::string& name, Group group,
              const std::set<int>& counts) {
  Curve curve{name, {}};
  int x = 0;
  for (const int count : counts) {
    group.workers = count;
    if (const auto score = runs.Score(group))
      curve.points.emplace_back(x, *score);
    ++x;
  }
  return curve;
}

std::string SvgOf(const std::string& title, std::vector<Curve> curves,
                  const std::set<int>& counts) {
  constexpr double kWidth = 620;
  std::erase_if(curves, [](const Curve& one) { return one.points.empty(); });
  if (curves.empty() || counts.size() < 2) return "";
  ChartOptions options = {.width = kWidth};
  for (const int count : counts) options.x_names.push_back(absl::StrCat(count));
  return SvgFile(Chart(title, curves, options));
}

std::string Failures(const std::vector<AlgorithmFigures>& all) {
  int64_t wrong = 0;
  std::string failures;
  for (const AlgorithmFigures& one : all) {
    wrong += one.missing + one.doubled;
    if (one.failure.empty()) continue;
    absl::StrAppendFormat(&failures, "- %s, %s, %s, %s: %s\n", one.data,
                          one.algorithm, Count(one.workers, "worker"),
                          one.disturbance, one.failure);
  }
  std::string text =
      absl::StrFormat("\nThe audits of all %d runs: %s missing or doubled.\n",
                      all.size(), Count(wrong, "example"));
  if (!failures.empty()) {
    absl::StrAppend(&text, "\nWhat did not end as it should:\n\n", failures);
  }
  return text;
}

std::string VerdictOf(const WorkersRequirement& one) {
  return one.found.empty() ? "" : one.met ? "within" : "**not within**";
}

}  // namespace

std::vector<WorkersRequirement> WorkersRequirements(
    const std::vector<AlgorithmFigures>& all) {
  const Runs runs(all);
  return Judge(runs).All();
}

std::vector<PageImage> WorkersImages(const std::vector<AlgorithmFigures>& all) {
  const Runs runs(all);
  std::vector<PageImage> images;
  const auto add = [&](const WorkersJob& job, const std::string& name,
                       const std::string& what, std::vector<Curve> curves,
                       const std::set<int>& counts) {
    const std::string title =
        absl::StrCat(job.title, ": ", MetricOf(job).name, " by workers", what);
    const std::string svg = SvgOf(title, std::move(curves), counts);
    if (svg.empty()) return;
    images.push_back(
        {absl::StrCat("algorithms-workers-", job.data, name, ".svg"), title,
         svg});
  };
  for (const WorkersJob* job : runs.Jobs()) {
    const std::set<int> counts = runs.Counts(job->data, kDefaultVariant);
    std::vector<Curve> curves;
    for (const char* disturbance : {kQuiet, kKills}) {
      curves.push_back(CurveOf(runs, disturbance,
                               {.data = job->data, .disturbance = disturbance},
                               counts));
    }
    add(*job, "", "", std::move(curves), counts);
    const std::vector<std::string> variants = VariantsOf(runs, *job);
    if (variants.size() < 2) continue;
    const std::set<int> compared = runs.Counts(job->data, variants.back());
    std::vector<Curve> lines;
    for (const std::string& variant : variants) {
      lines.push_back(CurveOf(
          runs, variant, {.data = job->data, .variant = variant}, compared));
    }
    add(*job, "-variants", ", with other algorithms", std::move(lines),
        compared);
  }
  return images;
}

std::string WorkersSection(const std::vector<AlgorithmFigures>& all,
                           const std::vector<PageImage>& images,
                           const WorkersSectionOptions& options) {
  const Runs runs(all);
  std::string text =
      absl::StrCat(kWorkersTitle, "\nMeasured by `", options.command, "`.\n\n",
                   options.how, "\n\n", WhereTheyRan(all), Failures(all));
  absl::StrAppend(&text, "\n### What is required of any number of workers\n\n",
                  WorkersRow({"", "", ""}), "|---|---|---|\n");
  for (const WorkersRequirement& one : WorkersRequirements(all)) {
    text += WorkersRow(
        {one.name, one.found.empty() ? "these runs do not tell" : one.found,
         VerdictOf(one)});
  }
  for (const WorkersJob* job : runs.Jobs()) {
    const JobTable table(runs, *job);
    absl::StrAppend(&text, "\n### ", job->title, ", by workers\n\n`", job->file,
                    "`: ", MetricOf(*job).name, " on the test data.\n\n",
                    WorkersHeader(table.Header()));
    for (const std::vector<std::string>& row : table.Rows()) {
      text += WorkersRow(row);
    }
    text += VariantsTable(runs, *job);
    const std::string file = absl::StrCat("algorithms-workers-", job->data);
    for (const PageImage& image : images) {
      if (image.file != file + ".svg" && image.file != file + "-variants.svg") {
        continue;
      }
      absl::StrAppend(&text, "\n![", image.title, "](", options.images,
                      image.file, ")\n");
    }
  }
  return text;
}

std::string WorkersText(const std::vector<AlgorithmFigures>& all) {
  const Runs runs(all);
  std::string text;
  for (const WorkersJob* job : runs.Jobs()) {
    const JobTable rows(runs, *job);
    TextTable table(rows.Header(), {1, 2, 3, 4, 5, 6, 7});
    for (std::vector<std::string> row : rows.Rows()) table.Add(std::move(row));
    absl::StrAppend(&text, job->title, ", ", MetricOf(*job).name, "\n",
                    table.ToString(), "\n");
  }
  for (const WorkersRequirement& one : WorkersRequirements(all)) {
    if (one.found.empty()) continue;
    absl::StrAppend(&text, one.met ? "within: " : "NOT within: ", one.name,
                    ": ", one.found, "\n");
  }
  return text;
}

PageParts SplitPage(absl::string_view page) {
  const std::string title = absl::StrCat("\n", kWorkersTitle);
  const size_t at = page.find(title);
  if (at == absl::string_view::npos) return {std::string(page), ""};
  return {std::string(page.substr(0, at)), std::string(page.substr(at + 1))};
}

std::string JoinPage(const PageParts& parts) {
  return absl::StrCat(
      parts.algorithms,
      parts.algorithms.empty() || parts.workers.empty() ? "" : "\n",
      parts.workers);
}

}  // namespace ebb::tools
