#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "common/filters/codec.h"

namespace ebb {
namespace {

using ::testing::HasSubstr;

std::string Flat(const Payload& payload) {
  std::string bytes(payload.size(), '\0');
  payload.CopyTo(std::as_writable_bytes(std::span<char>(bytes)));
  return bytes;
}

Payload OfBytes(const std::string& bytes) {
  return Payload::Of(std::vector<char>(bytes.begin(), bytes.end()));
}

TEST(SparseTest, IsAsDocumented) {
  EXPECT_EQ(Flat(Encode(Encoding::kSparse,
                        Payload::Of(std::vector<float>{0, 1, 0, -2.5}), {})),
            std::string("\x02\x00"
                        "\x01\x00\x03\x00"
                        "\x00\x00\x80\x3f\x00\x00\x20\xc0",
                        14));
}

TEST(SparseTest, ComesBackToTheBitWhateverTheBlocks) {
  for (const size_t n : {1, 4095, 4096, 4097, 8192, 10'000}) {
    std::vector<float> values(n);
    for (size_t i = 0; i < n; i += 7) values[i] = 0.1f * static_cast<float>(i);
    values[n - 1] = std::numeric_limits<float>::denorm_min();
    const Payload bytes = Encode(Encoding::kSparse, Payload::Of(values), {});
    ASSERT_TRUE(CheckEncoded(Encoding::kSparse, bytes, n).ok());
    std::vector<float> back(n, 99);
    Decode(Encoding::kSparse, bytes, back);
    EXPECT_EQ(back, values) << n;
  }
}

TEST(SparseTest, ValuesThatAreAllThereFit) {
  const std::vector<float> values(5000, 1.5f);
  const Payload bytes = Encode(Encoding::kSparse, Payload::Of(values), {});
  EXPECT_EQ(bytes.size(), EncodedBytes(Encoding::kSparse, 5000));
  std::vector<float> back(5000);
  Decode(Encoding::kSparse, bytes, back);
  EXPECT_EQ(back, values);
}

TEST(SparseTest, AHundredthTakesASixtiethOfTheBytes) {
  std::vector<float> values(1 << 16);
  for (size_t i = 0; i < values.size(); i += 100) values[i] = 1;
  const Payload bytes = Encode(Encoding::kSparse, Payload::Of(values), {});
  EXPECT_LT(bytes.size() * 60, EncodedBytes(Encoding::kFloat32, 1 << 16));
}

TEST(SparseTest, RefusesWhatIsNone) {
  const auto refused = [](const std::string& bytes, int64_t floats,
                          const std::string& why) {
    const absl::Status status =
        CheckEncoded(Encoding::kSparse, OfBytes(bytes), floats);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(why));
  };
  const std::string value(4, '\1');
  const auto block = [&](const std::string& head, int values) {
    std::string bytes = head;
    for (int i = 0; i < values; ++i) bytes += value;
    return bytes;
  };
  ASSERT_TRUE(CheckEncoded(Encoding::kSparse,
                           OfBytes(block(std::string("\1\0\2\0", 4), 1)), 3)
                  .ok());
  refused("", 3, "too early");
  refused("\1", 3, "too early");
  refused(block(std::string("\1\0\2\0", 4), 0), 3, "too early");
  refused(block(std::string("\1\0\3\0", 4), 1), 3, "index 3");
  refused(block(std::string("\2\0\1\0\1\0", 6), 2), 3, "index 1 after 1");
  refused(block(std::string("\2\0\2\0\1\0", 6), 2), 3, "index 1 after 2");
  refused(block(std::string("\4\0\0\0\1\0\2\0\3\0", 10), 4), 3, "has 4");
  refused(std::string("\0\0\0", 3), 3, "more");
  refused(std::string("\0\0", 2), 0, "more");
}

}  // namespace
}  // namespace ebb
