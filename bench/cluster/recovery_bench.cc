#include "bench/cluster/recovery_bench.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/steady_time.h"
#include "tools/text/daemon_names.h"

namespace ebb::tools {

namespace {

constexpr absl::Duration kSettle = absl::Seconds(1);
constexpr absl::Duration kGrace = absl::Seconds(20);
// Of all that is required, the longest is 3.5 s.
constexpr absl::Duration kRecoveryPatience = absl::Seconds(60);

bool OfWorker(Loss loss) {
  return loss == Loss::kWorkerKilled || loss == Loss::kWorkerStopped ||
         loss == Loss::kWorkerLeaves;
}

}  // namespace

absl::string_view LossName(Loss loss) {
  switch (loss) {
    case Loss::kWorkerKilled:
      return "worker killed";
    case Loss::kWorkerStopped:
      return "worker stopped";
    case Loss::kWorkerLeaves:
      return "worker told to leave";
    case Loss::kServerKilled:
      return "server killed";
    case Loss::kSchedulerKilled:
      return "scheduler killed";
  }
  return "";
}

std::optional<LossBound> BoundOf(Loss loss) {
  switch (loss) {
    case Loss::kWorkerKilled:
      return LossBound{"its connection broke to its item leased again", 0.3};
    case Loss::kWorkerStopped:
      return LossBound{"stopped to its item leased again", 3.5};
    case Loss::kWorkerLeaves:
      return LossBound{"told to leave to exit 0", 1};
    case Loss::kServerKilled:
      return LossBound{"killed to counting again, but for loading", 1};
    case Loss::kSchedulerKilled:
      return std::nullopt;
  }
  return std::nullopt;
}

absl::Status RecoveryBench::Prepare(const v1::Job& job,
                                    LocalClusterOptions* cluster) {
  servers_ = cluster->servers;
  workers_ = cluster->workers;
  cluster->batch_time = options_.pace.batch_time;
  return absl::OkStatus();
}

bool RecoveryBench::Whole(const RunMoment& moment, absl::Time since) const {
  const v1::GetStatusResponse& status = moment.status;
  if (status.jobs().empty() ||
      absl::FromUnixMillis(status.now_unix_ms()) <= since) {
    return false;
  }
  const auto working = std::ranges::count_if(
      status.workers(),
      [](const auto& worker) { return !worker.items().empty(); });
  const auto connected = std::ranges::count_if(
      status.servers(), [](const auto& server) { return server.connected(); });
  return working == workers_ && connected == servers_ &&
         status.jobs(0).summary().state() == v1::JOB_STATE_RUNNING;
}

std::vector<std::string> RecoveryBench::Act(const RunMoment& moment,
                                            LocalCluster* cluster,
                                            RunReport* report) {
  log_.Add(moment.status);
  switch (phase_) {
    case Phase::kStart:
      if (!Whole(moment, absl::InfinitePast()) ||
          moment.status.jobs(0).applied_min() == 0) {
        break;
      }
      next_ = moment.now + kSettle;
      phase_ = Phase::kUndisturbed;
      break;
    case Phase::kUndisturbed:
      if (moment.now < next_) break;
      meter_.Add(moment.elapsed, moment.status.jobs(0).applied_min());
      if (moment.now < next_ + options_.pace.undisturbed || !meter_.rate()) {
        break;
      }
      rate_ = *meter_.rate();
      BeginKind(moment);
      break;
    case Phase::kPause:
      if (moment.now >= next_ && Whole(moment, struck_)) {
        Strike(moment, cluster, report);
      }
      break;
    case Phase::kLost:
      Follow(moment, cluster, report);
      break;
    case Phase::kDone:
      break;
  }
  return {};
}

void RecoveryBench::BeginKind(const RunMoment& moment) {
  figures_.push_back({kLosses[kind_]});
  strikes_ = 0;
  kind_began_ = moment.now;
  counted_then_ = moment.status.jobs(0).applied_min();
  Pause(moment.now);
}

void RecoveryBench::EndKind(const RunMoment& moment) {
  LossFigures& figures = figures_.back();
  figures.seconds = absl::ToDoubleSeconds(moment.now - kind_began_);
  figures.examples_per_second =
      static_cast<double>(moment.status.jobs(0).applied_min() - counted_then_) /
      figures.seconds;
  if (++kind_ == kLosses.size()) {
    phase_ = Phase::kDone;
  } else {
    BeginKind(moment);
  }
}

// Not in step with anything that is regular.
void RecoveryBench::Pause(absl::Time now) {
  next_ = now + absl::Milliseconds(static_cast<int64_t>(100 + random_() % 300));
  phase_ = Phase::kPause;
}

void RecoveryBench::Strike(const RunMoment& moment, LocalCluster* cluster,
                           RunReport* report) {
  const Loss loss = kLosses[kind_];
  daemon_ = OfWorker(loss)                ? WorkerName(strikes_ % workers_)
            : loss == Loss::kServerKilled ? ServerName(strikes_ % servers_)
                                          : kSchedulerName;
  pid_ = cluster->Pid(daemon_);
  exited_.reset();
  noted_ = false;
  struck_ = SteadyNow();
  const bool done = loss == Loss::kWorkerStopped ? cluster->Freeze(daemon_)
                    : loss == Loss::kWorkerLeaves
                        ? cluster->Terminate(daemon_, kGrace)
                        : cluster->Kill(daemon_);
  if (!done) return;  // It died by itself, which the run tells.
  report->events.push_back({absl::ToDoubleSeconds(moment.elapsed),
                            absl::StrCat(daemon_, ": ", LossName(loss)),
                            daemon_});
  phase_ = Phase::kLost;
}

void RecoveryBench::Follow(const RunMoment& moment, LocalCluster* cluster,
                           RunReport* report) {
  const Loss loss = kLosses[kind_];
  if (!exited_ && cluster->Pid(daemon_) != pid_) {
    exited_ = moment.now - struck_;
  }
  const auto found = log_.Find(daemon_, struck_, absl::InfiniteFuture());
  const bool over = found && found->counted_unix_us() > 0 &&
                    found->resumed_unix_us() > 0 &&
                    (exited_ || loss != Loss::kWorkerLeaves);
  if (over && !noted_) {
    noted_ = true;
    Note(*found);
    if (loss == Loss::kWorkerStopped) cluster->Thaw(daemon_);
  }
  if (noted_ && Whole(moment, std::max(struck_, moment.now - kSettle))) {
    if (++strikes_ < options_.kills) {
      Pause(moment.now);
    } else {
      EndKind(moment);
    }
  } else if (moment.now - struck_ > kRecoveryPatience) {
    report->problems.push_back(
        absl::StrCat(daemon_, ", ", LossName(loss), ": ",
                     noted_ ? "not everybody was at work again"
                            : "nothing of what it had was counted again",
                     " after ", absl::FormatDuration(kRecoveryPatience)));
    phase_ = Phase::kDone;
  }
}

void RecoveryBench::Note(const v1::Recovery& recovery) {
  const auto seconds = [](absl::Time from, int64_t to_unix_us) {
    return absl::ToDoubleSeconds(absl::FromUnixMicros(to_unix_us) - from);
  };
  LossFigures& figures = figures_.back();
  const double resumed = seconds(struck_, recovery.resumed_unix_us());
  const double recovered = seconds(struck_, recovery.counted_unix_us());
  figures.resumed.push_back(resumed);
  figures.recovered.push_back(recovered);
  switch (figures.loss) {
    case Loss::kWorkerKilled:
      figures.bounded.push_back(
          seconds(absl::FromUnixMicros(recovery.lost_unix_us()),
                  recovery.resumed_unix_us()));
      break;
    case Loss::kWorkerStopped:
      figures.bounded.push_back(resumed);
      break;
    case Loss::kWorkerLeaves:
      figures.bounded.push_back(absl::ToDoubleSeconds(*exited_));
      break;
    case Loss::kServerKilled:
      figures.bounded.push_back(recovered);
      break;
    case Loss::kSchedulerKilled:
      break;
  }
  if (options_.say) {
    options_.say(absl::StrFormat("%s, %d of %d: %.2f s", LossName(figures.loss),
                                 strikes_ + 1, options_.kills, recovered));
  }
}

}  // namespace ebb::tools
