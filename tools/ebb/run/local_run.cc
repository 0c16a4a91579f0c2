#include "tools/ebb/run/local_run.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "job/traits.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "tools/ebb/job/job_sizes.h"
#include "tools/ebb/job/job_text.h"
#include "tools/ebb/report/run_facts.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/ebb/report/run_samples.h"
#include "tools/ebb/run/daemon_record.h"
#include "tools/ebb/run/finished_run.h"
#include "tools/ebb/run/local_cluster.h"
#include "tools/ebb/run/resumed_job.h"
#include "tools/ebb/run/run_job.h"
#include "tools/ebb/run/scale_plan.h"
#include "tools/ebb/run/screen.h"
#include "tools/ebb/run/shared_place.h"
#include "tools/ebb/run/status_poller.h"
#include "tools/ebb/run/stopped_job.h"
#include "tools/ebb/status/full_disk.h"
#include "tools/ebb/status/full_table.h"
#include "tools/ebb/status/known_marks.h"
#include "tools/ebb/status/recovery_log.h"
#include "tools/ebb/status/run_tally.h"
#include "tools/ebb/status/status_watcher.h"
#include "tools/ebb/stored/rollback_request.h"
#include "tools/ebb/stored/start_model.h"
#include "tools/files/files.h"
#include "tools/process/most_processes.h"
#include "tools/process/signals.h"
#include "tools/text/console.h"
#include "worker/python/python_program.h"

namespace ebb::tools {

namespace {

constexpr absl::Duration kTick = absl::Milliseconds(50);
constexpr absl::Duration kPollInterval = absl::Milliseconds(100);
// After the job is complete, for servers that are just coming back.
constexpr absl::Duration kAuditLimit = absl::Seconds(60);

// CPU time of all children that have ended, also of earlier runs.
double ChildrenCpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_CHILDREN, &usage);
  return absl::ToDoubleSeconds(absl::DurationFromTimeval(usage.ru_utime) +
                               absl::DurationFromTimeval(usage.ru_stime));
}

// What a run that goes on with this one finds: not complete, and of this job.
absl::Status WriteJob(const RunFolder& folder, RunFacts facts,
                      const PreparedJob& prepared) {
  facts.complete = false;
  EBB_RETURN_IF_ERROR(WriteFacts(folder, facts));
  EBB_RETURN_IF_ERROR(
      WriteSpecification(folder, prepared.record.specification));
  return WriteFile(folder.File("job.yaml"),
                   job::JobToYaml(prepared.job, job::YamlStyle::kExplained,
                                  prepared.choices));
}

class LocalRun {
 public:
  LocalRun(const RunOptions& options, PreparedJob prepared, RunFacts facts,
           RunFolder folder, SignalWaiter signals, ReservedPort port,
           absl::Time started)
      : options_(options),
        prepared_(std::move(prepared)),
        facts_(facts),
        scale_({facts.servers, facts.workers},
               {kMostServers, MostWorkersOfScale(facts.workers)},
               !(options.resume && options.workers)),
        folder_(std::move(folder)),
        signals_(std::move(signals)),
        started_(started),
        screen_(DetectConsole(), options.quiet, stdout),
        port_(std::move(port)),
        daemons_(
            folder_.shown(), prepared_.job.predict().to(),
            [this](absl::string_view daemon) {
              return cluster_->LastWords(daemon);
            },
            &report_) {}

  absl::StatusOr<RunReport> Run() {
    report_.job = prepared_.job;
    report_.classes = prepared_.classes;
    report_.folder = folder_.shown();
    PrintTitle();
    const absl::Status begun = Begin();
    if (begun.ok()) Watch();
    if (absl::IsAborted(begun)) report_.interrupted = true;
    if (begun.ok() && !report_.audit) LookAtWhatThereIs();
    Leave();
    // What an earlier part of the run came to stays as it is.
    const bool nothing_new = options_.resume && !begun.ok();
    if (nothing_new && !report_.interrupted) return begun;
    if (nothing_new) return std::move(report_);
    if (!begun.ok() && !report_.interrupted) {
      report_.problems.insert(report_.problems.begin(),
                              std::string(begun.message()));
    }
    Finish();
    return std::move(report_);
  }

