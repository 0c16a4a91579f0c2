#include "data/keys.h"

#include <string>

#include "gtest/gtest.h"

namespace ebb::data {
namespace {

// The values are those of a program of its own (docs/sparse-data.md).
TEST(KeysTest, AreTheHashThatTheFormatSays) {
  EXPECT_EQ(KeyOf(0, ""), 0xef46db3751d8e999);
  EXPECT_EQ(KeyOf(0, "17"), 0x3ea90da193231260);
  EXPECT_EQ(KeyOf(1, "17"), 0x10e3cc6c55d8e82c);
  EXPECT_EQ(KeyOf(13, "05db9164"), 0xc44a28a890fc414b);
  EXPECT_EQ(KeyOf(13, ""), 0x99058bc02e06bbdb);
  EXPECT_EQ(KeyOf(38, std::string(40, 'a')), 0x0c8f894e3324b496);
  EXPECT_EQ(KeyOf(65535, "x"), 0x2280499084f8a4c9);
}

}  // namespace
}  // namespace ebb::data
