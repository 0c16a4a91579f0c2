#include "bench/data/data_table.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "bench/common/disk.h"
#include "bench/common/regression.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

TEST(RegressionTest, FitsALine) {
  // y = 1 + 2x, and one point 3 above it: by hand, slope 2.5, intercept 1.25.
  const std::vector<std::pair<double, double>> points = {
      {0, 1}, {1, 3}, {2, 8}, {3, 7}};
  const bench::Line line = bench::FitLine(points);
  EXPECT_DOUBLE_EQ(line.slope, 2.3);
  EXPECT_DOUBLE_EQ(line.intercept, 1.3);
  // Residuals -0.3, -0.6, 2.1, -1.2: 6.3 of 32.75.
  EXPECT_NEAR(line.r_squared, 1 - 6.3 / 32.75, 1e-12);
}

TEST(RegressionTest, HasNothingToExplainWithoutDifferences) {
  const std::vector<std::pair<double, double>> level = {{1, 4}, {2, 4}};
  EXPECT_EQ(bench::FitLine(level).r_squared, 0);
  EXPECT_EQ(bench::FitLine(level).slope, 0);
  const std::vector<std::pair<double, double>> one_x = {{1, 4}, {1, 6}};
  EXPECT_EQ(bench::FitLine(one_x).slope, 0);
  EXPECT_EQ(bench::FitLine(one_x).intercept, 5);
}

TEST(DataTableTest, IsWrittenForThePage) {
  DataTable table = {.images = "generated images",
                     .peer_skipped = "none here",
                     .rounds = 3,
                     .readings = {{.format = "TFRecord",
                                   .reader = "ebb",
                                   .cached = true,
                                   .batch = 16,
                                   .batches = 4,
                                   .examples_per_second = 1000}}};
  Json json = Json::Object();
  AddDataTable(table, &json);
  const std::string text = json.ToLine();
  for (const char* part :
       {R"("images": "generated images")", R"("peer": "")",
        R"("peer_skipped": "none here", "rounds": 3)",
        R"("readings": [{"format": "TFRecord", "reader": "ebb", )"
        R"("cached": true, "batch": 16, "batches": 4, )"
        R"("examples_per_second": 1000}])",
        R"("over": )", R"("rows": [])"}) {
    EXPECT_TRUE(absl::StrContains(text, part)) << part << " in " << text;
  }
}

// Without TensorFlow, and without Fashion-MNIST.
TEST(DataTableTest, MeasuresFormatsAndSaysWhatIsSkipped) {
  const TestFolder folder;
  const auto table = MeasureDataTable({.folder = folder.path(),
                                       .python = "/bin/false",
                                       .peers = folder.path(),
                                       .rounds = 1,
                                       .batch_sizes = {5, 10},
                                       .batches = {2}});
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_TRUE(absl::StrContains(table->peer_skipped, "no peers"));
  EXPECT_EQ(table->images, "generated images");
  EXPECT_EQ(table->readings.size(), 5u * 2 * 2);
  for (const Reading& one : table->readings) {
    EXPECT_GT(one.examples_per_second, 0) << one.format;
  }
  EXPECT_EQ(GroupsOf(*table).size(), 10u);
  ASSERT_EQ(table->rows.size(), 3u);
  // The same images decoded: it was compared with records of raw pixels.
  EXPECT_EQ(table->rows[0].what, "packed set / TFRecord of JPEG, not cached");
  EXPECT_EQ(table->rows[0].bound->value, 5);
  EXPECT_EQ(table->rows[1].what, "packed set / TFRecord, not cached");
  EXPECT_FALSE(table->rows[1].bound);
  EXPECT_TRUE(absl::StrContains(DataTableText(*table), "tf.data: skipped"));
}

}  // namespace
}  // namespace ebb::tools
