// `ebb bench algorithms`.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "bench/algorithms/algorithm_cases.h"
#include "bench/algorithms/algorithm_figures.h"
#include "bench/algorithms/algorithms_page.h"
#include "bench/algorithms/kept_runs.h"
#include "bench/algorithms/workers_bench.h"
#include "bench/algorithms/workers_cases.h"
#include "bench/algorithms/workers_images.h"
#include "bench/algorithms/workers_page.h"
#include "bench/command/bench_machine.h"
#include "bench/command/bench_run.h"
#include "bench/common/bench_child.h"
#include "bench/job/job_rows.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "tools/command/command.h"
#include "tools/ebb/run/local_run.h"
#include "tools/files/files.h"
#include "tools/process/most_processes.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

namespace fs = std::filesystem;

constexpr char kDenseJob[] = "examples/jobs/algorithms_fashion.yaml";
constexpr char kSparseJob[] = "examples/jobs/algorithms_clicks.yaml";
constexpr int kServers = 2;
// The names of the page's two parts for --only.
constexpr char kAlgorithmsPart[] = "algorithms";
constexpr char kWorkersPart[] = "workers";

struct BenchAlgorithmsFlags {
  bool quick = false;
  std::string folder = "runs/algorithms";
  std::string page = "docs/algorithms.md";
  CaseOptions cases;
  // For the dense and the sparse job.
  std::vector<double> targets = {0.7, 0.53};
  std::vector<std::string> only;  // Empty: all.
  std::string dense_job = kDenseJob;
  std::string sparse_job = kSparseJob;
  WorkersBenchOptions workers;

  bool WithWorkers() const {
    return only.empty() || std::ranges::count(only, kWorkersPart) > 0;
  }
  bool WithAlgorithms() const {
    return std::ranges::any_of(
               only,
               [](const std::string& name) { return name != kWorkersPart; }) ||
           only.empty();
  }
};

class AlgorithmsBench {
 public:
  explicit AlgorithmsBench(const BenchAlgorithmsFlags& flags)
      : flags_(flags),
        kept_(flags.folder, flags.quick ? "quick-" : ""),
        workers_(flags.workers, kept_) {}

  int Run() {
    std::error_code error;
    fs::create_directories(flags_.folder, error);
    std::vector<std::string> files = {kept_.File("any", ".json")};
    if (!flags_.quick) files.push_back(flags_.page);
    for (const std::string& file : files) {
      const absl::Status writable = CheckWritable(file);
      if (!writable.ok()) return Report(writable);
    }
    std::cerr << WhereItRan() << std::endl;
    absl::Status done = RunAlgorithms();
    if (done.ok()) done = RunWorkers();
    if (absl::IsCancelled(done)) return kExitInterrupted;
    if (!done.ok()) return Report(done);
    ShowBenchProgress("");
    return Tell();
  }

 private:
  void ShowProgress(const std::string& text) const {
    ShowBenchProgress(
        absl::StrCat(text, "; ", DurationText(SteadyNow() - begun_)));
  }

  absl::Status RunAlgorithms() {
    if (!flags_.WithAlgorithms()) return absl::OkStatus();
    EBB_RETURN_IF_ERROR(FindData());
    const std::vector<AlgorithmCase> cases = Chosen();
    for (size_t i = 0; i < cases.size(); ++i) {
      ShowProgress(
          absl::StrCat(i + 1, " of ", cases.size(), ", ", cases[i].Name()));
      EBB_RETURN_IF_ERROR(Take(cases[i]));
    }
    return absl::OkStatus();
  }

  absl::Status RunWorkers() {
    if (!flags_.WithWorkers()) return absl::OkStatus();
    absl::Status done =
        workers_.Run([this](const std::string& text) { ShowProgress(text); });
    for (const std::string& line : workers_.skipped()) {
      std::cerr << "ebb: " << line << "\n";
    }
    return done;
  }

  std::vector<AlgorithmCase> Chosen() const {
    std::vector<AlgorithmCase> cases = AlgorithmCases(flags_.cases);
    if (flags_.only.empty() ||
        std::ranges::count(flags_.only, kAlgorithmsPart) > 0) {
      return cases;
    }
    std::erase_if(cases, [&](const AlgorithmCase& one) {
      return std::ranges::count(flags_.only, one.algorithm) == 0;
    });
    return cases;
  }

