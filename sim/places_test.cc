// How often workers read the windows of a packed set, where they are leased
// items of windows that they have.
#include <gtest/gtest.h>

#include <cstdint>
#include <iostream>

#include "sim/churn.h"
#include "sim/scenario.h"
#include "sim/simulator.h"

namespace ebb::sim {
namespace {

constexpr int kWorkers = 8, kWindows = 96, kItems = 8, kEpochs = 4;

// A batch is an example, and an item has two.
Scenario Windows(int windows_in_memory, int64_t epochs = kEpochs) {
  Scenario s = ScaleScenario(kWorkers, 2, 1);
  s.plan.epochs = static_cast<int32_t>(epochs);
  s.plan.shard_size = 2;
  s.window = kItems * s.plan.shard_size;
  s.plan.examples = kWindows * s.window;
  s.compute = {absl::Milliseconds(15), absl::Milliseconds(25)};
  s.windows_in_memory = windows_in_memory;
  return s;
}

// Two workers are lost every three seconds, and replaced after a second.
Scenario WithChurn(Scenario s, uint64_t seed) {
  const ChurnRates rates{
      .losses_per_worker_hour = 300, .bulk = 1.5, .away = absl::Seconds(1)};
  s.measured_from = absl::Milliseconds(500);
  s.measured_until = absl::Seconds(14);
  Churn churn = PlanChurn(rates, kWorkers, s.measured_until, Rng(seed));
  s.workers = churn.workers;
  s.absent_workers = churn.workers - churn.at_first;
  s.churn = std::move(churn.events);
  return s;
}

struct Reads {
  int64_t losses = 0;
  double first = 0;  // Per window.
  double later = 0;  // Per window and epoch.
};
Reads Train(const Scenario& s, uint64_t seed) {
  const Result result = RunScenario({}, s, seed);
  EXPECT_TRUE(result.ok) << result.violation;
  const Reads reads{result.total.losses,
                    static_cast<double>(result.total.windows_read) / kWindows,
                    static_cast<double>(result.total.windows_read_later) /
                        (kWindows * (s.plan.epochs - 1))};
  std::cout << s.windows_in_memory << " windows in memory, "
            << result.total.losses << " losses"
            << (s.leases_by_place ? "" : ", the lowest item first") << ": "
            << reads.first << " reads per window in the first epoch, "
            << reads.later << " later\n";
  return reads;
}

TEST(PlacesTest, EachWindowIsReadOnceInAnEpoch) {
  const Reads reads = Train(Windows(2), 1);
  EXPECT_LE(reads.first, 1.15);
  EXPECT_LE(reads.later, 1.15);
}

TEST(PlacesTest, WithoutPlacesAllWorkersReadEachWindow) {
  Scenario s = Windows(2);
  s.leases_by_place = false;
  const Reads reads = Train(s, 1);
  EXPECT_GE(reads.first, 3);
}

TEST(PlacesTest, WorkersThatComeAndGoReadFewWindowsTwice) {
  for (const uint64_t seed : {1, 2, 3}) {
    const Reads reads = Train(WithChurn(Windows(2), seed), seed);
    EXPECT_GE(reads.losses, 3);
    EXPECT_LE(reads.first, 1.3);
    EXPECT_LE(reads.later, 1.3);
  }
}

TEST(PlacesTest, WorkersWithRoomForAShareReadFewWindowsAgain) {
  const Reads reads = Train(Windows(kWindows / kWorkers + 2), 1);
  EXPECT_LE(reads.first, 1.15);
  EXPECT_LE(reads.later, 0.2);
}

}  // namespace
}  // namespace ebb::sim
