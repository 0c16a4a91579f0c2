#include "bench/data/data_page.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Examples a second: 100 times the size of a batch.
DataTable Table() {
  DataTable table = {
      .images = "Fashion-MNIST", .peer = "TensorFlow 2", .rounds = 3};
  for (const char* const reader : {kEbbReader, kPeerReader}) {
    for (const bool cached : {false, true}) {
      for (const int64_t batch : {10, 20}) {
        for (const int64_t batches : {1, 2}) {
          table.readings.push_back(
              {.format = "PNG files",
               .reader = reader,
               .cached = cached,
               .batch = batch,
               .batches = batches,
               .examples_per_second = 100.0 * static_cast<double>(batch)});
        }
      }
    }
  }
  return table;
}

TEST(DataPageTest, HasTablesLinesAndCharts) {
  DataFigures figures = {.table = Table(),
                         .table_figures = {.machine = "a machine",
                                           .build = "Release",
                                           .commit = "abc",
                                           .measured = "today",
                                           .seconds = 61},
                         .table_command = "ebb bench data --only table"};
  const std::vector<PageImage> images = DataImages(*figures.table);
  ASSERT_EQ(images.size(), 3u);
  EXPECT_EQ(images[0].file, "data-formats.svg");
  EXPECT_EQ(images[1].file, "data-PNG-files-examples.svg");
  for (const PageImage& image : images) {
    EXPECT_THAT(image.svg, HasSubstr("<svg"));
  }
  const std::string section = DataSection(figures, images, "images/");
  EXPECT_THAT(
      section,
      AllOf(HasSubstr("`ebb bench data --only table`, today, commit abc"),
            HasSubstr("| batch | batches | PNG files, ebb | "
                      "PNG files, tf.data |"),
            HasSubstr("| 20 | 2 | 2,000 | 2,000 |"),
            HasSubstr("| PNG files | ebb | not cached | 0 + 100·x, R² 1.00 | "
                      "1.5e+03 + 0·x, R² 0.00 |"),
            HasSubstr("](images/data-formats.svg)")));
  figures.table->peer_skipped = "no TensorFlow";
  EXPECT_THAT(DataSection(figures, images, "images/"),
              HasSubstr("tf.data, skipped: no TensorFlow."));
}

TEST(DataPageTest, TellsOfSkippedPartsAndVerdicts) {
  DataPart rows = {.title = "Reading",
                   .command = "ebb bench data --only rows",
                   .limit = "limit"};
  rows.figures.rows = {
      {.what = "pack",
       .measure = "examples/s",
       .limit = 10,
       .ours = 4,
       .ratio = {.median = 0.4, .low = 0.3, .high = 0.5, .pairs = 7},
       .bound = bench::Bound{bench::Bound::Kind::kAtLeast, 0.5}}};
  DataPart objects = {.title = "Objects"};
  objects.figures.skipped = "no bucket";
  const std::string section =
      DataSection({.parts = {rows, objects}}, {}, "images/");
  EXPECT_THAT(section, AllOf(HasSubstr("| pack | examples/s | 10 | 4 | 0.40 | "
                                       "0.30–0.50 | ≥ 0.5 | **misses** |"),
                             HasSubstr("Skipped: no bucket."),
                             Not(HasSubstr("Formats, caching"))));
}

TEST(DataPageTest, ReplacesItsSectionOnly) {
  const std::string page = "# Data\n\nA guide.\n";
  const std::string once = WithDataSection(page, "## Measured\n\nold\n");
  EXPECT_EQ(once, "# Data\n\nA guide.\n\n## Measured\n\nold\n");
  EXPECT_EQ(WithDataSection(once, "## Measured\n\nnew\n"),
            "# Data\n\nA guide.\n\n## Measured\n\nnew\n");
}

}  // namespace
}  // namespace ebb::tools
