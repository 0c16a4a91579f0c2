#include "bench/algorithms/algorithm_point.h"

#include <sys/types.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "bench/algorithms/algorithm_cases.h"
#include "bench/common/limits.h"
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

// A worker beyond the most that the job takes does not wait for it.
int64_t WorkersOfJob(const v1::GetStatusResponse& status) {
  const int64_t there = std::ranges::count_if(status.workers(), MayCompute);
  const int64_t most = status.jobs(0).max_workers();
  return most > 0 ? std::min(there, most) : there;
}

double ServersCpuSeconds(const v1::GetStatusResponse& status) {
  double seconds = 0;
  for (const auto& server : status.servers()) {
    seconds += bench::CpuSeconds(static_cast<pid_t>(server.process_id()));
  }
  return seconds;
}

}  // namespace

absl::Status AlgorithmPoint::Prepare(const v1::Job& job,
                                     LocalClusterOptions* cluster) {
  if (!options_.events.empty()) {
    chaos_.emplace(ChaosOptions{.events = options_.events,
                                .seed = options_.seed,
                                .workers = options_.workers,
                                .goodput_until_done = options_.cut_off,
                                .batch_time = options_.batch_time});
  }
  const auto added = std::ranges::count(options_.events, chaos::Op::kAdd,
                                        &chaos::ChaosEvent::op);
  for (int i = 0; i < options_.workers + static_cast<int>(added); ++i) {
    if (SlownessOf(i) == 1) continue;
    slow_[WorkerName(i)] = SlownessOf(i) * options_.batch_time;
  }
  cluster->batch_time = options_.batch_time;
  cluster->batch_times = slow_;
  cluster->backup_tasks = options_.backup_tasks;
  return chaos_ ? chaos_->Prepare(job, cluster) : absl::OkStatus();
}

absl::Duration AlgorithmPoint::BatchTime(const std::string& worker) const {
  const auto slow = slow_.find(worker);
  return slow == slow_.end() ? options_.batch_time : slow->second;
}

absl::Duration AlgorithmPoint::ComputeTime(const v1::JobStatus& job) const {
  absl::Duration sum;
  for (const auto& share : job.shares()) {
    sum += BatchTime(share.name()) *
           (static_cast<double>(share.examples()) / options_.batch);
  }
  return sum;
}

void AlgorithmPoint::CountFrom(const v1::GetStatusResponse& status) {
  counts_ms_ = status.now_unix_ms();
  computed_before_ = ComputeTime(status.jobs(0));
  cpu_before_ = ServersCpuSeconds(status);
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
  const double progress =
      static_cast<double>(job.applied_min()) /
      static_cast<double>(std::max<int64_t>(job.examples(), 1));
  if (!begun_ms_) {
    begun_ms_ = now;
    CountFrom(status);
  } else if (progress < options_.counts_from) {
    CountFrom(status);
  } else if (progress < kLookedAt) {
    there_ += absl::Milliseconds(now - status_ms_) * workers_;
    computed_ = ComputeTime(job);
    cpu_ = ServersCpuSeconds(status);
    cpu_seconds_ = static_cast<double>(now - counts_ms_) * 1e-3;
  }
  status_ms_ = now;
  workers_ = WorkersOfJob(status);
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
  figures->seconds = seconds_;
  figures->took_seconds = report.total_seconds;
  figures->examples = status.applied_min();
  figures->bytes = status.traffic().pulled() + status.traffic().pushed();
  figures->worker_seconds = absl::ToDoubleSeconds(there_);
  figures->waited_seconds = std::max(
      0.0, absl::ToDoubleSeconds(there_ - (computed_ - computed_before_)));
  figures->accuracy = report.accuracy();
  figures->test_loss = report.test_loss();
  figures->cpu_seconds = report.cpu_seconds;
  if (cpu_seconds_ > 0) {
    figures->server_cores = (cpu_ - cpu_before_) / cpu_seconds_;
  }
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
