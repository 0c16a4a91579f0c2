#include "data/generate/zipf.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"

namespace ebb::data::generate {
namespace {

class ZipfTest : public ::testing::TestWithParam<std::tuple<int64_t, double>> {
};

TEST_P(ZipfTest, EachNumberIsAsFrequentAsItShouldBe) {
  constexpr int kDraws = 50'000;
  const auto [n, exponent] = GetParam();
  const Zipf zipf(n, exponent);
  Draws draws(/*seed=*/1, Part::kTrain, /*row=*/0);
  std::vector<int> counts(n);
  for (int i = 0; i < kDraws; ++i) ++counts.at(zipf.Draw(&draws));
  double all = 0;
  for (int64_t k = 1; k <= n; ++k) all += std::pow(k, -exponent);
  for (int64_t k = 1; k <= n; ++k) {
    const double expected = kDraws * std::pow(k, -exponent) / all;
    // Six standard deviations of a Poisson number, and its whole steps.
    EXPECT_NEAR(counts[k - 1], expected, 6 * std::sqrt(expected) + 3) << k;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ZipfTest,
                         ::testing::Combine(::testing::Values(1, 2, 10, 1000),
                                            ::testing::Values(0.0, 0.5, 0.9999,
                                                              1.0, 1.1, 3.0)));

TEST(ZipfTest, ABillionNumbersNeedNoMemory) {
  constexpr int64_t kMany = 1'000'000'000;
  const Zipf zipf(kMany, 1.05);
  Draws draws(/*seed=*/1, Part::kTrain, /*row=*/0);
  int64_t largest = 0;
  int first = 0;
  for (int i = 0; i < 10'000; ++i) {
    const int64_t k = zipf.Draw(&draws);
    ASSERT_GE(k, 0);
    ASSERT_LT(k, kMany);
    largest = std::max(largest, k);
    first += k == 0 ? 1 : 0;
  }
  EXPECT_GT(largest, kMany / 2);
  // 1 in 13.5, the sum of k^-1.05 up to a billion.
  EXPECT_NEAR(first, 742, 150);
}

}  // namespace
}  // namespace ebb::data::generate
