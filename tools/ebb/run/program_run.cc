#include "tools/ebb/run/program_run.h"

#include <google/protobuf/struct.pb.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/nearest.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "common/tls/sha256.h"
#include "job/validate.h"
#include "tools/ebb/report/run_facts.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/ebb/report/run_samples.h"
#include "tools/ebb/run/audited_job.h"
#include "tools/ebb/run/await_room.h"
#include "tools/ebb/run/finished_run.h"
#include "tools/ebb/run/local_cluster.h"
#include "tools/ebb/run/program_python.h"
#include "tools/ebb/run/run_job.h"
#include "tools/ebb/run/screen.h"
#include "tools/ebb/run/stored_model_check.h"
#include "tools/ebb/run/watched_run.h"
#include "tools/files/files.h"
#include "tools/process/reserved_port.h"
#include "tools/process/signals.h"
#include "tools/text/console.h"
#include "tools/text/json.h"
#include "tools/text/read_json.h"

namespace ebb::tools {

namespace {

namespace fs = std::filesystem;

constexpr char kProgramFile[] = "program.json";

double ChildrenCpu() {
  rusage usage = {};
  getrusage(RUSAGE_CHILDREN, &usage);
  return absl::ToDoubleSeconds(absl::DurationFromTimeval(usage.ru_utime) +
                               absl::DurationFromTimeval(usage.ru_stime));
}

// Describes what the run starts, by which another program is told from it.
absl::StatusOr<std::string> Description(const ProgramCommand& command) {
  EBB_ASSIGN_OR_RETURN(const std::string script, ReadFile(command.script));
  Json json = Json::Object();
  json["sha256"] = absl::BytesToHexString(Sha256(script));
  json["arguments"] = Json::List();
  for (const std::string& one : command.arguments) json["arguments"].Add(one);
  return json.ToString();
}

std::string ArgumentOf(const google::protobuf::Value& value) {
  return value.string_value();
}

WatchOptions WatchOptionsFor(const RunOptions& options, Programs* programs) {
  WatchOptions watch;
  watch.resumed = options.resume;
  watch.disturbance = options.disturbance;
  watch.parent = options.parent;
  watch.details = options.details;
  watch.statuses_file = options.statuses_file;
  watch.programs = programs;
  return watch;
}

// One run of programs. Not thread-safe.
class ProgramRun {
 public:
  // The options and the command are not owned and outlive the run.
  ProgramRun(const RunOptions& options, const ProgramCommand& command,
             std::string python, const RunFacts& facts, RunFolder folder,
             SignalWaiter signals, ReservedPort port, absl::Time started)
      : options_(options),
        command_(command),
        python_(std::move(python)),
        facts_(facts),
        folder_(std::move(folder)),
        signals_(std::move(signals)),
        started_(started),
        screen_(DetectConsole(), options.quiet, stdout),
        port_(std::move(port)),
        programs_(command, python_, facts.workers, &folder_),
        watched_(WatchOptionsFor(options, &programs_), &programs_.job(),
                 &facts_, &folder_, &signals_, &screen_, &report_) {}
  ProgramRun(const ProgramRun&) = delete;
  ProgramRun& operator=(const ProgramRun&) = delete;

  // Call it once.
  RunReport Run();

 private:
  absl::Status Begin();
  absl::Status StartCluster();
  // Lets jobs go on that are paused because of failing examples.
  absl::Status Reopen();
  void AuditJobs();
  void Finish();
  absl::Status Await(absl::FunctionRef<absl::Status()> write);
  void Problem(absl::string_view text) { report_.problems.emplace_back(text); }