 private:
  void PrintTitle();
  absl::Status Begin();
  absl::Status StartCluster();
  void Watch();
  // One turn of Watch; false: it is over.
  bool Turn();
  void HandleDaemons(absl::Time now);
  void HandleStatus(absl::Time now);
  // Carries out what the job was scaled to.
  void FollowScale(absl::Time now);
  void NoteSize();
  void Disturb(absl::Time now);
  bool JobEnded();
  bool Orphaned() const {
    return options_.parent != 0 && getppid() != options_.parent;
  }
  bool Audit();
  // Audits a run that stops before its end.
  void LookAtWhatThereIs();
  void Leave();
  void Finish();
  // The folder of a run that predicted nothing, if the run chose its name.
  void RemoveFolder();
  PolledStatus LatestStatus();
  Progress CurrentProgress(const PolledStatus& polled) const;
  void Problem(absl::string_view text) { report_.problems.emplace_back(text); }
  // What does not stop the run.
  void Note(const absl::Status& done) {
    if (!done.ok()) Problem(done.message());
  }
  // For a full disk one sample tells enough.
  void NoteSample(const absl::Status& written) {
    if (report_.problems.empty()) Note(written);
  }

  const RunOptions& options_;  // Not owned.
  PreparedJob prepared_;
  RunFacts facts_;  // What a run that goes on with this one starts with.
  ScalePlan scale_;
  const RunFolder folder_;
  SignalWaiter signals_;
  const absl::Time started_;
  const double cpu_before_ = ChildrenCpuSeconds();
  Screen screen_;
  ReservedPort port_;  // Until the cluster has it.
  RunReport report_;
  std::unique_ptr<LocalCluster> cluster_;
  std::optional<RunJob> job_;  // Once the scheduler serves.
  std::unique_ptr<StatusPoller> poller_;
  DaemonRecord daemons_;
  StatusWatcher watcher_{[this](const std::string& daemon) -> int64_t {
    return cluster_->Pid(daemon);
  }};
  RunTally tally_;
  RecoveryLog recoveries_;
  FullDisk full_disk_;
  FullTable full_table_{prepared_.job};
  RunSamples samples_{&folder_};
  KnownMarks marks_{samples_.applied()};
  int64_t seen_ = 0;  // PolledStatus::number of the last one handled ...
  v1::GetStatusResponse polled_;  // ... and what it says.
  absl::Time submitted_ = absl::InfiniteFuture();
  absl::Time completed_ = absl::InfiniteFuture();
  absl::Time stray_looked_ = absl::InfinitePast();
  std::string why_stopped_;  // Empty: the job did not stop by itself.
};

void LocalRun::PrintTitle() {
  const JobPlan& plan = prepared_.record.plan;
  const std::string work =
      prepared_.job.has_predict()
          ? absl::StrCat(tools::Count(plan.examples, "example"), " in ",
                         tools::Count(plan.items(), "part"))
          : absl::StrCat(
                WorkText(prepared_, screen_.console().unicode ? " × " : " x "),
                ", ", SizeText(plan));
  screen_.Print(
      absl::StrCat(Paint(screen_.console(), Ink::kBold, prepared_.record.name),
                   ": ", work, " on ", tools::Count(facts_.servers, "server"),
                   ", ", tools::Count(facts_.workers, "worker"), "\n"));
  if (!prepared_.choices.empty()) {
    screen_.Print(absl::StrCat(ChoicesText(prepared_.choices), "\n"));
  }
  if (!prepared_.note.empty()) {
    screen_.Print(absl::StrCat(prepared_.note, "\n"));
  }
  // A plan starts others, and a job that goes on may have been scaled.
  if (options_.disturbance != nullptr || options_.resume) return;
  const std::string idle = prepared_.job.has_predict()
                               ? IdlePredictorsText(plan, facts_.workers)
                               : IdleWorkersText(plan, facts_.workers);
  if (idle.empty()) return;
  report_.warnings.push_back(idle);
  screen_.Print(absl::StrCat(Paint(screen_.console(), Ink::kYellow, "warning:"),
                             " ", idle, "\n"));
}

absl::Status LocalRun::StartCluster() {
  LocalClusterOptions options;
  options.servers = facts_.servers;
  options.workers = facts_.workers;
  options.program_folder = ProgramFolder();
  options.plugin_folders = options_.job.plugin_folders;
  if (options_.python || job::TraitsOf(prepared_.job.model()).python()) {
    options.python = worker::ChosenPython().interpreter;
  }
  options.memory_bytes = options_.memory_bytes;
  options.shared_checkpoints = facts_.shared_checkpoints;
  options.tls = options_.tls;
  if (options_.disturbance != nullptr) {
    EBB_RETURN_IF_ERROR(options_.disturbance->Prepare(prepared_.job, &options));
  }
  cluster_ = std::make_unique<LocalCluster>(
      std::move(options), std::move(port_), &folder_, &signals_);
  return cluster_->Start();
}

