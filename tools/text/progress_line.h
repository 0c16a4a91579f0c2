// The one line that says how a job is doing.
#ifndef EBB_TOOLS_TEXT_PROGRESS_LINE_H_
#define EBB_TOOLS_TEXT_PROGRESS_LINE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/text/console.h"

namespace ebb::tools {

// A job at one moment.
struct Progress {
  int64_t epoch = 0;  // From 1.
  int64_t epochs = 0;
  // The job predicts: it has no epochs and learns nothing.
  bool predicts = false;
  int64_t applied = 0;   // To the partition that has the least.
  int64_t examples = 0;  // To apply.
  // The examples that were applied and are computed again, as a server lost it
  // or the job went back to older versions.
  int64_t taken_back = 0;
  double examples_per_second = 0;
  // The unit of a rate: "trees", if each example is one.
  std::string rate_unit = "ex";
  // So many of the unit are an example: "tokens" of a sequence.
  int64_t rate_factor = 1;
  std::optional<double> loss;  // Training loss of the latest updates.
  // The same as an RMSE; absent if the loss is not a squared error.
  std::optional<double> rmse;
  // The last round's, of a job that finds clusters, or that of its best run.
  std::optional<double> inertia;
  // The figures of examples that the job keeps back (validation.h); empty:
  // there are none.
  std::string validation;
  // The runs that are done, of a job that has several.
  std::optional<int64_t> runs;
  std::optional<double> test_accuracy;  // From the last evaluation ...
  std::optional<double> test_loss;
  std::optional<double> test_auc;
  std::optional<double> test_f1;
  std::optional<double> test_rmse;
  std::optional<double> test_mae;
  std::optional<double> test_r2;
  std::optional<double> test_calibration_error;
  // The epochs that the evaluated model had learned: more than those of the
  // evaluation if training had gone on.
  std::optional<double> test_epochs;
  std::optional<double> staleness;  // Mean, in updates.
  // The mean factor of the rate of updates, as they were late; and the mean
  // staleness where each counts by that. Absent: no server said.
  std::optional<double> scale;
  std::optional<double> effective_staleness;
  // How long workers waited for a clock bound, in seconds; absent: unknown.
  std::optional<double> bound_wait;
  int workers = 0;
  int workers_wanted = 0;
  int servers = 0;
  int servers_wanted = 0;
  std::optional<absl::Duration> eta;
  // The reason for waiting; empty: none.
  std::string waiting;

  double fraction() const {
    return examples > 0
               ? static_cast<double>(applied) / static_cast<double>(examples)
               : 0;
  }
};

// Returns the text of a v1::WaitReason without what to do.
std::string WithoutAdvice(absl::string_view reason);

// The progress of the job of `status` (its only one). Workers and servers count
// as wanted if more are there than `servers` and `workers` say.
Progress ProgressOf(const v1::GetStatusResponse& status, int workers,
                    int servers);

// "0.5 times the rate of the job file, after 1 rollback by itself"; empty: at
// that rate, and after none.
std::string RateText(double rate_factor, int32_t nonfinite_rollbacks);

// The training loss as an RMSE; absent if the loss is not a squared error.
std::optional<double> TrainingRmse(const v1::JobStatus& job, double loss);

// The mean of a histogram whose index is the value; nothing when it is empty.
std::optional<double> MeanOfHistogram(const std::vector<int64_t>& histogram);
// The smallest value that at least `share` of the histogram does not exceed.
int64_t QuantileOfHistogram(const std::vector<int64_t>& histogram,
                            double share);

// For a terminal, at most `console.columns` wide: a bar, and as many of the
// figures as fit, the most important ones first.
std::string ProgressLine(const Progress& progress, const Console& console);
// For a log: everything, without a bar.
std::string ProgressLogLine(const Progress& progress);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_TEXT_PROGRESS_LINE_H_
