#include "tools/ebb/run/watched_run.h"

#include <algorithm>
#include <csignal>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/steady_time.h"
#include "tools/ebb/run/audited_job.h"
#include "tools/ebb/run/stopped_job.h"
#include "tools/ebb/status/status_json.h"
#include "tools/process/most_processes.h"
#include "workloads/seam/rules/rules.h"

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
      full_table_(std::in_place, *job),
      samples_(folder),
      marks_(samples_.applied()) {
  if (options_.statuses_file.empty()) return;
  statuses_.open(options_.statuses_file, std::ios::app);
}

absl::Status WatchedRun::StartDaemons(LocalClusterOptions options,
                                      ReservedPort port) {
  cluster_ = std::make_unique<LocalCluster>(std::move(options), std::move(port),
                                            &folder_, &signals_);
  return cluster_->Start();
}

StatusWatcher WatchedRun::MakeWatcher() {
  return StatusWatcher([this](const std::string& daemon) -> int64_t {
    return cluster_->Pid(daemon);
  });
}

void WatchedRun::Watch(const RunJob& job) {
  run_job_ = &job;
  // Programs submit their job later.
  if (options_.programs == nullptr) submitted_ = SteadyNow();
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
  if (options_.programs != nullptr) return ProgramsTurn(now);
  if (JobEnded()) return !Audit();
  FollowScale(now);
  Disturb(now);
  if (report_.cut_short) return !Audit();
  if (!CanGoOn(now)) return false;
  why_stopped_ = WhyStopped(report_.status);
  return why_stopped_.empty();
}

bool WatchedRun::ProgramsTurn(absl::Time now) {
  Programs& programs = *options_.programs;
  if (programs.LearnJob()) full_table_.emplace(job_);
  if (programs.AllFinished()) {
    finished_ = std::min(finished_, now);
    // What was said before may be older than their last words.
    const bool late = now - finished_ > kAuditLimit;
    if (seen_when_ <= finished_ && !late) return true;
    if (programs.has_job() && !Audit()) return true;
    if (const std::string why = programs.WhyHeld(); !why.empty()) Problem(why);
    return false;
  }
  if (const std::string why = programs.WhyOver(now); !why.empty()) {
    Problem(why);
    return false;
  }
  if (report_.status.summary().state() == v1::JOB_STATE_RUNNING) Disturb(now);
  return CanGoOn(now);
}

bool WatchedRun::CanGoOn(absl::Time now) {
  for (const std::string& why : {full_disk_.Update(report_.status, now),
                                 full_table_->Update(report_.status, now)}) {
    if (why.empty()) continue;
    Problem(why);
    return false;
  }
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
        if (options_.programs != nullptr &&
            options_.programs->Has(event.daemon)) {
          if (event.finished) watcher_.Left(event.daemon);
          screen_.Event(options_.programs->AddEnd(event), now);
          break;
        }
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
  if (options_.programs != nullptr &&
      options_.programs->See(&polled.response)) {
    BeginAnew();
  }
  if (!polled.response.jobs().empty()) {
    marks_.Mend(polled.response.mutable_jobs(0));
  }
  return polled;
}

void WatchedRun::BeginAnew() {
  completed_ = absl::InfiniteFuture();
  if (submitted_ == absl::InfiniteFuture()) {
    submitted_ = SteadyNow();
    return;
  }
  marks_ = KnownMarks();
  tally_ = RunTally();
  watcher_ = MakeWatcher();
}

void WatchedRun::LetProgramsLeave() {
  if (options_.programs == nullptr) return;
  const bool over = options_.programs->JobIsOver();
  for (const std::string& program : options_.programs->Names()) {
    if (over) {
      watcher_.LetGo(program);
    } else {
      watcher_.Await(program);
    }
  }
}

Progress WatchedRun::CurrentProgress(const PolledStatus& polled) const {
  Progress progress =
      ProgressOf(polled.response, facts_.workers, facts_.servers);
  progress.predicts = job_.has_predict();
  progress.taken_back = marks_.taken_back();
  const workloads::WorkloadFacts facts = workloads::FactsOf(job_);
  if (facts.tasks > 0) progress.rate_unit = absl::StrCat(facts.unit, "s");
  if (!polled.error.ok()) progress.waiting = "the scheduler is away";
  return progress;
}

