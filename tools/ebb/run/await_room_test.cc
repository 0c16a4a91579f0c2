#include "tools/ebb/run/await_room.h"

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

class AwaitRoomTest : public ::testing::Test {
 protected:
  // `fail` is how often writing fails, `error` how.
  absl::Status Await(int fail, const absl::Status& error) {
    return AwaitRoom([&] { return tries_++ < fail ? error : absl::OkStatus(); },
                     [this](const absl::Status&) { ++told_; },
                     [this](absl::Duration pause) {
                       waited_ += pause;
                       return waited_ < leave_after_;
                     });
  }

  const absl::Status full_ = absl::ResourceExhaustedError("no room");
  int tries_ = 0;
  int told_ = 0;
  absl::Duration waited_;
  absl::Duration leave_after_ = absl::InfiniteDuration();
};

// Bug: a disk that was full for ten seconds failed the run for good.
TEST_F(AwaitRoomTest, WritesOnceThereIsRoom) {
  EXPECT_TRUE(Await(20, full_).ok());
  EXPECT_EQ(tries_, 21);
  EXPECT_EQ(told_, 1);
  EXPECT_EQ(waited_, absl::Seconds(10));
}

TEST_F(AwaitRoomTest, WaitsForAMinute) {
  EXPECT_EQ(Await(1000, full_), full_);
  EXPECT_EQ(waited_, absl::Minutes(1));
}

TEST_F(AwaitRoomTest, LeavesWhenItIsToldTo) {
  leave_after_ = absl::Seconds(2);
  EXPECT_EQ(Await(1000, full_), full_);
  EXPECT_EQ(waited_, absl::Seconds(2));
}

TEST_F(AwaitRoomTest, OtherErrorsDoNotPass) {
  const absl::Status gone = absl::NotFoundError("no folder");
  EXPECT_EQ(Await(1000, gone), gone);
  EXPECT_EQ(tries_, 1);
  EXPECT_EQ(told_, 0);
}

}  // namespace
}  // namespace ebb::tools
