#include "tools/ebb/run/finished_run.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "job/base/traits.h"
#include "tools/ebb/report/forest_figures.h"
#include "tools/ebb/report/html_report.h"
#include "tools/ebb/report/restart_figures.h"
#include "tools/ebb/rollback/sound_versions.h"
#include "tools/ebb/run/stopped_job.h"
#include "tools/files/files.h"
#include "worker/predict/prediction_parts.h"

namespace ebb::tools {

namespace {

// Only all trees together are a model, so workers evaluate none.
void AddForestFigures(const RunFolder& folder, RunReport* report) {
  auto figures = MeasureForest(folder);
  if (absl::IsNotFound(figures.status())) return;
  if (!figures.ok()) {
    report->problems.push_back(absl::StrCat("the forest cannot be measured: ",
                                            figures.status().message()));
    return;
  }
  if (figures->test) *report->status.add_evaluations() = *figures->test;
  if (figures->nodes == figures->trees) {
    report->warnings.push_back(NoSplitText());
  }
  report->forest = *std::move(figures);
}

// A job whose rounds found no split ends as others do.
void AddBoostedFigures(const RunFolder& folder, RunReport* report) {
  auto figures = MeasureBoosted(folder);
  if (!figures.ok()) {
    report->problems.push_back(
        absl::StrCat("the trees cannot be read: ", figures.status().message()));
    return;
  }
  if (!figures->any_split) report->warnings.push_back(NoSplitText());
  report->boosted = *std::move(figures);
}

// Only the best of the runs of K-Means is the model, so workers evaluate none.
void AddRestartFigures(const RunFolder& folder, RunReport* report) {
  auto figures = MeasureRestarts(folder);
  if (absl::IsNotFound(figures.status())) return;
  if (!figures.ok()) {
    report->problems.push_back(absl::StrCat(
        "the runs of kmeans cannot be measured: ", figures.status().message()));
    return;
  }
  if (figures->test) *report->status.add_evaluations() = *figures->test;
  report->restarted = std::move(figures->restarts);
}

// Reports whether workers have written predictions into a folder. The parts of
// a bucket are not looked at.
bool HasParts(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (absl::StartsWith(entry.path().filename().string(), worker::kPart)) {
      return true;
    }
  }
  return false;
}

bool IsPage(absl::string_view path) {
  return absl::EndsWithIgnoreCase(path, ".html") ||
         absl::EndsWithIgnoreCase(path, ".htm");
}

}  // namespace

bool PredictedNothing(const v1::Job& job, const RunReport& report) {
  return job.has_predict() && report.interrupted &&
         report.status.applied_min() == 0 && report.problems.empty() &&
         !HasParts(job.predict().to());
}

void ExplainStop(absl::string_view why, const v1::Job& job,
                 const RunFolder& folder, RunReport* report) {
  if (why.empty()) return;
  const std::string help = WhatHelps(report->status, job,
                                     ValuesMatter(report->status)
                                         ? FindSoundVersions(folder.File("."))
                                         : SoundVersions());
  report->problems.insert(report->problems.begin(),
                          absl::StrCat(why, help.empty() ? "" : "\n", help));
}

void FinishReport(const v1::Job& job, const RunFolder& folder,
                  RunReport* report) {
  const int32_t epochs = report->status.summary().epochs();
  if (epochs > 0 && epochs < job.train().epochs()) {
    report->converged = report->status.ended().empty();
    report->job.mutable_train()->set_epochs(epochs);
  }
  if (report->audit) report->status.set_updates(report->audit->updates);
  if (job::TraitsOf(job.model()).forest()) AddForestFigures(folder, report);
  if (job::TraitsOf(job.model()).boosted() && report->complete()) {
    AddBoostedFigures(folder, report);
  }
  if (job::HasRestarts(job)) AddRestartFigures(folder, report);
  report->expectations = CheckExpectations(job, report->status);
  if (!report->interrupted) Judge(report);
}

void WriteReport(const RunFolder& folder, const std::vector<RunSample>& samples,
                 const std::string& copy, FileWriter write_file,
                 RunReport* report) {
  const std::string json = ReportJson(*report).ToString();
  const auto write = [&](const std::string& path, absl::string_view content) {
    const absl::Status written = write_file(path, content);
    if (absl::IsResourceExhausted(written)) {
      report->problems.push_back(
          absl::StrCat(written.message(), "; make room: --resume writes it"));
    } else if (!written.ok()) {
      report->problems.emplace_back(written.message());
    }
    return written.ok();
  };
  if (write(folder.File("report.html"), HtmlReport(*report, samples))) {
    report->files.push_back("report.html");
  }
  if (write(folder.File("report.json"), json)) {
    report->files.push_back("report.json");
  }
  report->files.insert(report->files.end(), {"metrics.csv", "logs"});
  if (copy.empty()) return;
  write(copy, IsPage(copy) ? HtmlReport(*report, samples) : json);
}

bool NothingLeft(const RunReport& report) {
  return report.complete() && !report.interrupted && report.audit &&
         report.audit->silent.empty();
}

std::string CommandToGoOn(const JobChoice& choice, absl::string_view folder) {
  std::string command = absl::StrCat("ebb run ", choice.file);
  for (const std::string& one : choice.overrides) {
    absl::StrAppend(&command, " --set '", one, "'");
  }
  absl::StrAppend(&command, " --resume --run-dir ", folder);
  return command;
}

}  // namespace ebb::tools
