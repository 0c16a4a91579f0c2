// `ebb bench report`.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "bench/command/bench_machine.h"
#include "bench/command/bench_run.h"
#include "bench/common/bench_child.h"
#include "bench/common/bench_figures.h"
#include "bench/job/job_rows.h"
#include "bench/pages/performance_page.h"
#include "bench/pages/quick_look.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "tools/command/command.h"
#include "tools/files/files.h"
#include "tools/process/signals.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

constexpr char kAll[] = "all";

struct BenchReportFlags {
  bool quick = false;
  std::string folder = "runs/bench";
  std::string page = "docs/performance.md";
  std::string recorded = "bench/recorded.json";
  bool record = false;
  std::vector<std::string> only;   // Empty: all.
  std::vector<std::string> again;  // Measured though their figures are there.
  std::string job = "examples/jobs/fashion_mlp.yaml";
  std::string peers = "bench/peers";
  std::string checkpoint_folder;  // Empty: the system's for temporary files.
  std::string python;             // Empty: the one that `data` takes.
  std::string bucket;             // Empty: objects are not measured.
};

// One of the benchmarks.
struct Step {
  std::string name;
  std::string title;
  std::string limit;
  std::vector<std::string> arguments;  // Arguments of `ebb bench`.
  std::vector<std::string> quick;      // For a quick look.
  bool needs_fashion = false;
};

std::vector<Step> DenseSteps() {
  return {
      {.name = "dense-grpc",
       .title = "Dense pushes and pulls over gRPC",
       .limit = "raw socket",
       .arguments = {"dense", "--pairs", "7"},
       .quick = {"dense", "--quick", "--kib", "4", "1024", "4096"}},
      {.name = "dense-bulk",
       .title = "Dense pushes and pulls over a bulk stream",
       .limit = "raw socket",
       .arguments = {"dense", "--transport", "bulk", "--pairs", "7"},
       .quick = {"dense", "--transport", "bulk", "--quick", "--kib", "4",
                 "1024", "4096"}},
      {.name = "dense-bulk-tls",
       .title = "Dense pushes and pulls over a bulk stream by mutual TLS",
       .limit = "raw TLS socket",
       .arguments = {"dense", "--transport", "bulk", "--tls", "--pairs", "7"},
       .quick = {"dense", "--transport", "bulk", "--tls", "--quick", "--kib",
                 "1024", "4096"}},
      {.name = "dense-shm",
       .title = "Dense pushes and pulls through shared memory",
       .limit = "raw socket (CPU: one process)",
       .arguments = {"dense", "--transport", "shm", "--pairs", "7"},
       .quick = {"dense", "--transport", "shm", "--quick", "--kib", "4", "1024",
                 "4096"}},
      {.name = "dense-tls",
       .title = "Mutual TLS against plain text, both over gRPC",
       .limit = "plain text",
       .arguments = {"dense", "--tls", "--pairs", "7"},
       .quick = {"dense", "--tls", "--quick", "--kib", "4096"}}};
}

std::vector<Step> SparseSteps() {
  return {{.name = "sparse-grpc",
           .title = "Rows of a sparse table over gRPC",
           .limit = "hash map",
           .arguments = {"sparse", "--pairs", "7"},
           .quick = {"sparse", "--quick"}},
          {.name = "sparse-bulk",
           .title = "Rows of a sparse table over a bulk stream",
           .limit = "hash map",
           .arguments = {"sparse", "--transport", "bulk", "--pairs", "7"},
           .quick = {"sparse", "--transport", "bulk", "--quick"}},
          {.name = "sparse-shm",
           .title = "Rows of a sparse table through shared memory",
           .limit = "hash map",
           .arguments = {"sparse", "--transport", "shm", "--pairs", "7"},
           .quick = {"sparse", "--transport", "shm", "--quick"}},
          {.name = "sparse-zipf",
           .title = "Rows of which few are most of what is asked, over gRPC",
           .limit = "hash map",
           .arguments = {"sparse", "--zipf", "1.1", "--pairs", "7"},
           .quick = {"sparse", "--zipf", "1.1", "--quick"}},
          {.name = "sparse-large",
           .title = "Rows of a table of ten million, over gRPC",
           .limit = "hash map",
           .arguments = {"sparse", "--rows", "10000000", "--pairs", "5"},
           .quick = {"sparse", "--rows", "200000", "--quick"}}};
}

