#include "bench/algorithm_point.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "tools/text/daemon_names.h"
#include "tools/text/progress_line.h"

namespace ebb::tools {

namespace {

// Waiting is looked at until so much is counted: at the end there is nothing
// left to do for some, whatever the algorithm.
constexpr double kLookedAt = 0.9;

bool MayCompute(const v1::WorkerStatus& worker) {
  return worker.state() == v1::WorkerStatus::STATE_IDLE ||
         worker.state() == v1::WorkerStatus::STATE_WORKING ||
         worker.state() == v1::WorkerStatus::STATE_PARKED;
}

}  // namespace

AlgorithmPoint::AlgorithmPoint(const AlgorithmCase& which, int batch,
                               absl::Duration batch_time)
    : which_(which), batch_(batch), batch_time_(batch_time) {
  if (!which.churn) return;
  ChaosOptions options;
  options.events = ChurnEvents();
  options.workers = which.workers;
  options.batch_time = batch_time;
  chaos_.emplace(std::move(options));
}

absl::Status AlgorithmPoint::Prepare(const v1::Job& job,
                                     LocalClusterOptions* cluster) {
  cluster->batch_time = batch_time_;
  for (int i = 0; i < which_.workers; ++i) {
    if (SlownessOf(i) == 1) continue;
    cluster->batch_times[WorkerName(i)] = SlownessOf(i) * batch_time_;
  }
  cluster->backup_tasks = which_.backup_tasks;
  return chaos_ ? chaos_->Prepare(job, cluster) : absl::OkStatus();
}

absl::Duration AlgorithmPoint::BatchTime(const std::string& worker) const {
  for (int i = 0; i < which_.workers; ++i) {
    if (WorkerName(i) == worker) return SlownessOf(i) * batch_time_;
  }
  return batch_time_;
}

absl::Duration AlgorithmPoint::ComputeTime(const v1::JobStatus& job) const {
  absl::Duration sum;
  for (const auto& share : job.shares()) {
    sum += BatchTime(share.name()) *
           (static_cast<double>(share.examples()) / batch_);
  }
  return sum;
}

std::vector<std::string> AlgorithmPoint::Act(const RunMoment& moment,
                                             LocalCluster* cluster,
                                             RunReport* report) {
  std::vector<std::string> lines;
  if (chaos_) lines = chaos_->Act(moment, cluster, report);
  const v1::GetStatusResponse& status = moment.status;
  const int64_t now = status.now_unix_ms();
  if (status.jobs().empty() || now <= status_ms_) return lines;
  const v1::JobStatus& job = status.jobs(0);
  const bool computes = std::ranges::any_of(
      job.shares(), [](const auto& one) { return one.examples() > 0; });
  if (!begun_ms_ && !computes && job.applied_min() == 0) return lines;
  if (!begun_ms_) {
    begun_ms_ = now;
    computed_before_ = ComputeTime(job);
  } else if (job.applied_min() <
             kLookedAt * static_cast<double>(job.examples())) {
    there_ += absl::Milliseconds(now - status_ms_) * workers_;
    computed_ = ComputeTime(job);
  }
  status_ms_ = now;
  workers_ = std::ranges::count_if(status.workers(), MayCompute);
  const double seconds = static_cast<double>(now - *begun_ms_) * 1e-3;
  if (job.has_recent_loss() &&
      (curve_.empty() || curve_.back().examples < job.applied_min())) {
    curve_.push_back({seconds, job.applied_min(), job.recent_loss()});
  }
  if (job.applied_min() < job.examples()) seconds_ = seconds;
  return lines;
}

void AlgorithmPoint::Finish(RunReport* report) {
  if (chaos_) chaos_->Finish(report);
}

void AlgorithmPoint::AddTo(const RunReport& report,
                           AlgorithmFigures* figures) const {
  const v1::JobStatus& status = report.status;
  figures->data = which_.data;
  figures->algorithm = which_.algorithm;
  figures->workers = which_.workers;
  figures->period = which_.period;
  figures->churn = which_.churn;
  figures->seconds = seconds_;
  figures->took_seconds = report.total_seconds;
  figures->examples = status.applied_min();
  figures->bytes = status.traffic().pulled() + status.traffic().pushed();
  figures->worker_seconds = absl::ToDoubleSeconds(there_);
  figures->waited_seconds = std::max(
      0.0, absl::ToDoubleSeconds(there_ - (computed_ - computed_before_)));
  figures->accuracy = report.accuracy();
  figures->test_loss = report.test_loss();
  const std::vector<int64_t> staleness(status.staleness().begin(),
                                       status.staleness().end());
  figures->staleness = MeanOfHistogram(staleness);
  figures->staleness_p99 = QuantileOfHistogram(staleness, 0.99);
  figures->recomputed = report.recomputed();
  if (report.audit) {
    figures->missing = report.audit->sum.missing;
    figures->doubled = report.audit->sum.doubled;
  }
  figures->restarts = report.restarts.total();
  figures->failure = absl::StrJoin(report.problems, "; ");
  figures->curve = curve_;
}

}  // namespace ebb::tools
