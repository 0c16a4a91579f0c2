#include "tools/ebb/run/local_run.h"

#include <sys/resource.h>

#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "job/base/traits.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "tools/ebb/job/job_sizes.h"
#include "tools/ebb/job/job_text.h"
#include "tools/ebb/report/run_facts.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/ebb/rollback/rollback_request.h"
#include "tools/ebb/run/await_room.h"
#include "tools/ebb/run/finished_run.h"
#include "tools/ebb/run/local_cluster.h"
#include "tools/ebb/run/resumed_job.h"
#include "tools/ebb/run/run_job.h"
#include "tools/ebb/run/screen.h"
#include "tools/ebb/run/shared_place.h"
#include "tools/ebb/run/stored_model_check.h"
#include "tools/ebb/run/watched_run.h"
#include "tools/ebb/trained/start_model.h"
#include "tools/files/files.h"
#include "tools/process/signals.h"
#include "tools/text/console.h"
#include "worker/python/python_program.h"

namespace ebb::tools {

namespace {

// CPU time of all children that have ended, also of earlier runs.
double ChildrenCpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_CHILDREN, &usage);
  return absl::ToDoubleSeconds(absl::DurationFromTimeval(usage.ru_utime) +
                               absl::DurationFromTimeval(usage.ru_stime));
}

// Writes the job of this run for one that goes on with it: not complete.
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

WatchOptions WatchOptionsOf(const RunOptions& options) {
  WatchOptions watch;
  watch.resumed = options.resume;
  watch.follow_scale = options.follow_scale;
  watch.follow_earlier_scale = !(options.resume && options.workers);
  watch.disturbance = options.disturbance;
  watch.parent = options.parent;
  watch.details = options.details;
  watch.statuses_file = options.statuses_file;
  return watch;
}

// One run of a prepared job: its title, the start of its daemons and its job,
// the watch, and the end of its report. Not thread-safe.
class LocalRun {
 public:
  // The options are not owned and outlive the run.
  LocalRun(const RunOptions& options, PreparedJob prepared, RunFacts facts,
           RunFolder folder, SignalWaiter signals, ReservedPort port,
           absl::Time started)
      : options_(options),
        prepared_(std::move(prepared)),
        facts_(std::move(facts)),
        folder_(std::move(folder)),
        signals_(std::move(signals)),
        started_(started),
        screen_(DetectConsole(), options.quiet, stdout),
        port_(std::move(port)),
        watched_(WatchOptionsOf(options), &prepared_.job, &facts_, &folder_,
                 &signals_, &screen_, &report_) {}
  LocalRun(const LocalRun&) = delete;
  LocalRun& operator=(const LocalRun&) = delete;

  // Call it once.
  absl::StatusOr<RunReport> Run();

 private:
  void PrintTitle();
  absl::Status Begin();
  absl::Status StartCluster();
  // `begun`: the job has begun.
  void Finish(bool begun);
  // Writes a file, and waits for room to do so if the disk is full. After one
  // vain wait there is no other.
  absl::Status Await(absl::FunctionRef<absl::Status()> write);
  // The folder of a run that predicted nothing, if the run chose its name.
  void RemoveFolder();
  void Problem(absl::string_view text) { report_.problems.emplace_back(text); }

  const RunOptions& options_;  // Not owned.
  const PreparedJob prepared_;
  RunFacts facts_;  // A run that goes on with this one starts with them.
  const RunFolder folder_;
  SignalWaiter signals_;
  const absl::Time started_;
  const double cpu_before_ = ChildrenCpuSeconds();
  Screen screen_;
  ReservedPort port_;          // Until the cluster has it.
  std::optional<RunJob> job_;  // Once the scheduler serves.
  RunReport report_;
  WatchedRun watched_;
  bool waited_in_vain_ = false;
};

absl::StatusOr<RunReport> LocalRun::Run() {
  report_.job = prepared_.job;
  report_.classes = prepared_.classes;
  report_.folder = folder_.shown();
  report_.copies = facts_.shared_checkpoints;
  PrintTitle();
  const absl::Status begun = Begin();
  if (begun.ok()) watched_.Watch(*job_);
  if (absl::IsAborted(begun)) report_.interrupted = true;
  watched_.EndDaemons();
  // The result of an earlier part of the run stays as it is.
  const bool nothing_new = options_.resume && !begun.ok();
  if (nothing_new && !report_.interrupted) return begun;
  if (nothing_new) return std::move(report_);
  if (!begun.ok() && !report_.interrupted) {
    report_.problems.insert(report_.problems.begin(),
                            std::string(begun.message()));
  }
  Finish(begun.ok());
  return std::move(report_);
}

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
  options.batch_time = options_.batch_time;
  options.batch_times = options_.batch_times;
  if (options_.disturbance != nullptr) {
    EBB_RETURN_IF_ERROR(options_.disturbance->Prepare(prepared_.job, &options));
  }
  report_.batch_time = options.batch_time;
  return watched_.StartDaemons(std::move(options), std::move(port_));
}

