#include "bench/algorithms/workers_tables.h"

#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/algorithms/algorithm_figures.h"
#include "bench/pages/markdown.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

// Makes the rows of a job's table.
class JobTable {
 public:
  JobTable(const WorkersRuns& runs, const WorkersJob& job)
      : runs_(runs), job_(job), metric_(MetricOf(job)) {}

  std::vector<std::string> Header() const {
    const std::string worse = metric_.unit.empty()
                                  ? "worse by"
                                  : absl::StrCat("worse by, ", metric_.unit);
    return {
        "workers",   "disturbed by",         "at a time", metric_.name, worse,
        "staleness", "examples to the loss", "within"};
  }

  // A row for each number of workers and what disturbs it.
  std::vector<std::vector<std::string>> Rows() const {
    std::vector<std::vector<std::string>> rows;
    for (const int workers : runs_.Counts(job_.data, kDefaultVariant)) {
      for (const char* disturbance : {kQuiet, kKills}) {
        const WorkersGroup group = {
            .data = job_.data, .disturbance = disturbance, .workers = workers};
        if (runs_.Of(group).empty()) continue;
        rows.push_back(
            Row(absl::StrCat(workers), group, metric_.AllowedWith(workers)));
      }
    }
    for (const std::string& market : runs_.Markets(job_.data)) {
      const WorkersGroup group = {.data = job_.data, .disturbance = market};
      rows.push_back(
          Row(market == kMarket
                  ? absl::StrFormat("%d to %d to %d", kMarketLow, kMarketHigh,
                                    kMarketLow)
                  : absl::StrCat(runs_.Of(group).front()->workers, " at first"),
              group, metric_.allowed));
    }
    return rows;
  }

 private:
  // The runs of the group are there.
  std::vector<std::string> Row(const std::string& workers,
                               const WorkersGroup& group,
                               double allowed) const {
    const auto score = runs_.Score(group);
    const auto one = runs_.One(job_.data);
    const bool quiet = group.disturbance == kQuiet;
    std::optional<double> worse;
    if (score && one) worse = metric_.Worse(*score, *one);
    return {workers,
            group.disturbance,
            absl::StrCat(runs_.Of(group).front()->at_once),
            score ? absl::StrFormat("%.4f", *score) : "none",
            worse && !(quiet && group.workers == 1) ? metric_.Text(*worse) : "",
            Staleness(group),
            one && quiet ? ToTheLoss(*group.workers) : "",
            !one ? ""
            : worse && *worse <= allowed && runs_.WrongCounts(group) == 0
                ? "within"
                : "**not within**"};
  }

  std::string ToTheLoss(int workers) const {
    const auto examples = runs_.ExamplesToLoss(job_.data, workers);
    return examples ? WithCommas(std::llround(*examples)) : "never";
  }

  std::string Staleness(const WorkersGroup& group) const {
    double sum = 0;
    int count = 0;
    for (const AlgorithmFigures* one : runs_.Of(group)) {
      if (!one->staleness) continue;
      sum += *one->staleness;
      ++count;
    }
    return count == 0 ? "" : absl::StrFormat("%.1f", sum / count);
  }

  const WorkersRuns& runs_;
  const WorkersJob& job_;
  const WorkersMetric metric_;
};

}  // namespace

WorkersTable TableOf(const WorkersRuns& runs, const WorkersJob& job) {
  const JobTable table(runs, job);
  return {table.Header(), table.Rows()};
}

std::vector<std::string> VariantsOf(const WorkersRuns& runs,
                                    const WorkersJob& job) {
  std::vector<std::string> found;
  for (const std::string& variant : WorkersVariants()) {
    if (!runs.Counts(job.data, variant).empty()) found.push_back(variant);
  }
  return found;
}

std::string VariantsTable(const WorkersRuns& runs, const WorkersJob& job) {
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
                                  MarkdownHeader(header));
  for (const std::string& variant : variants) {
    std::vector<std::string> cells = {variant};
    for (const int count : counts) {
      const WorkersGroup group = {
          .data = job.data, .variant = variant, .workers = count};
      const auto score = runs.Score(group);
      cells.push_back(score                    ? absl::StrFormat("%.4f", *score)
                      : runs.Of(group).empty() ? ""
                                               : "none");
    }
    text += MarkdownRow(cells);
  }
  return text;
}

}  // namespace ebb::tools
