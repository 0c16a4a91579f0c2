#include "tools/ebb/status/known_marks.h"

#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

v1::JobStatus Status(int known, int64_t least, int64_t most) {
  v1::JobStatus status;
  status.set_partitions(2);
  for (int p = 0; p < known; ++p) status.mutable_placement()->add_partitions();
  status.set_applied_min(least);
  status.set_applied_max(most);
  return status;
}

// Whenever the scheduler was restarted, the job was at 0 % for a moment.
TEST(KnownMarksTest, ARestartedSchedulersIgnoranceTakesNothingBack) {
  KnownMarks marks;
  v1::JobStatus status = Status(2, 40, 60);
  marks.Mend(&status);
  EXPECT_EQ(status.applied_min(), 40);
  status = Status(1, 0, 70);
  marks.Mend(&status);
  EXPECT_EQ(status.applied_min(), 40);
  EXPECT_EQ(status.applied_max(), 70);
  // That servers came back with less is known.
  status = Status(2, 30, 50);
  marks.Mend(&status);
  EXPECT_EQ(status.applied_min(), 30);
  EXPECT_EQ(marks.first(), 40);
}

// Bug: the line of a run jumped back and did not say why.
TEST(KnownMarksTest, WhatAServerLostIsTakenBackUntilItIsAppliedAgain) {
  KnownMarks marks;
  const auto after = [&](int known, int64_t least) {
    v1::JobStatus status = Status(known, least, 60);
    marks.Mend(&status);
    return marks.taken_back();
  };
  EXPECT_EQ(after(2, 40), 0);
  EXPECT_EQ(after(1, 0), 0);  // Not known.
  EXPECT_EQ(after(2, 30), 10);
  EXPECT_EQ(after(2, 35), 5);
  EXPECT_EQ(after(2, 41), 0);
}

TEST(KnownMarksTest, AResumedRunGoesOnFromWhatItHad) {
  KnownMarks marks(100);
  v1::JobStatus status = Status(0, 0, 0);
  marks.Mend(&status);
  EXPECT_EQ(status.applied_min(), 100);
  EXPECT_FALSE(marks.first().has_value());
  status = Status(2, 90, 90);
  marks.Mend(&status);
  EXPECT_EQ(status.applied_min(), 90);
  EXPECT_EQ(marks.first(), 90);
}

}  // namespace
}  // namespace ebb::tools
