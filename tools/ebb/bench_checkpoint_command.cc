// `ebb bench checkpoint`.
#include <stdlib.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "bench/checkpoint_bench.h"
#include "bench/rows.h"
#include "tools/ebb/bench_machine.h"
#include "tools/ebb/bench_run.h"
#include "tools/ebb/command.h"
#include "tools/ebb/files.h"
#include "tools/ebb/signals.h"

namespace ebb::tools {

namespace {

struct Flags {
  int pairs = 0;  // 0: as many as the run needs.
  bool quick = false;
  std::string folder;  // Empty: the system's for temporary files.
  std::string json;
};

int BenchCheckpoint(const Flags& flags) {
  if (!flags.json.empty()) {
    const absl::Status writable = CheckWritable(flags.json);
    if (!writable.ok()) return Report(writable);
  }
  // Whoever stops it finds no folder left behind.
  auto signals = SignalWaiter::Create();
  if (!signals.ok()) return Report(signals.status());
  std::error_code error;
  const std::filesystem::path parent =
      flags.folder.empty() ? std::filesystem::temp_directory_path(error)
                           : std::filesystem::path(flags.folder);
  std::string folder = (parent / "ebb-bench-XXXXXX").string();
  if (error || mkdtemp(folder.data()) == nullptr) {
    return Report(absl::ErrnoToStatus(
        errno, absl::StrCat("cannot make the folder ", folder)));
  }
  bench::CheckpointOptions options = {
      .programs = ProgramFolder(),
      .folder = folder,
      .progress = ShowBenchProgress,
      .stop = [&signals] { return signals->Wait({}).interrupts > 0; }};
  if (flags.quick) {
    options.pairs = 1;
    options.pushed_bytes = options.written_bytes = int64_t{32} << 20;
    options.large_bytes = int64_t{64} << 20;
    options.interval_seconds = 1;
  }
  if (flags.pairs > 0) options.pairs = flags.pairs;
  std::cerr << WhereItRan() << std::endl;
  const auto rows = bench::MeasureCheckpoints(options);
  ShowBenchProgress("");
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  if (absl::IsCancelled(rows.status())) return kExitInterrupted;
  if (!rows.ok()) return Report(rows.status());
  std::cout << bench::RowsText(*rows, "LIMIT") << "\n"
            << "Limits: pushes without checkpoints; the bytes of weights and "
               "slots; a read of the same files, cold.\nRatios are medians of "
            << options.pairs << " pairs.\n";
  if (!flags.json.empty()) {
    Json json = WhereItRanJson();
    bench::AddRows(*rows, &json);
    const absl::Status written = WriteFile(flags.json, json.ToString());
    if (!written.ok()) return Report(written);
  }
  return bench::AllHold(*rows) ? kExitGood : kExitFailed;
}

}  // namespace

void AddBenchCheckpointCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "checkpoint", "What checkpoints cost, and how fast they are read back");
  const auto flags = std::make_shared<Flags>();
  command
      ->add_option("--pairs", flags->pairs,
                   "Pairs of each ratio, of which the median counts (7)")
      ->check(CLI::Range(1, 1000));
  command
      ->add_option("--folder", flags->folder,
                   "On the disk to measure (the system's temporary files)")
      ->type_name("FOLDER");
  command->add_flag("--quick", flags->quick,
                    "1 pair of small models: a look, no verdict");
  command->add_option("--json", flags->json, "All figures into FILE")
      ->type_name("FILE");
  command->footer(R"(
One ebb-ps that is pushed to at full speed with and without checkpoints, what
they write, how fast they are read back from a cold cache, and how much memory
the server takes with a model of 1 GiB. Takes 12 GiB of memory, 5 GiB of disk,
and a quarter of an hour. Exit code 1: some row misses what it needs.
Example:
  ebb bench checkpoint --json checkpoint.json)");
  command->callback(
      [flags, exit_code] { *exit_code = BenchCheckpoint(*flags); });
}

}  // namespace ebb::tools
