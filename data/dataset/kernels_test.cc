#include "data/dataset/kernels.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::ElementsAre;

TEST(KernelsTest, ScaleEveryByteWhateverTheLength) {
  std::vector<uint8_t> in(256);
  std::iota(in.begin(), in.end(), 0);
  for (const size_t length : {0, 1, 15, 16, 33, 256}) {
    std::vector<float> out(length + 1, -1);
    ScaleBytes(std::span(in).first(length), 0.5f, out.data());
    for (size_t j = 0; j < length; ++j) EXPECT_EQ(out[j], 0.5f * j);
    EXPECT_EQ(out[length], -1);
  }
}

TEST(KernelsTest, ScaleAndShiftByColumn) {
  const std::vector<uint8_t> in = {2, 200};
  const std::vector<float> factor = {3, 0.5};
  const std::vector<float> term = {-1, 4};
  std::vector<float> out(2);
  ScaleBytes(in, factor.data(), term.data(), out.data());
  EXPECT_THAT(out, ElementsAre(5, 104));
}

TEST(MomentsTest, SkipsNan) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  Moments moments(3);
  moments.AddRow(std::vector<float>{kNan, 1, kNan});
  moments.AddRow(std::vector<float>{2, 3, kNan});
  moments.AddRow(std::vector<float>{4, kNan, kNan});
  EXPECT_THAT(moments.count(), ElementsAre(2, 2, 0));
  EXPECT_THAT(moments.mean(), ElementsAre(3, 2, 0));
  EXPECT_THAT(moments.Stddev(), ElementsAre(1, 1, 0));
}

TEST(MomentsTest, AConstantColumnHasNoDeviation) {
  Moments moments(1);
  for (int i = 0; i < 1000; ++i) moments.AddRow(std::vector<float>{0.1f});
  EXPECT_EQ(moments.mean()[0], 0.1f);
  EXPECT_EQ(moments.Stddev()[0], 0);
}

}  // namespace
}  // namespace ebb::data::internal
