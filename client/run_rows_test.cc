#include "client/run_rows.h"

#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "algorithms/algorithm.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<uint64_t> KeysOf(const PushRows& rows) {
  std::vector<uint64_t> keys(rows.keys.size() / sizeof(uint64_t));
  rows.keys.CopyTo(std::as_writable_bytes(std::span(keys)));
  return keys;
}

std::vector<float> FloatsOf(const Payload& payload) {
  std::vector<float> floats(payload.size() / sizeof(float));
  payload.CopyTo(std::as_writable_bytes(std::span(floats)));
  return floats;
}

std::shared_ptr<const RowRule> RuleOf(const char* kind) {
  return BuiltinAlgorithms()
      .Create({.kind = kind, .push_every = 4, .share = 0.5})
      .value()
      ->MakeRowRule();
}

// Two partitions without dense values; a table of rows of 2, and one of 1.
class RunRowsTest : public testing::Test {
 protected:
  RunRowsTest() {
    plan_.partitions = 2;
    plan_.sparse_tables = {{.width = 2}, {.width = 1}};
  }

  static PushRows Rows(int32_t table, std::vector<uint64_t> keys,
                       std::vector<float> values) {
    return {table, Payload::Of(std::move(keys)),
            Payload::Of(std::move(values))};
  }
  // Of the first partition: whether keys are its own is nothing to the class.
  absl::Status Add(RunRows* run, std::vector<PushRows> rows) const {
    return run->Add(plan_, {.rate = 1, .gradient_scale = 0.5},
                    {std::move(rows), {}});
  }
  // Returns the values at which the first partition's gradients are taken.
  std::vector<float> ValuesOf(const RunRows& run, int32_t table,
                              std::vector<uint64_t> keys,
                              std::vector<float> pulled) const {
    auto asked = std::make_shared<BatchRows>();
    asked->partitions = {{{table, Payload::Of(std::move(keys))}}, {}};
    PulledValues values;
    values.rows = asked;
    values.row_values = {{Payload::Of(std::move(pulled))}, {}};
    const auto local = run.ValuesOf(plan_, values);
    EXPECT_TRUE(local.ok()) << local.status();
    return local.ok() ? FloatsOf((*local)[0][0]) : std::vector<float>();
  }

  JobPlan plan_;
};

TEST_F(RunRowsTest, ARowThatIsMetAgainHasTheRunsSteps) {
  RunRows run(RuleOf("geo"), {});
  EXPECT_THAT(ValuesOf(run, 0, {3}, {1, 2}), ElementsAre(1, 2));
  ASSERT_TRUE(Add(&run, {Rows(0, {3, 5}, {2, 4, 6, 8})}).ok());
  // Whatever was pulled: 3 is met again, 4 is new.
  EXPECT_THAT(ValuesOf(run, 0, {3, 4}, {10, 20, 30, 40}),
              ElementsAre(9, 18, 30, 40));
  // The other table knows no 3.
  EXPECT_THAT(ValuesOf(run, 1, {3}, {7}), ElementsAre(7));
}

TEST_F(RunRowsTest, APushHasEachRowOfTheRunOnceInTheOrderOfKeys) {
  RunRows run(RuleOf("geo"), {});
  ASSERT_TRUE(
      Add(&run, {Rows(0, {3, 5}, {2, 4, 6, 8}), Rows(1, {9}, {4})}).ok());
  ASSERT_TRUE(Add(&run, {Rows(0, {1, 5}, {2, 0, 2, 2})}).ok());
  const auto pushed = run.Push(plan_, {}).value();
  ASSERT_EQ(pushed.size(), 2u);
  ASSERT_EQ(pushed[0].size(), 2u);
  EXPECT_THAT(pushed[1], IsEmpty());
  EXPECT_EQ(pushed[0][0].table, 0);
  EXPECT_THAT(KeysOf(pushed[0][0]), ElementsAre(1, 3, 5));
  // Half of -r / B times the sums, at a rate of 1 and batches of two.
  EXPECT_THAT(FloatsOf(pushed[0][0].gradient),
              ElementsAre(-0.5, 0, -0.5, -1, -2, -2.5));
  EXPECT_EQ(pushed[0][1].table, 1);
  EXPECT_THAT(FloatsOf(pushed[0][1].gradient), ElementsAre(-1));
}

TEST_F(RunRowsTest, DownpourPushesSumsAndStepsAllTheSame) {
  RunRows run(RuleOf("downpour"), {});
  ASSERT_TRUE(Add(&run, {Rows(1, {3}, {2})}).ok());
  ASSERT_TRUE(Add(&run, {Rows(1, {3, 4}, {6, 1})}).ok());
  EXPECT_THAT(ValuesOf(run, 1, {3}, {10}), ElementsAre(6));
  EXPECT_THAT(FloatsOf((*run.Push(plan_, {.batches = 2}))[0][0].gradient),
              ElementsAre(8, 1));
}

