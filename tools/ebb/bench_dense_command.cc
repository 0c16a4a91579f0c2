// `ebb bench dense`.
#include <stdlib.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/dense_bench.h"
#include "bench/paired.h"
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
  std::vector<int64_t> kib;  // Empty: all.
  std::string json;
};

int BenchDense(const Flags& flags) {
  if (!flags.json.empty()) {
    const absl::Status writable = CheckWritable(flags.json);
    if (!writable.ok()) return Report(writable);
  }
  // Whoever stops it finds no folder left behind.
  auto signals = SignalWaiter::Create();
  if (!signals.ok()) return Report(signals.status());
  std::error_code error;
  std::string folder =
      (std::filesystem::temp_directory_path(error) / "ebb-bench-XXXXXX")
          .string();
  if (error || mkdtemp(folder.data()) == nullptr) {
    return Report(absl::ErrnoToStatus(
        errno, absl::StrCat("cannot make the folder ", folder)));
  }
  bench::DenseOptions options = {
      .programs = ProgramFolder(),
      .folder = folder,
      .progress = ShowBenchProgress,
      .stop = [&signals] { return signals->Wait({}).interrupts > 0; }};
  if (flags.quick) {
    options.pairs = 3;
    options.sample_bytes = int64_t{32} << 20;
    options.operations = 200;
  }
  if (flags.pairs > 0) options.pairs = flags.pairs;
  if (!flags.kib.empty()) {
    options.sizes.clear();
    for (const int64_t kib : flags.kib) options.sizes.push_back(kib << 10);
  }
  std::cerr << WhereItRan() << std::endl;
  const auto report = bench::MeasureDense(options);
  ShowBenchProgress("");
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  if (absl::IsCancelled(report.status())) return kExitInterrupted;
  if (!report.ok()) return Report(report.status());
  std::cout << bench::DenseText(*report);
  if (!flags.json.empty()) {
    Json json = WhereItRanJson();
    bench::AddDense(*report, &json);
    const absl::Status written = WriteFile(flags.json, json.ToString());
    if (!written.ok()) return Report(written);
  }
  return bench::AllHold(report->rows) ? kExitGood : kExitFailed;
}

}  // namespace

void AddBenchDenseCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "dense", "Pushes and pulls of a dense model against a raw socket");
  const auto flags = std::make_shared<Flags>();
  command
      ->add_option("--pairs", flags->pairs,
                   "Pairs of each ratio, of which the median counts (9)")
      ->check(CLI::Range(1, 1000));
  command
      ->add_option("--kib", flags->kib,
                   "Models of so many KiB only (4, 64, 1024 ... 65536)")
      ->check(CLI::Range(1, 1 << 20));
  command->add_flag("--quick", flags->quick,
                    "3 pairs of short samples: a look, no verdict");
  command->add_option("--json", flags->json, "All figures into FILE")
      ->type_name("FILE");
  command->footer(R"(
One worker's pushes and pulls to one ebb-ps on this machine, and the same bytes
with the same arithmetic over a plain TCP socket, in turns. Exit code 1: some
row misses what it needs.
Example:
  ebb bench dense --json dense.json)");
  command->callback([flags, exit_code] { *exit_code = BenchDense(*flags); });
}

}  // namespace ebb::tools