  const RunOptions& options_;      // Not owned.
  const ProgramCommand& command_;  // Not owned.
  const std::string python_;
  RunFacts facts_;
  const RunFolder folder_;
  SignalWaiter signals_;
  const absl::Time started_;
  const double cpu_before_ = ChildrenCpu();
  Screen screen_;
  ReservedPort port_;          // Until the cluster has it.
  std::optional<RunJob> job_;  // Once the scheduler serves.
  RunReport report_;
  Programs programs_;
  WatchedRun watched_;
  bool waited_in_vain_ = false;
};

absl::Status ProgramRun::StartCluster() {
  LocalClusterOptions options;
  options.servers = facts_.servers;
  options.workers = facts_.workers;
  options.program_folder = ProgramFolder();
  options.data_sets = true;
  options.program.argv = {python_, "-u",
                          fs::absolute(command_.script).string()};
  options.program.argv.insert(options.program.argv.end(),
                              command_.arguments.begin(),
                              command_.arguments.end());
  if (options_.disturbance != nullptr) {
    v1::Job unknown;
    job::FillDefaults(&unknown);
    EBB_RETURN_IF_ERROR(options_.disturbance->Prepare(unknown, &options));
  }
  // Programs come when the jobs of an earlier part of the run go on.
  options.workers = 0;
  return watched_.StartDaemons(std::move(options), std::move(port_));
}

absl::Status ProgramRun::Reopen() {
  EBB_ASSIGN_OR_RETURN(const v1::GetStatusResponse status, job_->All());
  bool opened = false;
  for (const v1::JobStatus& job : status.jobs()) {
    if (!IsHeld(job)) continue;
    EBB_RETURN_IF_ERROR(job_->Reopen(job, options_.skip));
    opened = true;
  }
  if (options_.skip && !opened) {
    screen_.Print("no job is paused for a batch: --skip leaves none out\n");
  }
  return absl::OkStatus();
}

absl::Status ProgramRun::Begin() {
  EBB_RETURN_IF_ERROR(StartCluster());
  job_.emplace(watched_.cluster().scheduler_address(),
               watched_.cluster().security());
  if (options_.resume) EBB_RETURN_IF_ERROR(Reopen());
  EBB_RETURN_IF_ERROR(watched_.StartPrograms(&*job_));
  screen_.Print(
      absl::StrCat(Paint(screen_.console(), Ink::kBold, command_.script), ": ",
                   Count(facts_.workers, "time"), ", on ",
                   Count(facts_.servers, "server"), "\n"));
  return absl::OkStatus();
}

void ProgramRun::AuditJobs() {
  for (const v1::JobStatus& job : programs_.jobs()) {
    const v1::JobSummary& summary = job.summary();
    JobVerdict verdict{summary.name(), summary.state()};
    if (summary.job() == job_->id()) {
      // It is judged with the run.
      verdict.exact = report_.audit && report_.audit->exact();
    } else if (!report_.interrupted) {
      RunJob other = *job_;
      other.Follow(summary.job());
      const auto audit = watched_.AuditEarlier(other);
      verdict.exact = audit.ok() && audit->exact();
      const std::string wrong = WrongWithJob(summary, audit);
      if (!wrong.empty() && !report_.interrupted && report_.problems.empty()) {
        Problem(wrong);
      }
    }
    report_.jobs.push_back(std::move(verdict));
  }
}

RunReport ProgramRun::Run() {
  report_.script = command_.script;
  report_.folder = folder_.shown();
  const absl::Status begun = Begin();
  if (absl::IsAborted(begun)) {
    report_.interrupted = true;
  } else if (!begun.ok()) {
    Problem(begun.message());
  } else {
    watched_.Watch(*job_);
    if (!report_.interrupted) {
      if (!programs_.has_job() && report_.problems.empty()) {
        Problem(absl::StrCat(
            command_.script,
            " ended without a job\n  hint: ebb.torch.job(...) submits one, "
            "ebb.join(...) works for it"));
      }
      AuditJobs();
    }
  }
  watched_.EndDaemons();
  Finish();
  return std::move(report_);
}

absl::Status ProgramRun::Await(absl::FunctionRef<absl::Status()> write) {
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

void ProgramRun::Finish() {
  report_.job = programs_.job();
  if (report_.job.name().empty()) {
    report_.job.set_name(fs::path(command_.script).stem().string());
  }
  report_.total_seconds = absl::ToDoubleSeconds(SteadyNow() - started_);
  report_.cpu_seconds = ChildrenCpu() - cpu_before_;
  watched_.CompleteReport();
  FinishReport(programs_.job(), folder_, &report_);
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
  // Problems are told apart from it: they are whole tracebacks.
  RunReport shown = report_;
  shown.problems.clear();
  screen_.Print(ReportText(
      shown, screen_.console(),
      options_.details ? ReportDetail::kAll : ReportDetail::kResult));
  if (report_.interrupted) {
    screen_.Print(absl::StrCat(
        "go on with: ", CommandToGoOn(command_, folder_.shown()), "\n"));
  }
}

// Says what has changed about the program since its run began; empty: nothing,
// or it is not known.
std::string Changed(const RunFolder& folder, const ProgramCommand& command,
                    const std::string& now) {
  const auto text = ReadFile(folder.File(kProgramFile));
  if (!text.ok()) return "";  // An older ebb wrote none.
  const auto before = ParseJsonObject(*text, kProgramFile);
  const auto after = ParseJsonObject(now, kProgramFile);
  if (!before.ok() || !after.ok()) return "";
  if (TextIn(*before, "sha256") != TextIn(*after, "sha256")) {
    return absl::StrCat(command.script, " has changed");
  }
  const auto& had = ListIn(*before, "arguments").values();
  const auto& has = ListIn(*after, "arguments").values();
  return std::ranges::equal(had, has, {}, ArgumentOf, ArgumentOf)
             ? ""
             : "its arguments have changed";
}

// True if an earlier part of the run was complete and good.
absl::StatusOr<bool> IsDone(const RunFolder& folder) {
  const auto text = ReadFile(folder.File("report.json"));
  if (!text.ok()) return false;
  const auto report = ParseJsonObject(*text, "report.json");
  if (!report.ok() || !report->fields().contains("passed")) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder.shown(),
                     "/report.json is no report\n  hint: remove "
                     "it, and the run goes on"));
  }
  return FlagIn(*report, "passed");
}