TEST_F(RunRowsTest, NothingIsLeftOfARunThatIsForgotten) {
  RunRows run(RuleOf("geo"), {});
  ASSERT_TRUE(Add(&run, {Rows(0, {3}, {2, 4})}).ok());
  run.Clear();
  EXPECT_THAT(ValuesOf(run, 0, {3}, {1, 2}), ElementsAre(1, 2));
  EXPECT_THAT((*run.Push(plan_, {}))[0], IsEmpty());
}

// A server would make the same of two pushes.
TEST_F(RunRowsTest, WhatExamplesWroteIsJoined) {
  plan_.sparse_tables = {{.width = 2, .kind = RowKind::kAdditive},
                         {.width = 1, .kind = RowKind::kCounts},
                         {.width = 4, .kind = RowKind::kWriteOnce}};
  const auto counts = [](int64_t count) {
    std::vector<float> words(2);
    std::memcpy(words.data(), &count, sizeof(count));
    return words;
  };
  const auto bytes = [](uint32_t length, float text) {
    std::vector<float> words = {0, text};
    std::memcpy(words.data(), &length, sizeof(length));
    return words;
  };
  RunRows run(nullptr, {});
  ASSERT_TRUE(Add(&run, {Rows(0, {3}, {1, 2}), Rows(1, {3}, counts(-5)),
                         Rows(2, {3}, bytes(5, 1))})
                  .ok());
  ASSERT_TRUE(Add(&run, {Rows(0, {3}, {10, 20}), Rows(1, {3}, counts(7)),
                         Rows(2, {3}, bytes(5, 2))})
                  .ok());
  const auto pushed = run.Push(plan_, {.batches = 2}).value();
  ASSERT_EQ(pushed[0].size(), 3u);
  EXPECT_THAT(FloatsOf(pushed[0][0].gradient), ElementsAre(11, 22));
  int64_t count = 0;
  pushed[0][1].gradient.CopyTo(std::as_writable_bytes(std::span(&count, 1)));
  EXPECT_EQ(count, 2);
  EXPECT_EQ(FloatsOf(pushed[0][2].gradient)[1], 1);  // The first stays.
}

TEST_F(RunRowsTest, MoreRowsThanAPushMayHaveAreAnError) {
  RunRows run(RuleOf("geo"), {.most_rows = 3});
  EXPECT_TRUE(Add(&run, {Rows(1, {1, 2}, {0, 0})}).ok());
  EXPECT_TRUE(Add(&run, {Rows(1, {2, 3}, {0, 0})}).ok());
  const absl::Status refused = Add(&run, {Rows(0, {3}, {0, 0})});
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_THAT(refused.message(), HasSubstr("algorithm.most_rows"));
  EXPECT_THAT(refused.message(), HasSubstr("algorithm.push_every"));
}

TEST_F(RunRowsTest, MoreThanAMessageTakesIsAnError) {
  // A row of the second table is 12 bytes with its key.
  RunRows run(RuleOf("geo"), {.most_bytes = 30});
  EXPECT_TRUE(Add(&run, {Rows(1, {1, 2}, {0, 0})}).ok());
  const absl::Status refused = Add(&run, {Rows(1, {3}, {0})});
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_THAT(refused.message(), HasSubstr("36 bytes for partition 0"));
}

TEST_F(RunRowsTest, WhatIsNotFiniteIsNotPushed) {
  RunRows run(RuleOf("downpour"), {});
  ASSERT_TRUE(Add(&run, {Rows(1, {3, 4}, {3e38f, 1})}).ok());
  ASSERT_TRUE(run.Push(plan_, {.batches = 1}).ok());
  ASSERT_TRUE(Add(&run, {Rows(1, {3}, {3e38f})}).ok());
  const absl::Status refused = run.Push(plan_, {.batches = 2}).status();
  EXPECT_TRUE(absl::IsOutOfRange(refused));
  EXPECT_THAT(refused.message(),
              HasSubstr("inf in the row of key 3 of sparse table 1"));
}

TEST_F(RunRowsTest, RowsThatAreNoneOfTheTableAreAnError) {
  RunRows run(RuleOf("geo"), {});
  EXPECT_TRUE(absl::IsInternal(Add(&run, {Rows(0, {3}, {1})})));
  ASSERT_TRUE(Add(&run, {Rows(0, {3}, {1, 2})}).ok());
  auto asked = std::make_shared<BatchRows>();
  asked->partitions = {{{0, Payload::Of(std::vector<uint64_t>{3})}}, {}};
  PulledValues values;
  values.rows = asked;
  values.row_values = {{Payload::Of(std::vector<float>{1})}, {}};
  EXPECT_TRUE(absl::IsInternal(run.ValuesOf(plan_, values).status()));
}

}  // namespace
}  // namespace ebb::client