  // The data of the jobs that are ebb's own, where this machine has it.
  absl::Status FindData() {
    if (flags_.dense_job == kDenseJob) {
      const std::string fashion = FashionFolder();
      if (fashion.empty()) {
        return absl::NotFoundError(
            "no Fashion-MNIST here: apt-get install dataset-fashion-mnist");
      }
      dense_data_ = {absl::StrCat("data.train.idx.prefix=", fashion, "/train"),
                     absl::StrCat("data.test.idx.prefix=", fashion, "/t10k")};
    }
    if (flags_.sparse_job == kSparseJob) {
      const std::string clicks = absl::StrCat(flags_.folder, "/clicks");
      EBB_RETURN_IF_ERROR(GenerateClicks(clicks));
      sparse_data_ = {
          absl::StrCat("data.train.libsvm.path=", clicks, ".train.libsvm"),
          absl::StrCat("data.test.libsvm.path=", clicks, ".test.libsvm")};
    }
    return absl::OkStatus();
  }

  static absl::Status GenerateClicks(const std::string& name) {
    std::error_code ignored;
    if (fs::exists(absl::StrCat(name, ".truth.json"), ignored)) {
      return absl::OkStatus();
    }
    ChildRunOptions run;
    run.process.argv = {absl::StrCat(ProgramFolder(), "/ebb"),
                        "generate",
                        "clicks",
                        name,
                        "--rows",
                        "60000",
                        "--test-rows",
                        "10000",
                        "--vocabulary",
                        "10,100,1000,10000",
                        "--rank",
                        "0",
                        "--interactions",
                        "0",
                        "--force"};
    run.process.log = absl::StrCat(name, ".log");
    EBB_ASSIGN_OR_RETURN(const ProcessEnd end, RunChild(run));
    if (fs::exists(absl::StrCat(name, ".truth.json"), ignored)) {
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "the clicks were not generated: ebb generate ", end.ToString(), " (",
        run.process.log, "): ", LastLine(run.process.log)));
  }

  std::string SettingsOf(const AlgorithmCase& which) const {
    return absl::StrCat(
        which.data == kDenseData ? flags_.dense_job : flags_.sparse_job, " ",
        absl::StrJoin(which.settings, " "),
        " batch_time=", absl::FormatDuration(flags_.cases.batch_time),
        which.backup_tasks ? "" : " backup_tasks=false");
  }

  absl::Status Take(const AlgorithmCase& which) {
    const bool dense = which.data == kDenseData;
    KeptRun kept = {.name = which.Name(), .settings = SettingsOf(which)};
    kept.point = {.workers = which.workers,
                  .batch = flags_.cases.batch,
                  .batch_time = flags_.cases.batch_time,
                  .backup_tasks = which.backup_tasks};
    if (which.churn) kept.point.events = ChurnEvents();
    kept.run.job.file = dense ? flags_.dense_job : flags_.sparse_job;
    kept.run.job.overrides = dense ? dense_data_ : sparse_data_;
    kept.run.job.overrides.insert(kept.run.job.overrides.end(),
                                  which.settings.begin(), which.settings.end());
    kept.run.servers = kServers;
    kept.run.workers = which.workers;
    EBB_ASSIGN_OR_RETURN(
        AlgorithmFigures figures,
        kept_.Take(kept, [&](const RunReport&, AlgorithmFigures* one) {
          one->data = which.data;
          one->algorithm = which.algorithm;
          one->workers = which.workers;
          one->period = which.period;
          one->churn = which.churn;
        }));
    all_.push_back(std::move(figures));
    return absl::OkStatus();
  }

  AlgorithmsPageOptions PageOptions() const {
    AlgorithmsPageOptions options;
    options.jobs = {
        {kDenseData, "Fashion-MNIST, a perceptron", flags_.targets[0]},
        {kSparseData, "Clicks, logistic regression over keys",
         flags_.targets[1]}};
    options.compared_workers = ComparedWorkers(flags_.cases);
    options.command = absl::StrFormat(
        "ebb bench algorithms --workers %s --batch-time %s --epochs %s",
        absl::StrJoin(flags_.cases.workers, " "),
        absl::FormatDuration(flags_.cases.batch_time), flags_.cases.epochs);
    if (!flags_.only.empty()) {
      absl::StrAppend(&options.command, " --only ",
                      absl::StrJoin(flags_.only, " "));
    }
    options.how = absl::StrFormat(
        "Real daemons on one machine, %d servers; every gradient is computed. "
        "A batch of %d examples takes a worker at least %s, waited out "
        "where computing took less, so that more workers than cores are like "
        "workers on machines of their own; worker-7 and worker-15 take three "
        "times as long. The dense job (`%s`) goes through its data %s "
        "times, at a rate of %g where nothing else is said, the sparse one "
        "(`%s`) %s times. Under churn workers are killed five times and "
        "told to leave three times, and start again. Times are from the first "
        "example computed; losses are those of the training, "
        "over the latest 32 batches, where workers computed them: for those "
        "that train a copy, in the copy. *Waited* is what workers were there "
        "without computing, until nine tenths of the examples were counted; "
        "loading the data after a start is in it.",
        kServers, flags_.cases.batch,
        absl::FormatDuration(flags_.cases.batch_time), flags_.dense_job,
        flags_.cases.epochs, flags_.cases.rate, flags_.sparse_job,
        flags_.cases.passes);
    return options;
  }

  int Tell() const {
    const AlgorithmsPageOptions options = PageOptions();
    std::cout << AlgorithmsText(all_, options)
              << WorkersText(workers_.figures());
    if (!flags_.quick) {
      const absl::Status written = Write(options);
      if (!written.ok()) return Report(written);
      std::cout << "written: " << flags_.page << "\n";
    }
    int64_t wrong = 0;
    for (const auto* figures : {&all_, &workers_.figures()}) {
      for (const AlgorithmFigures& one : *figures) {
        wrong += one.missing + one.doubled;
      }
    }
    if (wrong > 0) {
      std::cerr << "ebb: the audits found " << Count(wrong, "example")
                << " missing or doubled\n";
    }
    return wrong == 0 ? kExitGood : kExitFailed;
  }

  absl::Status Write(AlgorithmsPageOptions options) const {
    const fs::path page(flags_.page);
    const std::string notes = absl::StrCat(page.stem().string(), "-notes.md");
    std::error_code error;
    if (fs::exists(page.parent_path() / notes, error)) options.notes = notes;
    // The part that was not measured stays as it is.
    PageParts parts;
    if (fs::exists(page, error)) {
      EBB_ASSIGN_OR_RETURN(const std::string text, ReadFile(flags_.page));
      parts = SplitPage(text);
    }
    const fs::path folder = page.parent_path() / options.images;
    fs::create_directories(folder, error);
    if (flags_.WithAlgorithms()) {
      const std::vector<PageImage> images = AlgorithmsImages(all_, options);
      EBB_RETURN_IF_ERROR(WriteImages(folder, images));
      parts.algorithms = AlgorithmsPage(all_, images, options);
    }
    if (flags_.WithWorkers()) {
      const auto& figures = workers_.figures();
      const std::vector<PageImage> images = WorkersImages(figures);
      EBB_RETURN_IF_ERROR(WriteImages(folder, images));
      parts.workers =
          WorkersSection(figures, images, workers_.SectionOptions());
    }
    return WriteFile(flags_.page, JoinPage(parts));
  }

  static absl::Status WriteImages(const fs::path& folder,
                                  const std::vector<PageImage>& images) {
    for (const PageImage& image : images) {
      EBB_RETURN_IF_ERROR(WriteFile((folder / image.file).string(), image.svg));
    }
    return absl::OkStatus();
  }

  const BenchAlgorithmsFlags& flags_;
  const KeptRuns kept_;
  WorkersBench workers_;
  const absl::Time begun_ = SteadyNow();
  std::vector<std::string> dense_data_, sparse_data_;
  std::vector<AlgorithmFigures> all_;
};

