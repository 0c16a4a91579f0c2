#include "bench/algorithms/workers_speed.h"

#include <optional>

#include "absl/strings/str_format.h"
#include "bench/algorithms/algorithm_cases.h"
#include "bench/algorithms/algorithm_figures.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

// The least speed, as a share of that of as many single workers.
constexpr double kLeastSpeed = 0.9;
constexpr double kMostWaiting = 0.15;

}  // namespace

std::vector<WorkersRequirement> SpeedRequirements(const WorkersRuns& runs,
                                                  const WorkersJob& job) {
  if (runs.Counts(job.data, kSpeedVariant).empty()) return {};
  WorkersRequirement speed = {
      .name = absl::StrFormat("%s: %d workers compute at least %g of the "
                              "examples/s of as many single ones",
                              job.title, kSpeedWorkers, kLeastSpeed)};
  WorkersRequirement waiting = {
      .name = absl::StrFormat("%s: %d workers wait for less than %.0f %% of "
                              "their time",
                              job.title, kSpeedWorkers, 100 * kMostWaiting)};
  const auto run = [&](int workers) {
    const auto list = runs.Of(
        {.data = job.data, .variant = kSpeedVariant, .workers = workers});
    return list.empty() ? nullptr : list.front();
  };
  const AlgorithmFigures* one = run(1);
  const AlgorithmFigures* many = run(kSpeedWorkers);
  const auto alone =
      one == nullptr ? std::nullopt : one->Rate(kSpeedFrom, kSpeedTo);
  const auto together =
      many == nullptr ? std::nullopt : many->Rate(kSpeedFrom, kSpeedTo);
  if (alone && together) {
    double single = 0;
    for (int i = 0; i < kSpeedWorkers; ++i) single += *alone / SlownessOf(i);
    speed.found = absl::StrFormat(
        "%s examples/s, where one has %s and so many single ones would have "
        "%s: %.2f; the servers used %.2f of a core",
        Short(*together), Short(*alone), Short(single), *together / single,
        many->server_cores);
    speed.met = *together >= kLeastSpeed * single;
  }
  if (many != nullptr) {
    waiting.found = absl::StrFormat("%.0f %%", 100 * many->WaitedShare());
    waiting.met = many->WaitedShare() < kMostWaiting;
  }
  return {speed, waiting};
}

}  // namespace ebb::tools