absl::Status LocalRun::Begin() {
  EBB_RETURN_IF_ERROR(StartCluster());
  job_.emplace(watched_.cluster().scheduler_address(),
               watched_.cluster().security());
  if (options_.resume) {
    std::optional<RollbackWish> back = options_.back;
    if (back) back->stored_by = started_;
    EBB_ASSIGN_OR_RETURN(const bool opened,
                         job_->GoOn(prepared_, folder_, options_.skip, back));
    if (back) watched_.NoteRollback();
    EBB_RETURN_IF_ERROR(WriteJob(folder_, facts_, prepared_));
    if (options_.skip && !opened) {
      screen_.Event("the job is paused for no batch: --skip leaves none out",
                    SteadyNow());
    }
  } else {
    EBB_RETURN_IF_ERROR(job_->Submit(prepared_, folder_));
  }
  return absl::OkStatus();
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

absl::Status LocalRun::Await(absl::FunctionRef<absl::Status()> write) {
  if (waited_in_vain_) return write();
  const absl::Status written = AwaitRoom(
      write,
      [this](const absl::Status& full) {
        screen_.Event(absl::StrCat(full.message(), "; waiting for room"),
                      SteadyNow());
      },
      [this](absl::Duration pause) {
        return signals_.Wait(pause).interrupts == 0;
      });
  waited_in_vain_ = absl::IsResourceExhausted(written);
  return written;
}

void LocalRun::Finish(bool begun) {
  if (PredictedNothing(prepared_.job, report_)) {
    // Nothing goes on with it, and a report would tell nothing.
    screen_.Print("interrupted before anything was predicted\n");
    RemoveFolder();
    return;
  }
  ExplainStop(watched_.why_stopped(), prepared_.job, folder_, &report_);
  report_.total_seconds = absl::ToDoubleSeconds(SteadyNow() - started_);
  report_.cpu_seconds = ChildrenCpuSeconds() - cpu_before_;
  watched_.CompleteReport();
  FinishReport(prepared_.job, folder_, &report_);
  const absl::Status rest = Await([this] { return watched_.WriteRest(); });
  if (!rest.ok()) {
    report_.warnings.push_back(
        absl::StrCat("what it lacks is lost: ", rest.message()));
  }
  const auto write = [this](const std::string& path,
                            absl::string_view content) {
    return Await([&] { return WriteFile(path, content); });
  };
  WriteReport(folder_, watched_.samples().all(), options_.report_file, write,
              &report_);
  if (NothingLeft(report_)) {
    facts_.complete = true;
    const absl::Status written =
        Await([this] { return WriteFacts(folder_, facts_); });
    if (!written.ok()) Problem(written.message());
  }
  screen_.Print(ReportText(
      report_, screen_.console(),
      options_.details ? ReportDetail::kAll : ReportDetail::kResult));
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
    auto before = ReadFacts(folder);
    if (absl::IsInvalidArgument(before.status())) {
      return absl::InvalidArgumentError(absl::StrCat(
          before.status().message(),
          "\n  hint: it has a line for each of servers, workers and complete, "
          "such as \"servers 2\"; mend it, or start a new run"));
    }
    EBB_ASSIGN_OR_RETURN(facts, std::move(before));
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
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": ", read.message(),
                     ". Remove it: the run is then judged again."));
  }
  if (!options.report_file.empty()) {
    EBB_RETURN_IF_ERROR(CopyReport(folder, options.report_file));
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

// The run to go on with. If the job is named after its file, an older ebb may
// have called it "job".
absl::StatusOr<RunFolder> OpenRun(const RunOptions& options,
                                  const std::string& name) {
  auto folder = RunFolder::Open(name, options.folder);
  if (!absl::IsNotFound(folder.status()) || !options.folder.empty() ||
      name != job::NameAfterFile(options.job.file)) {
    return folder;
  }
  v1::Job unnamed;
  job::FillDefaults(&unnamed);
  auto older = RunFolder::Open(unnamed.name(), "");
  return older.ok() ? std::move(older) : std::move(folder);
}

// The job with what its run has stored of it, if it goes on. Without a run, or
// with mistakes in the file, as it is: both are told in their turn.
JobChoice WithStored(const RunOptions& options) {
  JobChoice choice = options.job;
  if (choice.open_model == nullptr) choice.open_model = OpenModelsInFolders();
  if (!options.resume) return choice;
  v1::Job job = job::ReadJobFile(choice.file, choice.overrides).job;
  job::FillDefaults(&job);
  const auto folder = OpenRun(options, job.name());
  if (!folder.ok()) return choice;
  if (auto stored = ReadSpecification(*folder); stored.ok()) {
    choice.stored = *std::move(stored);
  }
  return choice;
}

}  // namespace

absl::StatusOr<RunReport> RunLocally(const RunOptions& options) {
  const absl::Time started = SteadyNow();
  for (const std::string& file : {options.report_file, options.statuses_file}) {
    if (!file.empty()) EBB_RETURN_IF_ERROR(CheckWritable(file));
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
                       options.resume ? OpenRun(options, name)
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
      if (facts.shared_checkpoints.empty()) {
        EBB_RETURN_IF_ERROR(CheckModelIsThere(folder));
      }
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
  const absl::Time started = SteadyNow();
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