std::vector<Step> JobSteps(const BenchReportFlags& flags) {
  return {
      {.name = "job",
       .title = "A cluster of one against a loop in one process",
       .limit = "one process",
       .arguments = {"job", flags.job, "--against", "loop", "--epochs", "8"},
       .quick = {"job", flags.job, "--against", "loop", "--epochs", "1",
                 "--quick"},
       .needs_fashion = true},
      {.name = "peers",
       .title = "The main job beside PyTorch",
       .limit = "PyTorch",
       .arguments = {"job", flags.job, "--against", "peers", "--epochs", "8",
                     "--peers", flags.peers},
       .quick = {"job", flags.job, "--against", "peers", "--epochs", "1",
                 "--quick", "--peers", flags.peers},
       .needs_fashion = true},
      {.name = "scaling",
       .title = "More workers and servers, computing emulated",
       .limit = "single workers",
       .arguments = {"scaling", "--seconds", "3s"},
       .quick = {"scaling", "--workers", "1", "2", "--servers", "1",
                 "--seconds", "1s"}}};
}

std::vector<Step> DataSteps() {
  return {{.name = "data-table",
           .title = "Images as files, TFRecord and packed sets",
           .limit = "other",
           .arguments = {"data", "--only", "table", "--pairs", "3"},
           .quick = {"data", "--only", "table", "--quick", "--pairs", "1"}},
          {.name = "data-rows",
           .title = "Reading and packing data, one thread",
           .limit = "limit",
           .arguments = {"data", "--only", "rows", "--pairs", "7"},
           .quick = {"data", "--only", "rows", "--quick", "--pairs", "3"}},
          {.name = "data-job",
           .title = "A job on a packed set beside one in memory",
           .limit = "in memory",
           .arguments = {"data", "--only", "job", "--pairs", "5"},
           .quick = {"data", "--only", "job", "--quick", "--pairs", "1"}},
          {.name = "data-objects",
           .title = "Objects of a bucket beside curl",
           .limit = "curl",
           .arguments = {"data", "--only", "objects", "--pairs", "7"},
           .quick = {"data", "--only", "objects", "--quick", "--pairs", "3"}}};
}

std::vector<Step> Steps(const BenchReportFlags& flags) {
  // So many pairs that all of it takes less than half an hour.
  std::vector<Step> steps = {
      {.name = "kernels",
       .title = "Optimizer kernels, one thread",
       .limit = "triad",
       .arguments = {"kernels", "--rounds", "7"},
       .quick = {"kernels", "--rounds", "3", "--array-bytes", "67108864"}}};
  const auto add = [&steps](std::vector<Step> more) {
    std::ranges::move(more, std::back_inserter(steps));
  };
  add(DenseSteps());
  add(SparseSteps());
  steps.push_back({.name = "checkpoint",
                   .title = "Checkpoints, restores and memory",
                   .limit = "limit",
                   .arguments = {"checkpoint", "--pairs", "7"},
                   .quick = {"checkpoint", "--quick"}});
  add(JobSteps(flags));
  add(DataSteps());
  for (Step& step : steps) {
    if (flags.quick) step.arguments = step.quick;
    if (step.name == "checkpoint" && !flags.checkpoint_folder.empty()) {
      step.arguments.insert(step.arguments.end(),
                            {"--folder", flags.checkpoint_folder});
    }
    if (step.name == "data-table" && !flags.python.empty()) {
      step.arguments.insert(step.arguments.end(), {"--python", flags.python});
    }
    if (step.name == "data-objects" && !flags.bucket.empty()) {
      step.arguments.insert(step.arguments.end(), {"--bucket", flags.bucket});
    }
  }
  return steps;
}

