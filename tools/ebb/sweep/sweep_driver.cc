#include "tools/ebb/sweep/sweep_driver.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "job/expectations.h"
#include "job/fit.h"
#include "job/validate.h"
#include "sweep/folds.h"
#include "sweep/space.h"
#include "sweep/trial_file.h"
#include "tools/ebb/job/submission.h"
#include "tools/ebb/report/run_facts.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/ebb/run/local_cluster.h"
#include "tools/ebb/status/no_answer.h"
#include "tools/ebb/sweep/sweep_page.h"
#include "tools/ebb/sweep/sweep_table.h"
#include "tools/ebb/sweep/trial_clock.h"
#include "tools/ebb/sweep/trial_jobs.h"
#include "tools/files/files.h"
#include "tools/process/reserved_port.h"
#include "tools/process/signals.h"
#include "tools/text/charts.h"
#include "tools/text/console.h"
#include "tools/text/evaluation_text.h"
#include "worker/python/python_program.h"

namespace ebb::tools {

namespace {

using sweep::Trial;
using sweep::TrialState;

constexpr absl::Duration kLook = absl::Milliseconds(100);
// A cluster may be shared, and each look asks for all of its jobs.
constexpr absl::Duration kLookAtCluster = absl::Seconds(1);
constexpr size_t kLiveRows = 20;
// In the folder of the sweep: how long its trials have trained.
constexpr char kTimes[] = "times";
constexpr absl::Duration kKeepTimes = absl::Seconds(1);

// "optimizer.rate 0.1, train.batch 32".
std::string SettingText(const sweep::Choices& choices) {
  return absl::StrJoin(choices, ", ", [](std::string* out, const auto& choice) {
    absl::StrAppend(out, choice.first, " ", choice.second);
  });
}

// A trial that can be submitted.
struct PreparedTrial {
  std::string text;  // Its job file.
  PreparedJob job;
};

// Checks that the model has the sweep's metric, now that its labels are known.
absl::Status CheckMetric(const sweep::SweepFile& file, const PreparedJob& job) {
  job::DataFacts facts;
  facts.train =
      job::SourceFacts{.examples = job.record.plan.examples,
                       .classes = static_cast<int64_t>(job.classes.size())};
  const auto unfit = job::FindUnfit(job.job, facts, file.sweep.metric);
  if (!unfit) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("metric: ", file.sweep.metric, ": ", unfit->what,
                   "\nhint: metric: ", unfit->instead));
}

// Reads the data, and checks everything. Errors name the places of the sweep's
// own file, and the trial as `called`.
absl::StatusOr<PreparedTrial> PrepareTrial(const SweepOptions& options,
                                           const sweep::Step::Begin& begin,
                                           const std::string& called,
                                           int workers) {
  const sweep::SweepFile& file = options.file;
  PreparedTrial trial;
  EBB_ASSIGN_OR_RETURN(trial.text,
                       sweep::TrialFile(file, begin.number, begin.choices));
  JobChoice choice;
  choice.file = file.job_file;
  choice.text = file.job_text;
  choice.source = trial.text;
  choice.overrides = sweep::OverridesOf(file, begin.choices);
  choice.overrides.push_back(
      absl::StrCat("name=", sweep::TrialName(file.sweep.name, begin.number)));
  choice.plugin_folders = options.plugin_folders;
  if (options.open) choice.open = *options.open;
  choice.open_model = options.open_model;
  auto prepared = PrepareJob(choice);
  if (absl::IsInvalidArgument(prepared.status()) && !file.sweep.space.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(called, " cannot begin, with ", SettingText(begin.choices),
                     ":\n", prepared.status().message()));
  }
  EBB_RETURN_IF_ERROR(prepared.status());
  trial.job = *std::move(prepared);
  EBB_RETURN_IF_ERROR(CheckMetric(file, trial.job));
  if (options.scheduler.empty()) {
    EBB_RETURN_IF_ERROR(
        CheckWorkers(trial.job.record.plan, file.job_file, workers));
  }
  return trial;
}

// True if the value says more than a number: what is wrong with a number is
// found without the data.
bool SaysMoreThanANumber(const std::string& value) {
  double number;
  return !absl::SimpleAtod(value, &number);
}

