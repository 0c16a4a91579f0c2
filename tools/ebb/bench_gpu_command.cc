// `ebb bench gpu`.
#include <memory>
#include <string>

#include "bench/gpu_bench.h"
#include "bench/paired.h"
#include "common/status_macros.h"
#include "tools/ebb/bench_run.h"
#include "tools/ebb/command.h"

namespace ebb::tools {

namespace {

struct Flags {
  bench::GpuBenchOptions options;
  std::string precision = "fp32";
  std::string json;
};

models::gpu::Precision PrecisionOf(const std::string& name) {
  if (name == "tf32") return models::gpu::Precision::kTf32;
  if (name == "bf16") return models::gpu::Precision::kBf16;
  return models::gpu::Precision::kFp32;
}

int BenchGpu(Flags flags) {
  flags.options.gpu.precision = PrecisionOf(flags.precision);
  // Before a scratch folder is made and the machine is told.
  const auto gpu = models::gpu::FindGpu(flags.options.gpu.device);
  if (!gpu.ok()) return Report(gpu.status());
  const auto measure = [&](const std::string&, const StopFunction& stop,
                           Json* json) -> absl::StatusOr<BenchResult> {
    flags.options.watch = {.progress = ShowBenchProgress, .stop = stop};
    EBB_ASSIGN_OR_RETURN(const bench::GpuReport report,
                         bench::MeasureGpu(flags.options));
    bench::AddGpu(report, json);
    return BenchResult{bench::GpuText(report), bench::AllHold(report.rows)};
  };
  return RunInScratchFolder("", flags.json, measure);
}

}  // namespace

void AddBenchGpuCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "gpu", "A perceptron on a GPU against cuBLAS alone");
  const auto flags = std::make_shared<Flags>();
  command
      ->add_option("--gpu", flags->options.gpu.device,
                   "Which of the GPUs that CUDA shows")
      ->envname("EBB_GPU")
      ->capture_default_str()
      ->check(CLI::Range(0, 1023));
  command
      ->add_option("--precision", flags->precision,
                   "What factors are rounded to: fp32, tf32 or bf16")
      ->capture_default_str()
      ->check(CLI::IsMember({"fp32", "tf32", "bf16"}));
  command
      ->add_option("--layers", flags->options.layers,
                   "Of the perceptron (4096,4096,4096,1000)")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--batch", flags->options.rows, "Examples of a batch")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 24));
  command
      ->add_option("--pairs", flags->options.pairs,
                   "Pairs of each ratio, of which the median counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command->add_option("--json", flags->json, "All figures into FILE")
      ->type_name("FILE");
  command->footer(R"(
Products of the perceptron's layers as its model computes them against cuBLAS
alone (0.95 required), and the gradient of a batch, values and gradient copied,
against its products alone (0.7 required). Exit code 1: some row misses, or
there is no GPU.
Example:
  ebb bench gpu --precision tf32)");
  command->callback([flags, exit_code] { *exit_code = BenchGpu(*flags); });
}

}  // namespace ebb::tools
