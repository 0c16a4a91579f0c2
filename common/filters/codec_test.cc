#include "common/filters/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Core>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace ebb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Truly;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kMax = std::numeric_limits<float>::max();
constexpr float kMin = std::numeric_limits<float>::min();
constexpr float kTiny = std::numeric_limits<float>::denorm_min();

std::string Flat(const Payload& payload) {
  std::string bytes(payload.size(), '\0');
  payload.CopyTo(std::as_writable_bytes(std::span<char>(bytes)));
  return bytes;
}

// The same bytes in slices of a size, which lie at odd addresses.
Payload InSlices(const Payload& payload, size_t size) {
  const std::string bytes = Flat(payload);
  Payload sliced;
  for (size_t at = 0; at < bytes.size(); at += size) {
    auto slice =
        std::make_shared<const std::string>("x" + bytes.substr(at, size));
    const auto span = std::as_bytes(std::span<const char>(*slice)).subspan(1);
    sliced.Append(std::move(slice), span);
  }
  return sliced;
}

std::vector<float> ThereAndBack(Encoding encoding,
                                const std::vector<float>& values,
                                uint64_t seed = 1) {
  const Payload bytes = Encode(encoding, Payload::Of(values), {seed});
  const auto floats = static_cast<int64_t>(values.size());
  EXPECT_EQ(bytes.size(), EncodedBytes(encoding, floats));
  EXPECT_TRUE(CheckEncoded(encoding, bytes, floats).ok());
  std::vector<float> back(values.size());
  Decode(encoding, bytes, back);
  return back;
}

std::vector<float> Normal(size_t n, float deviation, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

// Bit patterns over the whole range, and what lies beside the edges.
std::vector<float> AllKinds() {
  std::vector<float> values;
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 65'521) {
    values.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  }
  for (const float edge : {65504.0f, 65519.0f, 65520.0f, 65536.0f, 131072.0f,
                           0x1p-14f, 0x1p-24f, 0x1p-25f, 0x1.8p-25f, kMax, kMin,
                           kTiny, 3.3961775e38f, 0.0f, kInf, kNan}) {
    for (const float sign : {1.0f, -1.0f}) {
      values.push_back(sign * edge);
      values.push_back(std::nextafter(sign * edge, 0.0f));
      values.push_back(std::nextafter(sign * edge, sign * kMax));
    }
  }
  return values;
}

// Eigen's conversion, but for finite values that it makes infinite.
template <typename Half>
float ByEigen(float value, float largest) {
  const auto half = static_cast<float>(static_cast<Half>(value));
  if (std::isfinite(value) && std::isinf(half)) {
    return std::copysign(largest, value);
  }
  return half;
}

template <typename Half>
void ExpectAsEigen(Encoding encoding, float largest) {
  const std::vector<float> values = AllKinds();
  const std::vector<float> back = ThereAndBack(encoding, values);
  for (size_t i = 0; i < values.size(); ++i) {
    const float expected = ByEigen<Half>(values[i], largest);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(back[i])) << values[i];
    } else {
      // Also of the sign of zero.
      EXPECT_EQ(std::bit_cast<uint32_t>(back[i]),
                std::bit_cast<uint32_t>(expected))
          << values[i] << " became " << back[i] << ", not " << expected;
    }
  }
}

TEST(Bfloat16Test, RoundsAsEigenAndSaturates) {
  ExpectAsEigen<Eigen::bfloat16>(Encoding::kBfloat16, 0x1.fep127f);
}

TEST(Float16Test, RoundsAsEigenAndSaturates) {
  ExpectAsEigen<Eigen::half>(Encoding::kFloat16, 65504.0f);
}

TEST(Bfloat16Test, IsAsDocumented) {
  EXPECT_EQ(Flat(Encode(Encoding::kBfloat16,
                        Payload::Of(std::vector<float>{1.0f, -2.5f}), {})),
            std::string("\x80\x3f\x20\xc0"));
}

TEST(Float16Test, IsAsDocumented) {
  EXPECT_EQ(Flat(Encode(Encoding::kFloat16,
                        Payload::Of(std::vector<float>{1.0f, -2.5f}), {})),
            std::string("\x00\x3c\x00\xc1", 4));
}

