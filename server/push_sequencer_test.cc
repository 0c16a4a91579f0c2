#include "server/push_sequencer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(PushSequencerTest, JudgesInTheOrderOfNumbersNotOfArrival) {
  PushSequencer<int> sequencer(8);
  EXPECT_THAT(sequencer.Arrive(0, 1, 11).ready, IsEmpty());
  EXPECT_THAT(sequencer.Arrive(0, 2, 12).ready, IsEmpty());
  EXPECT_THAT(sequencer.Arrive(0, 0, 10).ready, ElementsAre(10, 11, 12));
}

TEST(PushSequencerTest, ANewerIncarnationDropsWhatIsHeldOfTheOlder) {
  PushSequencer<int> sequencer(8);
  sequencer.Arrive(0, 1, 11);
  const auto outcome = sequencer.Arrive(1, 0, 20);
  EXPECT_THAT(outcome.superseded, ElementsAre(11));
  EXPECT_THAT(outcome.ready, ElementsAre(20));
}

TEST(PushSequencerTest, LaterArrivalsOfAnOlderIncarnationAreSuperseded) {
  PushSequencer<int> sequencer(8);
  sequencer.Arrive(3, 0, 30);
  EXPECT_THAT(sequencer.Arrive(2, 5, 25).superseded, ElementsAre(25));
}

TEST(PushSequencerTest, ADuplicatedMessageIsNotJudgedTwice) {
  PushSequencer<int> sequencer(8);
  sequencer.Arrive(0, 0, 10);
  EXPECT_THAT(sequencer.Arrive(0, 0, 10).superseded, ElementsAre(10));
  sequencer.Arrive(0, 2, 12);
  EXPECT_THAT(sequencer.Arrive(0, 2, 12).superseded, ElementsAre(12));
}

TEST(PushSequencerTest, HoldsAtMostItsWindow) {
  PushSequencer<int> sequencer(2);
  EXPECT_THAT(sequencer.Arrive(0, 1, 11).refused, IsEmpty());
  EXPECT_THAT(sequencer.Arrive(0, 2, 12).refused, ElementsAre(12));
  EXPECT_THAT(sequencer.Arrive(0, 0, 10).ready, ElementsAre(10, 11));
}

TEST(PushSequencerTest, HoldsNothingOfAnIncarnationThatLacksAPush) {
  PushSequencer<int> sequencer(8);
  sequencer.Arrive(0, 0, 10);
  sequencer.Arrive(0, 2, 12);
  EXPECT_THAT(sequencer.Arrive(0, 1, 11, /*room=*/false).refused,
              ElementsAre(12, 11));
  EXPECT_THAT(sequencer.Arrive(0, 3, 13).refused, ElementsAre(13));
  EXPECT_FALSE(sequencer.holds());

  EXPECT_THAT(sequencer.Arrive(1, 0, 20).ready, ElementsAre(20));
}

TEST(PushSequencerTest, WhatIsRefusedForRoomDropsTheOlderIncarnationToo) {
  PushSequencer<int> sequencer(8);
  sequencer.Arrive(0, 1, 11);
  const auto outcome = sequencer.Arrive(1, 0, 20, /*room=*/false);
  EXPECT_THAT(outcome.superseded, ElementsAre(11));
  EXPECT_THAT(outcome.refused, ElementsAre(20));
}

}  // namespace
}  // namespace ebb::server
