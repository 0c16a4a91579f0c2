// `ebb bench kernels`.
#include <iostream>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "bench/command/bench_machine.h"
#include "bench/common/paired.h"
#include "bench/kernels/kernels_bench.h"
#include "common/steady_time.h"
#include "tools/command/command.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

struct KernelsFlags {
  bench::KernelsBenchOptions options;
  std::string json;
};

int BenchKernels(const KernelsFlags& flags) {
  if (!flags.json.empty()) {
    const absl::Status writable = CheckWritable(flags.json);
    if (!writable.ok()) return Report(writable);
  }
  Json json = WhereItRanJson();
  const absl::Time begun = SteadyNow();
  const auto report = bench::MeasureKernels(flags.options);
  if (!report.ok()) return Report(report.status());
  bench::PrintKernelsReport(*report, std::cout);
  json["seconds"] = absl::ToDoubleSeconds(SteadyNow() - begun);
  bench::AddKernels(*report, &json);
  if (!flags.json.empty()) {
    const absl::Status written = WriteFile(flags.json, json.ToString());
    if (!written.ok()) return Report(written);
  }
  return bench::AllHold(bench::KernelRows(*report)) ? kExitGood : kExitFailed;
}

}  // namespace

void AddBenchKernelsCommand(CLI::App* bench, int* exit_code) {
  CLI::App* kernels = bench->add_subcommand(
      "kernels", "Measures the optimizers' speed as a share of the memory's");
  const auto flags = std::make_shared<KernelsFlags>();
  kernels
      ->add_option("--array-bytes", flags->options.array_bytes,
                   "Size of each of five arrays; 0: four times the last-level "
                   "cache, at most 1 GiB")
      ->capture_default_str();
  kernels
      ->add_option("--rounds", flags->options.rounds,
                   "Rounds; every figure is their median")
      ->capture_default_str();
  kernels->add_option("--seed", flags->options.seed, "Seed of the values")
      ->capture_default_str();
  kernels->add_option("--json", flags->json, "Write all figures to FILE")
      ->type_name("FILE");
  kernels->footer(R"(
Exits 1 if an optimizer misses 70 % of the triad.
Example:
  ebb bench kernels --rounds 31)");
  kernels->callback([flags, exit_code] { *exit_code = BenchKernels(*flags); });
}

}  // namespace ebb::tools
