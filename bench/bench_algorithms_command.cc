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
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/algorithm_cases.h"
#include "bench/algorithm_figures.h"
#include "bench/algorithm_point.h"
#include "bench/algorithms_page.h"
#include "bench/bench_child.h"
#include "bench/bench_machine.h"
#include "bench/bench_run.h"
#include "bench/job_rows.h"
#include "common/status_macros.h"
#include "tools/command/command.h"
#include "tools/ebb/run/local_run.h"
#include "tools/files/files.h"
#include "tools/process/most_processes.h"
#include "tools/text/console.h"
#include "tools/text/read_json.h"

namespace ebb::tools {

namespace {

namespace fs = std::filesystem;

constexpr char kDenseJob[] = "examples/jobs/algorithms_fashion.yaml";
constexpr char kSparseJob[] = "examples/jobs/algorithms_clicks.yaml";
constexpr int kServers = 2;

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
};

class AlgorithmsBench {
 public:
  explicit AlgorithmsBench(const BenchAlgorithmsFlags& flags) : flags_(flags) {}

  int Run() {
    std::error_code error;
    fs::create_directories(flags_.folder, error);
    std::vector<std::string> files = {File("any", ".json")};
    if (!flags_.quick) files.push_back(flags_.page);
    for (const std::string& file : files) {
      const absl::Status writable = CheckWritable(file);
      if (!writable.ok()) return Report(writable);
    }
    std::cerr << WhereItRan() << std::endl;
    const absl::Status ready = FindData();
    if (absl::IsCancelled(ready)) return kExitInterrupted;
    if (!ready.ok()) return Report(ready);
    const std::vector<AlgorithmCase> cases = Chosen();
    for (size_t i = 0; i < cases.size(); ++i) {
      ShowBenchProgress(absl::StrCat(i + 1, " of ", cases.size(), ", ",
                                     cases[i].Name(), "; ",
                                     DurationText(absl::Now() - begun_)));
      const absl::Status done = Take(cases[i]);
      if (absl::IsCancelled(done)) return kExitInterrupted;
      if (!done.ok()) return Report(done);
    }
    ShowBenchProgress("");
    return Tell();
  }

 private:
  std::vector<AlgorithmCase> Chosen() const {
    std::vector<AlgorithmCase> cases = AlgorithmCases(flags_.cases);
    if (flags_.only.empty()) return cases;
    std::erase_if(cases, [&](const AlgorithmCase& one) {
      return std::ranges::count(flags_.only, one.algorithm) == 0;
    });
    return cases;
  }

  // Quick figures are never taken for others.
  std::string File(const std::string& name, absl::string_view ending) const {
    return absl::StrCat(flags_.folder, "/", flags_.quick ? "quick-" : "", name,
                        ending);
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

  // Runs it, unless its figures are there, and keeps them.
  absl::Status Take(const AlgorithmCase& which) {
    const std::string file = File(which.Name(), ".json");
    std::error_code ignored;
    if (fs::exists(file, ignored)) {
      EBB_ASSIGN_OR_RETURN(const std::string json, ReadFile(file));
      auto kept = ReadAlgorithmFigures(json);
      if (!kept.ok()) {
        return absl::DataLossError(
            absl::StrCat(file, ": ", kept.status().message(),
                         "; remove it, and it is measured again"));
      }
      if (kept->settings == SettingsOf(which)) {
        all_.push_back(*std::move(kept));
        return absl::OkStatus();
      }
    }
    EBB_ASSIGN_OR_RETURN(AlgorithmFigures figures, Measure(which));
    EBB_RETURN_IF_ERROR(WriteFile(file, FiguresJson(figures)));
    all_.push_back(std::move(figures));
    return absl::OkStatus();
  }

  absl::StatusOr<AlgorithmFigures> Measure(const AlgorithmCase& which) {
    AlgorithmPoint point(which, flags_.cases.batch, flags_.cases.batch_time);
    const bool dense = which.data == kDenseData;
    RunOptions run;
    run.job.file = dense ? flags_.dense_job : flags_.sparse_job;
    run.job.overrides = dense ? dense_data_ : sparse_data_;
    run.job.overrides.insert(run.job.overrides.end(), which.settings.begin(),
                             which.settings.end());
    run.servers = kServers;
    run.workers = which.workers;
    run.folder = File(which.Name(), ".run");
    run.quiet = true;
    run.disturbance = &point;
    std::error_code ignored;
    fs::remove_all(run.folder, ignored);
    EBB_ASSIGN_OR_RETURN(const RunReport report, RunLocally(run));
    if (report.interrupted) return absl::CancelledError("interrupted");
    // An algorithm that goes astray is a result; anything else is none.
    if (!report.problems.empty() && report.status.quarantined().empty()) {
      return absl::InternalError(absl::StrCat(which.Name(), ": ",
                                              report.problems.front(),
                                              "; its run is in ", run.folder));
    }
    fs::remove_all(run.folder, ignored);
    EBB_ASSIGN_OR_RETURN(
        const auto where,
        ParseJsonObject(WhereItRanJson().ToString(), "where it ran"));
    AlgorithmFigures figures = {.settings = SettingsOf(which),
                                .machine = TextIn(where, "machine"),
                                .build = TextIn(where, "build"),
                                .commit = TextIn(where, "commit"),
                                .measured = TextIn(where, "measured")};
    point.AddTo(report, &figures);
    return figures;
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
    std::cout << AlgorithmsText(all_, options);
    if (!flags_.quick) {
      const absl::Status written = Write(options);
      if (!written.ok()) return Report(written);
      std::cout << "written: " << flags_.page << "\n";
    }
    int64_t wrong = 0;
    for (const AlgorithmFigures& one : all_) {
      wrong += one.missing + one.doubled;
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
    const std::vector<PageImage> images = AlgorithmsImages(all_, options);
    const fs::path folder = page.parent_path() / options.images;
    fs::create_directories(folder, error);
    for (const PageImage& image : images) {
      EBB_RETURN_IF_ERROR(WriteFile((folder / image.file).string(), image.svg));
    }
    return WriteFile(flags_.page, AlgorithmsPage(all_, images, options));
  }

  const BenchAlgorithmsFlags& flags_;
  const absl::Time begun_ = absl::Now();
  std::vector<std::string> dense_data_, sparse_data_;
  std::vector<AlgorithmFigures> all_;
};

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
                    "data, batches of 20 ms");
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
  const std::vector<std::string> names = Algorithms();
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
  ebb bench algorithms --workers 1 8)");
  command->callback([flags, exit_code] {
    if (flags->quick) {
      flags->cases.workers = {8};
      flags->cases.epochs = "1";
      flags->cases.batch_time = absl::Milliseconds(20);
    }
    *exit_code = AlgorithmsBench(*flags).Run();
  });
}

}  // namespace ebb::tools
