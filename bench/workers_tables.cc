#include "bench/workers_tables.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/algorithm_figures.h"
#include "bench/markdown.h"
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
    return {"workers", "at a time", "quiet",     worse,
            "kills",   worse,       "staleness", "examples to the loss",
            "within"};
  }

  std::vector<std::vector<std::string>> Rows() const {
    std::vector<std::vector<std::string>> rows;
    for (const int workers : runs_.Counts(job_.data, kDefaultVariant)) {
      const WorkersGroup quiet = {.data = job_.data, .workers = workers};
      const WorkersGroup kills = {
          .data = job_.data, .disturbance = kKills, .workers = workers};
      std::vector<std::string> row = {absl::StrCat(workers), AtOnce(quiet)};
      Append(quiet, &row);
      Append(kills, &row);
      row.push_back(Staleness(quiet));
      const auto examples = runs_.ExamplesToLoss(job_.data, workers);
      const bool known = runs_.One(job_.data) && !runs_.Of(quiet).empty();
      row.push_back(examples ? WithCommas(std::llround(*examples))
                    : known  ? "never"
                             : "");
      row.push_back(Verdict({quiet, kills}, metric_.AllowedWith(workers)));
      rows.push_back(std::move(row));
    }
    for (const std::string& market : runs_.Markets(job_.data)) {
      const WorkersGroup group = {.data = job_.data, .disturbance = market};
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
  std::string AtOnce(const WorkersGroup& group) const {
    const auto list = runs_.Of(group);
    return list.empty() ? "" : absl::StrCat(list.front()->at_once);
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

  void Append(const WorkersGroup& group, std::vector<std::string>* row) const {
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

  std::string Verdict(const std::vector<WorkersGroup>& groups,
                      double allowed) const {
    const auto one = runs_.One(job_.data);
    if (!one) return "";
    const bool good =
        std::ranges::all_of(groups, [&](const WorkersGroup& group) {
          if (runs_.Of(group).empty()) return true;
          const auto score = runs_.Score(group);
          return score && metric_.Worse(*score, *one) <= allowed;
        });
    return good ? "within" : "**not within**";
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
