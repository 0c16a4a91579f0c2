// `ebb bench data`.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "bench/command/bench_run.h"
#include "bench/command/scripts.h"
#include "bench/common/rows.h"
#include "bench/data/data_rows.h"
#include "bench/data/data_table.h"
#include "bench/data/object_rows.h"
#include "bench/data/packed_job_rows.h"
#include "bench/job/job_rows.h"
#include "common/status_macros.h"
#include "tools/command/command.h"
#include "tools/files/files.h"
#include "tools/text/read_json.h"

namespace ebb::tools {

namespace {

constexpr char kTable[] = "table";
constexpr char kRows[] = "rows";
constexpr char kJob[] = "job";
constexpr char kObjects[] = "objects";
const std::vector<std::string> kParts = {kTable, kRows, kJob, kObjects};

struct BenchDataFlags {
  int pairs = 7;
  bool quick = false;
  std::vector<std::string> only;   // Empty: all.
  std::vector<std::string> again;  // Measured though their figures are there.
  std::string folder = "runs/data";
  std::string json;     // Empty: figures are kept in `folder`.
  std::string scratch;  // Empty: the system's for temporary files.
  std::string page;
  std::string python = "/usr/bin/python3";
  std::string peers = "bench/peers";
  std::string fashion;  // Empty: where this machine has it.
  bool generated = false;
  std::string bucket;
};

class DataBenchmark {
 public:
  explicit DataBenchmark(BenchDataFlags flags) : flags_(std::move(flags)) {
    if (flags_.fashion.empty()) flags_.fashion = FashionFolder();
    if (flags_.generated) flags_.fashion.clear();
  }

  int Run() {
    if (!flags_.json.empty() && flags_.only.size() != 1) {
      return Report(absl::InvalidArgumentError(
          "--json is a file for one part; name the part with --only"));
    }
    std::error_code error;
    if (flags_.json.empty()) {
      std::filesystem::create_directories(flags_.folder, error);
    }
    int exit_code = kExitGood;
    for (const std::string& part : kParts) {
      const bool wanted =
          flags_.only.empty() || std::ranges::count(flags_.only, part) > 0;
      const bool there =
          Has(part) && std::ranges::count(flags_.again, part) == 0;
      if (!wanted || (there && !flags_.quick)) continue;
      const int code = RunInScratchFolder(
          flags_.scratch, FileOf(part),
          [&](const std::string& folder, const StopFunction& stop, Json* json) {
            return Measure(part, folder, stop, json);
          });
      if (code == kExitInterrupted) return code;
      exit_code = std::max(exit_code, code);
    }
    if (flags_.page.empty()) return exit_code;
    return WritePage(exit_code);
  }

 private:
  // Quick figures are never taken for others.
  std::string FileOf(const std::string& part) const {
    if (!flags_.json.empty()) return flags_.json;
    return absl::StrCat(flags_.folder, "/", flags_.quick ? "quick-" : "", part,
                        ".json");
  }

  // True if the folder has the figures of a part. What was skipped is tried
  // again.
  bool Has(const std::string& part) const {
    if (!flags_.json.empty()) return false;
    const auto text = ReadFile(FileOf(part));
    if (!text.ok()) return false;
    const auto figures = ParseJsonObject(*text, part);
    return figures.ok() && figures->fields().contains("rows") &&
           TextIn(*figures, "skipped").empty();
  }

  absl::StatusOr<BenchResult> Measure(const std::string& part,
                                      const std::string& folder,
                                      const StopFunction& stop,
                                      Json* json) const {
    const bench::Watch watch = {.progress = ShowBenchProgress, .stop = stop};
    if (part == kTable) return MeasureTable(folder, watch, json);
    if (part == kRows) return MeasureReaders(folder, watch, json);
    if (part == kJob) return MeasureJob(folder, watch, json);
    return MeasureBucket(watch, json);
  }

  absl::StatusOr<BenchResult> MeasureTable(const std::string& folder,
                                           const bench::Watch& watch,
                                           Json* json) const {
    DataTableOptions options = {.folder = folder,
                                .fashion = flags_.fashion,
                                .python = flags_.python,
                                .peers = flags_.peers,
                                .rounds = flags_.pairs,
                                .watch = watch};
    if (flags_.quick) {
      options.batch_sizes = {4, 16};
      options.batches = {4, 8};
    }
    EBB_ASSIGN_OR_RETURN(const DataTable table, MeasureDataTable(options));
    AddDataTable(table, json);
    return BenchResult{DataTableText(table),
                       flags_.quick || bench::AllHold(table.rows)};
  }

  absl::StatusOr<BenchResult> MeasureReaders(const std::string& folder,
                                             const bench::Watch& watch,
                                             Json* json) const {
    bench::DataRowsOptions options = {.folder = folder,
                                      .fashion = flags_.fashion,
                                      .pairs = flags_.pairs,
                                      .watch = watch};
    if (flags_.quick) {
      options.records = 500;
      options.blobs = 20;
      options.packed_rows = 20'000;
      options.images = 100;
    }
    EBB_ASSIGN_OR_RETURN(const std::vector<bench::Row> rows,
                         bench::MeasureData(options));
    return Result(rows, "LIMIT", json);
  }