absl::Status LocalRun::Begin() {
  EBB_RETURN_IF_ERROR(StartCluster());
  job_.emplace(cluster_->scheduler_address(), cluster_->security());
  if (options_.resume) {
    std::optional<RollbackWish> back = options_.back;
    if (back) back->stored_by = started_;
    EBB_ASSIGN_OR_RETURN(const bool opened,
                         job_->GoOn(prepared_, folder_, options_.skip, back));
    if (back) tally_.AddRollback();
    EBB_RETURN_IF_ERROR(WriteJob(folder_, facts_, prepared_));
    if (options_.skip && !opened) {
      screen_.Event("the job is paused for no batch: --skip leaves none out",
                    absl::Now());
    }
  } else {
    EBB_RETURN_IF_ERROR(job_->Submit(prepared_, folder_));
  }
  submitted_ = absl::Now();
  poller_ = std::make_unique<StatusPoller>(cluster_->scheduler_address(),
                                           cluster_->security(), job_->id(),
                                           kPollInterval);
  return absl::OkStatus();
}

void LocalRun::Watch() {
  while (Turn()) {
  }
}

bool LocalRun::Turn() {
  const absl::Duration until_due =
      std::max(absl::ZeroDuration(), cluster_->NextDue() - absl::Now());
  if (signals_.Wait(std::min(kTick, until_due)).interrupts > 0 || Orphaned()) {
    report_.interrupted = true;
    return false;
  }
  const absl::Time now = absl::Now();
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

void LocalRun::HandleDaemons(absl::Time now) {
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

PolledStatus LocalRun::LatestStatus() {
  PolledStatus polled = poller_->Latest();
  if (!polled.response.jobs().empty()) {
    marks_.Mend(polled.response.mutable_jobs(0));
  }
  return polled;
}

Progress LocalRun::CurrentProgress(const PolledStatus& polled) const {
  Progress progress =
      ProgressOf(polled.response, facts_.workers, facts_.servers);
  progress.predicts = prepared_.job.has_predict();
  progress.taken_back = marks_.taken_back();
  if (job::TasksOf(prepared_.job) > 0) {
    progress.rate_unit = absl::StrCat(job::NameOfAnExample(prepared_.job), "s");
  }
  if (!polled.error.ok()) progress.waiting = "the scheduler is away";
  return progress;
}

void LocalRun::HandleStatus(absl::Time now) {
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
  screen_.Show(progress, now);
  NoteSample(samples_.Take(progress, now - submitted_));
}

void LocalRun::NoteSize() {
  const ClusterSize size = scale_.size();
  if (size.servers == facts_.servers && size.workers == facts_.workers) return;
  facts_.servers = size.servers;
  facts_.workers = size.workers;
  Note(WriteFacts(folder_, facts_));
}

void LocalRun::FollowScale(absl::Time now) {
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

void LocalRun::Disturb(absl::Time now) {
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

bool LocalRun::JobEnded() { return completed_ != absl::InfiniteFuture(); }

// True: done, for good or bad. Servers that were just killed may have to come
// back first.
bool LocalRun::Audit() {
  const absl::StatusOr<AuditReport> audit = job_->Audit();
  const bool late = absl::Now() - completed_ > kAuditLimit;
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

void LocalRun::LookAtWhatThereIs() {
  const absl::StatusOr<AuditReport> audit = job_->Audit();
  if (audit.ok() && audit->sum.partitions > 0) report_.audit = *audit;
}

void LocalRun::Leave() {
  const absl::Time end = std::min(completed_, absl::Now());
  report_.seconds =
      std::max(0.0, absl::ToDoubleSeconds(end - std::min(end, submitted_)));
  if (poller_ != nullptr) {
    const PolledStatus last = LatestStatus();
    if (last.number > 0) {
      NoteSample(
          samples_.TakeLast(CurrentProgress(last), absl::Now() - submitted_));
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
              [this](const DaemonEvent& event) {
                daemons_.AddUnwantedEnd(event);
              },
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

void LocalRun::RemoveFolder() {
  if (!options_.folder.empty()) return;
  std::error_code error;
  std::filesystem::remove_all(folder_.path(), error);
  if (error) {
    Problem(
        absl::StrCat("cannot remove ", folder_.shown(), ": ", error.message()));
  }
}

void LocalRun::Finish() {
  if (PredictedNothing(prepared_.job, report_)) {
    // Nothing goes on with it, and a report would tell nothing.
    screen_.Print("interrupted before anything was predicted\n");
    RemoveFolder();
    return;
  }
  ExplainStop(why_stopped_, prepared_.job, folder_, &report_);
  report_.total_seconds = absl::ToDoubleSeconds(absl::Now() - started_);
  report_.cpu_seconds = ChildrenCpuSeconds() - cpu_before_;
  tally_.Complete(&report_.status);
  report_.rollbacks = tally_.rollbacks();
  if (options_.disturbance != nullptr) options_.disturbance->Finish(&report_);
  recoveries_.Complete(submitted_, &report_.events);
  if (options_.resume) {
    report_.applied_before =
        marks_.first().value_or(report_.status.applied_min());
  }
  FinishReport(prepared_.job, folder_, &report_);
  WriteReport(folder_, samples_.all(), options_.report_file, &report_);
  if (NothingLeft(report_)) {
    facts_.complete = true;
    Note(WriteFacts(folder_, facts_));
  }
  screen_.Print(ReportText(report_, screen_.console()));
  const bool begun = submitted_ != absl::InfiniteFuture();
  if (report_.interrupted && begun && report_.problems.empty() &&
      !options_.job.file.empty()) {
    screen_.Print(absl::StrCat(
        "go on with: ", CommandToGoOn(options_.job, folder_.shown()), "\n"));
  }
}

// The facts of a new run with its shared place, or of one that is gone on with.
absl::StatusOr<RunFacts> ChooseFacts(const RunOptions& options,
                                     const RunFolder& folder,
                                     const std::string& shared_place) {
  RunFacts facts;
  facts.shared_checkpoints = shared_place;
  if (options.resume) {
    EBB_ASSIGN_OR_RETURN(facts, ReadFacts(folder));
    if (options.servers && *options.servers != facts.servers) {
      return absl::InvalidArgumentError(
          absl::StrCat("--servers ", *options.servers, ": the run in ",
                       folder.shown(), " has ", facts.servers,
                       " servers, which hold its model. Leave --servers out."));
    }
    EBB_ASSIGN_OR_RETURN(
        facts.shared_checkpoints,
        KeepSharedPlace(options.shared_checkpoints, facts.shared_checkpoints));
  }
  if (options.servers) facts.servers = *options.servers;
  if (options.workers) facts.workers = *options.workers;
  return facts;
}

// The verdict of a complete run, in place of running it.
absl::StatusOr<RunReport> PointToReport(const RunOptions& options,
                                        const PreparedJob& prepared,
                                        const RunFolder& folder,
                                        const std::string& json) {
  RunReport report;
  report.job = prepared.job;
  report.folder = folder.shown();
  const std::string file = absl::StrCat(folder.shown(), "/report.json");
  const absl::Status read = ReadVerdict(json, &report);
  if (!read.ok()) {
    return absl::Status(
        read.code(),
        absl::StrCat(file, ": ", read.message(),
                     ". Remove it: the run is then judged again."));
  }
  if (!options.report_file.empty()) {
    EBB_RETURN_IF_ERROR(WriteFile(options.report_file, json));
  }
  Screen screen(DetectConsole(), options.quiet, stdout);
  screen.Print(absl::StrCat("the run is complete",
                            report.problems.empty() ? "" : ", but failed",
                            ": its report is ", file, " (and report.html)\n"));
  for (const std::string& problem : report.problems) {
    screen.Print(absl::StrCat(Paint(screen.console(), Ink::kRed, "error:"), " ",
                              problem, "\n"));
  }
  return report;
}

// The workers that a run starts compute what ebb knows.
absl::Status CheckComputed(const v1::Job& job, const std::string& file) {
  if (!job::TraitsOf(job.model()).program()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      file,
      ": model.kind: only your own programs compute this job\n"
      "hint: `ebb run SCRIPT.py` starts copies of a script that joins a job; a "
      "cluster that runs takes the job by `ebb submit ",
      file, "`, and then your programs join it (docs/programs.md)"));
}

// The job with what its run has stored of it, if it goes on. Without a run, or
// with mistakes in the file, as it is: both are told in their turn.
JobChoice WithStored(const RunOptions& options) {
  JobChoice choice = options.job;
  if (choice.open_model == nullptr) choice.open_model = OpenModelsInFolders();
  if (!options.resume) return choice;
  v1::Job job = job::ReadJobFile(choice.file, choice.overrides).job;
  job::FillDefaults(&job);
  const auto folder = RunFolder::Open(job.name(), options.folder);
  if (!folder.ok()) return choice;
  if (auto stored = ReadSpecification(*folder); stored.ok()) {
    choice.stored = *std::move(stored);
  }
  return choice;
}

}  // namespace

absl::StatusOr<RunReport> RunLocally(const RunOptions& options) {
  const absl::Time started = absl::Now();
  if (!options.report_file.empty()) {
    EBB_RETURN_IF_ERROR(CheckWritable(options.report_file));
  }
  const JobChoice choice = WithStored(options);
  EBB_ASSIGN_OR_RETURN(PreparedJob prepared, PrepareJob(choice));
  EBB_RETURN_IF_ERROR(CheckComputed(prepared.job, options.job.file));
  // One that is gone on with may have begun, and a plan may bring others.
  if (!options.resume && options.disturbance == nullptr) {
    EBB_RETURN_IF_ERROR(
        CheckWorkers(prepared.record.plan, options.job.file,
                     options.workers.value_or(RunFacts().workers)));
  }
  EBB_RETURN_IF_ERROR(CheckRoomForTasks(prepared, options.memory_bytes));
  std::string shared_place;
  if (!options.resume && !options.shared_checkpoints.empty()) {
    EBB_ASSIGN_OR_RETURN(shared_place,
                         TakeSharedPlace(options.shared_checkpoints));
  }
  // Before any thread: they hold back the same signals.
  EBB_ASSIGN_OR_RETURN(SignalWaiter signals, SignalWaiter::Create());
  EBB_ASSIGN_OR_RETURN(ReservedPort port, ReservedPort::Reserve());
  const std::string name = prepared.record.name;
  EBB_ASSIGN_OR_RETURN(RunFolder folder,
                       options.resume ? RunFolder::Open(name, options.folder)
                                      : RunFolder::Make(name, options.folder));
  EBB_ASSIGN_OR_RETURN(const RunFacts facts,
                       ChooseFacts(options, folder, shared_place));
  if (options.resume) {
    EBB_ASSIGN_OR_RETURN(const std::string stored, ReadSpecification(folder));
    EBB_ASSIGN_OR_RETURN(prepared,
                         KeepChoicesOfRun(choice, stored, std::move(prepared)));
    if (options.back) {
      // A cluster that starts and ends stores versions, and deletes older ones.
      EBB_RETURN_IF_ERROR(CheckWish(folder.File("."), *options.back));
    }
    std::vector<std::string> changes;
    if (!stored.empty()) {
      EBB_ASSIGN_OR_RETURN(
          changes, ChangesOf(folder, stored, prepared.record.specification));
    }
    const auto json = ReadFile(folder.File("report.json"));
    if (facts.complete && json.ok() && changes.empty() && !options.back) {
      return PointToReport(options, prepared, folder, *json);
    }
  } else {
    EBB_RETURN_IF_ERROR(WriteJob(folder, facts, prepared));
  }
  AdoptDescendants();
  LocalRun run(options, std::move(prepared), facts, std::move(folder),
               std::move(signals), std::move(port), started);
  return run.Run();
}

absl::StatusOr<RunReport> RunPrepared(const RunOptions& options,
                                      PreparedJob prepared) {
  const absl::Time started = absl::Now();
  if (!options.report_file.empty()) {
    EBB_RETURN_IF_ERROR(CheckWritable(options.report_file));
  }
  // Before any thread: they hold back the same signals.
  EBB_ASSIGN_OR_RETURN(SignalWaiter signals, SignalWaiter::Create());
  EBB_ASSIGN_OR_RETURN(ReservedPort port, ReservedPort::Reserve());
  EBB_ASSIGN_OR_RETURN(RunFolder folder,
                       RunFolder::Make(prepared.record.name, options.folder));
  EBB_ASSIGN_OR_RETURN(const RunFacts facts,
                       ChooseFacts(options, folder, /*shared_place=*/""));
  EBB_RETURN_IF_ERROR(WriteJob(folder, facts, prepared));
  AdoptDescendants();
  LocalRun run(options, std::move(prepared), facts, std::move(folder),
               std::move(signals), std::move(port), started);
  return run.Run();
}

}  // namespace ebb::tools
