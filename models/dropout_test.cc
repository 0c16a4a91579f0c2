#include "models/dropout.h"

#include <cstdint>
#include <vector>

#include "common/example_hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::models {
namespace {

using ::testing::Each;

constexpr DropoutKey kKey = {
    .seed = 7, .epoch = 3, .shard = 17, .first_position = 1280, .layer = 1};

std::vector<float> Mask(const DropoutKey& key, float rate, int64_t rows,
                        int64_t columns) {
  std::vector<float> mask(rows * columns, -1.0f);
  FillDropoutMask(key, rate, rows, columns, mask.data());
  return mask;
}

// One row, from the description in the header.
TEST(DropoutTest, DrawsAsSpecified) {
  uint64_t stream = HashAppend(0, 7);
  for (const uint64_t part : {3, 17, 1281, 1}) {
    stream = HashAppend(stream, part);
  }
  const std::vector<float> mask = Mask(kKey, 0.5f, 2, 5);
  for (int j = 0; j < 5; ++j) {
    const uint64_t bits = HashAppend(stream, j / 2) >> (j % 2 * 32);
    const bool dropped = (bits & 0xffffffff) < 0x80000000;
    EXPECT_EQ(mask[5 + j], dropped ? 0.0f : 2.0f) << "unit " << j;
  }
}

TEST(DropoutTest, AnExampleDropsTheSameInWhateverBatchItIs) {
  const std::vector<float> whole = Mask(kKey, 0.3f, 8, 33);
  DropoutKey later = kKey;
  later.first_position += 5;
  const std::vector<float> tail = Mask(later, 0.3f, 3, 33);
  EXPECT_EQ(tail, std::vector<float>(whole.begin() + 5 * 33, whole.end()));
}

TEST(DropoutTest, EachPartOfTheKeyMatters) {
  const std::vector<float> base = Mask(kKey, 0.5f, 4, 32);
  DropoutKey key = kKey;
  key.seed = 8;
  EXPECT_NE(Mask(key, 0.5f, 4, 32), base);
  key = kKey;
  key.epoch = 4;
  EXPECT_NE(Mask(key, 0.5f, 4, 32), base);
  key = kKey;
  key.shard = 18;
  EXPECT_NE(Mask(key, 0.5f, 4, 32), base);
  key = kKey;
  key.layer = 2;
  EXPECT_NE(Mask(key, 0.5f, 4, 32), base);
}

TEST(DropoutTest, DropsAtTheRateAndKeepsTheMean) {
  EXPECT_THAT(Mask(kKey, 0, 10, 10), Each(1.0f));
  for (const float rate : {0.1f, 0.5f, 0.9f}) {
    const std::vector<float> mask = Mask(kKey, rate, 1000, 100);
    double dropped = 0, sum = 0;
    for (const float value : mask) {
      dropped += value == 0;
      sum += value;
    }
    EXPECT_NEAR(dropped / 1e5, rate, 0.006);
    EXPECT_NEAR(sum / 1e5, 1, 0.04);
  }
}

}  // namespace
}  // namespace ebb::models
