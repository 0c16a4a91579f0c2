#include "data/generate/portable_math.h"

#include <bit>
#include <cmath>
#include <cstdint>

#include "common/example_hash.h"
#include "gtest/gtest.h"

namespace ebb::data::generate {
namespace {

constexpr double kClose = 1e-15;  // Of a value: four units in the last place.

TEST(PortableMathTest, ExpIsThatOfTheLibrary) {
  for (double x = -700; x <= 700; x += 0.37) {
    EXPECT_NEAR(Exp(x) / std::exp(x), 1, kClose) << x;
  }
  EXPECT_EQ(Exp(0), 1);
  EXPECT_EQ(Exp(1e9), Exp(700));
  EXPECT_EQ(Exp(-1e9), Exp(-700));
}

TEST(PortableMathTest, LogIsThatOfTheLibrary) {
  for (double x = 1e-300; x < 1e300; x *= 1.37) {
    EXPECT_NEAR(Log(x) / std::log(x), 1, kClose) << x;
  }
  // Near 1 the value is near 0, and as exact.
  for (double x = 0.9; x < 1.1; x += 0.00037) {
    EXPECT_NEAR(Log(x) / std::log(x), 1, kClose) << x;
  }
  EXPECT_EQ(Log(1), 0);
}

// Of many values, as a fused multiply-add changes few.
TEST(PortableMathTest, BitsAreTheSameEverywhere) {
  uint64_t exp = 0;
  uint64_t log = 0;
  uint64_t softplus = 0;
  for (int i = -5000; i < 5000; ++i) {
    const double x = i / 256.0;
    exp = HashAppend(exp, std::bit_cast<uint64_t>(Exp(x)));
    log = HashAppend(log, std::bit_cast<uint64_t>(Log(x * x + 0.125)));
    softplus = HashAppend(softplus, std::bit_cast<uint64_t>(Softplus(x)));
  }
  EXPECT_EQ(exp, 0x916bc16bc845853cu);
  EXPECT_EQ(log, 0x03b4d028754d74b5u);
  EXPECT_EQ(softplus, 0x94d7c8b1a5ea62f6u);
}

TEST(PortableMathTest, SigmoidAndItsCosts) {
  EXPECT_EQ(Sigmoid(0), 0.5);
  for (const double x : {-30.0, -2.0, 0.1, 3.0, 30.0}) {
    EXPECT_NEAR(Sigmoid(x) + Sigmoid(-x), 1, 1e-15);
    EXPECT_NEAR(Softplus(-x), -std::log(Sigmoid(x)), 1e-14);
  }
  EXPECT_EQ(Softplus(1000), 1000);
  EXPECT_EQ(Softplus(-1000), 0);
}

}  // namespace
}  // namespace ebb::data::generate
