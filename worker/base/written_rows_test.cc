#include "worker/base/written_rows.h"

#include <cstring>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Behind one that is trained.
JobPlan Plan() {
  JobPlan plan;
  plan.partitions = 2;
  plan.sparse_tables = {{.width = 4},
                        {.width = 2, .kind = RowKind::kAdditive},
                        {.width = 1, .kind = RowKind::kCounts},
                        {.width = 5, .kind = RowKind::kWriteOnce}};
  return plan;
}

template <typename T>
std::vector<T> ValuesOf(const Payload& payload) {
  std::vector<T> values(payload.size() / sizeof(T));
  payload.CopyTo(std::as_writable_bytes(std::span(values)));
  return values;
}

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text));
}

class WrittenRowsTest : public ::testing::Test {
 protected:
  // The first two keys of a partition.
  std::vector<uint64_t> KeysOf(int32_t partition) const {
    std::vector<uint64_t> keys;
    for (uint64_t key = 0; keys.size() < 2; ++key) {
      if (plan_.PartitionOfKey(key) == PartitionId(partition)) {
        keys.push_back(key);
      }
    }
    return keys;
  }

  const JobPlan plan_ = Plan();
  WrittenRows rows_{plan_};
  std::vector<std::vector<PushRows>> out_;
};

TEST_F(WrittenRowsTest, EachPartitionGetsItsKeysAscendingWithTheirSums) {
  const std::vector<uint64_t> first = KeysOf(0), second = KeysOf(1);
  rows_.Add(1, first[1], std::vector<float>{1, 2});
  rows_.Add(1, second[0], std::vector<float>{3, 4});
  rows_.Add(1, first[0], std::vector<float>{5, 6});
  rows_.Add(1, first[1], std::vector<float>{10, 20});
  ASSERT_TRUE(rows_.AppendTo(&out_).ok());
  ASSERT_EQ(out_.size(), 2u);
  ASSERT_EQ(out_[0].size(), 1u);
  EXPECT_EQ(out_[0][0].table, 1);
  EXPECT_EQ(ValuesOf<uint64_t>(out_[0][0].keys), first);
  EXPECT_THAT(ValuesOf<float>(out_[0][0].gradient), ElementsAre(5, 6, 11, 22));
  ASSERT_EQ(out_[1].size(), 1u);
  EXPECT_THAT(ValuesOf<float>(out_[1][0].gradient), ElementsAre(3, 4));
}

TEST_F(WrittenRowsTest, ComesBehindWhatIsTrainedTableByTable) {
  const uint64_t key = KeysOf(1)[0];
  out_.resize(2);
  out_[1].push_back({0, {}, {}});
  rows_.Write(3, key, BytesOf("ab"));
  rows_.Count(2, key, std::vector<int64_t>{7});
  ASSERT_TRUE(rows_.AppendTo(&out_).ok());
  EXPECT_TRUE(out_[0].empty());
  ASSERT_EQ(out_[1].size(), 3u);
  EXPECT_EQ(out_[1][1].table, 2);
  EXPECT_EQ(out_[1][2].table, 3);
}

TEST_F(WrittenRowsTest, CountsWrapAround) {
  const uint64_t key = KeysOf(0)[0];
  rows_.Count(2, key,
              std::vector<int64_t>{std::numeric_limits<int64_t>::max()});
  rows_.Count(2, key, std::vector<int64_t>{2});
  ASSERT_TRUE(rows_.AppendTo(&out_).ok());
  EXPECT_THAT(ValuesOf<int64_t>(out_[0][0].gradient),
              ElementsAre(std::numeric_limits<int64_t>::min() + 1));
}

TEST_F(WrittenRowsTest, TheFirstBytesStayWithTheirLengthAndZerosBehind) {
  const uint64_t key = KeysOf(0)[0];
  rows_.Write(3, key, BytesOf("abc"));
  rows_.Write(3, key, BytesOf("xyzzy"));
  rows_.Write(3, KeysOf(0)[1], {});
  ASSERT_TRUE(rows_.AppendTo(&out_).ok());
  const std::vector<char> row = ValuesOf<char>(out_[0][0].gradient);
  EXPECT_THAT(row, ElementsAre(4, 0, 0, 0, 'a', 'b', 'c', 0, 0, 0, 0, 0,  //
                               1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
}

TEST_F(WrittenRowsTest, NamesWhatIsNoRowOfItsTable) {
  const auto refused = [&](auto give) {
    WrittenRows rows(plan_);
    give(&rows);
    std::vector<std::vector<PushRows>> out;
    const absl::Status status = rows.AppendTo(&out);
    EXPECT_TRUE(absl::IsInternal(status)) << status;
    return std::string(status.message());
  };
  const std::vector<float> two = {1, 2};
  EXPECT_THAT(refused([&](auto* rows) { rows->Add(4, 9, two); }),
              HasSubstr("sparse table 4 under key 9"));
  EXPECT_THAT(refused([&](auto* rows) { rows->Add(0, 9, two); }),
              HasSubstr("another kind"));
  EXPECT_THAT(refused([&](auto* rows) { rows->Add(2, 9, two); }),
              HasSubstr("another kind"));
  EXPECT_THAT(
      refused([&](auto* rows) { rows->Add(1, 9, std::span(two).first(1)); }),
      HasSubstr("1 elements, the table's have 2"));
  EXPECT_THAT(
      refused([&](auto* rows) { rows->Write(3, 9, BytesOf("abcdef")); }),
      HasSubstr("6 elements, the table's have 5"));
}

TEST_F(WrittenRowsTest, WhatIsNotFiniteIsLikeAGradientThatIsNot) {
  rows_.Add(1, 5, std::vector<float>{1, 3e38f});
  rows_.Add(1, 5, std::vector<float>{1, 3e38f});
  const absl::Status status = rows_.AppendTo(&out_);
  EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("inf at element 1 of the row under "
                                          "key 5 of sparse table 1"));
}

}  // namespace
}  // namespace ebb::worker
