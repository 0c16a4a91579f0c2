#include "sweep/halving.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::sweep {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(HalvingTest, RungsLieBelowTheLastEpoch) {
  EXPECT_THAT(Rungs({1, 3}, 27), ElementsAre(1, 3, 9));
  EXPECT_THAT(Rungs({2, 2}, 9), ElementsAre(2, 4, 8));
  EXPECT_THAT(Rungs({5, 3}, 5), IsEmpty());
}

// Li et al. 2020, section 3.2: the best 1/factor of a rung's results so far.
TEST(HalvingTest, ATrialGoesOnIfItIsAmongTheBestSoFar) {
  const Halving halving{1, 3};
  // In the order of their times: the results 5, 4, 6, 3, 2, 1.
  std::vector<MeasuredTrial> trials;
  int64_t when = 0;
  for (const double value : {5.0, 4.0, 6.0, 3.0, 2.0, 1.0}) {
    ++when;
    trials.push_back({when, {{1, when, value}}});
  }
  std::vector<bool> goes_on;
  for (size_t i = 0; i < trials.size(); ++i) {
    goes_on.push_back(!StoppedAt(halving, 9, trials, i));
  }
  // The best of those so far, until there are six: then the best two.
  EXPECT_THAT(goes_on, ElementsAre(true, true, false, true, true, true));
}

TEST(HalvingTest, ResultsThatCameLaterDoNotChangeADecision) {
  const Halving halving{1, 2};
  std::vector<MeasuredTrial> trials = {{0, {{1, 10, 0.5}}}};
  EXPECT_EQ(StoppedAt(halving, 4, trials, 0), std::nullopt);
  trials.push_back({1, {{1, 20, 0.1}}});
  EXPECT_EQ(StoppedAt(halving, 4, trials, 0), std::nullopt);
  trials.push_back({2, {{1, 30, 0.3}}});
  EXPECT_EQ(StoppedAt(halving, 4, trials, 2), 1);
}

// A driver that was away finds several rungs that it has not decided.
TEST(HalvingTest, ARungThatWasPassedMeanwhileCounts) {
  const Halving halving{1, 2};
  const std::vector<MeasuredTrial> trials = {
      {0, {{1, 10, 0.1}}},
      {1, {{1, 20, 0.5}, {2, 30, 0.05}}},
  };
  EXPECT_EQ(StoppedAt(halving, 8, trials, 1), 1);
}

TEST(HalvingTest, AnEvaluationThatIsMissingIsReplacedByTheNext) {
  const Halving halving{1, 2};
  const std::vector<MeasuredTrial> trials = {
      {0, {{2, 10, 0.1}}},
      {1, {{1, 20, 0.5}}},
  };
  EXPECT_EQ(StoppedAt(halving, 8, trials, 1), 1);
}

TEST(HalvingTest, AResultThatIsNoNumberIsWorst) {
  const Halving halving{1, 2};
  const std::vector<MeasuredTrial> trials = {
      {0, {{1, 10, 0.5}}},
      {1, {{1, 20, std::nan("")}}},
  };
  EXPECT_EQ(StoppedAt(halving, 8, trials, 1), 1);
}

}  // namespace
}  // namespace ebb::sweep
