// ebb-sim: the simulator by itself, for development. `ebb sim` is the same.
#include <iostream>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/plant.h"
#include "sim/command.h"

int main(int argc, char** argv) {
  ebb::sim::CommandOptions options;
  std::string seeds, bug;
  uint64_t seed = 0;
  CLI::App app("Runs ebb's cores in a simulated cluster");
  app.add_option("--seeds", seeds, "A..B");
  auto* one = app.add_option("--seed", seed);
  app.add_option("--threads", options.threads);
  app.add_flag("--trace", options.trace);
  app.add_flag("--scale", options.scale);
  app.add_option("--workers", options.scale_workers);
  app.add_option("--servers", options.scale_servers);
  app.add_option("--batches", options.scale_batches);
#ifdef EBB_PLANTED_BUGS
  app.add_option("--bug", bug);
#endif
  CLI11_PARSE(app, argc, argv);
  if (!seeds.empty()) {
    const std::vector<std::string> ends = absl::StrSplit(seeds, "..");
    if (ends.size() != 2 || !absl::SimpleAtoi(ends[0], &options.first) ||
        !absl::SimpleAtoi(ends[1], &options.last)) {
      std::cerr << "--seeds: '" << seeds << "' is not A..B\n";
      return 2;
    }
  }
  if (one->count() > 0) options.first = options.last = seed;
#ifdef EBB_PLANTED_BUGS
  ebb::PlantBug(bug);
#endif
  return ebb::sim::Main(options, std::cout);
}
