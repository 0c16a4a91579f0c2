#include "bench/rows/bare_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "ebb/v1/job.pb.h"

namespace ebb::bench {
namespace {

using ::testing::Each;
using ::testing::FloatNear;
using ::testing::Pointwise;

TEST(BareRowsTest, TakesAStepOfTheRowsThatAreNamed) {
  v1::Optimizer settings;
  settings.set_kind(v1::Optimizer::KIND_ADAGRAD);
  settings.set_initial_accumulator(0);
  settings.set_epsilon(1e-8);
  const auto optimizer = MakeOptimizer(settings);
  ASSERT_TRUE(optimizer.ok()) << optimizer.status();
  BareRows rows(/*tables=*/2, /*rows=*/3, /*width=*/2, **optimizer);
  for (const uint64_t key : {30, 10, 20}) rows.Create(0, key);
  rows.Create(1, 10);
  const std::vector<uint64_t> keys = {10, 20};
  const std::vector<float> gradient = {3, -4, 0.5f, 5};

  rows.Apply(0, keys, gradient, {.rate = 0.25f, .gradient_scale = 1});

  // Adagrad's first step is the rate, whatever the gradient's size.
  std::vector<float> out(6);
  rows.Pull(0, std::vector<uint64_t>{10, 20, 30}, out);
  EXPECT_THAT(
      out, Pointwise(FloatNear(1e-6f),
                     std::vector<float>{-0.25f, 0.25f, -0.25f, -0.25f, 0, 0}));
  std::vector<float> other(2);
  rows.Pull(1, std::vector<uint64_t>{10}, other);
  EXPECT_THAT(other, Each(0));
}

TEST(RowSamplerTest, DrawsDifferentRowsThatThereAre) {
  for (const double zipf : {0.0, 1.0, 1.1}) {
    RowSampler sampler(1000, zipf, /*seed=*/1);
    const auto ids = sampler.Draw(100);
    EXPECT_EQ(ids.size(), 100u);
    EXPECT_THAT(ids, Each(testing::Lt(1000u)));
  }
}

// Of Zipf's law with exponent 1.1, the first of 100000 rows is about one in
// nine draws; where all are alike, none is drawn often.
TEST(RowSamplerTest, SomeRowsArePopular) {
  const auto most = [](double zipf) {
    RowSampler sampler(100'000, zipf, /*seed=*/1);
    std::map<uint64_t, int> drawn;
    for (int i = 0; i < 2000; ++i) ++drawn[*sampler.Draw(1).begin()];
    int most = 0;
    for (const auto& [id, times] : drawn) most = std::max(most, times);
    return most;
  };
  EXPECT_GT(most(1.1), 100);
  EXPECT_LT(most(0), 10);
}

}  // namespace
}  // namespace ebb::bench