// Prepares a trial for each value of a list, beside what the first trial has:
// some mistakes only the data shows.
absl::Status CheckValues(const SweepOptions& options,
                         const sweep::Step::Begin& first, int workers) {
  constexpr double kMiddle = 0.5;
  for (const sweep::Dimension& dimension : options.file.sweep.space) {
    const auto chosen = first.choices.find(dimension.key);
    if (dimension.kind != sweep::Dimension::Kind::kList ||
        chosen == first.choices.end()) {
      continue;
    }
    for (const std::string& value : dimension.values) {
      if (value == chosen->second || !SaysMoreThanANumber(value)) continue;
      sweep::Step::Begin other = first;
      other.choices[dimension.key] = value;
      // Other conditions hold with another value.
      for (const sweep::Dimension& later : options.file.sweep.space) {
        if (!sweep::IsActive(later, other.choices)) {
          other.choices.erase(later.key);
        } else if (!other.choices.contains(later.key)) {
          other.choices[later.key] = later.kind == sweep::Dimension::Kind::kList
                                         ? later.values.front()
                                         : sweep::ValueAt(later, kMiddle);
        }
      }
      EBB_RETURN_IF_ERROR(
          PrepareTrial(options, other, "a trial", workers).status());
    }
  }
  return absl::OkStatus();
}

class SweepDriver {
 public:
  SweepDriver(const SweepOptions& options, RunFolder folder,
              SignalWaiter signals, RunFacts facts,
              std::optional<PreparedTrial> first)
      : options_(options),
        sweep_(options.file.sweep),
        folder_(std::move(folder)),
        signals_(std::move(signals)),
        facts_(facts),
        first_(std::move(first)),
        local_(options.scheduler.empty()),
        console_(DetectConsole()),
        clock_(/*outlive=*/!local_) {}

  absl::StatusOr<SweepResult> Run();

 private:
  absl::Status StartCluster();
  // Looks, and does what is to be done next. True: the sweep is over.
  absl::StatusOr<bool> Turn();
  absl::Status HandleDaemons();
  absl::Status Begin(const sweep::Step::Begin& begin);
  void NoteChanges(const std::vector<Trial>& trials);
  // Writes what came of the trials into the folder, if it has changed.
  absl::Status WriteResults();
  // Stores what the clock knows: at once, or after a second at most.
  absl::Status KeepTimes(bool at_once);
  void Show();
  void ClearTable();
  void Say(absl::string_view line);
  void Leave();
  void PrintEnd();
  // The first line.
  std::string Description() const;
  // Checks what the job expects of the means of its folds.
  void CheckExpectations();
  bool Orphaned() const {
    return options_.parent != 0 && getppid() != options_.parent;
  }
  bool Quiet() const { return options_.quiet || options_.json; }
  bool OnlyFolds() const { return sweep_.folds > 0 && sweep_.space.empty(); }
  std::string TrialPath(int64_t number) const {
    return folder_.File(absl::StrCat(
        "trials/", sweep::TrialName(sweep_.name, number), ".yaml"));
  }

  const SweepOptions& options_;  // Not owned.
  const sweep::Sweep& sweep_;    // Not owned.
  const RunFolder folder_;
  SignalWaiter signals_;
  const RunFacts facts_;
  std::optional<PreparedTrial> first_;  // Trial 0; absent: not prepared yet.
  const bool local_;
  const Console console_;
  std::unique_ptr<LocalCluster> cluster_;
  std::unique_ptr<TrialJobs> jobs_;
  std::vector<Trial> trials_;
  TrialClock clock_;
  std::string kept_times_;              // Written by the last KeepTimes.
  absl::Time times_kept_;               // When that was.
  std::map<int64_t, TrialState> seen_;  // By trial.
  std::set<int64_t> refused_;  // Submitted, and there was such a job already.
  std::string written_;        // The CSV as of the last WriteResults.
  int64_t written_evaluations_ = -1;
  int table_lines_ = 0;
  std::string shown_;
  bool away_ = false;
  SweepResult result_;
};

absl::Status SweepDriver::StartCluster() {
  EBB_ASSIGN_OR_RETURN(ReservedPort port, ReservedPort::Reserve());
  AdoptDescendants();
  LocalClusterOptions options;
  options.servers = facts_.servers;
  options.workers = facts_.workers;
  options.program_folder = ProgramFolder();
  for (const std::string& folder : options_.plugin_folders) {
    options.plugin_folders.push_back(folder);
  }
  if (job::TraitsOf(options_.file.job.model()).python()) {
    options.python = worker::ChosenPython().interpreter;
  }
  options.memory_bytes = options_.memory_bytes;
  cluster_ = std::make_unique<LocalCluster>(std::move(options), std::move(port),
                                            &folder_, &signals_);
  return cluster_->Start();
}