std::vector<std::string> StepNames() {
  std::vector<std::string> names;
  for (const Step& step : Steps({})) names.push_back(step.name);
  return names;
}

class BenchReport {
 public:
  BenchReport(const BenchReportFlags& flags, SignalWaiter signals)
      : flags_(flags), signals_(std::move(signals)) {}

  int Run() {
    std::error_code error;
    std::filesystem::create_directories(flags_.folder, error);
    std::vector<std::string> files = {File("any", ".json")};
    if (!flags_.quick) files.push_back(flags_.page);
    for (const std::string& file : files) {
      const absl::Status writable = CheckWritable(file);
      if (!writable.ok()) return Report(writable);
    }
    std::cerr << WhereItRan() << std::endl;
    const absl::Time begun = SteadyNow();
    const std::vector<Step> steps = Steps(flags_);
    for (size_t i = 0; i < steps.size(); ++i) {
      place_ = absl::StrCat(i + 1, " of ", steps.size(), ", ", steps[i].name);
      const absl::Status done = Take(steps[i]);
      if (absl::IsCancelled(done)) return kExitInterrupted;
      if (done.ok()) continue;
      std::cerr << "ebb: " << steps[i].name << ": " << done.message()
                << std::endl;
      failed_ = true;
    }
    if (flags_.quick) return Look(SteadyNow() - begun);
    const absl::Status written = Write();
    if (!written.ok()) return Report(written);
    const RowCount count = CountRows(sections_);
    std::cout << absl::StrFormat(
        "%d of %d rows hold, %s not measured; %s\nwritten: %s\n", count.hold,
        count.required, Count(count.benches_skipped, "benchmark"),
        DurationText(SteadyNow() - begun), flags_.page);
    return count.hold == count.required && !failed_ ? kExitGood : kExitFailed;
  }

 private:
  bool Among(const std::vector<std::string>& names,
             const std::string& name) const {
    return std::ranges::count(names, name) > 0 ||
           std::ranges::count(names, kAll) > 0;
  }
  // Quick figures are never taken for others.
  std::string File(const std::string& name, absl::string_view ending) const {
    return absl::StrCat(flags_.folder, "/", flags_.quick ? "quick-" : "", name,
                        ending);
  }
  std::string CommandOf(const Step& step) const {
    return absl::StrCat("ebb bench ", absl::StrJoin(step.arguments, " "));
  }

  // Measures the step, unless its figures are there, and keeps them.
  absl::Status Take(const Step& step) {
    PageSection section = {
        .title = step.title, .command = CommandOf(step), .limit = step.limit};
    section.figures.name = step.name;
    const std::string file = File(step.name, ".json");
    std::error_code error;
    bool there = std::filesystem::exists(file, error);
    const bool wanted = flags_.only.empty() || Among(flags_.only, step.name);
    absl::Status measured;
    if (wanted && (!there || Among(flags_.again, step.name))) {
      const std::string fashion = FashionFolder();
      if (step.needs_fashion && fashion.empty()) {
        section.figures.skipped =
            "no Fashion-MNIST here: apt-get install dataset-fashion-mnist";
      } else {
        measured = Measure(step, file, fashion);
        if (absl::IsCancelled(measured)) return measured;
        there = measured.ok();
      }
    }
    if (there) {
      EBB_ASSIGN_OR_RETURN(const std::string json, ReadFile(file));
      auto figures = ReadFigures(step.name, json);
      if (!figures.ok()) {
        return absl::DataLossError(
            absl::StrCat(file, ": ", figures.status().message(),
                         "; measure it with --again ", step.name));
      }
      section.figures = *std::move(figures);
    } else if (!measured.ok()) {
      section.figures.skipped = std::string(measured.message());
    } else if (section.figures.skipped.empty()) {
      section.figures.skipped = "not asked for";
    }
    Tell(section);
    sections_.push_back(std::move(section));
    return measured;
  }

