#include "bench/algorithms/workers_page.h"

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/algorithms/workers_cases.h"
#include "bench/algorithms/workers_requirements.h"
#include "bench/algorithms/workers_runs.h"
#include "bench/algorithms/workers_tables.h"
#include "bench/pages/markdown.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

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

std::string WorkersSection(const std::vector<AlgorithmFigures>& all,
                           const std::vector<PageImage>& images,
                           const WorkersSectionOptions& options) {
  const WorkersRuns runs(all);
  std::string text =
      absl::StrCat(kWorkersTitle, "\nMeasured by `", options.command, "`.\n\n",
                   options.how, "\n\n", WhereTheyRan(all), Failures(all));
  absl::StrAppend(&text, "\n### What is required of any number of workers\n\n",
                  MarkdownRow({"", "", ""}), "|---|---|---|\n");
  for (const WorkersRequirement& one : WorkersRequirements(all)) {
    text += MarkdownRow(
        {one.name, one.found.empty() ? "these runs do not tell" : one.found,
         VerdictOf(one)});
  }
  for (const WorkersJob* job : runs.Jobs()) {
    const WorkersTable table = TableOf(runs, *job);
    absl::StrAppend(&text, "\n### ", job->title, ", by workers\n\n`", job->file,
                    "`: ", MetricOf(*job).name, " on the test data.\n\n",
                    MarkdownHeader(table.header));
    for (const std::vector<std::string>& row : table.rows) {
      text += MarkdownRow(row);
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
  const WorkersRuns runs(all);
  std::string text;
  for (const WorkersJob* job : runs.Jobs()) {
    WorkersTable found = TableOf(runs, *job);
    TextTable table(std::move(found.header), {2, 3, 4, 5, 6});
    for (std::vector<std::string>& row : found.rows) table.Add(std::move(row));
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
