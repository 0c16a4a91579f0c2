#include "worker/outage.h"

#include "gtest/gtest.h"

namespace ebb::worker {
namespace {

constexpr absl::Time kStart = absl::UnixEpoch();

absl::Time At(int seconds) { return kStart + absl::Seconds(seconds); }

TEST(OutageTest, ItIsGivenUpOnceItLastedForThePatience) {
  Outage outage(absl::Seconds(10));
  EXPECT_EQ(outage.Failed(At(0), At(1)), Outage::Next::kBegins);
  EXPECT_EQ(outage.Failed(At(4), At(9)), Outage::Next::kGoesOn);
  EXPECT_EQ(outage.Failed(At(9), At(10)), Outage::Next::kGivenUp);
  EXPECT_EQ(outage.Failed(At(11), At(12)), Outage::Next::kBegins);
}

TEST(OutageTest, AnAnswerEndsIt) {
  Outage outage(absl::Seconds(10));
  EXPECT_EQ(outage.Failed(At(0), At(1)), Outage::Next::kBegins);
  outage.End();
  EXPECT_EQ(outage.Failed(At(9), At(11)), Outage::Next::kBegins);
  EXPECT_EQ(outage.Failed(At(18), At(18)), Outage::Next::kGoesOn);
}

TEST(OutageTest, ATryLongAfterTheLastBeginsAnother) {
  Outage outage(absl::Seconds(10));
  EXPECT_EQ(outage.Failed(At(0), At(1)), Outage::Next::kBegins);
  EXPECT_EQ(outage.Failed(At(100), At(101)), Outage::Next::kBegins);
  EXPECT_EQ(outage.Failed(At(110), At(110)), Outage::Next::kGivenUp);
}

TEST(OutageTest, WithoutPatienceTheFirstFailureIsTheLast) {
  Outage outage(absl::ZeroDuration());
  EXPECT_EQ(outage.Failed(At(0), At(0)), Outage::Next::kGivenUp);
  EXPECT_EQ(outage.GivenUp(absl::UnavailableError("the disk is away")),
            absl::UnavailableError("the disk is away; it was tried for 0"));
}

}  // namespace
}  // namespace ebb::worker
