#include "tools/ebb/run/chaos_run.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "tools/chaos/damage.h"
#include "tools/text/daemon_names.h"

namespace ebb::tools {

namespace {

// A job that does not train is disturbed all the same after so long.
constexpr absl::Duration kLongestStart = absl::Seconds(30);

// "worker-1 and ps-0: delayed by 50ms".
std::string Describe(const chaos::Disturb& disturb) {
  const std::string what = [&]() -> std::string {
    switch (disturb.op) {
      case chaos::Op::kSplit:
        return "split";
      case chaos::Op::kDrop:
        return "connections dropped";
      case chaos::Op::kDelay:
        return absl::StrCat("delayed by ", absl::FormatDuration(disturb.delay));
      case chaos::Op::kLimit:
        return absl::StrCat("limited to ", BytesText(disturb.bytes_per_second),
                            "/s");
      default:
        return "healed";
    }
  }();
  const chaos::Link& link = disturb.link;
  return absl::StrCat(link.a == "all" && link.b == "all"
                          ? "all links"
                          : absl::StrCat(link.a, " and ", link.b),
                      ": ", what);
}

// Says what happened to a daemon.
std::string Participle(const chaos::Disturb& disturb) {
  switch (disturb.op) {
    case chaos::Op::kAdd:
      return "added";
    case chaos::Op::kRemove:
      return "removed";
    case chaos::Op::kKill:
      return disturb.away > absl::ZeroDuration()
                 ? absl::StrCat("killed, away for ",
                                absl::FormatDuration(disturb.away))
                 : "killed";
    case chaos::Op::kTerminate:
      return "asked to end";
    case chaos::Op::kStop:
      return "stopped";
    case chaos::Op::kContinue:
      return "continued";
    case chaos::Op::kSlow:
      return disturb.share < 1
                 ? absl::StrCat("slowed to ", disturb.share, " of its speed")
                 : "at full speed";
    case chaos::Op::kFillDisk:
      return "has a full disk";
    case chaos::Op::kFreeDisk:
      return "has space on its disk";
    case chaos::Op::kDamage:
      return "damaged";
    case chaos::Op::kLose:
      return "lost all that it stored";
    case chaos::Op::kKeep:
      return "had a copy of what it stored kept";
    case chaos::Op::kRestore:
      return "got the copy that was kept";
    default:
      return "";
  }
}

// Their ends are told anyway.
bool EndsDaemons(chaos::Op op) {
  return op == chaos::Op::kRemove || op == chaos::Op::kKill ||
         op == chaos::Op::kTerminate;
}

bool StopsDaemons(chaos::Op op) {
  return EndsDaemons(op) || op == chaos::Op::kStop;
}

// The daemon that does not work any more because of it.
std::string LostBy(const chaos::Disturb& disturb) {
  const chaos::Link& link = disturb.link;
  if (disturb.op != chaos::Op::kSplit) return "";
  if (link.b == "all") return link.a == "all" ? "" : link.a;
  return link.b == kSchedulerName   ? link.a
         : link.a == kSchedulerName ? link.b
                                    : "";
}

bool Contains(const std::vector<std::string>& names, absl::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

absl::Status ChaosRun::Prepare(const v1::Job& job,
                               LocalClusterOptions* cluster) {
  const bool alone = options_.warm_up > absl::ZeroDuration();
  if (alone && job.workers().min() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "workers.min: the job begins with ", job.workers().min(),
        " workers, but how fast one computes alone is measured first\nhint: "
        "--set workers.min=1"));
  }
  cluster->workers = alone ? 1 : options_.workers;
  cluster->batch_time = options_.batch_time;
  if (plan_.TouchesNetwork()) {
    EBB_ASSIGN_OR_RETURN(network_, ChaosNetwork::Make(cluster));
  }
  return absl::OkStatus();
}

std::optional<ChaosRun::Seen> ChaosRun::Look(const RunMoment& moment) {
  const v1::GetStatusResponse& status = moment.status;
  if (status.jobs().empty() || status.now_unix_ms() == status_ms_) {
    return std::nullopt;
  }
  status_ms_ = status.now_unix_ms();
  const auto at = [&](int64_t unix_ms) {
    return absl::FromUnixMillis(unix_ms) - (moment.now - moment.elapsed);
  };
  for (const v1::WorkerStatus& worker : status.workers()) {
    spans_.Seen(worker.name(), worker.session(), at(worker.since_unix_ms()));
  }
  const v1::JobStatus& job = status.jobs(0);
  // A scheduler that is new has not heard all marks yet: none are uncounted.
  const int64_t counted = std::max(last_.counted, job.applied_min());
  const bool trains =
      counted > 0 || std::ranges::any_of(status.workers(), [](const auto& one) {
        return !one.items().empty();
      });
  return Seen{at(status_ms_), counted, job.examples(), trains};
}

bool ChaosRun::Begins(const Seen& seen) {
  if (options_.warm_up <= absl::ZeroDuration()) {
    // The plan itself may bring what the job waits for.
    return seen.trains || seen.at >= kLongestStart;
  }
  meter_.Add(seen.at, seen.counted);
  if (seen.counted > 0 && !first_counted_) first_counted_ = seen.at;
  return first_counted_ && seen.at - *first_counted_ >= options_.warm_up &&
         meter_.rate();
}

std::vector<std::string> ChaosRun::Act(const RunMoment& moment,
                                       LocalCluster* cluster,
                                       RunReport* report) {
  const auto seen = Look(moment);
  if (seen) last_ = *seen;
  if (network_ != nullptr) network_->Know(*cluster);
  NoteEnds(moment.elapsed, *cluster, report);
  std::vector<std::string> lines;
  if (!begun_) {
    if (!seen || !Begins(*seen)) return lines;
    begun_ = *seen;
    if (meter_.rate()) {
      lines.push_back(absl::StrCat("one worker alone computes ",
                                   Short(*meter_.rate()),
                                   " examples/s; the plan begins"));
    }
    for (int i = 0; i < options_.workers; ++i) {
      const std::string name = WorkerName(i);
      if (Contains(cluster->Daemons(), name)) continue;
      const absl::Status added = cluster->AddWorker(name);
      if (!added.ok()) report->problems.emplace_back(added.message());
    }
  }
  TakeLive(moment.elapsed - begun_->at, report);
  const double progress =
      static_cast<double>(last_.counted) /
      static_cast<double>(std::max<int64_t>(last_.examples, 1));
  std::map<std::string, std::vector<std::string>> told;
  for (const chaos::Disturb& disturb :
       plan_.Due(moment.elapsed - begun_->at, progress, cluster->Daemons())) {
    if (disturb.daemons.empty()) {
      network_->Apply(disturb);
      lines.push_back(Describe(disturb));
      report->events.push_back({absl::ToDoubleSeconds(moment.elapsed),
                                lines.back(), LostBy(disturb)});
    }
    for (const std::string& daemon : disturb.daemons) {
      std::string did = Participle(disturb);
      const auto done =
          CarryOut(disturb, daemon, moment.elapsed, cluster, &did);
      std::string what = absl::StrCat(daemon, " ", did);
      if (!done.ok()) {
        report->problems.push_back(
            absl::StrCat(what, ": ", done.status().message()));
        continue;
      }
      if (!*done && disturb.op == chaos::Op::kAdd) continue;  // It is there.
      if (!*done) absl::StrAppend(&what, ": it was not there");
      const bool lost = *done && StopsDaemons(disturb.op);
      report->events.push_back(
          {absl::ToDoubleSeconds(moment.elapsed), what, lost ? daemon : ""});
      if (!EndsDaemons(disturb.op)) told[did].push_back(daemon);
    }
  }
  for (const auto& [did, daemons] : told) {
    lines.push_back(absl::StrCat(absl::StrJoin(daemons, ", "), " ", did));
  }
  if (seen && plan_.done() && !done_) done_ = *seen;
  return lines;
}

absl::StatusOr<bool> ChaosRun::CarryOut(const chaos::Disturb& disturb,
                                        const std::string& daemon,
                                        absl::Duration at,
                                        LocalCluster* cluster,
                                        std::string* did) {
  const pid_t pid = cluster->Pid(daemon);
  if (EndsDaemons(disturb.op) && pid != 0) ending_[daemon] = pid;
  switch (disturb.op) {
    case chaos::Op::kAdd:
      if (Contains(cluster->Daemons(), daemon)) return false;
      if (pid != 0) spans_.Ended(daemon, at);  // The life that is leaving ends.
      EBB_RETURN_IF_ERROR(cluster->AddWorker(daemon));
      return true;
    case chaos::Op::kRemove:
      cluster->RemoveWorker(daemon, disturb.grace);
      return pid != 0;
    case chaos::Op::kKill:
      return cluster->KillFor(daemon, disturb.away);
    case chaos::Op::kTerminate:
      return cluster->Terminate(daemon, disturb.grace);
    case chaos::Op::kStop:
      return cluster->Freeze(daemon);
    case chaos::Op::kContinue:
      return cluster->Thaw(daemon);
    case chaos::Op::kSlow:
      // A daemon that comes later is slow, too.
      cluster->Slow(daemon, disturb.share);
      return true;
    case chaos::Op::kFillDisk:
    case chaos::Op::kFreeDisk:
      cluster->SetDiskFull(daemon, disturb.op == chaos::Op::kFillDisk);
      return true;
    case chaos::Op::kDamage: {
      EBB_ASSIGN_OR_RETURN(const std::string damaged,
                           chaos::DamageAFile(cluster->StateFolder(daemon),
                                              disturb.file, disturb.draw));
      absl::StrAppend(did, ": ", damaged);
      return true;
    }
    case chaos::Op::kLose:
      EBB_RETURN_IF_ERROR(chaos::LoseFiles(cluster->StateFolder(daemon)));
      return true;
    case chaos::Op::kKeep:
      EBB_RETURN_IF_ERROR(chaos::KeepFiles(cluster->StateFolder(daemon)));
      return true;
    case chaos::Op::kRestore:
      EBB_RETURN_IF_ERROR(chaos::RestoreFiles(cluster->StateFolder(daemon)));
      return true;
    default:
      return true;  // A link's.
  }
}

// A worker that was told to leave computes until it has left.
void ChaosRun::NoteEnds(absl::Duration at, const LocalCluster& cluster,
                        RunReport* report) {
  std::erase_if(ending_, [&](const auto& one) {
    if (cluster.Pid(one.first) == one.second) return false;
    spans_.Ended(one.first, at);
    const auto event = std::find_if(
        report->events.rbegin(), report->events.rend(),
        [&](const PlannedEvent& planned) { return planned.lost == one.first; });
    if (event != report->events.rend() && !event->ended_s) {
      event->ended_s = absl::ToDoubleSeconds(at) - event->seconds;
    }
    return true;
  });
}

void ChaosRun::TakeLive(absl::Duration since_begin, RunReport* report) {
  if (!live_) return;
  for (absl::StatusOr<chaos::ChaosEvent>& event : live_->Take()) {
    if (!event.ok()) {
      report->problems.emplace_back(event.status().message());
      continue;
    }
    event->when.at += since_begin;
    plan_.Add(*std::move(event));
  }
}

void ChaosRun::Finish(RunReport* report) {
  report->planned = true;
  if (!report->interrupted) {
    if (!begun_) {
      report->problems.push_back(
          "the job ended before the plan began: give it more --epochs");
    } else if (!options_.goodput_until_done && !options_.may_end_early &&
               !plan_.all_begun()) {
      report->problems.push_back(
          "the job ended before all of the scenario was done: give it more "
          "--epochs");
    }
  }
  if (!begun_ || !meter_.rate()) return;
  Seen end = last_;
  if (report->complete()) {
    end = {absl::Seconds(report->seconds), report->status.applied_min(), 0};
  }
  const bool all = options_.ends_after != absl::InfiniteDuration();
  if (options_.goodput_until_done && done_ && !all) end = *done_;
  chaos::Goodput goodput;
  goodput.begin = begun_->at;
  goodput.end = end.at;
  goodput.rate = *meter_.rate();
  goodput.worker_time = spans_.Sum(begun_->at, end.at);
  goodput.counted = end.counted - begun_->counted;
  report->goodput = goodput;
  if (const std::string doubt = goodput.Doubt(); !doubt.empty()) {
    report->warnings.push_back(doubt);
  }
}

}  // namespace ebb::tools