std::string SweepDriver::Description() const {
  if (OnlyFolds()) {
    return absl::StrCat(sweep_.folds, " folds, ", sweep_.parallel, " at once");
  }
  return absl::StrCat(
      sweep_.method == sweep::Method::kGrid  ? "grid"
      : sweep_.method == sweep::Method::kTpe ? "model-based (TPE)"
                                             : "random",
      " over ", Count(static_cast<int64_t>(sweep_.space.size()), "key"),
      sweep_.folds > 0 ? absl::StrCat(", ", sweep_.folds, " folds each") : "",
      ", ", Count(sweep_.parallel, sweep_.folds > 0 ? "job" : "trial"),
      " at once, ", sweep_.maximise ? "largest " : "smallest ", sweep_.metric,
      sweep_.halving ? absl::StrCat(", the best 1/", sweep_.halving->factor,
                                    " go on at each rung")
                     : "");
}

absl::StatusOr<SweepResult> SweepDriver::Run() {
  // A sweep of an older ebb has none.
  clock_.Restore(ReadFile(folder_.File(kTimes)).value_or(""),
                 absl::ToUnixMillis(absl::Now()));
  Say(absl::StrCat(Paint(console_, Ink::kBold, sweep_.name), ": ",
                   Description()));
  absl::Status status;
  if (local_) status = StartCluster();
  if (status.ok()) {
    jobs_ = std::make_unique<TrialJobs>(
        &options_.file,
        local_ ? cluster_->scheduler_address() : options_.scheduler,
        local_ ? cluster_->security() : options_.security, options_.tokens);
    for (;;) {
      const auto over = Turn();
      status = over.status();
      if (!over.ok() || *over) break;
    }
  }
  if (absl::IsAborted(status)) {
    result_.interrupted = true;
    status = absl::OkStatus();
  }
  Leave();
  if (!status.ok() && trials_.empty()) return status;
  if (!status.ok()) result_.problems.push_back(std::string(status.message()));
  absl::Status written = KeepTimes(/*at_once=*/true);
  if (written.ok()) written = WriteResults();
  // The same may have ended the sweep.
  if (!written.ok() && written.message() != status.message()) {
    result_.problems.emplace_back(written.message());
  }
  const std::vector<Trial> ranked = RankedTrials(sweep_, trials_);
  result_.any_complete = std::ranges::any_of(ranked, [](const Trial& trial) {
    return trial.state == TrialState::kComplete;
  });
  CheckExpectations();
  PrintEnd();
  return std::move(result_);
}

absl::StatusOr<bool> SweepDriver::Turn() {
  if (signals_.Wait(local_ ? kLook : kLookAtCluster).interrupts > 0 ||
      Orphaned()) {
    return absl::AbortedError("interrupted");
  }
  if (local_) EBB_RETURN_IF_ERROR(HandleDaemons());
  // A scheduler that is away comes back, and its jobs with it.
  const auto away = [&](const absl::Status& status) {
    const bool is_away = absl::IsUnavailable(status) ||
                         absl::IsDeadlineExceeded(status) ||
                         absl::IsResourceExhausted(status);
    if (is_away && !away_) {
      Say(absl::StrCat(
          "the scheduler",
          local_ ? "" : absl::StrCat(" at ", options_.scheduler),
          " does not answer now, and is asked again: ", status.message()));
    }
    if (is_away) {
      away_ = true;
      clock_.Miss();
    }
    return is_away;
  };
  auto trials = jobs_->Read();
  if (away(trials.status())) return false;
  EBB_RETURN_IF_ERROR(trials.status());
  away_ = false;
  const int64_t over = clock_.over();
  clock_.Look(absl::ToUnixMillis(absl::Now()), &*trials);
  EBB_RETURN_IF_ERROR(KeepTimes(/*at_once=*/clock_.over() != over));
  NoteChanges(*trials);
  trials_ = *std::move(trials);
  const sweep::Step step =
      sweep::NextStep(sweep_, trials_, absl::ToUnixMillis(absl::Now()));
  for (const sweep::Step::Stop& stop : step.stop) {
    const absl::Status cancelled = jobs_->Cancel(stop.job);
    if (away(cancelled)) return false;
    EBB_RETURN_IF_ERROR(cancelled);
  }
  for (const sweep::Step::Begin& begin : step.begin) {
    // Reading the data of many trials may take long.
    if (signals_.Wait(absl::ZeroDuration()).interrupts > 0 || Orphaned()) {
      return absl::AbortedError("interrupted");
    }
    const absl::Status begun = Begin(begin);
    if (away(begun)) return false;
    EBB_RETURN_IF_ERROR(begun);
  }
  EBB_RETURN_IF_ERROR(WriteResults());
  Show();
  if (step.done) Say(step.why);
  return step.done;
}