void AddWorkersFlags(CLI::App* command, WorkersBenchOptions* workers) {
  constexpr char kGroup[] = "Section workers";
  std::vector<std::string> data;
  for (const WorkersJob& job : WorkersJobs()) data.push_back(job.data);
  command->add_option("--data", workers->cases.data, "Run only these jobs")
      ->type_name("NAME")
      ->check(CLI::IsMember(data))
      ->group(kGroup);
  command
      ->add_option("--counts", workers->cases.counts,
                   "Numbers of workers to run with")
      ->capture_default_str()
      ->check(CLI::Range(1, kMostWorkers))
      ->group(kGroup);
  command->add_option("--seeds", workers->cases.seeds, "Seeds of the jobs")
      ->capture_default_str()
      ->check(CLI::PositiveNumber)
      ->group(kGroup);
  command
      ->add_option("--variants", workers->cases.variants,
                   "What runs beside the default job")
      ->capture_default_str()
      ->type_name("NAME")
      ->check(CLI::IsMember(workers->cases.variants))
      ->group(kGroup);
  command
      ->add_option("--disturbances", workers->cases.disturbances,
                   "What happens to the workers")
      ->capture_default_str()
      ->type_name("NAME")
      ->check(CLI::IsMember(workers->cases.disturbances))
      ->group(kGroup);
  command
      ->add_flag("--held-out", workers->cases.held_out,
                 "Run also on the data sets that no default was chosen by")
      ->group(kGroup);
  command
      ->add_option("--set", workers->settings,
                   "Settings of all its jobs, such as train.epochs=1")
      ->type_name("KEY=VALUE")
      ->group(kGroup);
  AddDurationFlag(command, "--run-time", &workers->runs_for,
                  "Least time of a run (15s)");
  command->get_option("--run-time")->group(kGroup);
  AddDurationFlag(command, "--speed-batch-time", &workers->speed_batch_time,
                  "Time of a batch where speed is measured (120ms)");
  command->get_option("--speed-batch-time")->group(kGroup);
  command
      ->add_option("--cores", workers->cores, "Processors that a run may use")
      ->capture_default_str()
      ->check(CLI::PositiveNumber)
      ->group(kGroup);
}

