#include "scheduler/job/share_out.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ebb::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kMany = 1'000'000;

WorkerClaim Begun(int32_t priority, int64_t min, int64_t most) {
  return {priority, min, most, true};
}

TEST(ShareOutTest, NobodyGetsAnythingOfNothing) {
  EXPECT_THAT(ShareOut({}, 5), IsEmpty());
  EXPECT_THAT(ShareOut({Begun(0, 1, 10), Begun(3, 2, 10)}, 0),
              ElementsAre(0, 0));
}

TEST(ShareOutTest, AloneAJobGetsWhatItCanUse) {
  EXPECT_THAT(ShareOut({Begun(0, 1, kMany)}, 100), ElementsAre(100));
  EXPECT_THAT(ShareOut({Begun(0, 1, 30)}, 100), ElementsAre(30));
  EXPECT_THAT(ShareOut({Begun(0, 1, 0)}, 100), ElementsAre(0));
}

TEST(ShareOutTest, AHigherPriorityTakesAllButTheMinimum) {
  EXPECT_THAT(ShareOut({Begun(0, 1, kMany), Begun(10, 1, 50)}, 100),
              ElementsAre(50, 50));
  EXPECT_THAT(ShareOut({Begun(0, 5, kMany), Begun(10, 1, kMany)}, 100),
              ElementsAre(5, 95));
  // The one below it still goes before the one below that.
  EXPECT_THAT(
      ShareOut({Begun(-1, 2, 50), Begun(10, 1, 40), Begun(3, 1, kMany)}, 60),
      ElementsAre(2, 40, 18));
}

TEST(ShareOutTest, MinimaOfHigherPrioritiesGoBeforeThoseOfLower) {
  EXPECT_THAT(ShareOut({Begun(0, 8, kMany), Begun(10, 7, kMany)}, 10),
              ElementsAre(3, 7));
  EXPECT_THAT(ShareOut({Begun(0, 8, kMany), Begun(10, 7, kMany)}, 6),
              ElementsAre(0, 6));
}

TEST(ShareOutTest, EqualPrioritiesShareEvenly) {
  EXPECT_THAT(ShareOut({Begun(0, 1, kMany), Begun(0, 1, kMany)}, 10),
              ElementsAre(5, 5));
  EXPECT_THAT(
      ShareOut({Begun(0, 1, kMany), Begun(0, 1, kMany), Begun(0, 1, kMany)},
               100),
      ElementsAre(34, 33, 33));
  // What one cannot use goes to the others; a minimum counts towards a share.
  EXPECT_THAT(
      ShareOut({Begun(0, 1, 4), Begun(0, 1, kMany), Begun(0, 60, 70)}, 100),
      ElementsAre(4, 36, 60));
  EXPECT_THAT(ShareOut({Begun(0, 1, 3), Begun(0, 1, 4)}, 100),
              ElementsAre(3, 4));
}

TEST(ShareOutTest, AJobBeginsWithItsMinimumOrNotAtAll) {
  EXPECT_THAT(ShareOut({{0, 4, kMany, false}}, 3), ElementsAre(0));
  EXPECT_THAT(ShareOut({{0, 4, kMany, false}}, 4), ElementsAre(4));
  EXPECT_THAT(ShareOut({{0, 4, kMany, true}}, 3), ElementsAre(3));
  // What it cannot begin with is of use to others.
  EXPECT_THAT(ShareOut({Begun(0, 1, kMany), {5, 8, kMany, false}}, 7),
              ElementsAre(7, 0));
  EXPECT_THAT(ShareOut({Begun(0, 1, kMany), {5, 8, kMany, false}}, 8),
              ElementsAre(0, 8));
  // It could use fewer than it begins with: too few are able.
  EXPECT_THAT(ShareOut({{0, 4, 2, false}}, 10), ElementsAre(0));
}

TEST(ShareOutTest, ManyJobsGetNoMoreThanThereIs) {
  std::vector<WorkerClaim> claims;
  for (int i = 0; i < 100; ++i) claims.push_back(Begun(i % 3, 1, 500));
  const std::vector<int64_t> shares = ShareOut(claims, 10'000);
  int64_t sum = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    sum += shares[i];
    EXPECT_GE(shares[i], 1);
    EXPECT_LE(shares[i], 500);
  }
  EXPECT_EQ(sum, 10'000);
  EXPECT_EQ(shares[0], 1);    // Priority 0: the minimum.
  EXPECT_EQ(shares[2], 301);  // 10,000 - 67 of minima, for 33 jobs.
}

}  // namespace
}  // namespace ebb::scheduler
