#include "models/kept_rows.h"

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"

namespace ebb::models {
namespace {

constexpr int64_t kWidth = 3;
// A row, and beside it the place of each of the ten examples.
constexpr int64_t kPlaces = 10 * 4, kRow = kWidth * 4;

void Put(KeptRows* rows, int64_t number) {
  const auto value = static_cast<float>(number);
  rows->Put(number, std::vector<float>{value, value + 1, value + 2}.data());
}

TEST(KeptRowsTest, FindsWhatWasPut) {
  KeptRows rows(10, kWidth);
  rows.KeepAtMost(1000);
  EXPECT_EQ(rows.most_bytes(), kPlaces + 10 * kRow);
  EXPECT_EQ(rows.Find(7), nullptr);
  Put(&rows, 7);
  Put(&rows, 2);
  ASSERT_NE(rows.Find(7), nullptr);
  EXPECT_EQ(rows.Find(7)[2], 9);
  ASSERT_NE(rows.Find(2), nullptr);
  EXPECT_EQ(rows.Find(2)[0], 2);
  EXPECT_EQ(rows.Find(3), nullptr);
}

TEST(KeptRowsTest, KeepsNoMoreThanThereIsRoomFor) {
  KeptRows rows(10, kWidth);
  rows.KeepAtMost(kPlaces + 2 * kRow + kRow - 1);
  EXPECT_EQ(rows.most_bytes(), kPlaces + 2 * kRow);
  for (const int64_t number : {4, 4, 5, 6}) Put(&rows, number);
  EXPECT_NE(rows.Find(4), nullptr);
  EXPECT_NE(rows.Find(5), nullptr);
  EXPECT_EQ(rows.Find(6), nullptr);
}

TEST(KeptRowsTest, WithoutRoomNothingIsKept) {
  KeptRows rows(10, kWidth);
  Put(&rows, 1);
  EXPECT_EQ(rows.Find(1), nullptr);
  rows.KeepAtMost(kPlaces + kRow - 1);
  Put(&rows, 1);
  EXPECT_EQ(rows.Find(1), nullptr);
  EXPECT_EQ(rows.most_bytes(), 0);
}

TEST(KeptRowsTest, RowsWithoutRoomAreGivenUp) {
  // Each row is a chunk of memory of its own.
  constexpr int64_t kWide = 300'000, kExamples = 5;
  constexpr int64_t kWidePlaces = kExamples * 4, kWideRow = kWide * 4;
  KeptRows rows(kExamples, kWide);
  rows.KeepAtMost(kWidePlaces + kExamples * kWideRow);
  const auto put = [&](int64_t number) {
    rows.Put(number,
             std::vector<float>(kWide, static_cast<float>(number)).data());
  };
  for (int64_t number = 0; number < kExamples; ++number) put(number);

  rows.KeepAtMost(kWidePlaces + 2 * kWideRow);

  EXPECT_EQ(rows.most_bytes(), kWidePlaces + 2 * kWideRow);
  EXPECT_EQ(rows.Find(1)[kWide - 1], 1);
  EXPECT_EQ(rows.Find(2), nullptr);
  put(2);
  EXPECT_EQ(rows.Find(2), nullptr);
  rows.KeepAtMost(kWidePlaces + 3 * kWideRow);
  put(4);
  EXPECT_EQ(rows.Find(4)[0], 4);
  EXPECT_EQ(rows.Find(0)[0], 0);
  rows.KeepAtMost(0);
  EXPECT_EQ(rows.Find(0), nullptr);
  EXPECT_EQ(rows.most_bytes(), 0);
}

TEST(KeptRowsTest, TheBoundMayGrowWithinAChunk) {
  KeptRows rows(10, kWidth);
  rows.KeepAtMost(kPlaces + 2 * kRow);
  for (const int64_t number : {4, 5}) Put(&rows, number);
  rows.KeepAtMost(kPlaces + 10 * kRow);
  for (int64_t number = 0; number < 10; ++number) Put(&rows, number);
  for (int64_t number = 0; number < 10; ++number) {
    ASSERT_NE(rows.Find(number), nullptr) << number;
    EXPECT_EQ(rows.Find(number)[1], number + 1);
  }
}

TEST(KeptRowsTest, OtherNumbersAreNotKept) {
  KeptRows rows(10, kWidth);
  rows.KeepAtMost(1000);
  for (const int64_t number : {-1, 10}) {
    Put(&rows, number);
    EXPECT_EQ(rows.Find(number), nullptr);
  }
}

// Rows lie in pieces of memory of their own.
TEST(KeptRowsTest, WideRowsStayWhereTheyAre) {
  constexpr int64_t kWide = 200'000, kExamples = 5;
  KeptRows rows(kExamples, kWide);
  rows.KeepAtMost(int64_t{1} << 30);
  const std::vector<float> zero(kWide, 0), one(kWide, 1);
  rows.Put(0, zero.data());
  const float* const first = rows.Find(0);
  for (int64_t number = 1; number < kExamples; ++number) {
    rows.Put(number, one.data());
  }
  EXPECT_EQ(rows.Find(0), first);
  EXPECT_EQ(first[kWide - 1], 0);
  EXPECT_EQ(rows.Find(4)[kWide - 1], 1);
}

}  // namespace
}  // namespace ebb::models