std::vector<std::string> Algorithms() {
  std::vector<std::string> names;
  for (const AlgorithmCase& one : AlgorithmCases({.workers = {1}})) {
    if (std::ranges::count(names, one.algorithm) == 0) {
      names.push_back(one.algorithm);
    }
  }
  return names;
}

}  // namespace

void AddBenchAlgorithmsCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "algorithms", "Compares the distributed algorithms");
  const auto flags = std::make_shared<BenchAlgorithmsFlags>();
  command->add_flag("--quick", flags->quick,
                    "Only print a rough result: 8 workers, one pass over the "
                    "data, batches of 20 ms; 1 and 16 for section workers");
  command
      ->add_option("--folder", flags->folder, "Folder that keeps the figures")
      ->capture_default_str()
      ->type_name("FOLDER");
  command
      ->add_option("--page", flags->page,
                   "Page to write; its charts go to images/")
      ->capture_default_str()
      ->type_name("FILE");
  command
      ->add_option("--workers", flags->cases.workers,
                   "Numbers of workers to run with")
      ->capture_default_str()
      ->check(CLI::Range(1, kMostWorkers));
  command->add_option("--batch", flags->cases.batch, "Examples in a batch")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 16));
  AddDurationFlag(
      command, "--batch-time", &flags->cases.batch_time,
      "Least time of a batch, as there are more workers than cores (40ms)");
  command
      ->add_option("--epochs", flags->cases.epochs, "Epochs of the dense job")
      ->capture_default_str();
  command
      ->add_option("--sparse-epochs", flags->cases.passes,
                   "Epochs of the sparse job")
      ->capture_default_str();
  command->add_option("--rate", flags->cases.rate, "Learning rate of plain SGD")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command
      ->add_option(
          "--targets", flags->targets,
          "Training losses of the two jobs: measures the times to reach them")
      ->capture_default_str()
      ->expected(2);
  AddWorkersFlags(command, &flags->workers);
  std::vector<std::string> names = Algorithms();
  names.insert(names.end(), {kAlgorithmsPart, kWorkersPart});
  command
      ->add_option(
          "--only", flags->only,
          absl::StrCat("Run only these (", absl::StrJoin(names, ", "), ")"))
      ->type_name("NAME")
      ->check(CLI::IsMember(names));
  command->add_option("--job", flags->dense_job, "The dense job")
      ->capture_default_str()
      ->type_name("FILE");
  command->add_option("--sparse-job", flags->sparse_job, "The sparse job")
      ->capture_default_str()
      ->type_name("FILE");
  command->footer(R"(
Runs each algorithm with more and more workers, and under churn. The gradients
are real; batches take a while, as there are more workers than cores. Figures of
finished runs are kept, so an interrupted benchmark goes on.
Example:
  ebb bench algorithms --only algorithms --workers 1 8
  ebb bench algorithms --only workers --data ratings --counts 1 16)");
  command->callback([flags, exit_code] {
    if (flags->quick) {
      flags->cases.workers = {8};
      flags->cases.epochs = "1";
      flags->cases.batch_time = absl::Milliseconds(20);
      flags->workers.cases.seeds = {1};
      flags->workers.cases.counts = {1, 16};
      flags->workers.cases.disturbances = {kQuiet, kKills};
      flags->workers.runs_for = absl::Seconds(5);
    }
    flags->workers.folder = flags->folder;
    *exit_code = AlgorithmsBench(*flags).Run();
  });
}

}  // namespace ebb::tools