absl::Status SweepDriver::Begin(const sweep::Step::Begin& begin) {
  PreparedTrial trial;
  if (begin.number == 0 && first_) {
    trial = *std::exchange(first_, std::nullopt);
  } else {
    EBB_ASSIGN_OR_RETURN(
        trial,
        PrepareTrial(options_, begin, sweep::LabelOf(sweep_, begin.number),
                     facts_.workers));
  }
  EBB_RETURN_IF_ERROR(WriteFile(TrialPath(begin.number), trial.text));
  // Before it is submitted: so its time is known, even if the sweep dies next.
  clock_.Begin(begin.number, absl::ToUnixMillis(absl::Now()));
  EBB_RETURN_IF_ERROR(KeepTimes(/*at_once=*/true));
  absl::Status submitted = jobs_->Submit(begin.number, trial.job);
  // Another driver of this sweep was quicker: the next look shows its trial.
  if (absl::IsAlreadyExists(submitted) &&
      refused_.insert(begin.number).second) {
    Say(absl::StrCat("trial ", begin.number,
                     ": another `ebb sweep` of this name submitted it first"));
    return absl::OkStatus();
  }
  return submitted;
}

void SweepDriver::NoteChanges(const std::vector<Trial>& trials) {
  for (size_t i = 0; i < trials.size(); ++i) {
    const Trial& trial = trials[i];
    const auto [before, is_new] = seen_.emplace(trial.number, trial.state);
    if (!is_new && before->second == trial.state) continue;
    before->second = trial.state;
    const bool stopped = trial.state == TrialState::kStopped;
    // The table shows the rest.
    if (console_.terminal && (is_new || !stopped)) continue;
    const auto result = sweep::ResultOf(trial);
    std::string line =
        absl::StrCat(sweep::LabelOf(sweep_, trial.number), stopped ? ": " : " ",
                     stopped ? sweep::WhyStopped(sweep_, trials, i)
                             : StateText(sweep_, trials, i));
    if (trial.state == TrialState::kRunning) {
      if (!OnlyFolds()) {
        absl::StrAppend(&line, ": ", SettingText(trial.choices));
      }
    } else if (result) {
      absl::StrAppend(&line, stopped ? ", " : ": ", sweep_.metric, " ",
                      FigureText(sweep::Directed(sweep_, *result)));
    }
    Say(line);
  }
}

absl::Status SweepDriver::WriteResults() {
  std::string csv = TrialsCsv(sweep_, trials_);
  int64_t evaluations = 0;
  for (const Trial& trial : trials_) {
    evaluations += std::ssize(trial.measured);
  }
  if (csv == written_ && evaluations == written_evaluations_) {
    return absl::OkStatus();
  }
  EBB_RETURN_IF_ERROR(WriteFile(folder_.File("trials.csv"), csv));
  EBB_RETURN_IF_ERROR(WriteFile(folder_.File("trials.json"),
                                TrialsJson(sweep_, trials_).ToString()));
  EBB_RETURN_IF_ERROR(
      WriteFile(folder_.File("sweep.html"), SweepPage(sweep_, trials_)));
  const std::vector<Trial> ranked = RankedTrials(sweep_, trials_);
  const auto best = sweep::BestOf(ranked);
  if (best && !OnlyFolds()) {
    EBB_RETURN_IF_ERROR(
        WriteFile(folder_.File("sweep.svg"),
                  SvgFile(ParallelCoordinates(sweep_, ranked))));
    EBB_ASSIGN_OR_RETURN(const std::string text,
                         sweep::BestFile(options_.file, ranked[*best].number,
                                         ranked[*best].choices));
    EBB_RETURN_IF_ERROR(WriteFile(folder_.File("best.yaml"), text));
  }
  written_ = std::move(csv);
  written_evaluations_ = evaluations;
  return absl::OkStatus();
}

absl::Status SweepDriver::KeepTimes(bool at_once) {
  const absl::Time now = SteadyNow();
  if (!at_once && now - times_kept_ < kKeepTimes) return absl::OkStatus();
  std::string times = clock_.ToText();
  times_kept_ = now;
  if (times == kept_times_) return absl::OkStatus();
  EBB_RETURN_IF_ERROR(WriteFile(folder_.File(kTimes), times));
  kept_times_ = std::move(times);
  return absl::OkStatus();
}