TEST(Int8Test, IsAsDocumented) {
  // 127 is its own scale's 127; whole multiples of a scale stay themselves.
  EXPECT_EQ(Flat(Encode(Encoding::kInt8,
                        Payload::Of(std::vector<float>{127, -3, 0}), {})),
            std::string("\x00\x00\x80\x3f\x7f\xfd\x00", 7));
}

TEST(Int8Test, ErrsByLessThanAScaleWhateverTheBlock) {
  for (const size_t n : {1, 3, 255, 256, 257, 511, 512, 1000, 4096}) {
    const std::vector<float> values = Normal(n, 3.0f, static_cast<uint32_t>(n));
    const std::vector<float> back = ThereAndBack(Encoding::kInt8, values);
    for (size_t block = 0; block < n; block += kInt8Block) {
      const size_t end = std::min<size_t>(block + kInt8Block, n);
      float largest = 0;
      for (size_t i = block; i < end; ++i) {
        largest = std::max(largest, std::abs(values[i]));
      }
      for (size_t i = block; i < end; ++i) {
        ASSERT_LE(std::abs(back[i] - values[i]), largest / 127 * 1.0001f) << i;
      }
    }
  }
}

TEST(Int8Test, RoundsWithTheNoiseOfTheIndex) {
  const std::vector<float> values = Normal(1000, 1.0f, 5);
  const Noise noise{0x123456789abcdef0};
  const std::vector<float> back =
      ThereAndBack(Encoding::kInt8, values, noise.seed);
  for (size_t block = 0; block < values.size(); block += kInt8Block) {
    const size_t end = std::min(block + kInt8Block, values.size());
    float largest = 0;
    for (size_t i = block; i < end; ++i) {
      largest = std::max(largest, std::abs(values[i]));
    }
    const float scale = largest / 127.0f;
    for (size_t i = block; i < end; ++i) {
      const float whole = std::floor(values[i] * (1.0f / scale) +
                                     noise.Uniform(static_cast<uint32_t>(i)));
      ASSERT_EQ(back[i], std::min(whole, 127.0f) * scale) << i;
    }
  }
}

TEST(Int8Test, IsRightOnAverage) {
  // The mean over n seeds deviates by at most half a scale over sqrt(n).
  constexpr int kSeeds = 4000;
  const std::vector<float> values = {127,      0.5f,  -0.25f, 100.9f,
                                     -126.99f, 0.01f, 0,      -64.1f};
  std::vector<double> sums(values.size());
  for (int seed = 0; seed < kSeeds; ++seed) {
    const auto back = ThereAndBack(Encoding::kInt8, values, seed);
    for (size_t i = 0; i < values.size(); ++i) sums[i] += back[i];
  }
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(sums[i] / kSeeds, values[i], 5 * 0.5 / std::sqrt(kSeeds)) << i;
  }
  EXPECT_EQ(sums[6], 0);  // Zero is no noise.
}

TEST(Int8Test, TheSameSeedRoundsInTheSameWayAndAnotherDoesNot) {
  const std::vector<float> values = Normal(500, 1.0f, 2);
  EXPECT_EQ(ThereAndBack(Encoding::kInt8, values, 3),
            ThereAndBack(Encoding::kInt8, values, 3));
  EXPECT_NE(ThereAndBack(Encoding::kInt8, values, 3),
            ThereAndBack(Encoding::kInt8, values, 4));
}

TEST(Int8Test, ABlockWithWhatIsNotFiniteIsNan) {
  for (const float odd : {kNan, kInf, -kInf}) {
    std::vector<float> values(600, 1.0f);
    values[256] = odd;
    const std::vector<float> back = ThereAndBack(Encoding::kInt8, values);
    const auto begin = back.begin();
    EXPECT_THAT(std::vector<float>(begin, begin + 256), Each(1.0f));
    EXPECT_THAT(std::vector<float>(begin + 256, begin + 512),
                Each(Truly([](float x) { return std::isnan(x); })));
    EXPECT_THAT(std::vector<float>(begin + 512, begin + 600), Each(1.0f));
  }
}

