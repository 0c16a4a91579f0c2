#include "bench/algorithms/algorithms_page.h"

#include <algorithm>
#include <functional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/pages/markdown.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

std::string OrDash(const std::optional<double>& value, const char* format) {
  if (!value) return "–";
  const auto parsed = absl::ParsedFormat<'f'>::New(format);
  return absl::StrFormat(*parsed, *value);
}

// All that is known of one run.
std::vector<std::string> Cells(const AlgorithmFigures& one,
                               const std::string& name, double target) {
  const auto reached = one.Reached(target);
  return {name,
          reached ? absl::StrFormat("%.1f", reached->seconds) : "never",
          reached ? WithCommas(reached->examples) : "never",
          absl::StrFormat("%.1f", one.seconds),
          absl::StrFormat("%.0f", static_cast<double>(one.bytes) * 1e-6),
          absl::StrFormat("%.1f", one.waited_seconds),
          absl::StrFormat("%.0f %%", 100 * one.WaitedShare()),
          OrDash(one.accuracy, "%.3f"),
          OrDash(one.test_loss, "%.3f"),
          OrDash(one.staleness, "%.1f"),
          absl::StrCat(one.staleness_p99)};
}

const std::vector<std::string>& Columns() {
  static const auto* const kColumns =
      new std::vector<std::string>{"",
                                   "s to target",
                                   "examples to target",
                                   "s in all",
                                   "MB moved",
                                   "s waited",
                                   "of worker time",
                                   "accuracy",
                                   "test loss",
                                   "staleness",
                                   "p99"};
  return *kColumns;
}

class Page {
 public:
  Page(const std::vector<AlgorithmFigures>& all,
       const AlgorithmsPageOptions& options)
      : all_(all), options_(options) {}

  std::string Job(const PageJob& job) const {
    std::string text =
        absl::StrFormat("\n## %s\n\nThe target is a training loss of %g.\n",
                        job.title, job.target_loss);
    absl::StrAppend(&text, Table(job, false), Table(job, true), Periods(job));
    if (WorkersOf(job).size() > 1) {
      absl::StrAppend(
          &text,
          ByWorkers(job, "Seconds to the target",
                    [&](const AlgorithmFigures& one) {
                      const auto reached = one.Reached(job.target_loss);
                      return reached ? absl::StrFormat("%.1f", reached->seconds)
                                     : std::string("never");
                    }),
          ByWorkers(job, "Examples to the target",
                    [&](const AlgorithmFigures& one) {
                      const auto reached = one.Reached(job.target_loss);
                      return reached ? WithCommas(reached->examples)
                                     : std::string("never");
                    }),
          ByWorkers(job, "Test loss at the end",
                    [](const AlgorithmFigures& one) {
                      return OrDash(one.test_loss, "%.3f");
                    }),
          ByWorkers(job, "Accuracy at the end",
                    [](const AlgorithmFigures& one) {
                      return OrDash(one.accuracy, "%.3f");
                    }),
          ByWorkers(job, "Staleness, mean, in updates",
                    [](const AlgorithmFigures& one) {
                      return OrDash(one.staleness, "%.1f");
                    }));
    }
    return text;
  }

  // Says what went wrong, and what the audits found.
  std::string Audits() const {
    int64_t missing = 0, doubled = 0, restarts = 0, recomputed = 0;
    std::string failures;
    for (const AlgorithmFigures& one : all_) {
      missing += one.missing;
      doubled += one.doubled;
      restarts += one.restarts;
      recomputed += one.recomputed;
      if (one.failure.empty()) continue;
      absl::StrAppendFormat(&failures, "- %s, %s%s: %s\n", one.algorithm,
                            Count(one.workers, "worker"),
                            one.churn ? ", under churn" : "", one.failure);
    }
    std::string text = absl::StrFormat(
        "\nThe audits of all %d runs together: %s examples missing, %s "
        "doubled; %s of daemons, %s examples computed again.\n",
        all_.size(), WithCommas(missing), WithCommas(doubled),
        Count(restarts, "restart"), WithCommas(recomputed));
    if (!failures.empty()) {
      absl::StrAppend(&text, "\nWhat did not end as it should:\n\n", failures);
    }
    return text;
  }

 private:
  std::set<int> WorkersOf(const PageJob& job) const {
    std::set<int> workers;
    for (const AlgorithmFigures& one : all_) {
      if (one.data == job.data && !one.churn && one.period == 0) {
        workers.insert(one.workers);
      }
    }
    return workers;
  }

  std::string Table(const PageJob& job, bool churn) const {
    std::string rows;
    for (const AlgorithmFigures& one : all_) {
      if (one.data != job.data || one.churn != churn || one.period > 0 ||
          one.workers != options_.compared_workers) {
        continue;
      }
      rows += MarkdownRow(Cells(one, one.algorithm, job.target_loss));
    }
    if (rows.empty()) return "";
    return absl::StrCat("\n### ", Count(options_.compared_workers, "worker"),
                        churn ? ", under churn" : "", "\n\n",
                        MarkdownHeader(Columns()), rows);
  }