absl::Status SweepDriver::HandleDaemons() {
  for (const DaemonEvent& event : cluster_->Poll()) {
    if (event.kind == DaemonEvent::Kind::kGivenUp) {
      return absl::FailedPreconditionError(absl::StrCat(
          event.daemon, " is given up: ", event.reason, " (",
          cluster_->LastWords(event.daemon), "). Its log: ", folder_.shown(),
          "/logs/", event.daemon, ".log"));
    }
    if (event.kind == DaemonEvent::Kind::kDied && !event.as_told) {
      Say(absl::StrCat(event.daemon, " ended without being told to: it ",
                       event.end.ToString()));
    }
  }
  return absl::OkStatus();
}

void SweepDriver::ClearTable() {
  if (table_lines_ == 0) return;
  std::cout << "\x1b[" << table_lines_ << "A\x1b[J";
  table_lines_ = 0;
  shown_.clear();
}

void SweepDriver::Show() {
  if (Quiet() || !console_.terminal) return;
  const std::string table = TrialsTable(sweep_, trials_, console_, kLiveRows);
  if (table == shown_) return;
  ClearTable();
  std::cout << table << std::flush;
  shown_ = table;
  table_lines_ = static_cast<int>(std::ranges::count(table, '\n'));
}

void SweepDriver::Say(absl::string_view line) {
  if (Quiet()) return;
  ClearTable();
  std::cout << line << "\n" << std::flush;
}

void SweepDriver::Leave() {
  ClearTable();
  if (result_.interrupted) {
    Say(local_ ? absl::StrCat(
                     "stopping: workers finish their batches, servers write "
                     "checkpoints (Ctrl-C again: at once); the same command "
                     "with --resume --run-dir ",
                     folder_.shown(), " goes on with it")
               : "the trials that were submitted go on; the same command goes "
                 "on with the sweep");
  }
  if (cluster_ == nullptr) return;
  // Aborted is what the person wants; the cluster's end kills the rest.
  cluster_
      ->Stop(
          [this](const DaemonEvent& event) {
            result_.problems.push_back(
                absl::StrCat(event.daemon, " ", event.end.ToString()));
          },
          &result_.problems)
      .IgnoreError();
  cluster_.reset();
  for (const std::string& process : EndDescendants()) {
    result_.problems.push_back(
        absl::StrCat("process ", process, " was left behind, and killed"));
  }
}

void SweepDriver::PrintEnd() {
  if (options_.json) {
    std::cout << TrialsJson(sweep_, trials_).ToString();
    return;
  }
  if (options_.quiet) return;
  std::cout << TrialsTable(sweep_, trials_, console_, trials_.size());
  const int64_t quick = sweep::TooQuickToStop(sweep_, trials_);
  if (quick > 0) {
    std::cout << "halving: " << quick
              << (quick == 1 ? " trial was" : " trials were")
              << " complete before it could be stopped. Trials of a second or "
                 "less gain nothing by it: leave it out, or let them train "
                 "longer\n";
  }
  const std::vector<Trial> ranked = RankedTrials(sweep_, trials_);
  const auto best = sweep::BestOf(ranked);
  if (best && !OnlyFolds()) {
    std::cout << "best: trial " << ranked[*best].number << ", " << sweep_.metric
              << " "
              << FigureText(
                     sweep::Directed(sweep_, *sweep::ResultOf(ranked[*best])))
              << "; its job file is " << folder_.shown() << "/best.yaml\n";
  }
  std::cout << "files in " << folder_.shown()
            << ": trials.csv, trials.json, sweep.html, "
            << (best && !OnlyFolds() ? "sweep.svg, " : "") << "trials\n";
}

void SweepDriver::CheckExpectations() {
  if (!OnlyFolds() || !result_.any_complete) return;
  const sweep::Setting setting =
      std::move(sweep::SettingsOf(sweep_, trials_).front());
  const auto mean_of = [&](const std::string& name) -> std::optional<double> {
    if (name == sweep_.metric) {
      const auto result = sweep::ResultOf(setting.whole);
      if (!result) return std::nullopt;  // It is not a number.
      return sweep::Directed(sweep_, *result);
    }
    const auto own =
        std::ranges::find(setting.figures, name, &sweep::FigureSpread::name);
    if (own == setting.figures.end()) return std::nullopt;
    return own->spread.mean;
  };
  for (const auto& [figure, wanted] :
       job::ExpectationsOf(options_.file.job.expect())) {
    const auto found = mean_of(figure);
    const auto comparison = job::ParseComparison(wanted);
    if (comparison && found && comparison->Holds(*found)) continue;
    result_.problems.push_back(absl::StrCat(
        "expect.", figure, ": the mean of the folds is ",
        found ? FigureText(*found) : "not known", ", not ", wanted));
  }
}