TEST(Int8Test, TheSmallestAndTheLargestStayInBounds) {
  EXPECT_THAT(ThereAndBack(Encoding::kInt8, {0, -0.0f, 0}),
              ElementsAre(0, 0, 0));
  const auto largest = ThereAndBack(Encoding::kInt8, {kMax, -kMax});
  EXPECT_NEAR(largest[0] / kMax, 1, 1e-6);
  EXPECT_NEAR(largest[1] / kMax, -1, 1e-6);
  // Values below the smallest scale become it or nothing.
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const float tiny = ThereAndBack(Encoding::kInt8, {kTiny}, seed)[0];
    EXPECT_TRUE(tiny == 0 || tiny == kMin) << tiny;
  }
}

TEST(CodecTest, SlicesMakeNoDifference) {
  const Payload values = Payload::Of(Normal(1300, 1.0f, 9));
  for (const Encoding encoding : {Encoding::kFloat32, Encoding::kBfloat16,
                                  Encoding::kFloat16, Encoding::kInt8}) {
    const Payload whole = Encode(encoding, values, {7});
    std::vector<float> expected(1300), found(1300);
    Decode(encoding, whole, expected);
    for (const size_t size : {1, 7, 261, 1025}) {
      const Payload sliced = Encode(encoding, InSlices(values, size), {7});
      EXPECT_EQ(Flat(sliced), Flat(whole)) << EncodingName(encoding);
      Decode(encoding, InSlices(whole, size), found);
      EXPECT_EQ(found, expected) << EncodingName(encoding);
    }
  }
}

TEST(CodecTest, DecodesIntoPartsOfAnyLength) {
  const Payload values = Payload::Of(Normal(1000, 1.0f, 9));
  for (const Encoding encoding : {Encoding::kFloat32, Encoding::kBfloat16,
                                  Encoding::kFloat16, Encoding::kInt8}) {
    const Payload bytes = Encode(encoding, values, {7});
    std::vector<float> expected(1000), found(1000);
    Decode(encoding, bytes, expected);
    const std::span<float> all(found);
    const std::span<float> parts[] = {all.first(1), all.subspan(1, 0),
                                      all.subspan(1, 99), all.subspan(100)};
    Decode(encoding, InSlices(bytes, 301), parts);
    EXPECT_EQ(found, expected) << EncodingName(encoding);
  }
}

TEST(CodecTest, NothingIsEncodedAsNothing) {
  for (const Encoding encoding : {Encoding::kBfloat16, Encoding::kInt8}) {
    EXPECT_TRUE(Encode(encoding, Payload(), {}).empty());
    EXPECT_EQ(EncodedBytes(encoding, 0), 0);
  }
}

TEST(CheckEncodedTest, RefusesEveryOtherLength) {
  for (const Encoding encoding : {Encoding::kFloat32, Encoding::kBfloat16,
                                  Encoding::kFloat16, Encoding::kInt8}) {
    for (const int64_t other : {0, 299, 301, 556}) {
      const Payload bytes =
          Encode(encoding, Payload::Of(std::vector<float>(other)), {});
      const absl::Status status = CheckEncoded(encoding, bytes, 300);
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(std::string(status.message()),
                  ::testing::HasSubstr(std::string(EncodingName(encoding))));
    }
  }
}

TEST(CodecTest, SparseSlicesMakeNoDifference) {
  std::vector<float> values = Normal(9000, 1.0f, 9);
  for (size_t i = 0; i < values.size(); ++i) {
    if (i % 11 != 0) values[i] = 0;
  }
  const Payload whole = Encode(Encoding::kSparse, Payload::Of(values), {});
  EXPECT_EQ(
      Flat(Encode(Encoding::kSparse, InSlices(Payload::Of(values), 7), {})),
      Flat(whole));
  for (const size_t size : {1, 3, 1000}) {
    const Payload sliced = InSlices(whole, size);
    ASSERT_TRUE(CheckEncoded(Encoding::kSparse, sliced, 9000).ok());
    std::vector<float> back(9000);
    const std::span<float> all(back);
    const std::span<float> parts[] = {all.first(4095), all.subspan(4095)};
    Decode(Encoding::kSparse, sliced, parts);
    EXPECT_EQ(back, values);
  }
}

TEST(EncodedBytesTest, EightBitsAreAlmostAFourth) {
  EXPECT_EQ(EncodedBytes(Encoding::kInt8, 16'384), 16'384 + 64 * 4);
  EXPECT_EQ(EncodedBytes(Encoding::kInt8, 257), 257 + 2 * 4);
}

}  // namespace
}  // namespace ebb
