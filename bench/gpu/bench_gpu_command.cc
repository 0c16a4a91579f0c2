// `ebb bench gpu`.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "bench/command/bench_run.h"
#include "bench/common/paired.h"
#include "bench/gpu/gpu_bench.h"
#include "bench/gpu/gpu_rows.h"
#include "common/status_macros.h"
#include "tools/command/command.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

struct BenchGpuFlags {
  bench::GpuBenchOptions options;
  std::string precision = "fp32";
  std::string peers = "bench/peers";
  int64_t steps = 200;
  std::string json;
};

models::gpu::Precision PrecisionOf(const std::string& name) {
  if (name == "tf32") return models::gpu::Precision::kTf32;
  if (name == "bf16") return models::gpu::Precision::kBf16;
  return models::gpu::Precision::kFp32;
}

// Adds what other programs than this one measure.
absl::Status AddRuns(const BenchGpuFlags& flags, const std::string& folder,
                     bench::GpuReport* report) {
  const GpuRowsOptions options = {.programs = ProgramFolder(),
                                  .folder = folder,
                                  .peers = flags.peers,
                                  .precision = flags.precision,
                                  .gpu = flags.options.gpu.device,
                                  .layers = flags.options.layers,
                                  .rows = flags.options.rows,
                                  .steps = flags.steps,
                                  .watch = flags.options.watch};
  auto torch = CompareWithTorch(options, report->rows.back().ours);
  if (torch.ok()) {
    report->rows.push_back(*std::move(torch));
  } else if (absl::IsNotFound(torch.status())) {
    report->notes.emplace_back(torch.status().message());
  } else {
    return torch.status();
  }
  if (flags.steps == 0) {
    report->notes.emplace_back("no run end to end: --steps 0");
    return absl::OkStatus();
  }
  EBB_ASSIGN_OR_RETURN(bench::Row busy, MeasureBusyShare(options));
  report->rows.push_back(std::move(busy));
  return absl::OkStatus();
}

int BenchGpu(BenchGpuFlags flags) {
  flags.options.gpu.precision = PrecisionOf(flags.precision);
  // Before a scratch folder is made and the machine is told.
  const auto gpu = models::gpu::FindGpu(flags.options.gpu.device);
  if (!gpu.ok()) return Report(gpu.status());
  const auto measure = [&](const std::string& folder, const StopFunction& stop,
                           Json* json) -> absl::StatusOr<BenchResult> {
    flags.options.watch = {.progress = ShowBenchProgress, .stop = stop};
    EBB_ASSIGN_OR_RETURN(bench::GpuReport report,
                         bench::MeasureGpu(flags.options));
    EBB_RETURN_IF_ERROR(AddRuns(flags, folder, &report));
    bench::AddGpu(report, json);
    return BenchResult{bench::GpuText(report), bench::AllHold(report.rows)};
  };
  return RunInScratchFolder("", flags.json, measure);
}

}  // namespace

void AddBenchGpuCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "gpu", "Compares a perceptron on a GPU with cuBLAS alone");
  const auto flags = std::make_shared<BenchGpuFlags>();
  command
      ->add_option("--gpu", flags->options.gpu.device,
                   "Number of the GPU among those that CUDA shows")
      ->envname("EBB_GPU")
      ->capture_default_str()
      ->check(CLI::Range(0, 1023));
  command
      ->add_option("--precision", flags->precision,
                   "Number format of the factors: fp32, tf32 or bf16")
      ->capture_default_str()
      ->check(CLI::IsMember({"fp32", "tf32", "bf16"}));
  command
      ->add_option("--layers", flags->options.layers,
                   "Widths of the perceptron's layers (4096,4096,4096,1000)")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--batch", flags->options.rows, "Examples in a batch")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 24));
  command
      ->add_option("--pairs", flags->options.pairs,
                   "Pairs of each ratio; their median counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command
      ->add_option("--steps", flags->steps,
                   "Steps of the run with a server; 0: no such run")
      ->capture_default_str()
      ->check(CLI::Range(0, 1 << 20));
  command->add_option("--peers", flags->peers, "The folder with torch_gpu.py")
      ->capture_default_str();
  command->add_option("--json", flags->json, "Write all figures to FILE")
      ->type_name("FILE");
  command->footer(R"(
Compares the products of the perceptron's layers, as its model computes them,
with cuBLAS alone (0.95 required). Compares the gradient of a batch with its
products alone, and with its products beside the copies of examples, values and
gradient (0.7 required). Compares with PyTorch, if it is there. Measures how
much of the time the GPU is busy while one server and one worker train (0.85
required). Exits 1 if some row misses its requirement, or there is no GPU.
Example:
  ebb bench gpu --precision tf32)");
  command->callback([flags, exit_code] { *exit_code = BenchGpu(*flags); });
}

}  // namespace ebb::tools
