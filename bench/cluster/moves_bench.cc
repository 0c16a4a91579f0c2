#include "bench/cluster/moves_bench.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/steady_time.h"
#include "rpc/admin.h"

namespace ebb::tools {

namespace {

constexpr absl::Duration kMovesPatience = absl::Seconds(60);
constexpr absl::Duration kCallDeadline = absl::Seconds(5);

}  // namespace

absl::Status MovesBench::Prepare(const v1::Job& job,
                                 LocalClusterOptions* cluster) {
  servers_ = cluster->servers;
  cluster->batch_time = options_.pace.batch_time;
  if (servers_ < 2) {
    return absl::InvalidArgumentError(
        "partitions move between servers: at least two are needed "
        "(--servers 2)");
  }
  return absl::OkStatus();
}

std::vector<std::string> MovesBench::Act(const RunMoment& moment,
                                         LocalCluster* cluster,
                                         RunReport* report) {
  if (moment.status.jobs().empty()) return {};
  const v1::JobStatus& job = moment.status.jobs(0);
  switch (phase_) {
    case Phase::kStart:
      if (job.applied_min() == 0) break;
      undisturbed_until_ = moment.now + options_.pace.undisturbed;
      phase_ = Phase::kUndisturbed;
      break;
    case Phase::kUndisturbed:
      meter_.Add(moment.elapsed, job.applied_min());
      if (moment.now < undisturbed_until_ || !meter_.rate()) break;
      rate_ = *meter_.rate();
      moving_since_ = moment.elapsed;
      counted_then_ = job.applied_min();
      phase_ = Phase::kMoving;
      Scale(job, cluster, report);
      break;
    case Phase::kMoving:
      if (job.move_pauses_size() != static_cast<int>(paused_.size())) {
        TakePauses(job);
        last_change_ = moment.now;
      }
      if (job.move_pauses_size() >= options_.moves) {
        moving_rate_ = static_cast<double>(job.applied_min() - counted_then_) /
                       absl::ToDoubleSeconds(moment.elapsed - moving_since_);
        phase_ = Phase::kDone;
      } else if (Settled(job)) {
        Scale(job, cluster, report);
      } else if (moment.now - last_change_ > kMovesPatience) {
        report->problems.push_back(absl::StrCat(
            "no partition moved for ", absl::FormatDuration(kMovesPatience)));
        phase_ = Phase::kDone;
      }
      break;
    case Phase::kDone:
      break;
  }
  return {};
}

bool MovesBench::Settled(const v1::JobStatus& job) const {
  return job.moving() == 0 && job.moved() > moved_when_scaled_ &&
         job.moved() == job.move_pauses_size();
}

void MovesBench::Scale(const v1::JobStatus& job, LocalCluster* cluster,
                       RunReport* report) {
  on_fewer_ = !on_fewer_;
  moved_when_scaled_ = job.moved();
  last_change_ = SteadyNow();
  v1::ScaleJobRequest request;
  request.set_job(job.summary().job());
  request.set_servers(on_fewer_ ? servers_ - 1 : 0);
  rpc::SchedulerAdminClient client(cluster->scheduler_address(),
                                   cluster->security());
  const auto scaled = client.ScaleJob(request, kCallDeadline);
  if (scaled.ok()) return;
  report->problems.push_back(
      absl::StrCat("scaling: ", scaled.status().message()));
  phase_ = Phase::kDone;
}

void MovesBench::TakePauses(const v1::JobStatus& job) {
  paused_.clear();
  stored_.clear();
  for (const v1::MovePause& one : job.move_pauses()) {
    paused_.push_back(static_cast<double>(one.paused_us()) * 1e-6);
    stored_.push_back(static_cast<double>(one.stored_us()) * 1e-6);
  }
  if (options_.say) {
    // Several may have ended since the last look.
    const int done = std::min(static_cast<int>(paused_.size()), options_.moves);
    options_.say(absl::StrFormat("%d of %d moves, the last paused for %.0f ms",
                                 done, options_.moves, 1000 * paused_.back()));
  }
}

}  // namespace ebb::tools
