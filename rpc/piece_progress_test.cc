#include "rpc/internal/piece_progress.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace ebb::rpc::internal {
namespace {

constexpr absl::Duration kStuckAfter = absl::Seconds(10);

class PieceProgressTest : public testing::Test {
 protected:
  PieceProgress::Handle Begin(int* given_up) {
    return progress_.Begin(now_, [given_up] { ++*given_up; });
  }
  void GiveUpStuckAfter(absl::Duration time) {
    now_ += time;
    progress_.GiveUpStuck(now_);
  }

  PieceProgress progress_{kStuckAfter};
  absl::Time now_ = absl::UnixEpoch();
};

TEST_F(PieceProgressTest, AMessageThatStandsStillIsGivenUpOnce) {
  int first = 0, second = 0;
  const auto one = Begin(&first);
  GiveUpStuckAfter(kStuckAfter / 2);
  const auto two = Begin(&second);
  GiveUpStuckAfter(kStuckAfter / 2);
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 0);
  progress_.End(one);
  GiveUpStuckAfter(kStuckAfter);
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 1);
  GiveUpStuckAfter(kStuckAfter);
  EXPECT_EQ(second, 1);
  progress_.End(two);
}

TEST_F(PieceProgressTest, AMessageThatComesSlowlyStays) {
  int given_up = 0;
  const auto message = Begin(&given_up);
  for (int i = 0; i < 20; ++i) {
    now_ += kStuckAfter / 4;
    progress_.Came(message, PieceProgress::kLeast / 2, now_);
    progress_.GiveUpStuck(now_);
  }
  EXPECT_EQ(given_up, 0);
  progress_.End(message);
}

TEST_F(PieceProgressTest, AMessageByTheByteIsGivenUp) {
  int given_up = 0;
  const auto message = Begin(&given_up);
  for (int i = 0; i < 20 && given_up == 0; ++i) {
    now_ += kStuckAfter / 10;
    progress_.Came(message, 1024, now_);
    progress_.GiveUpStuck(now_);
  }
  EXPECT_EQ(given_up, 1);
  progress_.End(message);
}

}  // namespace
}  // namespace ebb::rpc::internal
