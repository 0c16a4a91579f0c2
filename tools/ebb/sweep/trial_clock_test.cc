#include "tools/ebb/sweep/trial_clock.h"

#include <optional>
#include <vector>

#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using sweep::Trial;
using sweep::TrialState;

constexpr int64_t kStart = 1'000'000;

std::vector<Trial> Running() {
  Trial trial;
  trial.number = 3;
  trial.epochs = 2;
  trial.began_unix_ms = kStart + 10;
  return {trial};
}

// Its last evaluation was done then, and the scheduler says another end.
std::vector<Trial> Complete(int64_t measured_ms, int64_t ended_ms) {
  std::vector<Trial> trials = Running();
  trials[0].state = TrialState::kComplete;
  trials[0].measured = {{2, measured_ms, 0.5}};
  trials[0].ended_unix_ms = ended_ms;
  return trials;
}

std::optional<double> Look(TrialClock* clock, int64_t now_ms,
                           std::vector<Trial> trials) {
  clock->Look(now_ms, &trials);
  return trials[0].seconds;
}

// Bug: it was 0 for a trial that the scheduler had not looked at since its end.
TEST(TrialClockTest, ItIsTheTimeFromTheSubmissionToTheLastEvaluation) {
  TrialClock clock(/*outlive=*/false);
  clock.Begin(3, kStart);
  EXPECT_EQ(Look(&clock, kStart + 100, Running()), std::nullopt);
  EXPECT_EQ(clock.over(), 0);
  EXPECT_EQ(Look(&clock, kStart + 2600, Complete(kStart + 2510, 0)), 2.5);
  EXPECT_EQ(clock.over(), 1);
}

// Bug: the scheduler that starts again says that all jobs ended when it
// started, and the time for which the sweep was dead counted.
TEST(TrialClockTest, TheTimeOfADeathDoesNotCount) {
  TrialClock clock(/*outlive=*/false);
  clock.Begin(3, kStart);
  Look(&clock, kStart + 1010, Running());
  TrialClock next(/*outlive=*/false);
  next.Restore(clock.ToText(), kStart + 61'010);
  EXPECT_EQ(Look(&next, kStart + 61'010, Running()), std::nullopt);
  EXPECT_EQ(
      Look(&next, kStart + 63'000, Complete(kStart + 62'510, kStart + 62'600)),
      2.5);
  TrialClock third(/*outlive=*/false);
  third.Restore(next.ToText(), kStart + 99'000);
  EXPECT_EQ(
      Look(&third, kStart + 99'000, Complete(kStart + 62'510, kStart + 98'000)),
      2.5);
}

TEST(TrialClockTest, ADeathAfterTheEndTakesNothingAway) {
  TrialClock clock(/*outlive=*/false);
  clock.Begin(3, kStart);
  Look(&clock, kStart + 1010, Running());
  TrialClock next(/*outlive=*/false);
  next.Restore(clock.ToText(), kStart + 61'000);
  // It was done before the death, but no driver looked any more: the time from
  // the last look to its end is lost.
  EXPECT_EQ(
      Look(&next, kStart + 61'010, Complete(kStart + 1510, kStart + 61'000)),
      1.0);
}

TEST(TrialClockTest, ADeathBeforeTheFirstLookIsTakenAway) {
  TrialClock clock(/*outlive=*/false);
  clock.Begin(3, kStart);
  TrialClock next(/*outlive=*/false);
  next.Restore(clock.ToText(), kStart + 50'010);
  Look(&next, kStart + 50'010, Running());
  EXPECT_EQ(Look(&next, kStart + 53'000, Complete(kStart + 52'020, 0)), 2.0);
}

// Bug: its time was 0.
TEST(TrialClockTest, ATrialTrainsFromTheBeginOfTheNextDriver) {
  TrialClock clock(/*outlive=*/false);
  clock.Begin(3, kStart);
  Look(&clock, kStart + 510, Running());
  TrialClock next(/*outlive=*/false);
  next.Restore(clock.ToText(), kStart + 50'010);
  EXPECT_EQ(Look(&next, kStart + 53'000, Complete(kStart + 52'010, 0)), 2.5);
}

// Bug: its time was 0.
TEST(TrialClockTest, ATrialThatEndedBeforeAnyLookHasNoKnownTime) {
  TrialClock clock(/*outlive=*/false);
  clock.Begin(3, kStart);
  TrialClock next(/*outlive=*/false);
  next.Restore(clock.ToText(), kStart + 50'010);
  EXPECT_EQ(Look(&next, kStart + 53'000, Complete(kStart + 510, 0)),
            std::nullopt);
  EXPECT_EQ(next.over(), 0);
}

TEST(TrialClockTest, ATrialWithoutWorkersDoesNotTrain) {
  TrialClock clock(/*outlive=*/false);
  clock.Begin(3, kStart);
  std::vector<Trial> idle = Running();
  idle[0].idle = true;
  Look(&clock, kStart + 500, idle);  // It was on its way.
  Look(&clock, kStart + 1500, idle);
  Look(&clock, kStart + 2000, Running());
  clock.Miss();
  Look(&clock, kStart + 4000, Running());
  EXPECT_EQ(Look(&clock, kStart + 5100, Complete(kStart + 5010, 0)), 2.0);
}

TEST(TrialClockTest, AStoppedTrialEndsWhenTheSchedulerSaysSo) {
  TrialClock clock(/*outlive=*/false);
  clock.Begin(3, kStart);
  std::vector<Trial> stopped = Complete(kStart + 2010, 0);
  stopped[0].state = TrialState::kStopped;
  EXPECT_EQ(Look(&clock, kStart + 3000, stopped), std::nullopt);
  stopped[0].ended_unix_ms = kStart + 2510;
  EXPECT_EQ(Look(&clock, kStart + 3100, stopped), 2.5);
}

TEST(TrialClockTest, WhatNobodySawIsNotKnown) {
  TrialClock clock(/*outlive=*/true);
  // Another driver submitted it.
  EXPECT_EQ(Look(&clock, kStart + 2600, Complete(kStart + 2510, 0)),
            std::nullopt);
  clock.Begin(3, kStart);
  Look(&clock, kStart + 1010, Running());
  // It trained on without this one.
  TrialClock next(/*outlive=*/true);
  next.Restore(clock.ToText(), kStart + 2600);
  EXPECT_EQ(Look(&next, kStart + 2600, Complete(kStart + 2510, 0)),
            std::nullopt);
  // But it had ended before that.
  Look(&clock, kStart + 2600, Complete(kStart + 2510, 0));
  TrialClock third(/*outlive=*/true);
  third.Restore(clock.ToText(), kStart + 9000);
  EXPECT_EQ(Look(&third, kStart + 9000, Complete(kStart + 2510, 0)), 2.5);
}

TEST(TrialClockTest, LinesThatCannotBeReadAreLeftOut) {
  TrialClock clock(/*outlive=*/false);
  clock.Restore("3 trained\nx trained 5\n4 seen 5\n5 trained 2500\n\n9",
                kStart);
  EXPECT_EQ(clock.ToText(), "5 trained 2500\n");
}

}  // namespace
}  // namespace ebb::tools