// Names the report of a run that is done. Refuses a program that is another by
// now.
absl::StatusOr<RunReport> PointToDone(const RunOptions& options,
                                      const ProgramCommand& command,
                                      const std::string& description,
                                      const RunFolder& folder) {
  const std::string report = absl::StrCat(folder.shown(), "/report.json");
  if (const std::string changed = Changed(folder, command, description);
      !changed.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the run in ", folder.shown(), " is complete, and ", changed,
        " since: --resume does not start it again. Its report is ", report,
        "\n  hint: more epochs are a new run, without --resume. It can begin "
        "with this model: `ebb checkpoint export ",
        folder.shown(),
        " -o before.safetensors`, and in the script "
        "init=ebb.load(\"before.safetensors\")"));
  }
  EBB_RETURN_IF_ERROR(CheckModelIsThere(folder));
  if (!options.report_file.empty()) {
    const absl::Status copied = CopyReport(folder, options.report_file);
    if (!copied.ok()) {
      const absl::string_view why = copied.message();
      const size_t cause = why.rfind(": ");
      return absl::FailedPreconditionError(absl::StrCat(
          "--report ", options.report_file,
          ": the report cannot be copied: ", options.report_file,
          cause == why.npos ? absl::StrCat(": ", why) : why.substr(cause),
          "\n  hint: the run is complete, and ", report, " is its report"));
    }
  }
  Screen(DetectConsole(), options.quiet, stdout)
      .Print(absl::StrCat("the run is complete: its report is ", report,
                          " (and report.html)\n"));
  RunReport done;
  done.script = command.script;
  done.folder = folder.shown();
  return done;
}