void WatchedRun::HandleStatus(absl::Time now) {
  const PolledStatus polled = LatestStatus();
  if (polled.number == 0) return;
  if (polled.number != seen_) {
    seen_ = polled.number;
    seen_when_ = polled.when;
    polled_ = polled.response;
    WriteStatus();
    daemons_.See(polled_);
    recoveries_.Add(polled_);
    LetProgramsLeave();
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
  if (submitted_ == absl::InfiniteFuture()) return;  // There is no job yet.
  const Progress progress = CurrentProgress(polled);
  screen_.Show(options_.details ? progress : WithoutDetails(progress), now);
  NoteSample(samples_.Take(progress, now - submitted_), now);
  if (size_waits_) WriteSize().IgnoreError();  // Said already.
}

void WatchedRun::WriteStatus() {
  if (!statuses_.is_open()) return;
  statuses_ << StatusJson(polled_, cluster_->scheduler_address()).ToLine()
            << std::endl;
  if (statuses_) return;
  statuses_.close();
  Problem(absl::StrCat("cannot write ", options_.statuses_file));
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
  const bool late = SteadyNow() - std::min(completed_, finished_) > kAuditLimit;
  if (!audit.ok()) {
    if (late) Problem(absl::StrCat("no audit: ", audit.status().message()));
    return late;
  }
  report_.audit = *audit;
  return audit->exact() || late || AllAnswered(*audit);
}

absl::StatusOr<AuditReport> WatchedRun::AuditEarlier(const RunJob& job) {
  constexpr absl::Duration kPause = absl::Milliseconds(200);
  audits_since_ = std::min(audits_since_, SteadyNow());
  for (;;) {
    absl::StatusOr<AuditReport> audit = job.Audit();
    const bool late = SteadyNow() - audits_since_ > kAuditLimit;
    if (late || (audit.ok() && AllAnswered(*audit))) return audit;
    if (signals_.Wait(kPause).interrupts > 0 || Orphaned()) {
      report_.interrupted = true;
      return audit;
    }
    // Starts those again that were killed.
    HandleDaemons(SteadyNow());
    if (daemons_.any_given_up()) return audit;
  }
}

void WatchedRun::AuditUnfinished() {
  if (run_job_->id() == 0) return;
  const absl::StatusOr<AuditReport> audit = run_job_->Audit();
  if (audit.ok() && audit->sum.partitions > 0) report_.audit = *audit;
}

void WatchedRun::EndDaemons() {
  const absl::Time end = std::min(completed_, SteadyNow());
  report_.seconds =
      std::max(0.0, absl::ToDoubleSeconds(end - std::min(end, submitted_)));
  screen_.Clear();
  if (report_.interrupted) {
    screen_.Print(
        "stopping: workers finish their batches, servers write checkpoints "
        "(Ctrl-C again: at once)\n");
  }
  const bool at_once =
      options_.programs != nullptr && poller_ != nullptr && !LeavePrograms();
  if (poller_ != nullptr) {
    const PolledStatus last = LatestStatus();
    if (last.number > 0 && submitted_ != absl::InfiniteFuture()) {
      const absl::Time now = SteadyNow();
      NoteSample(samples_.TakeLast(CurrentProgress(last), now - submitted_),
                 now);
    }
  }
  screen_.Clear();
  poller_.reset();
  if (cluster_ != nullptr) {
    daemons_.AddStrayFiles(cluster_->StrayFiles());
    if (!daemons_.any_given_up() && !at_once) {
      // Aborted is what the person wants; the cluster's end kills the rest.
      cluster_
          ->Stop(
              [&](const DaemonEvent& event) {
                if (options_.programs == nullptr ||
                    !options_.programs->Has(event.daemon)) {
                  daemons_.AddUnwantedEnd(event);
                }
              },
              &report_.problems)
          .IgnoreError();
    }
    cluster_.reset();
  }
  for (const std::string& process : EndDescendants()) {
    // A program that is killed cannot end what it started.
    if (options_.programs != nullptr) continue;
    Problem(absl::StrCat("process ", process, " was left behind, and killed"));
  }
  daemons_.ReportStrayFiles();
}

bool WatchedRun::LeavePrograms() {
  constexpr absl::Duration kLastStatus = absl::Seconds(2);
  const absl::Status left = cluster_->StopWorkers(
      [&](const DaemonEvent& event) {
        if (!options_.programs->Has(event.daemon)) {
          daemons_.AddUnwantedEnd(event);
        }
      },
      &report_.problems);
  if (!left.ok()) return false;
  const absl::Time asked = SteadyNow();
  while (poller_->Latest().when <= asked && SteadyNow() - asked < kLastStatus) {
    if (signals_.Wait(kTick).interrupts > 0) return false;
  }
  const PolledStatus last = LatestStatus();
  if (!last.response.jobs().empty()) {
    report_.status = last.response.jobs(0);
    tally_.Add(report_.status);
  }
  return true;
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
