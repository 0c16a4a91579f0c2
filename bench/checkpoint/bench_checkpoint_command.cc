// `ebb bench checkpoint`.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/checkpoint/checkpoint_bench.h"
#include "bench/command/bench_run.h"
#include "bench/common/rows.h"
#include "common/status_macros.h"
#include "tools/command/command.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

struct BenchCheckpointFlags {
  int pairs = 0;  // 0: as many as the run needs.
  bool quick = false;
  std::string folder;  // Empty: the system's for temporary files.
  std::string json;
};

int BenchCheckpoint(const BenchCheckpointFlags& flags) {
  bench::CheckpointOptions options = {.programs = ProgramFolder(),
                                      .watch = {.progress = ShowBenchProgress}};
  if (flags.quick) {
    options.pairs = 1;
    options.pushed_bytes = options.written_bytes = int64_t{32} << 20;
    options.table_rows = 200'000;
    options.large_bytes = int64_t{64} << 20;
    options.row_pushes = 50;
    options.interval_seconds = 0.5;
  }
  if (flags.pairs > 0) options.pairs = flags.pairs;
  const auto measure = [&](const std::string& folder, const StopFunction& stop,
                           Json* json) -> absl::StatusOr<BenchResult> {
    options.folder = folder;
    options.watch.stop = stop;
    EBB_ASSIGN_OR_RETURN(const std::vector<bench::Row> rows,
                         bench::MeasureCheckpoints(options));
    bench::AddRows(rows, json);
    std::string text = absl::StrCat(
        bench::RowsText(rows, "LIMIT"),
        "\nLimits: pushes without checkpoints; the bytes of weights and slots, "
        "of rows with their keys; a read of the same files, cold.\nRatios are "
        "medians of ",
        options.pairs, " pairs.\n");
    return BenchResult{std::move(text), flags.quick || bench::AllHold(rows)};
  };
  return RunInScratchFolder(flags.folder, flags.json, measure);
}

}  // namespace

void AddBenchCheckpointCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "checkpoint",
      "Measures what checkpoints cost, and how fast they are read back");
  const auto flags = std::make_shared<BenchCheckpointFlags>();
  command
      ->add_option("--pairs", flags->pairs,
                   "Pairs of each ratio; their median counts (7)")
      ->check(CLI::Range(1, 1000));
  command
      ->add_option(
          "--folder", flags->folder,
          "Folder on the disk to measure (the system's temporary folder)")
      ->type_name("FOLDER");
  command->add_flag(
      "--quick", flags->quick,
      "Give a rough result without a verdict: 1 pair of small models");
  command->add_option("--json", flags->json, "Write all figures to FILE")
      ->type_name("FILE");
  command->footer(R"(
One ebb-ps takes pushes at full speed, with and without checkpoints. Measures
what they write, for a dense model and for rows under keys, how fast they are
read back from a cold cache, and how much memory the server takes with a model
of 1 GiB. Takes 12 GiB of memory, 5 GiB of disk, and a quarter of an hour. Exits
1 if some row misses its requirement.
Example:
  ebb bench checkpoint --json checkpoint.json)");
  command->callback(
      [flags, exit_code] { *exit_code = BenchCheckpoint(*flags); });
}

}  // namespace ebb::tools
