#include "bench/common/bench_figures.h"

#include "bench/common/rows.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/text/json.h"

namespace ebb::tools {
namespace {

using bench::Bound;
using bench::Row;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Bound kLeast{Bound::Kind::kAtLeast, 0.8};
constexpr Bound kMost{Bound::Kind::kAtMost, 1.5};

Row RowOf(const std::string& what, double ratio, double low, double high,
          std::optional<Bound> bound) {
  return {.what = what,
          .measure = "GB/s",
          .limit = 2,
          .ours = 2 * ratio,
          .ratio = {.median = ratio, .low = low, .high = high, .pairs = 7},
          .bound = bound};
}

BenchFigures Figures(const std::string& name, std::vector<Row> rows) {
  return {.name = name,
          .machine = "a machine",
          .commit = "abc",
          .rows = std::move(rows)};
}

TEST(ReadFiguresTest, ReadsWhatBenchmarksWrite) {
  Json json = Json::Object();
  json["machine"] = "two cores";
  json["commit"] = "abc";
  json["seconds"] = 12.5;
  bench::AddRows(std::vector<Row>{RowOf("push", 0.9, 0.7, 1.1, kLeast),
                                  RowOf("pull", 2, 1, 3, kMost),
                                  RowOf("told", 1, 1, 1, std::nullopt)},
                 &json);
  const auto figures = ReadFigures("dense", json.ToString());
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_EQ(figures->name, "dense");
  EXPECT_EQ(figures->machine, "two cores");
  EXPECT_EQ(figures->seconds, 12.5);
  ASSERT_EQ(figures->rows.size(), 3u);
  EXPECT_EQ(figures->rows[0].what, "push");
  EXPECT_EQ(figures->rows[0].ratio.low, 0.7);
  EXPECT_EQ(figures->rows[0].ratio.pairs, 7);
  EXPECT_TRUE(figures->rows[0].holds());
  EXPECT_EQ(figures->rows[1].bound->ToString(), "<= 1.5");
  EXPECT_FALSE(figures->rows[1].holds());
  EXPECT_FALSE(figures->rows[2].bound.has_value());
}

TEST(ReadFiguresTest, RefusesWhatIsNone) {
  EXPECT_TRUE(absl::IsDataLoss(ReadFigures("x", "torn {").status()));
  EXPECT_TRUE(absl::IsDataLoss(ReadFigures("x", "{}").status()));
}

TEST(RecordTest, KeepsWhatIsRequiredAndComesBackAsItWas) {
  const BenchRecord record =
      RecordOf({Figures("dense", {RowOf("push", 0.91234, 0.7, 1.1, kLeast),
                                  RowOf("told", 1, 1, 1, std::nullopt)})},
               {});
  const auto read = ReadRecord(RecordJson(record));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->machine, "a machine");
  ASSERT_EQ(read->rows.size(), 1u);
  EXPECT_EQ(read->rows[0].bench, "dense");
  EXPECT_EQ(read->rows[0].what, "push");
  EXPECT_EQ(read->rows[0].ratio.median, 0.912);
  EXPECT_TRUE(absl::IsDataLoss(ReadRecord("[]").status()));
}

TEST(RecordTest, WhatWasNotMeasuredStaysRecorded) {
  const BenchRecord earlier =
      RecordOf({Figures("dense", {RowOf("push", 1, 1, 1, kLeast)}),
                Figures("peers", {RowOf("main job", 3, 3, 3, kLeast)})},
               {});
  BenchFigures skipped = Figures("peers", {});
  skipped.skipped = "no PyTorch";
  const BenchRecord renewed = RecordOf(
      {Figures("dense", {RowOf("push", 2, 2, 2, kLeast)}), skipped}, earlier);
  ASSERT_EQ(renewed.rows.size(), 2u);
  EXPECT_EQ(renewed.rows[0].ratio.median, 2);
  EXPECT_EQ(renewed.rows[1].what, "main job");
}

TEST(WorseThanRecordedTest, WarnsBeyondTheSpreadOnTheBadSideOnly) {
  const BenchRecord record =
      RecordOf({Figures("dense", {RowOf("push", 0.9, 0.8, 1.0, kLeast),
                                  RowOf("cpu", 1.2, 1.1, 1.4, kMost)})},
               {});
  const auto warnings = [&](double push, double cpu) {
    return WorseThanRecorded(
        record, {Figures("dense", {RowOf("push", push, 0, 9, kLeast),
                                   RowOf("cpu", cpu, 0, 9, kMost)})});
  };
  EXPECT_THAT(warnings(0.8, 1.4), IsEmpty());
  EXPECT_THAT(warnings(5, 0.1), IsEmpty());
  EXPECT_THAT(warnings(0.79, 1.4),
              ElementsAre("dense: push, GB/s: 0.79 now, 0.90 recorded "
                          "(0.80-1.00; it must be >= 0.8)"));
  EXPECT_THAT(warnings(0.8, 1.41), ElementsAre(HasSubstr("cpu, GB/s: 1.41")));
}

TEST(WorseThanRecordedTest, ARowThatIsGoneIsWarnedOfUnlessItsBenchmarkIs) {
  const BenchRecord record =
      RecordOf({Figures("dense", {RowOf("push", 1, 1, 1, kLeast)})}, {});
  EXPECT_THAT(WorseThanRecorded(
                  record, {Figures("dense", {RowOf("x", 1, 1, 1, kLeast)})}),
              ElementsAre("dense: push, GB/s: it was recorded, and is no "
                          "longer measured"));
  EXPECT_THAT(WorseThanRecorded(record, {}), IsEmpty());
  EXPECT_THAT(WorseThanRecorded(record, {Figures("dense", {})}), IsEmpty());
}

}  // namespace
}  // namespace ebb::tools