  std::string Periods(const PageJob& job) const {
    std::string rows;
    bool any = false;
    for (const AlgorithmFigures& one : all_) {
      if (one.data != job.data || one.churn ||
          one.workers != options_.compared_workers ||
          (one.period == 0 && one.algorithm != "downpour" &&
           one.algorithm != "adag" && one.algorithm != "aeasgd")) {
        continue;
      }
      any = any || one.period > 0;
      rows += MarkdownRow(Cells(one,
                                absl::StrCat(one.algorithm, ", a push in ",
                                             one.period > 0 ? one.period : 4),
                                job.target_loss));
    }
    if (!any) return "";
    return absl::StrCat("\n### Longer periods, ",
                        Count(options_.compared_workers, "worker"), "\n\n",
                        MarkdownHeader(Columns()), rows);
  }

  std::string ByWorkers(
      const PageJob& job, const std::string& title,
      const std::function<std::string(const AlgorithmFigures&)>& cell) const {
    const std::set<int> workers = WorkersOf(job);
    std::vector<std::string> header = {""};
    for (const int count : workers) header.push_back(Count(count, "worker"));
    std::string text = absl::StrCat("\n### ", title, ", by workers\n\n",
                                    MarkdownHeader(header));
    std::vector<std::string> algorithms;
    for (const AlgorithmFigures& one : all_) {
      if (one.data == job.data &&
          std::ranges::count(algorithms, one.algorithm) == 0) {
        algorithms.push_back(one.algorithm);
      }
    }
    for (const std::string& algorithm : algorithms) {
      std::vector<std::string> cells = {algorithm};
      for (const int count : workers) {
        const auto it = std::ranges::find_if(all_, [&](const auto& one) {
          return one.data == job.data && one.algorithm == algorithm &&
                 one.workers == count && !one.churn && one.period == 0;
        });
        cells.push_back(it == all_.end() ? "" : cell(*it));
      }
      text += MarkdownRow(cells);
    }
    return text;
  }

  const std::vector<AlgorithmFigures>& all_;
  const AlgorithmsPageOptions& options_;
};

std::string EffectsText(const std::vector<AlgorithmFigures>& all,
                        const AlgorithmsPageOptions& options) {
  std::string text =
      "\n## Known effects\n\nWhat papers report, and these runs:\n\n"
      "| | | |\n|---|---|---|\n";
  for (const KnownEffect& effect : KnownEffects(all, options)) {
    text += MarkdownRow(
        {effect.name,
         effect.found.empty() ? "these runs do not tell" : effect.found,
         effect.found.empty() ? ""
         : effect.seen        ? "seen"
                              : "**not seen**"});
  }
  if (!options.notes.empty()) {
    absl::StrAppend(&text, "\nWhy where not, and what else there is to say: [",
                    options.notes, "](", options.notes, ").\n");
  }
  return text;
}

}  // namespace

std::string AlgorithmsPage(const std::vector<AlgorithmFigures>& all,
                           const std::vector<PageImage>& images,
                           const AlgorithmsPageOptions& options) {
  const Page page(all, options);
  std::string text =
      absl::StrCat("# Algorithms, measured\n\nWritten by `", options.command,
                   "`; do not edit.\n\n", options.how, "\n\n",
                   WhereTheyRan(all), page.Audits(), EffectsText(all, options));
  if (!images.empty()) absl::StrAppend(&text, "\n## Charts\n");
  for (const PageImage& image : images) {
    absl::StrAppend(&text, "\n", image.title, ":\n\n![", image.title, "](",
                    options.images, image.file, ")\n");
  }
  for (const PageJob& job : options.jobs) {
    absl::StrAppend(&text, page.Job(job));
  }
  return text;
}

std::string AlgorithmsText(const std::vector<AlgorithmFigures>& all,
                           const AlgorithmsPageOptions& options) {
  std::string text;
  for (const PageJob& job : options.jobs) {
    TextTable table({"", "WORKERS", "S TO TARGET", "EXAMPLES", "S", "MB",
                     "WAITED", "ACCURACY", "STALENESS"},
                    {1, 2, 3, 4, 5, 6, 7, 8});
    for (const AlgorithmFigures& one : all) {
      if (one.data != job.data) continue;
      const std::vector<std::string> cells =
          Cells(one, one.algorithm, job.target_loss);
      table.Add(
          {absl::StrCat(
               one.algorithm,
               one.period > 0 ? absl::StrCat(", a push in ", one.period) : "",
               one.churn ? ", churn" : ""),
           absl::StrCat(one.workers), cells[1], cells[2], cells[3], cells[4],
           cells[6], cells[7], cells[9]});
    }
    if (table.empty()) continue;
    absl::StrAppend(&text, job.title, ", to a training loss of ",
                    job.target_loss, "\n", table.ToString(), "\n");
  }
  return text;
}

}  // namespace ebb::tools