  absl::Status Measure(const Step& step, const std::string& file,
                       const std::string& fashion) {
    ChildRunOptions run;
    run.process.argv = {absl::StrCat(ProgramFolder(), "/ebb"), "bench"};
    run.process.argv.insert(run.process.argv.end(), step.arguments.begin(),
                            step.arguments.end());
    run.process.argv.insert(run.process.argv.end(), {"--json", file});
    if (step.needs_fashion) {
      run.process.argv.insert(run.process.argv.end(), {"--data", fashion});
    }
    run.process.log = File(step.name, ".log");
    run.grace = absl::Minutes(1);
    std::error_code ignored;
    std::filesystem::remove(file, ignored);
    std::filesystem::remove(run.process.log, ignored);
    const absl::Time begun = SteadyNow();
    run.stop = [this] { return signals_.Wait({}).interrupts > 0; };
    run.tick = [&] {
      if (isatty(STDERR_FILENO) == 0) return;
      ShowBenchProgress(absl::StrCat(place_, ", ",
                                     DurationText(SteadyNow() - begun), ": ",
                                     LastLine(run.process.log)));
    };
    ShowBenchProgress(absl::StrCat(place_, ": ", CommandOf(step)));
    const absl::StatusOr<ProcessEnd> end = RunChild(run);
    if (isatty(STDERR_FILENO) != 0) ShowBenchProgress("");
    EBB_RETURN_IF_ERROR(end.status());
    // Figures are written last, whether all holds or not.
    if (std::filesystem::exists(file, ignored)) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("it ", end->ToString(), " (", run.process.log,
                     "): ", LastLine(run.process.log)));
  }

  void Tell(const PageSection& section) const {
    const BenchFigures& figures = section.figures;
    if (!figures.skipped.empty()) {
      std::cerr << place_ << ": not measured: " << figures.skipped << std::endl;
      return;
    }
    const RowCount count = CountRows({section});
    std::cerr << place_ << ": "
              << (flags_.quick ? std::string("a quick look")
                               : absl::StrFormat("%d of %d rows hold",
                                                 count.hold, count.required))
              << absl::StrFormat(" (measured %s, %.0f s)", figures.measured,
                                 figures.seconds)
              << std::endl;
  }

  std::vector<BenchFigures> Figures() const {
    std::vector<BenchFigures> all;
    for (const PageSection& section : sections_) {
      all.push_back(section.figures);
    }
    return all;
  }

  // For short samples: prints the figures, without a file or a verdict.
  int Look(absl::Duration took) const {
    const auto record = Recorded();
    if (!record.ok()) return Report(record.status());
    std::cout << QuickLook(sections_, *record)
              << "quick: short samples, no verdicts; " << DurationText(took)
              << ", figures in " << flags_.folder << "; no page is written\n";
    return failed_ ? kExitFailed : kExitGood;
  }

  absl::Status Write() {
    namespace fs = std::filesystem;
    const fs::path page(flags_.page);
    PageOptions options;
    const std::string notes = absl::StrCat(page.stem().string(), "-notes.md");
    std::error_code error;
    if (fs::exists(page.parent_path() / notes, error)) options.notes = notes;
    const std::vector<PageImage> images = PerformanceImages(sections_);
    const fs::path folder = page.parent_path() / options.images;
    fs::create_directories(folder, error);
    for (const PageImage& image : images) {
      EBB_RETURN_IF_ERROR(WriteFile((folder / image.file).string(), image.svg));
    }
    EBB_RETURN_IF_ERROR(
        WriteFile(flags_.page, PerformancePage(sections_, images, options)));
    return Compare();
  }

  // Nothing, where nothing was recorded.
  absl::StatusOr<BenchRecord> Recorded() const {
    std::error_code error;
    if (!std::filesystem::exists(flags_.recorded, error)) return BenchRecord();
    EBB_ASSIGN_OR_RETURN(const std::string json, ReadFile(flags_.recorded));
    auto record = ReadRecord(json);
    if (record.ok()) return record;
    return absl::DataLossError(
        absl::StrCat(flags_.recorded, ": ", record.status().message()));
  }

  // With what was recorded: warns, or renews it.
  absl::Status Compare() const {
    EBB_ASSIGN_OR_RETURN(const BenchRecord record, Recorded());
    const std::vector<BenchFigures> figures = Figures();
    const std::vector<std::string> worse = WorseThanRecorded(record, figures);
    for (const std::string& one : worse) {
      std::cerr << "warning: worse than recorded: " << one << "\n";
    }
    if (!worse.empty()) {
      std::cerr << "recorded on " << record.machine << ", commit "
                << record.commit << " (" << flags_.recorded
                << "); --record renews it\n";
    }
    if (!flags_.record) return absl::OkStatus();
    return WriteFile(flags_.recorded, RecordJson(RecordOf(figures, record)));
  }

  const BenchReportFlags& flags_;
  SignalWaiter signals_;
  std::string place_;
  std::vector<PageSection> sections_;
  bool failed_ = false;
};

