#include "tools/ebb/run/watched_run.h"

#include <algorithm>
#include <csignal>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/steady_time.h"
#include "job/base/traits.h"
#include "tools/ebb/cluster/audit.h"
#include "tools/ebb/run/stopped_job.h"
#include "tools/process/most_processes.h"

namespace ebb::tools {

namespace {

constexpr absl::Duration kTick = absl::Milliseconds(50);
constexpr absl::Duration kPollInterval = absl::Milliseconds(100);
// After the job is complete, for servers that are just coming back.
constexpr absl::Duration kAuditLimit = absl::Seconds(60);

// The progress without what says how it is trained.
Progress WithoutDetails(Progress progress) {
  progress.staleness.reset();
  progress.scale.reset();
  progress.bound_wait.reset();
  return progress;
}

}  // namespace

WatchedRun::WatchedRun(const WatchOptions& options, const v1::Job* job,
                       RunFacts* facts, const RunFolder* folder,
                       SignalWaiter* signals, Screen* screen, RunReport* report)
    : options_(options),
      job_(*job),
      facts_(*facts),
      folder_(*folder),
      signals_(*signals),
      screen_(*screen),
      report_(*report),
      scale_({facts->servers, facts->workers},
             {kMostServers, MostWorkersOfScale(facts->workers)},
             options.follow_earlier_scale),
      daemons_(
          folder->shown(), job->predict().to(),
          [this](absl::string_view daemon) {
            return cluster_->LastWords(daemon);
          },
          report),
      full_table_(*job),
      samples_(folder),
      marks_(samples_.applied()) {}

absl::Status WatchedRun::StartDaemons(LocalClusterOptions options,
                                      ReservedPort port) {
  cluster_ = std::make_unique<LocalCluster>(std::move(options), std::move(port),
                                            &folder_, &signals_);
  return cluster_->Start();
}

void WatchedRun::Watch(const RunJob& job) {
  run_job_ = &job;
  submitted_ = SteadyNow();
  poller_ = std::make_unique<StatusPoller>(cluster_->scheduler_address(),
                                           cluster_->security(), job.id(),
                                           kPollInterval);
  while (Turn()) {
  }
  if (!report_.audit) AuditUnfinished();
}

bool WatchedRun::Turn() {
  const absl::Duration until_due =
      std::max(absl::ZeroDuration(), cluster_->NextDue() - SteadyNow());
  if (signals_.Wait(std::min(kTick, until_due)).interrupts > 0 || Orphaned()) {
    report_.interrupted = true;
    return false;
  }
  const absl::Time now = SteadyNow();
  HandleDaemons(now);
  if (daemons_.any_given_up()) return false;
  HandleStatus(now);
  if (JobEnded()) return !Audit();
  FollowScale(now);
  Disturb(now);
  if (report_.cut_short) return !Audit();
  for (const std::string& why : {full_disk_.Update(report_.status, now),
                                 full_table_.Update(report_.status, now)}) {
    if (why.empty()) continue;
    Problem(why);
    return false;
  }
  why_stopped_ = WhyStopped(report_.status);
  if (!why_stopped_.empty()) return false;
  if (now - stray_looked_ >= absl::Seconds(1)) {
    stray_looked_ = now;
    daemons_.AddStrayFiles(cluster_->StrayFiles());
  }
  return true;
}

void WatchedRun::HandleDaemons(absl::Time now) {
  for (const DaemonEvent& event : cluster_->Poll()) {
    switch (event.kind) {
      case DaemonEvent::Kind::kDied:
        if (const auto text = scale_.Ended(event.daemon, event.as_told)) {
          screen_.Event(*text, now);
          NoteSize();
          break;
        }
        if (event.end.signal != SIGKILL && event.end.by_others()) {
          watcher_.Left(event.daemon);
        }
        daemons_.See(poller_->Latest().response);
        screen_.Event(daemons_.AddDeath(event), now);
        break;
      case DaemonEvent::Kind::kStarted:
        daemons_.AddRestart(event.daemon);
        break;
      case DaemonEvent::Kind::kGivenUp:
        daemons_.AddGivenUp(event);
    }
  }
}

PolledStatus WatchedRun::LatestStatus() {
  PolledStatus polled = poller_->Latest();
  if (!polled.response.jobs().empty()) {
    marks_.Mend(polled.response.mutable_jobs(0));
  }
  return polled;
}

Progress WatchedRun::CurrentProgress(const PolledStatus& polled) const {
  Progress progress =
      ProgressOf(polled.response, facts_.workers, facts_.servers);
  progress.predicts = job_.has_predict();
  progress.taken_back = marks_.taken_back();
  if (job::TasksOf(job_) > 0) {
    progress.rate_unit = absl::StrCat(job::NameOfAnExample(job_), "s");
  }
  if (!polled.error.ok()) progress.waiting = "the scheduler is away";
  return progress;
}

void WatchedRun::HandleStatus(absl::Time now) {
  const PolledStatus polled = LatestStatus();
  if (polled.number == 0) return;
  if (polled.number != seen_) {
    seen_ = polled.number;
    polled_ = polled.response;
    daemons_.See(polled_);
    recoveries_.Add(polled_);
    for (const Notice& notice : watcher_.Update(polled.response, polled.when)) {
      if (notice.lasting) report_.warnings.push_back(notice.text);
      if (notice.kind == Notice::Kind::kResult) {
        screen_.Print(absl::StrCat(notice.text, "\n"));
      } else {
        screen_.Event(notice.text, now);
      }
    }
    if (!polled.response.jobs().empty()) {
      report_.status = polled.response.jobs(0);
      tally_.Add(report_.status);
    }
    const bool complete = report_.complete();
    if (complete && completed_ == absl::InfiniteFuture()) completed_ = now;
    if (!complete && !report_.cut_short) completed_ = absl::InfiniteFuture();
  }
  const Progress progress = CurrentProgress(polled);
  screen_.Show(options_.details ? progress : WithoutDetails(progress), now);
  NoteSample(samples_.Take(progress, now - submitted_), now);
  if (size_waits_) WriteSize().IgnoreError();  // Said already.
}

void WatchedRun::NoteSample(const absl::Status& written, absl::Time now) {
  const bool waits = samples_.unwritten() > 0;
  if (waits == samples_wait_) return;
  samples_wait_ = waits;
  screen_.Event(waits ? absl::StrCat(written.message(),
                                     "; what it lacks is kept, and written as "
                                     "soon as that is possible")
                      : "metrics.csv has all samples again",
                now);
}

absl::Status WatchedRun::WriteSize() {
  const absl::Status written = WriteFacts(folder_, facts_);
  size_waits_ = !written.ok();
  return written;
}

absl::Status WatchedRun::WriteRest() {
  const absl::Status size = size_waits_ ? WriteSize() : absl::OkStatus();
  const absl::Status samples = samples_.WriteRest();
  return size.ok() ? samples : size;
}

void WatchedRun::NoteSize() {
  const ClusterSize size = scale_.size();
  if (size.servers == facts_.servers && size.workers == facts_.workers) return;
  facts_.servers = size.servers;
  facts_.workers = size.workers;
  const absl::Status written = WriteSize();
  if (written.ok()) return;
  screen_.Event(absl::StrCat(written.message(),
                             "; it is written as soon as that is possible"),
                SteadyNow());
}

void WatchedRun::FollowScale(absl::Time now) {
  if (!options_.follow_scale) return;
  const std::vector<ScaleStep> steps =
      scale_.Next(polled_, [this](const std::string& daemon) -> int64_t {
        return cluster_->Pid(daemon);
      });
  // First: a run that is resumed from here then finds all servers with its
  // model.
  NoteSize();
  for (const ScaleStep& step : steps) {
    if (!step.text.empty()) screen_.Event(step.text, now);
    if (step.kind == ScaleStep::Kind::kStart) {
      watcher_.Await(step.daemon);
      const absl::Status started = step.server
                                       ? cluster_->AddServer(step.number)
                                       : cluster_->AddWorker(step.daemon);
      if (!started.ok()) Problem(started.message());
    } else if (step.kind == ScaleStep::Kind::kDrain) {
      watcher_.LetGo(step.daemon);
      if (step.server) {
        cluster_->DrainServer(step.number);
      } else {
        cluster_->DrainWorker(step.number);
      }
      // It was just about to be started again.
      if (cluster_->Pid(step.daemon) == 0) {
        const auto text = scale_.Ended(step.daemon, true);
        if (text) screen_.Event(*text, now);
      }
    }
  }
}

void WatchedRun::Disturb(absl::Time now) {
  if (options_.disturbance == nullptr) return;
  const RunMoment moment{now, now - submitted_, polled_};
  for (const std::string& line :
       options_.disturbance->Act(moment, cluster_.get(), &report_)) {
    screen_.Event(line, now);
  }
  if (options_.disturbance->EndsRun()) {
    report_.cut_short = true;
    completed_ = now;
  }
}

bool WatchedRun::Audit() {
  const absl::StatusOr<AuditReport> audit = run_job_->Audit();
  const bool late = SteadyNow() - completed_ > kAuditLimit;
  if (!audit.ok()) {
    if (late) Problem(absl::StrCat("no audit: ", audit.status().message()));
    return late;
  }
  report_.audit = *audit;
  return audit->exact() || late ||
         std::ranges::none_of(audit->partitions, [](const PartitionAudit& p) {
           return p.server < 0;
         });
}

void WatchedRun::AuditUnfinished() {
  const absl::StatusOr<AuditReport> audit = run_job_->Audit();
  if (audit.ok() && audit->sum.partitions > 0) report_.audit = *audit;
}

void WatchedRun::EndDaemons() {
  const absl::Time end = std::min(completed_, SteadyNow());
  report_.seconds =
      std::max(0.0, absl::ToDoubleSeconds(end - std::min(end, submitted_)));
  if (poller_ != nullptr) {
    const PolledStatus last = LatestStatus();
    if (last.number > 0) {
      const absl::Time now = SteadyNow();
      NoteSample(samples_.TakeLast(CurrentProgress(last), now - submitted_),
                 now);
    }
  }
  screen_.Clear();
  if (report_.interrupted) {
    screen_.Print(
        "stopping: workers finish their batches, servers write checkpoints "
        "(Ctrl-C again: at once)\n");
  }
  poller_.reset();
  if (cluster_ != nullptr) {
    daemons_.AddStrayFiles(cluster_->StrayFiles());
    if (!daemons_.any_given_up()) {
      // Aborted is what the person wants; the cluster's end kills the rest.
      cluster_
          ->Stop(
              [&](const DaemonEvent& event) { daemons_.AddUnwantedEnd(event); },
              &report_.problems)
          .IgnoreError();
    }
    cluster_.reset();
  }
  for (const std::string& process : EndDescendants()) {
    Problem(absl::StrCat("process ", process, " was left behind, and killed"));
  }
  daemons_.ReportStrayFiles();
}

void WatchedRun::CompleteReport() {
  tally_.Complete(&report_.status);
  report_.rollbacks = tally_.rollbacks();
  if (options_.disturbance != nullptr) options_.disturbance->Finish(&report_);
  recoveries_.Complete(submitted_, &report_.events);
  if (options_.resumed) {
    report_.applied_before =
        marks_.first().value_or(report_.status.applied_min());
  }
}

}  // namespace ebb::tools
