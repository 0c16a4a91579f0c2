#include "client/item_progress.h"

#include <gtest/gtest.h>

namespace ebb::client {
namespace {

constexpr PartitionId kP0(0), kP1(1);

TEST(ItemProgressTest, StartsAtTheHints) {
  const ItemProgress progress({0, 3}, 100, {40, 60}, 2);
  EXPECT_EQ(progress.Next(), 40);
  EXPECT_EQ(progress.LowestMark(), 40);
}

TEST(ItemProgressTest, HintsOutOfRangeAreCutToTheItem) {
  const ItemProgress progress({0, 3}, 100, {-5, 1000}, 2);
  EXPECT_EQ(progress.sent(kP0), 0);
  EXPECT_EQ(progress.sent(kP1), 100);
}

TEST(ItemProgressTest, AnAcknowledgementAheadOfSentSkipsWhatIsApplied) {
  ItemProgress progress({0, 0}, 100, {}, 2);
  progress.Acknowledged(kP0, 50);
  EXPECT_EQ(progress.sent(kP0), 50);
  EXPECT_EQ(progress.Next(), 0);  // The other partition still needs it.
}

TEST(ItemProgressTest, AGapMovesBothNumbersDown) {
  ItemProgress progress({0, 0}, 100, {80, 80}, 2);
  progress.Refused(kP0, 30);
  EXPECT_EQ(progress.Next(), 30);
  EXPECT_EQ(progress.mark(kP0), 30);
  EXPECT_EQ(progress.sent(kP1), 80);
}

TEST(ItemProgressTest, ABrokenStreamStepsBackToTheMark) {
  ItemProgress progress({0, 0}, 100, {}, 1);
  progress.Sent(kP0, 20);
  progress.Acknowledged(kP0, 10);
  progress.StepBack(kP0);
  EXPECT_EQ(progress.Next(), 10);
}

TEST(ItemProgressTest, IsDoneWhenEveryPartitionHasTheWholeItem) {
  ItemProgress progress({0, 0}, 10, {}, 2);
  progress.Acknowledged(kP0, 10);
  EXPECT_FALSE(progress.Done());
  progress.Acknowledged(kP1, 10);
  EXPECT_TRUE(progress.Done());
  EXPECT_EQ(progress.Next(), 10);
}

}  // namespace
}  // namespace ebb::client
