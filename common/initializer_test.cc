#include "common/initializer.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<float> Initial(const InitRule& rule, uint64_t seed,
                           absl::string_view table, int64_t first,
                           int64_t count) {
  std::vector<float> out(count, -1.0f);
  FillInitial(rule, seed, table, first, out);
  return out;
}

// The vectors below come from a program in another language, written from the
// description in the header.
TEST(InitializerTest, UniformMatchesTheTestVectors) {
  const InitRule rule = InitRule::Uniform(0.25f);
  EXPECT_THAT(Initial(rule, 1, "layer1.weights", 0, 3),
              ElementsAre(-0x1.137394p-4f, -0x1.c40e68p-5f, -0x1.c598bp-6f));
  EXPECT_THAT(Initial(rule, 1, "layer1.weights", int64_t{1} << 40, 1),
              ElementsAre(-0x1.b95faap-3f));
}

TEST(InitializerTest, NormalMatchesTheTestVectors) {
  const InitRule rule = InitRule::Normal(0.1f);
  EXPECT_THAT(Initial(rule, 1, "layer1.weights", 0, 3),
              ElementsAre(-0x1.7eaa66p-3f, 0x1.f08a66p-3f, 0x1.b2e666p-8f));
  EXPECT_THAT(Initial(rule, 1, "layer1.weights", int64_t{1} << 40, 1),
              ElementsAre(-0x1.62dp-4f));
}

TEST(InitializerTest, RowsMatchTheTestVectors) {
  constexpr uint64_t kSeed = std::numeric_limits<uint64_t>::max();
  std::vector<float> row(3);
  FillInitialRow(InitRule::Uniform(1), kSeed, "rows", kSeed - 1,
                 std::span(row));
  EXPECT_THAT(row, ElementsAre(0x1.9dfddp-4f, 0x1.505194p-2f, -0x1.b9a0fp-4f));
  FillInitialRow(InitRule::Normal(1), kSeed, "rows", kSeed - 1, std::span(row));
  EXPECT_THAT(row, ElementsAre(0x1.e6d2p-1f, -0x1.1029p+0f, 0x1.0219p+0f));
}

TEST(InitializerTest, APieceHasTheValuesOfTheWhole) {
  for (const InitRule& rule :
       {InitRule::Uniform(0.5f), InitRule::Normal(2.0f)}) {
    const std::vector<float> whole = Initial(rule, 7, "w", 0, 100);
    for (const int64_t cut : {0, 1, 33, 64, 100}) {
      std::vector<float> pieces = Initial(rule, 7, "w", 0, cut);
      const std::vector<float> rest = Initial(rule, 7, "w", cut, 100 - cut);
      pieces.insert(pieces.end(), rest.begin(), rest.end());
      EXPECT_EQ(pieces, whole) << "cut at " << cut;
    }
  }
}

TEST(InitializerTest, ZerosAndConstantsFill) {
  EXPECT_THAT(Initial(InitRule::Zeros(), 1, "b", 5, 10), Each(0.0f));
  EXPECT_THAT(Initial(InitRule::Constant(0.5f), 1, "b", 5, 10), Each(0.5f));
}

TEST(InitializerTest, SeedsTablesAndKeysHaveValuesOfTheirOwn) {
  const InitRule rule = InitRule::Uniform(1);
  const std::vector<float> base = Initial(rule, 1, "w", 0, 8);
  EXPECT_NE(Initial(rule, 2, "w", 0, 8), base);
  EXPECT_NE(Initial(rule, 1, "v", 0, 8), base);
  std::vector<float> row5(8), row6(8);
  FillInitialRow(rule, 1, "w", 5, std::span(row5));
  FillInitialRow(rule, 1, "w", 6, std::span(row6));
  EXPECT_NE(row5, row6);
  EXPECT_NE(row5, base);
}

// Of 10^6 values the mean has a standard deviation of sigma / 1000.
TEST(InitializerTest, UniformHasItsMomentsAndItsLimit) {
  const std::vector<float> values =
      Initial(InitRule::Uniform(3), 11, "w", 0, 1'000'000);
  double sum = 0, squares = 0;
  for (const float value : values) {
    ASSERT_LE(std::abs(value), 3.0f);
    sum += value;
    squares += double{value} * value;
  }
  EXPECT_NEAR(sum / 1e6, 0, 4 * std::sqrt(3.0) / 1000);
  EXPECT_NEAR(squares / 1e6, 3.0, 0.02);  // limit^2 / 3
}

TEST(InitializerTest, NormalHasItsMomentsAndTails) {
  const std::vector<float> values =
      Initial(InitRule::Normal(2), 12, "w", 0, 1'000'000);
  double sum = 0, squares = 0;
  int64_t beyond_one = 0, beyond_two = 0;
  for (const float value : values) {
    ASSERT_LE(std::abs(value), 12.0f);
    sum += value;
    squares += double{value} * value;
    beyond_one += std::abs(value) > 2;
    beyond_two += std::abs(value) > 4;
  }
  EXPECT_NEAR(sum / 1e6, 0, 4 * 2.0 / 1000);
  EXPECT_NEAR(squares / 1e6, 4.0, 0.03);
  EXPECT_NEAR(beyond_one / 1e6, 0.3173, 0.006);  // of the normal curve
  EXPECT_NEAR(beyond_two / 1e6, 0.0455, 0.003);
}

TEST(InitializerTest, ValidateRefusesWhatIsNoSpread) {
  EXPECT_TRUE(InitRule::Zeros().Validate().ok());
  EXPECT_TRUE(InitRule::Constant(-1).Validate().ok());
  EXPECT_TRUE(InitRule::Uniform(0).Validate().ok());
  EXPECT_THAT(InitRule::Uniform(-1).Validate().message(),
              HasSubstr("rule 2 with parameter -1"));
  EXPECT_FALSE(InitRule::Normal(-0.5f).Validate().ok());
  EXPECT_FALSE(InitRule::Normal(std::nanf("")).Validate().ok());
  EXPECT_FALSE(InitRule::Constant(std::numeric_limits<float>::infinity())
                   .Validate()
                   .ok());
  const InitRule unknown{static_cast<InitRule::Kind>(9), 1};
  EXPECT_EQ(unknown.Validate().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ebb
