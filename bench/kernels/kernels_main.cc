// ebb-bench-kernels: the optimizers' speed as a share of the memory's.
#include <CLI/CLI.hpp>
#include <iostream>

#include "bench/kernels/kernels_bench.h"

int main(int argc, char** argv) {
  ebb::bench::KernelsBenchOptions options;
  CLI::App app(
      "Measures each optimizer's effective memory bandwidth against STREAM's "
      "triad.\nExample: ebb-bench-kernels --rounds 31",
      "ebb-bench-kernels");
  app.add_option("--array-bytes", options.array_bytes,
                 "Size of each of five arrays; 0: four times the last-level "
                 "cache, at most 1 GiB")
      ->capture_default_str();
  app.add_option("--rounds", options.rounds,
                 "Rounds; every figure is their median")
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Seed of the values")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return ebb::bench::RunKernelsBench(options, std::cout, std::cerr);
}
