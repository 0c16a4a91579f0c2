#include "bench/sparse/sparse_bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ebb::bench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// One pair, in which a push has this share of the bare work's speed.
SparseReport ReportOf(double share) {
  const std::vector<double> ours = {10 * share}, bare = {10};
  SparseReport report;
  report.machine = "a machine";
  report.options.zipf = 1.1;
  report.options.pairs = 1;
  report.partitions = 64;
  report.push = {
      .bare_seconds = 0.1, .worker_seconds = 0.25, .server_seconds = 0.5};
  report.rows = {MakeRow("push, 8 in flight", "M rows/s", ours, bare,
                         RowsBound(DataPlane::kGrpc))};
  return report;
}

TEST(SparseBenchTest, RowsMustComeNearTheBareWork) {
  EXPECT_TRUE(RowsBound(DataPlane::kGrpc).Allows(0.35));
  EXPECT_FALSE(RowsBound(DataPlane::kGrpc).Allows(0.34));
  EXPECT_TRUE(RowsBound(DataPlane::kBulk).Allows(0.6));
  EXPECT_FALSE(RowsBound(DataPlane::kBulk).Allows(0.59));
  EXPECT_TRUE(RowsBound(DataPlane::kShared).Allows(0.7));
  EXPECT_FALSE(RowsBound(DataPlane::kShared).Allows(0.69));
}

TEST(SparseBenchTest, ATextSaysWhatIsComparedAndWhetherItHolds) {
  const SparseReport good = ReportOf(0.4), bad = ReportOf(0.3);

  EXPECT_TRUE(AllHold(good.rows));
  EXPECT_FALSE(AllHold(bad.rows));
  EXPECT_THAT(
      SparseText(bad),
      AllOf(HasSubstr("1000000 rows of 16 floats with Adagrad in 64 "
                      "partitions, Zipf 1.1; 1000 rows a message"),
            HasSubstr("BARE"), HasSubstr(">= 0.35"), HasSubstr("MISSED"),
            HasSubstr("push: bare 0.10, worker 0.25, server 0.50")));
}

TEST(SparseBenchTest, FiguresHaveTheRows) {
  tools::Json json = tools::Json::Object();

  AddSparse(ReportOf(0.3), &json);

  EXPECT_THAT(json.ToString(),
              AllOf(HasSubstr("push, 8 in flight"), HasSubstr("\"at_least\""),
                    HasSubstr("\"all_hold\""), HasSubstr("\"zipf\": 1.1")));
}

TEST(SparseBenchTest, RefusesWhatCannotWork) {
  const auto refused = [](const SparseOptions& options) {
    return std::string(options.Validate().message());
  };
  EXPECT_THAT(refused({.rows = 5}), HasSubstr("--rows is 5"));
  EXPECT_THAT(refused({.width = 5000}), HasSubstr("--width is 5000"));
  EXPECT_THAT(refused({.rows = 5000}), HasSubstr("--message-rows is 1000"));
  EXPECT_THAT(refused({.zipf = 3}), HasSubstr("--zipf is 3"));
  EXPECT_THAT(refused({.pairs = 0}), HasSubstr("--pairs is 0"));
  EXPECT_TRUE(SparseOptions().Validate().ok());
}

}  // namespace
}  // namespace ebb::bench