// Checks that the folder, in which a sweep is to go on, is one of this sweep.
absl::Status CheckFolder(const RunFolder& folder, const SweepOptions& options) {
  const std::string trials = folder.File("trials");
  std::error_code error;
  if (!std::filesystem::is_directory(trials, error)) {
    return absl::NotFoundError(
        absl::StrCat(folder.shown(), " holds no sweep: it has no trials/"));
  }
  const sweep::SweepFile& file = options.file;
  for (const auto& entry : std::filesystem::directory_iterator(trials, error)) {
    const auto text = ReadFile(entry.path().string());
    if (!text.ok()) continue;  // It is written anew.
    const auto header = sweep::ReadTrialHeader(*text);
    if (!header) continue;
    if (header->sweep == file.sweep.name &&
        header->definition == sweep::DefinitionOf(file)) {
      return absl::OkStatus();  // All of them are of one sweep.
    }
    return absl::InvalidArgumentError(absl::StrCat(
        folder.shown(), " holds a sweep of ",
        header->sweep == file.sweep.name
            ? "another space, method, seed, metric or job"
            : absl::StrCat("the name ", header->sweep, ", not ",
                           file.sweep.name),
        "\nhint: go on with the same sweep file and the same --set, or ",
        options.resume ? "leave --resume out and begin in another folder "
                         "(--run-dir)"
                       : "choose another --run-dir"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SweepResult> RunSweep(const SweepOptions& options) {
  // Before any thread: they hold back the same signals.
  EBB_ASSIGN_OR_RETURN(SignalWaiter signals, SignalWaiter::Create());
  // Mistakes that only the data shows are told before anything starts.
  std::optional<PreparedTrial> first;
  if (options.scheduler.empty() && !options.resume) {
    const sweep::Step step = sweep::NextStep(options.file.sweep, {},
                                             absl::ToUnixMillis(absl::Now()));
    if (!step.begin.empty()) {
      const int workers = options.workers.value_or(RunFacts().workers);
      EBB_ASSIGN_OR_RETURN(
          first, PrepareTrial(options, step.begin.front(),
                              sweep::LabelOf(options.file.sweep, 0), workers));
      EBB_RETURN_IF_ERROR(CheckValues(options, step.begin.front(), workers));
    }
  }
  // Once it has begun, a scheduler that is away is waited for.
  if (!options.scheduler.empty()) {
    const absl::Status answered = TrialJobs(&options.file, options.scheduler,
                                            options.security, options.tokens)
                                      .Read()
                                      .status();
    EBB_RETURN_IF_ERROR(
        WithAddress(answered, options.scheduler, Asked::kToLook));
  }
  const std::string& name = options.file.sweep.name;
  std::error_code error;
  // On a cluster the same command goes on with a sweep.
  const bool goes_on = options.resume ||
                       (!options.scheduler.empty() && !options.folder.empty() &&
                        std::filesystem::is_directory(
                            absl::StrCat(options.folder, "/trials"), error));
  EBB_ASSIGN_OR_RETURN(RunFolder folder,
                       goes_on ? RunFolder::Open(name, options.folder)
                               : RunFolder::Make(name, options.folder));
  if (goes_on) EBB_RETURN_IF_ERROR(CheckFolder(folder, options));
  std::filesystem::create_directory(folder.File("trials"), error);
  RunFacts facts;
  if (options.scheduler.empty()) {
    if (options.resume) {
      EBB_ASSIGN_OR_RETURN(facts, ReadFacts(folder));
    }
    if (options.resume && options.servers &&
        *options.servers != facts.servers) {
      return absl::InvalidArgumentError(
          absl::StrCat("--servers ", *options.servers, ": the sweep in ",
                       folder.shown(), " has ", facts.servers,
                       " servers, which hold its models. Leave --servers "
                       "out."));
    }
    if (options.servers) facts.servers = *options.servers;
    if (options.workers) facts.workers = *options.workers;
    EBB_RETURN_IF_ERROR(WriteFacts(folder, facts));
  }
  SweepDriver driver(options, std::move(folder), std::move(signals), facts,
                     std::move(first));
  return driver.Run();
}

}  // namespace ebb::tools
