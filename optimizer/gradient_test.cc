#include "optimizer/gradient.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "optimizer/counters.h"

namespace ebb {
namespace {

using ::testing::ElementsAre;

std::vector<float> Read(GradientView view) {
  std::vector<float> floats(view.size());
  std::copy_n(view.bytes(), view.size() * sizeof(float),
              std::as_writable_bytes(std::span(floats)).begin());
  return floats;
}

// The floats 0, 1, 2, ... in slices of so many bytes.
class Slices {
 public:
  explicit Slices(const std::vector<size_t>& sizes) {
    size_t total = 0;
    for (size_t size : sizes) total += size;
    for (size_t i = 0; i < total / sizeof(float); ++i) {
      floats_.push_back(static_cast<float>(i));
    }
    size_t at = 0;
    for (size_t size : sizes) {
      payload_.Append(nullptr,
                      std::as_bytes(std::span(floats_)).subspan(at, size));
      at += size;
    }
  }
  const Payload& payload() const { return payload_; }

 private:
  std::vector<float> floats_;
  Payload payload_;
};

TEST(GradientViewTest, CountsWholeFloats) {
  std::vector<std::byte> bytes(13);
  const auto view = GradientView::FromBytes(std::span(bytes).subspan(1));
  EXPECT_EQ(view.size(), 3u);
  EXPECT_EQ(view.bytes(), bytes.data() + 1);
}

TEST(GradientCursorTest, RunsEndWithTheSliceOrTheLimit) {
  const Slices slices({16, 8});
  GradientCursor cursor(slices.payload());
  EXPECT_EQ(cursor.remaining(), 6u);
  EXPECT_THAT(Read(cursor.Next(3)), ElementsAre(0, 1, 2));
  EXPECT_THAT(Read(cursor.Next(3)), ElementsAre(3));
  EXPECT_THAT(Read(cursor.Next(3)), ElementsAre(4, 5));
  EXPECT_EQ(cursor.remaining(), 0u);
  EXPECT_THAT(Read(cursor.Next(3)), ElementsAre());
}

TEST(GradientCursorTest, PutsACutFloatTogether) {
  const Slices slices({6, 10});
  GradientCursor cursor(slices.payload());
  EXPECT_THAT(Read(cursor.Next(9)), ElementsAre(0));
  EXPECT_THAT(Read(cursor.Next(9)), ElementsAre(1));
  EXPECT_THAT(Read(cursor.Next(9)), ElementsAre(2, 3));
}

TEST(GradientCursorTest, PutsAFloatInFourSlicesTogether) {
  const Slices slices({1, 1, 1, 1, 3, 1});
  GradientCursor cursor(slices.payload());
  EXPECT_THAT(Read(cursor.Next(2)), ElementsAre(0));
  EXPECT_THAT(Read(cursor.Next(2)), ElementsAre(1));
  EXPECT_EQ(cursor.remaining(), 0u);
}

TEST(GradientCursorTest, AnEmptyPayloadOrLimitGivesNothing) {
  const Payload empty;
  GradientCursor nothing(empty);
  EXPECT_EQ(nothing.Next(5).size(), 0u);

  const Slices slices({2, 2});
  GradientCursor cursor(slices.payload());
  EXPECT_EQ(cursor.Next(0).size(), 0u);
  EXPECT_EQ(cursor.remaining(), 1u);
}

TEST(GradientCursorDeathTest, HalfAFloatIsABug) {
  Payload payload;
  const std::vector<std::byte> bytes(6);
  payload.Append(nullptr, bytes);
  EXPECT_DEATH(GradientCursor cursor(payload), "sizeof");
}

TEST(CountersTest, AddsModuloTwoToThe64AtAnyAddress) {
  const std::vector<uint64_t> in = {1, std::numeric_limits<uint64_t>::max(),
                                    uint64_t{1} << 63};
  const std::vector<uint64_t> delta = {41, 2, uint64_t{1} << 63};
  for (size_t shift = 0; shift < 8; ++shift) {
    std::vector<std::byte> bytes(shift + 24);
    std::memcpy(bytes.data() + shift, delta.data(), 24);
    std::vector<uint64_t> out(3);
    AddCounters(in, bytes.data() + shift, out);
    EXPECT_THAT(out, ElementsAre(42, 1, 0));
  }
}

TEST(CountersTest, AddsInPlace) {
  std::vector<uint64_t> counters = {1, 2, 3};
  const std::vector<uint64_t> delta = {10, 20, 30};
  AddCounters(counters, std::as_bytes(std::span(delta)).data(), counters);
  EXPECT_THAT(counters, ElementsAre(11, 22, 33));
}

}  // namespace
}  // namespace ebb
