#include "bench/algorithms/workers_bench.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "bench/algorithms/workers_score.h"
#include "bench/common/bench_child.h"
#include "bench/job/job_rows.h"
#include "common/status_macros.h"
#include "tools/ebb/job/submission.h"
#include "tools/files/files.h"
#include "tools/text/daemon_names.h"

namespace ebb::tools {

namespace {

namespace fs = std::filesystem;

using Strings = std::vector<std::string>;

constexpr int kServersOfRun = 2;
constexpr char kShared[] = "../shared/data/";
constexpr const char* kTraceNames[] = {"bamboo-p3", "bamboo-gcp-v100-east1c"};
// CPU time of a batch in all daemons, beside that of its examples: a worker
// that slept finds cold caches.
constexpr absl::Duration kBatchCost = absl::Milliseconds(1);
// A recorded trace starts many workers, which costs time, too.
constexpr double kTraceSlowdown = 2;
// How long each run that measures speed goes on.
constexpr absl::Duration kSpeedRun = absl::Seconds(30);

// Files of ../shared/data that no default was chosen by, and the key of a job
// that takes their paths.
struct PublicSet {
  absl::string_view data;
  absl::string_view key;
  absl::string_view train;
  absl::string_view test;
};
constexpr PublicSet kPublicSets[] = {
    {"a9a", "libsvm.path", "a9a/a9a", "a9a/a9a.t"},
    {"agaricus", "libsvm.path", "agaricus/agaricus.txt.train",
     "agaricus/agaricus.txt.test"},
    {"higgs", "csv.path", "higgs-sample/higgs-sample.train.tsv",
     "higgs-sample/higgs-sample.test.tsv"},
    {"rcv1", "libsvm.path", "rcv1-small/rcv1-small.train.libsvm",
     "rcv1-small/rcv1-small.test.libsvm"}};

const PublicSet* FindPublicSet(absl::string_view data) {
  const auto* const it = std::ranges::find(kPublicSets, data, &PublicSet::data);
  return it == std::end(kPublicSets) ? nullptr : it;
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// A pair of files, as settings of a job.
Strings DataSettings(absl::string_view key, const std::string& train,
                     const std::string& test) {
  return {absl::StrCat("data.train.", key, "=", train),
          absl::StrCat("data.test.", key, "=", test)};
}

const RecordedTrace* FindTrace(const WorkersOptions& cases,
                               const std::string& name) {
  const auto it = std::ranges::find(cases.traces, name, &RecordedTrace::name);
  return it == cases.traces.end() ? nullptr : &*it;
}

}  // namespace

absl::StatusOr<std::string> WorkersBench::Generated(const std::string& name,
                                                    Strings arguments) {
  const std::string path = absl::StrCat(options_.folder, "/", name);
  if (Exists(path + ".truth.json")) return path;
  ChildRunOptions run;
  run.process.argv = {absl::StrCat(ProgramFolder(), "/ebb"), "generate",
                      arguments.front(), path};
  run.process.argv.insert(run.process.argv.end(), arguments.begin() + 1,
                          arguments.end());
  run.process.argv.emplace_back("--force");
  run.process.log = path + ".log";
  EBB_ASSIGN_OR_RETURN(const ProcessEnd end, RunChild(run));
  if (Exists(path + ".truth.json")) return path;
  return absl::FailedPreconditionError(
      absl::StrCat(path, " was not generated: ebb generate ", end.ToString(),
                   " (", run.process.log, "): ", LastLine(run.process.log)));
}

absl::StatusOr<std::optional<Strings>> WorkersBench::FindData(
    const std::string& data) {
  if (data == "fashion-softmax" || data == "fashion-perceptron") {
    const std::string fashion = FashionFolder();
    if (fashion.empty()) return std::nullopt;
    return DataSettings("idx.prefix", fashion + "/train", fashion + "/t10k");
  }
  if (data == "clicks-fm" || data == "clicks-deepfm") {
    EBB_ASSIGN_OR_RETURN(const std::string path,
                         Generated("workers-clicks",
                                   {"clicks", "--rows", "200000", "--test-rows",
                                    "50000", "--fields", "6", "--vocabulary",
                                    "20,50,100", "--format", "libffm"}));
    return DataSettings("libffm.path", path + ".train.ffm", path + ".test.ffm");
  }
  if (data == "ratings") {
    EBB_ASSIGN_OR_RETURN(
        const std::string path,
        Generated("workers-ratings",
                  {"ratings", "--rows", "300000", "--test-rows", "50000",
                   "--users", "1000", "--items", "800", "--rank", "3"}));
    return DataSettings("ratings.path", path + ".train.csv",
                        path + ".test.csv");
  }
  if (data == "flights") {
    const std::string path = absl::StrCat(options_.folder, "/flights");
    if (!Exists(path + ".train.csv") || !Exists(path + ".test.csv")) {
      return std::nullopt;
    }
    return DataSettings("csv.path", path + ".train.csv", path + ".test.csv");
  }
  const PublicSet* const set = FindPublicSet(data);
  if (set == nullptr) return std::nullopt;
  const std::string train = absl::StrCat(kShared, set->train);
  const std::string test = absl::StrCat(kShared, set->test);
  if (!Exists(train) || !Exists(test)) return std::nullopt;
  return DataSettings(set->key, train, test);
}

absl::Status WorkersBench::ReadTraces(WorkersOptions* cases) {
  for (const std::string name : kTraceNames) {
    const std::string file = absl::StrCat(kShared, "spot/", name, ".csv");
    if (!Exists(file)) {
      skipped_.push_back(absl::StrCat("no ", file, ": its runs are left out"));
      continue;
    }
    EBB_ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
    EBB_ASSIGN_OR_RETURN(chaos::Trace trace, chaos::ReadTrace(text, file));
    cases->traces.push_back({name, std::move(trace)});
  }
  return absl::OkStatus();
}

absl::Status WorkersBench::Run(
    const std::function<void(const std::string&)>& tell) {
  WorkersOptions cases = options_.cases;
  EBB_RETURN_IF_ERROR(ReadTraces(&cases));
  for (const WorkersJob& job : WorkersJobs()) {
    if (job.held_out && !cases.held_out) continue;
    if (!cases.data.empty() && std::ranges::count(cases.data, job.data) == 0) {
      continue;
    }
    EBB_ASSIGN_OR_RETURN(auto found, FindData(job.data));
    if (found) {
      data_[job.data] = *std::move(found);
    } else {
      skipped_.push_back(
          absl::StrCat("no data for ", job.data, ": its runs are left out"));
    }
  }
  std::vector<WorkersCase> all = WorkersCases(cases);
  std::erase_if(
      all, [&](const WorkersCase& one) { return !data_.contains(one.data); });
  for (size_t i = 0; i < all.size(); ++i) {
    tell(absl::StrCat(i + 1, " of ", all.size(), ", ", all[i].Name()));
    EBB_RETURN_IF_ERROR(Take(all[i], cases));
  }
  return absl::OkStatus();
}

absl::StatusOr<WorkersBench::Prepared> WorkersBench::Prepare(
    const WorkersCase& which, const WorkersOptions& cases) {
  const WorkersJob& job = *FindWorkersJob(which.data);
  KeptRun kept = {.name = which.Name()};
  Strings& overrides = kept.run.job.overrides;
  kept.run.job.file = job.file;
  overrides = data_.at(which.data);
  for (const Strings& more : {options_.settings, which.settings}) {
    overrides.insert(overrides.end(), more.begin(), more.end());
  }
  EBB_ASSIGN_OR_RETURN(PreparedJob prepared, PrepareJob(kept.run.job));
  const JobPlan& plan = prepared.record.plan;
  const auto batch = plan.batch_by_epoch.front();

  PointOptions& point = kept.point;
  point.workers = which.workers;
  point.batch = static_cast<int>(batch);
  point.seed = static_cast<uint64_t>(which.seed);
  int64_t peak = which.workers;
  BatchPace pace = {.runs_for = options_.runs_for, .cores = options_.cores};
  const RecordedTrace* recorded = FindTrace(cases, which.disturbance);
  if (which.disturbance == kMarket || recorded != nullptr) {
    const chaos::Trace trace =
        recorded == nullptr ? RisingMarket(which.seed) : recorded->trace;
    peak = trace.peak_nodes;
    point.events = EventsByProgress(trace);
    point.cut_off = true;
    if (recorded != nullptr) {
      pace.runs_for *= kTraceSlowdown;
      // Evaluations during the trace would be lost again and again with the
      // workers; only the last one counts.
      overrides.push_back(
          absl::StrCat("evaluate.every=", plan.epochs, " epochs"));
    }
  }
  pace.at_once =
      plan.max_workers > 0 ? std::min<int64_t>(peak, plan.max_workers) : peak;
  pace.batches = static_cast<double>(plan.examples) * plan.epochs /
                 static_cast<double>(batch);
  pace.cost = kBatchCost + static_cast<double>(batch) * job.example_cost;
  if (which.disturbance == kKills) {
    point.events = KillEvents(which.workers, pace.at_once);
  }
  point.batch_time = BatchTimeOf(pace);
  if (which.variant == kSpeedVariant) {
    point.batch_time = options_.speed_batch_time;
    point.counts_from = kSpeedFrom;
    const double batches = which.workers * (kSpeedRun / point.batch_time);
    overrides.push_back(absl::StrCat(
        "train.epochs=", std::ceil(batches * static_cast<double>(batch) /
                                   static_cast<double>(plan.examples))));
  }
  kept.run.servers = kServersOfRun;
  kept.run.workers = which.workers;
  kept.settings =
      absl::StrCat(job.file, " ", absl::StrJoin(overrides, " "),
                   " batch=", batch, " at_once=", pace.at_once,
                   " batch_time=", absl::FormatDuration(point.batch_time));
  return Prepared{std::move(kept), pace.at_once};
}

absl::Status WorkersBench::Take(const WorkersCase& which,
                                const WorkersOptions& cases) {
  EBB_ASSIGN_OR_RETURN(const Prepared prepared, Prepare(which, cases));
  EBB_ASSIGN_OR_RETURN(AlgorithmFigures figures,
                       kept_.Take(prepared.kept, [&](const RunReport& report,
                                                     AlgorithmFigures* one) {
                         one->data = which.data;
                         one->algorithm = which.variant;
                         one->workers = which.workers;
                         one->disturbance = which.disturbance;
                         one->seed = which.seed;
                         one->at_once = prepared.at_once;
                         one->score = WorkersScore(
                             report, FindWorkersJob(which.data)->metric);
                       }));
  figures_.push_back(std::move(figures));
  return absl::OkStatus();
}

WorkersSectionOptions WorkersBench::SectionOptions() const {
  WorkersSectionOptions section;
  const auto add = [&](const char* flag, const std::string& values) {
    if (!values.empty()) {
      absl::StrAppend(&section.command, " ", flag, " ", values);
    }
  };
  add("--data", absl::StrJoin(options_.cases.data, " "));
  add("--counts", absl::StrJoin(options_.cases.counts, " "));
  add("--seeds", absl::StrJoin(options_.cases.seeds, " "));
  add("--set", absl::StrJoin(options_.settings, " "));
  if (options_.cases.held_out) absl::StrAppend(&section.command, " --held-out");
  section.how = absl::StrFormat(
      "Real daemons on one machine, %d servers; every gradient is computed. "
      "The "
      "job files name only a model and data, and are the same for every number "
      "of workers. Each figure is a mean over the seeds %s. *At a time* is how "
      "many of the workers the job takes (`workers.max`); the others are idle. "
      "A batch takes a worker so long that a run takes about %s with any "
      "number "
      "of workers and the processors keep up; worker-7, worker-15, ... take "
      "three times as long. Under *kills* workers die or are told to leave at "
      "eight moments of the job, and start again. In the market the number of "
      "workers follows the progress of the job, from %d up to %d and back; "
      "they "
      "leave without notice. Recorded traces are squeezed into the run in the "
      "same way. *The loss* is the training loss that one worker has after "
      "half "
      "of its examples.",
      kServersOfRun, absl::StrJoin(options_.cases.seeds, ", "),
      absl::FormatDuration(options_.runs_for), kMarketLow, kMarketHigh);
  if (!options_.settings.empty()) {
    absl::StrAppend(&section.how, " All jobs have these settings: `",
                    absl::StrJoin(options_.settings, " "), "`.");
  }
  for (const std::string& line : skipped_) {
    absl::StrAppend(&section.how, " Left out: ", line, ".");
  }
  return section;
}

}  // namespace ebb::tools
