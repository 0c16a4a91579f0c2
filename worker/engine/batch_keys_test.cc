#include "worker/engine/batch_keys.h"

#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::worker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

template <typename T>
std::vector<T> Unpacked(const Payload& payload) {
  std::vector<T> values(payload.size() / sizeof(T));
  payload.CopyTo(std::as_writable_bytes(std::span(values)));
  return values;
}

// A server that has, in each row, the key plus the number of the column.
client::PulledValues Answer(const JobPlan& plan, const BatchKeys& keys) {
  client::PulledValues values;
  for (const auto& partition : keys.Pulls()) {
    auto& answers = values.row_values.emplace_back();
    for (const PullRows& asked : partition) {
      std::vector<float> rows;
      for (const uint64_t key : Unpacked<uint64_t>(asked.keys)) {
        for (int c = 0; c < plan.sparse_tables[asked.table].width; ++c) {
          rows.push_back(static_cast<float>(key) + static_cast<float>(c));
        }
      }
      answers.push_back(Payload::Of(std::move(rows)));
    }
  }
  return values;
}

// Two tables with other keys each, one of which is in both.
class BatchKeysTest : public testing::Test {
 protected:
  BatchKeysTest() {
    plan_.partitions = 3;
    plan_.sparse_tables = {{1}, {3}};
    for (uint64_t i = 0; i < 40; ++i) of_tables_[0].push_back(i % 25);
    of_tables_[1] = {7, 1000, 7, 2000, 1000};
  }

  BatchKeys Keys() const { return {plan_, of_tables_}; }

  JobPlan plan_;
  std::vector<uint64_t> of_tables_[2];
};

TEST_F(BatchKeysTest, EachTableHasItsOwn) {
  const BatchKeys keys = Keys();
  EXPECT_EQ(keys.entries(), 45);
  EXPECT_EQ(keys.floats(), 25 + 3 * 3);
  uint64_t counts[2] = {};
  ASSERT_EQ(keys.Counts().size(), sizeof(counts));
  std::memcpy(counts, keys.Counts().data(), sizeof(counts));
  EXPECT_THAT(counts, ElementsAre(25, 3));
}

TEST_F(BatchKeysTest, RowsStandWhereThePlacesSay) {
  const BatchKeys keys = Keys();
  std::vector<float> rows(keys.floats(), -1);
  ASSERT_TRUE(keys.Assemble(Answer(plan_, keys), rows).ok());
  std::vector<int32_t> places(keys.entries());
  keys.CopyPlaces(places);
  for (size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(rows[places[i]], static_cast<float>(of_tables_[0][i]));
  }
  for (size_t i = 0; i < 5; ++i) {
    const size_t at = 25 + 3 * static_cast<size_t>(places[40 + i]);
    for (size_t c = 0; c < 3; ++c) {
      EXPECT_EQ(rows[at + c], static_cast<float>(of_tables_[1][i] + c));
    }
  }
}

TEST_F(BatchKeysTest, SumsGoToTheKeysOfTheirRows) {
  const BatchKeys keys = Keys();
  std::vector<float> rows(keys.floats());
  ASSERT_TRUE(keys.Assemble(Answer(plan_, keys), rows).ok());
  // The sums are the rows themselves, so that each must meet its key.
  const auto pushes = keys.Pushes(Payload::Of(rows));
  size_t pushed = 0;
  for (const auto& partition : pushes) {
    for (const PushRows& push : partition) {
      const auto of = Unpacked<uint64_t>(push.keys);
      const auto sums = Unpacked<float>(push.gradient);
      const size_t width = plan_.sparse_tables[push.table].width;
      ASSERT_EQ(sums.size(), of.size() * width);
      for (size_t k = 0; k < of.size(); ++k, ++pushed) {
        EXPECT_EQ(sums[k * width], static_cast<float>(of[k]));
      }
    }
  }
  EXPECT_EQ(pushed, 28u);
}

TEST_F(BatchKeysTest, AValueHasTheNameOfItsRow) {
  const BatchKeys keys = Keys();
  std::vector<float> rows(keys.floats());
  ASSERT_TRUE(keys.Assemble(Answer(plan_, keys), rows).ok());
  EXPECT_THAT(keys.NameOf(24), testing::Pair(0, rows[24]));
  EXPECT_THAT(keys.NameOf(25 + 3 + 2), testing::Pair(1, rows[25 + 3]));
}

TEST_F(BatchKeysTest, ABatchMayHaveNoKeys) {
  of_tables_[0].clear();
  of_tables_[1].clear();
  const BatchKeys keys = Keys();
  EXPECT_EQ(keys.floats(), 0);
  EXPECT_THAT(keys.Pulls(), ElementsAre(IsEmpty(), IsEmpty(), IsEmpty()));
  EXPECT_TRUE(keys.Assemble(Answer(plan_, keys), {}).ok());
}

TEST_F(BatchKeysTest, RowsOfOtherKeysAreRefused) {
  const BatchKeys keys = Keys();
  std::vector<float> rows(keys.floats());
  auto values = Answer(plan_, keys);
  values.row_values[1].pop_back();
  EXPECT_EQ(keys.Assemble(values, rows).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(keys.Assemble({}, rows).code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace ebb::worker
