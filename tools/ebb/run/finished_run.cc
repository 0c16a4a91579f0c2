#include "tools/ebb/run/finished_run.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "tools/ebb/report/html_report.h"
#include "tools/ebb/report/stored_run.h"
#include "tools/ebb/rollback/sound_versions.h"
#include "tools/ebb/run/stopped_job.h"
#include "tools/files/files.h"
#include "tools/text/shell_word.h"
#include "worker/predict/prediction_parts.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::tools {

namespace {

// Adds the figures of the stored model that no worker measures.
void AddModelFigures(const v1::Job& job, const RunFolder& folder,
                     RunReport* report) {
  auto figures =
      workloads::ToolsOf(job.model()).Measure(report->complete(), job, [&] {
        return LoadStoredRun(folder);
      });
  if (!figures.ok()) {
    report->problems.emplace_back(figures.status().message());
    return;
  }
  if (!*figures) return;
  report->figures = *std::move(*figures);
  if (report->figures->test) {
    *report->status.add_evaluations() = *report->figures->test;
  }
  report->warnings.insert(report->warnings.end(),
                          report->figures->warnings.begin(),
                          report->figures->warnings.end());
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
  AddModelFigures(job, folder, report);
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

absl::Status CopyReport(const RunFolder& folder, const std::string& copy) {
  const std::string name = IsPage(copy) ? "report.html" : "report.json";
  EBB_ASSIGN_OR_RETURN(const std::string content, ReadFile(folder.File(name)));
  return WriteFile(copy, content);
}

bool NothingLeft(const RunReport& report) {
  return report.complete() && !report.interrupted && report.audit &&
         report.audit->silent.empty();
}

std::string CommandToGoOn(const JobChoice& choice, absl::string_view folder) {
  std::string command = absl::StrCat("ebb run ", ShellWord(choice.file));
  for (const std::string& one : choice.overrides) {
    absl::StrAppend(&command, " --set ", ShellWord(one));
  }
  absl::StrAppend(&command, " --resume --run-dir ", ShellWord(folder));
  return command;
}

}  // namespace ebb::tools
