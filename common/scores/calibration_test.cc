#include "common/scores/calibration.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using ::testing::DoubleNear;
using ::testing::IsEmpty;
using ::testing::Optional;

TEST(CalibrationTest, ComparesEachBinWithItsShare) {
  Calibration calibration;
  calibration.Add(0.0625f, false);
  calibration.Add(0.03125f, true);
  calibration.Add(0.75f, true);
  calibration.Add(0.75f, true);
  calibration.Add(0.75f, false);
  calibration.Add(1, true);
  const std::vector<CalibrationBin> bins = calibration.Bins();
  ASSERT_EQ(bins.size(), kCalibrationBins);
  EXPECT_EQ(bins[0], (CalibrationBin{2, 0.046875, 0.5}));
  EXPECT_EQ(bins[1], CalibrationBin());
  EXPECT_EQ(bins[7], (CalibrationBin{3, 0.75, 2.0 / 3}));
  EXPECT_EQ(bins[9], (CalibrationBin{1, 1, 1}));
  // Each bin counts by its examples.
  EXPECT_THAT(calibration.Error(),
              Optional(DoubleNear(
                  (2 * (0.5 - 0.046875) + 3 * (0.75 - 2.0 / 3)) / 6, 1e-12)));
}

// scikit-learn 1.2.1 says the same:
//   calibration_curve([0, 1, 1, 0, 1, 1, 0, 1],
//                     [0, .05, .125, .25, .5, .625, .5, .9375], n_bins=10)
// is [0.5, 1, 0, 0.5, 1, 1] and [0.025, 0.125, 0.25, 0.5, 0.625, 0.9375].
TEST(CalibrationTest, HasTheBinsOfScikitLearn) {
  Calibration calibration;
  const std::vector<float> probabilities = {0,   .05f,  .125f, .25f,
                                            .5f, .625f, .5f,   .9375f};
  const std::vector<bool> positive = {false, true, true,  false,
                                      true,  true, false, true};
  for (size_t i = 0; i < positive.size(); ++i) {
    calibration.Add(probabilities[i], positive[i]);
  }
  std::vector<double> observed, predicted;
  for (const CalibrationBin& bin : calibration.Bins()) {
    if (bin.examples == 0) continue;
    observed.push_back(bin.observed);
    predicted.push_back(bin.predicted);
  }
  EXPECT_THAT(observed, ::testing::ElementsAre(0.5, 1, 0, 0.5, 1, 1));
  EXPECT_THAT(predicted, ::testing::ElementsAre(DoubleNear(0.025, 1e-9), 0.125,
                                                0.25, 0.5, 0.625, 0.9375));
}

// Guo et al. 2017: a bin has its upper bound and not its lower one.
TEST(CalibrationTest, ABoundIsInTheBinBelow) {
  Calibration calibration;
  calibration.Add(0, false);
  calibration.Add(0.5f, true);
  calibration.Add(std::nextafter(0.5f, 1.0f), true);
  calibration.Add(std::nextafter(1.0f, 0.0f), true);
  calibration.Add(1, true);
  const std::vector<CalibrationBin> bins = calibration.Bins();
  EXPECT_EQ(bins[0].examples, 1);
  EXPECT_EQ(bins[4].examples, 1);
  EXPECT_EQ(bins[5].examples, 1);
  EXPECT_EQ(bins[9].examples, 2);
}

TEST(CalibrationTest, OneProbabilityThatIsNoneLeavesNothing) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -0.1f, 1.1f,
                          std::numeric_limits<float>::infinity()}) {
    Calibration calibration;
    calibration.Add(0.5f, true);
    EXPECT_TRUE(calibration.Error().has_value());
    calibration.Add(bad, true);
    calibration.Add(0.5f, false);
    EXPECT_EQ(calibration.Error(), std::nullopt) << bad;
    EXPECT_THAT(calibration.Bins(), IsEmpty()) << bad;
  }
}

TEST(CalibrationTest, WithoutExamplesThereIsNothing) {
  EXPECT_EQ(Calibration().Error(), std::nullopt);
  EXPECT_THAT(Calibration().Bins(), IsEmpty());
}

// The mean of equal probabilities must not leave the range that receivers take.
TEST(CalibrationTest, MeansStayFrom0To1) {
  Calibration calibration;
  const float below_one = std::nextafter(1.0f, 0.0f);
  for (int i = 0; i < 100'000; ++i) {
    calibration.Add(i % 2 == 0 ? below_one : 1, true);
  }
  const CalibrationBin last = calibration.Bins().back();
  EXPECT_EQ(last.examples, 100'000);
  EXPECT_LE(last.predicted, 1);
  EXPECT_EQ(last.observed, 1);
}

}  // namespace
}  // namespace ebb