  absl::StatusOr<BenchResult> MeasureJob(const std::string& folder,
                                         const bench::Watch& watch,
                                         Json* json) const {
    PackedJobOptions options = {.programs = ProgramFolder(),
                                .folder = folder,
                                .fashion = flags_.fashion,
                                .pairs = flags_.pairs,
                                .watch = watch};
    if (flags_.quick) {
      options.images = 16'384;
      options.epochs = 1;
    }
    EBB_ASSIGN_OR_RETURN(const std::vector<bench::Row> rows,
                         MeasurePackedJob(options));
    return Result(rows, "IN MEMORY", json);
  }

  absl::StatusOr<BenchResult> MeasureBucket(const bench::Watch& watch,
                                            Json* json) const {
    if (flags_.bucket.empty()) {
      const std::string why = "no --bucket of a local S3 server";
      (*json)["skipped"] = why;
      bench::AddRows({}, json);
      return BenchResult{absl::StrCat("objects: skipped: ", why, "\n"), true};
    }
    bench::ObjectRowsOptions options = {
        .bucket = flags_.bucket, .pairs = flags_.pairs, .watch = watch};
    if (flags_.quick) options.object_bytes = int64_t{1} << 20;
    EBB_ASSIGN_OR_RETURN(const std::vector<bench::Row> rows,
                         bench::MeasureObjects(options));
    return Result(rows, "CURL", json);
  }

  BenchResult Result(const std::vector<bench::Row>& rows,
                     const std::string& limit, Json* json) const {
    bench::AddRows(rows, json);
    return {bench::RowsText(rows, limit), flags_.quick || bench::AllHold(rows)};
  }

  // The program that writes the page. It needs matplotlib.
  int WritePage(int exit_code) const {
    return BecomeScript(
        "data", {"data", "--folder", flags_.folder, "--page", flags_.page,
                 "--exit-code", absl::StrCat(exit_code)});
  }

  BenchDataFlags flags_;
};

}  // namespace

void AddBenchDataCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "data", "Measures reading and packing data, beside tf.data and limits");
  const auto flags = std::make_shared<BenchDataFlags>();
  command
      ->add_option("--pairs", flags->pairs,
                   "Pairs of each ratio; their median counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command
      ->add_option("--only", flags->only,
                   absl::StrCat("Measure only these (",
                                absl::StrJoin(kParts, ", "), ")"))
      ->type_name("NAME")
      ->check(CLI::IsMember(kParts));
  command
      ->add_option("--again", flags->again,
                   "Measure these again, though the folder has their figures")
      ->type_name("NAME")
      ->check(CLI::IsMember(kParts));
  CLI::Option* quick = command->add_flag(
      "--quick", flags->quick,
      "Give a rough result without a verdict, from small files");
  command
      ->add_option("--folder", flags->folder, "Folder that keeps the figures")
      ->capture_default_str()
      ->type_name("FOLDER");
  command
      ->add_option(
          "--scratch", flags->scratch,
          "Folder on the disk to measure (the system's temporary folder)")
      ->type_name("FOLDER");
  command
      ->add_option("--page", flags->page,
                   "Page whose section \"Measured\" is written anew; its "
                   "charts go to images/")
      ->type_name("FILE")
      ->excludes(quick);
  command
      ->add_option("--python", flags->python,
                   "Interpreter that has TensorFlow, for tf.data")
      ->capture_default_str()
      ->type_name("FILE");
  command
      ->add_option("--json", flags->json,
                   "Measure the one part of --only, and write its figures to "
                   "this file")
      ->type_name("FILE")
      ->excludes("--page")
      ->excludes("--again");
  command->add_option("--peers", flags->peers, "Folder of the peers' scripts")
      ->capture_default_str()
      ->type_name("FOLDER");
  CLI::Option* generated = command->add_flag("--generated", flags->generated,
                                             "Take generated images");
  command
      ->add_option("--fashion", flags->fashion,
                   "Folder of Fashion-MNIST (where this machine has it, else "
                   "images are generated)")
      ->type_name("FOLDER")
      ->excludes(generated);
  command
      ->add_option("--bucket", flags->bucket,
                   "Bucket of a local S3 server, for objects; AWS_* in the "
                   "environment name the server and the keys")
      ->type_name("URL");
  command->footer(R"(
The part `table` reads images as JPEG and PNG files, TFRecord and a packed set.
It does so cached and not, by size of a batch and number of batches, and fits
lines. `rows` has readers and packing beside bare libraries, `job` training on a
packed set beside data in memory, and `objects` a bucket beside curl. Takes a
quarter of an hour, and 2 GiB of disk. Figures that are in the folder are not
measured again. Exits 1 if some row misses its requirement.
Examples:
  ebb bench data --quick --only table rows
  ebb bench data --python venv/bin/python --page docs/measured/data.md
  tests/services/radosgw.py sh -c \
      'ebb bench data --only objects --bucket $EBB_TEST_BUCKET/bench')");
  command->callback(
      [flags, exit_code] { *exit_code = DataBenchmark(*flags).Run(); });
}

}  // namespace ebb::tools
