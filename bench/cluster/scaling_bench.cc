#include "bench/cluster/scaling_bench.h"

#include <fstream>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/steady_time.h"

namespace ebb::tools {

namespace {

constexpr absl::Duration kScalingPatience = absl::Seconds(60);

int64_t BytesOf(const v1::JobStatus& job) {
  return job.traffic().pulled() + job.traffic().pushed();
}

}  // namespace

// proc_stat(5): user nice system idle iowait irq softirq steal.
ScalingPoint::Ticks ScalingPoint::ReadTicks() {
  std::ifstream file("/proc/stat");
  file.ignore(std::numeric_limits<std::streamsize>::max(), ' ');
  Ticks ticks;
  int64_t one = 0;
  for (int i = 0; i < 8 && file >> one; ++i) {
    ticks.all += one;
    if (i == 3 || i == 4) ticks.idle += one;
  }
  return ticks;
}

absl::Status ScalingPoint::Prepare(const v1::Job& job,
                                   LocalClusterOptions* cluster) {
  cluster->batch_time = options_.batch_time;
  until_ = SteadyNow() + kScalingPatience;
  return absl::OkStatus();
}

bool ScalingPoint::AllWork(const RunMoment& moment) const {
  int working = 0;
  for (const v1::WorkerStatus& worker : moment.status.workers()) {
    if (worker.state() == v1::WorkerStatus::STATE_WORKING ||
        worker.state() == v1::WorkerStatus::STATE_PARKED) {
      ++working;
    }
  }
  return working == workers_;
}

std::vector<std::string> ScalingPoint::Act(const RunMoment& moment,
                                           LocalCluster* cluster,
                                           RunReport* report) {
  if (moment.status.jobs().empty()) return {};
  const v1::JobStatus& job = moment.status.jobs(0);
  switch (phase_) {
    case Phase::kStart:
      if (AllWork(moment) && job.applied_min() > 0) {
        until_ = moment.now + options_.warm_up;
        phase_ = Phase::kWarmUp;
      } else if (moment.now > until_) {
        report->problems.push_back(absl::StrCat(
            "not all of ", workers_, " workers began to work within ",
            absl::FormatDuration(kScalingPatience)));
        phase_ = Phase::kDone;
      }
      break;
    case Phase::kWarmUp:
      if (moment.now < until_) break;
      until_ = moment.now + options_.length;
      since_ = moment.elapsed;
      bytes_then_ = BytesOf(job);
      ticks_then_ = ReadTicks();
      meter_.Add(moment.elapsed, job.applied_min());
      phase_ = Phase::kMeasuring;
      break;
    case Phase::kMeasuring: {
      meter_.Add(moment.elapsed, job.applied_min());
      if (moment.now < until_ || !meter_.rate()) break;
      rate_ = *meter_.rate();
      bytes_per_second_ = static_cast<double>(BytesOf(job) - bytes_then_) /
                          absl::ToDoubleSeconds(moment.elapsed - since_);
      const Ticks ticks = ReadTicks();
      const int64_t all = ticks.all - ticks_then_.all;
      if (all > 0) {
        busy_ = 1 - static_cast<double>(ticks.idle - ticks_then_.idle) /
                        static_cast<double>(all);
      }
      phase_ = Phase::kDone;
      break;
    }
    case Phase::kDone:
      break;
  }
  return {};
}

}  // namespace ebb::tools