// The processes of the run: as flags say, else as before.
absl::StatusOr<RunFacts> ChooseSize(const RunOptions& options,
                                    const RunFolder& folder) {
  RunFacts facts;
  if (options.resume) {
    auto before = ReadFacts(folder);
    if (before.ok()) facts = *before;
    if (absl::IsInvalidArgument(before.status())) {
      // Nothing is started, and a person mends it.
      return absl::InvalidArgumentError(absl::StrCat(
          before.status().message(),
          "\n  hint: remove it, and give --workers and --servers"));
    }
    if (before.ok() && options.servers && *options.servers != facts.servers) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--servers ", *options.servers, ": the run in ", folder.shown(),
          " has ", facts.servers,
          " servers, which hold its model\n  hint: leave --servers out"));
    }
  }
  if (options.servers) facts.servers = *options.servers;
  if (options.workers) facts.workers = *options.workers;
  facts.complete = false;
  return facts;
}

// Begins metrics.csv anew if an older ebb wrote it, and says so.
absl::Status RenewMetrics(const RunOptions& options, const RunFolder& folder) {
  EBB_ASSIGN_OR_RETURN(const std::string old, SetAsideOtherSamples(folder));
  if (old.empty()) return absl::OkStatus();
  Screen(DetectConsole(), options.quiet, stdout)
      .Print(absl::StrCat("an older ebb wrote metrics.csv, which had other "
                          "columns: it is ",
                          folder.shown(), "/", old, " now\n"));
  return absl::OkStatus();
}

// Makes the folder of a new run. Its metrics.csv comes with the first sample.
absl::StatusOr<RunFolder> MakeFolder(const std::string& name,
                                     const std::string& chosen) {
  EBB_ASSIGN_OR_RETURN(RunFolder folder, RunFolder::Make(name, chosen));
  std::error_code ignored;
  fs::remove(folder.File("metrics.csv"), ignored);
  return folder;
}

}  // namespace

absl::StatusOr<RunReport> RunProgram(const RunOptions& options,
                                     const ProgramCommand& command) {
  const absl::Time started = SteadyNow();
  std::error_code error;
  if (!fs::is_regular_file(command.script, error)) {
    return absl::NotFoundError(absl::StrCat(
        command.script, ": there is no such file", IsItPath(command.script)));
  }
  PrepareEnvironment();
  EBB_ASSIGN_OR_RETURN(std::string python, FindPython());
  EBB_ASSIGN_OR_RETURN(const std::string description, Description(command));
  // Before any thread: they hold back the same signals.
  EBB_ASSIGN_OR_RETURN(SignalWaiter signals, SignalWaiter::Create());
  EBB_ASSIGN_OR_RETURN(ReservedPort port, ReservedPort::Reserve());
  const std::string name = fs::path(command.script).stem().string();
  EBB_ASSIGN_OR_RETURN(RunFolder folder,
                       options.resume ? RunFolder::Open(name, options.folder)
                                      : MakeFolder(name, options.folder));
  EBB_ASSIGN_OR_RETURN(const RunFacts facts, ChooseSize(options, folder));
  if (options.resume) {
    EBB_ASSIGN_OR_RETURN(const bool done, IsDone(folder));
    if (done) return PointToDone(options, command, description, folder);
    EBB_RETURN_IF_ERROR(RenewMetrics(options, folder));
  }
  for (const std::string& file : {options.report_file, options.statuses_file}) {
    if (!file.empty()) EBB_RETURN_IF_ERROR(CheckWritable(file));
  }
  EBB_RETURN_IF_ERROR(WriteFacts(folder, facts));
  EBB_RETURN_IF_ERROR(WriteFile(folder.File(kProgramFile), description));
  AdoptDescendants();
  ProgramRun run(options, command, std::move(python), facts, std::move(folder),
                 std::move(signals), std::move(port), started);
  return run.Run();
}

}  // namespace ebb::tools