int MakeReport(const BenchReportFlags& flags) {
  auto signals = SignalWaiter::Create();
  if (!signals.ok()) return Report(signals.status());
  return BenchReport(flags, *std::move(signals)).Run();
}

}  // namespace

void AddBenchReportCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "report", "Runs all benchmarks, and writes a page with charts");
  const auto flags = std::make_shared<BenchReportFlags>();
  CLI::Option* quick = command->add_flag(
      "--quick", flags->quick,
      "Only print a rough result: short samples of a few sizes, no verdict");
  command
      ->add_option("--folder", flags->folder,
                   "Folder that keeps figures and logs")
      ->capture_default_str()
      ->type_name("FOLDER");
  command
      ->add_option("--page", flags->page,
                   "Page to write; its charts go to images/")
      ->capture_default_str()
      ->type_name("FILE")
      ->excludes(quick);
  command
      ->add_option("--recorded", flags->recorded,
                   "File of recorded ratios to compare with")
      ->capture_default_str()
      ->type_name("FILE");
  command->add_flag("--record", flags->record, "Renew the recorded ratios")
      ->excludes(quick);
  std::vector<std::string> names = StepNames();
  command
      ->add_option(
          "--only", flags->only,
          absl::StrCat("Measure only these (", absl::StrJoin(names, ", "), ")"))
      ->type_name("NAME")
      ->check(CLI::IsMember(names));
  names.push_back(kAll);
  command
      ->add_option(
          "--again", flags->again,
          "Measure these again, though the folder has their figures (or all)")
      ->type_name("NAME")
      ->check(CLI::IsMember(names));
  command->add_option("--job", flags->job, "Job file of the main job")
      ->capture_default_str()
      ->type_name("FILE");
  command->add_option("--peers", flags->peers, "Folder of the peers' scripts")
      ->capture_default_str()
      ->type_name("FOLDER");
  command
      ->add_option(
          "--checkpoint-folder", flags->checkpoint_folder,
          "Folder on the disk to measure (the system's temporary folder)")
      ->type_name("FOLDER");
  command
      ->add_option("--python", flags->python,
                   "Interpreter that has TensorFlow, for data-table")
      ->type_name("FILE");
  command
      ->add_option("--bucket", flags->bucket,
                   "Bucket of a local S3 server, for data-objects; AWS_* in "
                   "the environment name the server and the keys")
      ->type_name("URL");
  command->footer(R"(
Start it in the folder of ebb's sources. Figures that are in the folder are not
measured again, so an interrupted report goes on; the page is always written
anew. Warns of a row whose median is worse than all its recorded pairs. Exits 1
if some row misses its requirement, or a benchmark failed. --quick prints its
rows beside the recorded ones, without a verdict.
Example:
  ebb bench report --again all --record
  ebb bench report --quick --only dense-grpc)");
  command->callback([flags, exit_code] { *exit_code = MakeReport(*flags); });
}

}  // namespace ebb::tools
