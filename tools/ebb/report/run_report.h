// The result of a run: for people, for programs, and the verdict.
#ifndef EBB_TOOLS_EBB_REPORT_RUN_REPORT_H_
#define EBB_TOOLS_EBB_REPORT_RUN_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/chaos/goodput.h"
#include "tools/ebb/cluster/audit.h"
#include "tools/ebb/model/model_figures.h"
#include "tools/ebb/status/planned_event.h"
#include "tools/text/console.h"
#include "tools/text/json.h"

namespace ebb::tools {

struct Expectation {
  std::string figure;  // "accuracy".
  std::string wanted;  // ">= 0.87".
  std::optional<double> found;
  bool met = false;
};

// Checks the job's last evaluation. An expectation without a figure is missed.
std::vector<Expectation> CheckExpectations(const v1::Job& job,
                                           const v1::JobStatus& status);

// Starts after the first, by role.
struct Restarts {
  int scheduler = 0;
  int servers = 0;
  int workers = 0;
  int total() const { return scheduler + servers + workers; }
};

// The end of a job that a program of the run submitted.
struct JobVerdict {
  std::string name;
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  bool exact = false;  // Its audit.
};

struct RunReport {
  v1::Job job;
  v1::JobStatus status;  // The last one.
  // The text of each class, as the data has it; empty: it is not known.
  std::vector<std::string> classes;
  // The program that the run started, as the user typed it, and the jobs that
  // it submitted, of which `job` is the newest. Empty: the run is of a job
  // file.
  std::string script;
  std::vector<JobVerdict> jobs;
  std::string folder;              // A path as a person would write it.
  std::vector<std::string> files;  // In it, for people.
  // The servers of the run copied their checkpoints here; empty: into the
  // folder of the run.
  std::string copies;
  bool interrupted = false;
  bool cut_short = false;      // Ended by the Disturbance, as planned.
  double seconds = 0;          // From the submission to the end of training.
  int64_t applied_before = 0;  // By earlier parts of a resumed run.
  double total_seconds = 0;    // From the start of the program.
  double cpu_seconds = 0;      // Sum over all daemons.
  std::vector<Expectation> expectations;
  std::optional<AuditReport> audit;
  Restarts restarts;
  int64_t rollbacks = 0;  // In this part of the run.
  // `job` has as many epochs because it ended early by itself.
  bool converged = false;
  // The workload measures them on the stored model. Absent: it does not, or
  // not yet.
  std::optional<ModelFigures> figures;
  // The daemons that were killed by plan, in order.
  std::vector<std::string> kills;
  // A scenario or a record of a market says what happens when: `ebb chaos`.
  bool planned = false;
  std::vector<PlannedEvent> events;
  absl::Duration batch_time;  // Time that workers emulate; zero: none.
  std::optional<chaos::Goodput> goodput;  // Absent: it was not measured.
  // Problems, a sentence each; the run failed if there is any.
  std::vector<std::string> problems;
  // Outside influences on the run, also in sentences; they fail no run.
  std::vector<std::string> warnings;

  bool complete() const {
    return status.summary().state() == v1::JOB_STATE_COMPLETE;
  }
  // The kind of which the job has items (job/base/traits.h).
  std::string unit() const;
  // Tokens of each example; 0: they are not sequences of as many.
  int64_t tokens() const;
  double examples_per_second() const {
    const int64_t applied = status.applied_min() - applied_before;
    return seconds > 0 && applied > 0 ? static_cast<double>(applied) / seconds
                                      : 0;
  }
  double tokens_per_second() const {
    return examples_per_second() * static_cast<double>(tokens());
  }
  // Examples that workers computed more often than necessary, as their pushes
  // were lost or undone. It counts those that workers reported.
  int64_t recomputed() const;
  // How many batches ahead of the slowest worker one may be; nullopt: any.
  std::optional<int64_t> clock_bound() const;
  // Updates by staleness, up to the largest.
  std::vector<int64_t> staleness() const;
  // The part of all computed examples that this worker computed.
  double ShareOf(const v1::JobStatus::WorkerShare& share) const;
  // True if its model is made of trees.
  bool has_trees() const;
  // How people call a class: by its text, or else by its number.
  std::string ClassText(size_t label) const;
  // From the last evaluation.
  std::optional<double> accuracy() const;
  std::optional<double> test_loss() const;
};

// Adds what follows from the figures themselves to the problems: incomplete,
// audit not exact, an expectation missed.
void Judge(RunReport* report);

enum class ReportDetail {
  kResult,  // The result of the run.
  kAll,  // Also how late updates were, what each worker computed, and the like.
};
std::string ReportText(const RunReport& report, const Console& console,
                       ReportDetail detail = ReportDetail::kAll);
Json ReportJson(const RunReport& report);
// The verdict of a report as ReportJson wrote it: sets `interrupted` and
// `problems` of `report`. DataLoss: it cannot be read, or contradicts itself.
absl::Status ReadVerdict(absl::string_view json, RunReport* report);

// How many partitions each server owns, by name: as the audit found them, else
// by the job's placement, which lacks a server that was just killed.
std::vector<std::pair<std::string, int>> PartitionsByServer(
    const RunReport& report);

// The verdict of the audit, in a word or two; empty: it is exact so far, and
// not all is applied yet.
std::string AuditVerdict(const RunReport& report);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_REPORT_RUN_REPORT_H_
