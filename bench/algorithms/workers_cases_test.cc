#include "bench/algorithms/workers_cases.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::vector<std::string> NamesOf(const WorkersOptions& options) {
  std::vector<std::string> names;
  for (const WorkersCase& one : WorkersCases(options)) {
    names.push_back(one.Name());
  }
  return names;
}

RecordedTrace SomeTrace() {
  RecordedTrace recorded = {.name = "market-x"};
  recorded.trace.events = {{absl::ZeroDuration(), true, "a"},
                           {absl::ZeroDuration(), true, "b"},
                           {absl::Seconds(50), false, "a"},
                           {absl::Seconds(100), true, "a"}};
  recorded.trace.duration = absl::Seconds(100);
  return recorded;
}

TEST(WorkersCasesTest, EachRunHasANameOfItsOwn) {
  const auto names = NamesOf({.traces = {SomeTrace()}});
  EXPECT_EQ(std::set(names.begin(), names.end()).size(), names.size());
  EXPECT_THAT(names, Contains("workers-fashion-softmax-1-seed-1"));
  EXPECT_THAT(names, Contains("workers-ratings-200-kills-seed-3"));
  EXPECT_THAT(names, Contains("workers-clicks-deepfm-4-market-seed-2"));
  EXPECT_THAT(names, Contains("workers-clicks-fm-2-market-x-seed-1"));
  EXPECT_THAT(names, Contains("workers-clicks-fm-dynsgd-64-seed-1"));
  EXPECT_THAT(names, Contains("workers-fashion-softmax-speed-64-seed-1"));
  EXPECT_THAT(names, Not(Contains("workers-ratings-ssp-16-seed-1")));
  EXPECT_THAT(names, Not(Contains("workers-a9a-1-seed-1")));
}

TEST(WorkersCasesTest, RunsWhatTheFlagsAskFor) {
  EXPECT_THAT(
      NamesOf({.counts = {1, 16},
               .seeds = {7},
               .data = {"ratings"},
               .variants = {}}),
      ElementsAre("workers-ratings-1-seed-7", "workers-ratings-16-seed-7",
                  "workers-ratings-1-kills-seed-7",
                  "workers-ratings-16-kills-seed-7",
                  "workers-ratings-4-market-seed-7"));
  EXPECT_THAT(NamesOf({.counts = {4},
                       .seeds = {1},
                       .data = {"ratings"},
                       .disturbances = {kMarket, kTraces},
                       .traces = {SomeTrace()}}),
              ElementsAre("workers-ratings-4-market-seed-1",
                          "workers-ratings-2-market-x-seed-1"));
  EXPECT_THAT(NamesOf({.data = {"a9a"}}), IsEmpty());
  const auto held_out =
      NamesOf({.seeds = {1}, .data = {"a9a"}, .held_out = true});
  EXPECT_THAT(held_out, Contains("workers-a9a-64-kills-seed-1"));
  EXPECT_THAT(held_out, Not(Contains("workers-a9a-200-seed-1")));
  EXPECT_THAT(NamesOf({.seeds = {1}, .data = {"rcv1"}, .held_out = true}),
              Contains("workers-rcv1-16-seed-1"));
  EXPECT_THAT(NamesOf({.seeds = {1}, .data = {"flights"}, .held_out = true}),
              Contains("workers-flights-4-market-seed-1"));
}

TEST(WorkersCasesTest, TheDefaultJobIsTheSameForAnyNumberOfWorkers) {
  for (const WorkersCase& one : WorkersCases({.seeds = {2}})) {
    if (one.variant != kDefaultVariant || one.disturbance != kQuiet) continue;
    EXPECT_THAT(one.settings, ElementsAre("seed=2")) << one.Name();
  }
}

TEST(WorkersCasesTest, TheOthersTakeAllWorkers) {
  int found = 0;
  for (const WorkersCase& one : WorkersCases({.data = {"clicks-fm"}})) {
    if (one.variant == "ssp" && one.workers == 16) {
      EXPECT_THAT(one.settings,
                  ElementsAre("workers.max=16", "consistency.kind=ssp",
                              "consistency.bound=4", "seed=1"));
      ++found;
    }
    if (one.variant == "uncapped" && one.workers == 64) {
      EXPECT_THAT(one.settings, ElementsAre("workers.max=64", "seed=1"));
      ++found;
    }
  }
  EXPECT_EQ(found, 2);
}

TEST(WorkersCasesTest, TheMarketRisesAndFalls) {
  for (const int seed : {1, 2, 3}) {
    const chaos::Trace trace = RisingMarket(seed);
    int there = 0, most = 0;
    absl::Duration last;
    for (const chaos::TraceEvent& event : trace.events) {
      EXPECT_GE(event.at, last);
      last = event.at;
      there += event.add ? 1 : -1;
      most = std::max(most, there);
      EXPECT_GT(there, 0);
    }
    EXPECT_EQ(NodesAtStart(trace), 4);
    EXPECT_EQ(most, 64);
    EXPECT_EQ(there, 4);
  }
  EXPECT_EQ(RisingMarket(2).events, RisingMarket(2).events);
  EXPECT_NE(RisingMarket(1).events, RisingMarket(2).events);
}

TEST(WorkersCasesTest, ATraceFollowsTheProgressOfTheJob) {
  const auto events = EventsByProgress(SomeTrace().trace);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].op, chaos::Op::kRemove);
  EXPECT_EQ(events[0].target, "worker-0");
  EXPECT_EQ(events[0].when.progress, 0.45);
  EXPECT_EQ(events[1].op, chaos::Op::kAdd);
  EXPECT_EQ(events[1].when.progress, 0.9);
  for (const chaos::ChaosEvent& event : EventsByProgress(RisingMarket(1))) {
    EXPECT_LE(*event.when.progress, 0.9);
  }
}

TEST(WorkersCasesTest, MoreAreKilledWhereMostWorkersAreIdle) {
  const size_t few = KillEvents(16, 16).size();
  EXPECT_EQ(KillEvents(200, 16).size(), 13 * few);
  EXPECT_EQ(KillEvents(1, 16).size(), few);
}

TEST(WorkersCasesTest, ARunTakesAsLongWithAnyNumberOfWorkers) {
  BatchPace pace = {.batches = 1000,
                    .cost = absl::Milliseconds(3),
                    .runs_for = absl::Seconds(10),
                    .cores = 1.5};
  EXPECT_EQ(BatchTimeOf(pace), absl::Milliseconds(10));
  pace.at_once = 16;
  EXPECT_EQ(BatchTimeOf(pace), absl::Milliseconds(160));
  // The processors are what it takes then.
  pace.runs_for = absl::Seconds(1);
  EXPECT_EQ(BatchTimeOf(pace), absl::Milliseconds(32));
}

TEST(WorkersCasesTest, EachJobIsKnownByItsData) {
  ASSERT_NE(FindWorkersJob("ratings"), nullptr);
  EXPECT_EQ(FindWorkersJob("ratings")->metric, "rmse");
  EXPECT_EQ(FindWorkersJob("none"), nullptr);
}

}  // namespace
}  // namespace ebb::tools
