#include "bench/pages/performance_page.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using bench::Bound;
using bench::Row;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr Bound kLeast{Bound::Kind::kAtLeast, 0.8};

Row RowOf(const std::string& what, const std::string& measure, double ours,
          std::optional<Bound> bound) {
  return {.what = what,
          .measure = measure,
          .limit = 4,
          .ours = ours,
          .ratio = {.median = ours / 4, .low = 0.1, .high = 2, .pairs = 7},
          .bound = bound};
}

PageSection SectionOf(const std::string& name, std::vector<Row> rows) {
  PageSection section = {.title = "Title of " + name,
                         .command = "ebb bench " + name,
                         .limit = "raw socket"};
  section.figures = {.name = name,
                     .machine = "a machine, 2 cores",
                     .build = "Release",
                     .commit = "abc",
                     .kernel = "6.1",
                     .congestion_control = "bbr",
                     .measured = "today",
                     .seconds = 61,
                     .rows = std::move(rows)};
  return section;
}

std::vector<std::string> FilesOf(const std::vector<PageImage>& images) {
  std::vector<std::string> files;
  for (const PageImage& image : images) files.push_back(image.file);
  return files;
}

TEST(PerformancePageTest, SaysWhereWhatAndWhetherItHolds) {
  const std::vector<PageSection> sections = {SectionOf(
      "dense-grpc", {RowOf("push 4 MiB, 8 in flight", "GB/s", 3.6, kLeast),
                     RowOf("pull 4 MiB, 8 in flight", "GB/s", 2, kLeast),
                     RowOf("told", "GB/s", 1, std::nullopt)})};
  const std::string page =
      PerformancePage(sections, {}, {.notes = "performance-notes.md"});
  EXPECT_THAT(
      page,
      AllOf(HasSubstr("Machine: a machine, 2 cores; Linux 6.1, congestion "
                      "control bbr, loopback; build Release."),
            HasSubstr("**1 of 2 rows hold.**"),
            HasSubstr("## Title of dense-grpc\n\n`ebb bench dense-grpc`, "
                      "today, commit abc, in 61 s."),
            HasSubstr("| push 4 MiB, 8 in flight | GB/s | 4 | 3.6 | 0.90 | "
                      "0.10–2.00 | ≥ 0.8 | holds |"),
            HasSubstr("| 0.50 | 0.10–2.00 | ≥ 0.8 | **misses** |"),
            HasSubstr("| told | GB/s | 4 | 1 | 0.25 | 0.10–2.00 |  |  |")));
  // By how much, and where to read on.
  EXPECT_THAT(page, AllOf(HasSubstr("| dense-grpc | pull 4 MiB, 8 in flight | "
                                    "GB/s | 0.50 | ≥ 0.8 | 38 % |"),
                          HasSubstr("](performance-notes.md)")));
}

TEST(PerformancePageTest, SaysWhatWasSkipped) {
  PageSection peers = SectionOf("peers", {});
  peers.figures = {.name = "peers", .skipped = "PyTorch is not installed"};
  const std::string page = PerformancePage({peers}, {}, {});
  EXPECT_THAT(page, AllOf(HasSubstr("not measured: PyTorch is not installed"),
                          HasSubstr("**0 of 0 rows hold.**"),
                          Not(HasSubstr("What misses"))));
  EXPECT_EQ(CountRows({peers}).benches_skipped, 1);
}

TEST(PerformancePageTest, ShowsItsImagesAndContestants) {
  PageSection peers = SectionOf("peers", {});
  peers.figures.contestants = {{"ebb", 60000, 20, 0.87},
                               {"a|b", 20000, 40, -1}};
  peers.figures.notes = {"a peer exited with 1"};
  const std::vector<PageImage> images = PerformanceImages({peers});
  EXPECT_THAT(FilesOf(images),
              ElementsAre("performance-speed.svg", "performance-cpu.svg",
                          "performance-accuracy.svg"));
  const std::string page = PerformancePage({peers}, images, {});
  EXPECT_THAT(page, AllOf(HasSubstr("](images/performance-speed.svg)"),
                          HasSubstr("| ebb | 60000 | 20.0 | 0.8700 |"),
                          HasSubstr("| a\\|b | 20000 | 40.0 |  |"),
                          HasSubstr("Not measured: a peer exited with 1")));
}

TEST(PerformanceImagesTest, OneOfEachThingThatWasMeasured) {
  const std::vector<PageSection> sections = {
      SectionOf("kernels", {RowOf("sgd", "GB/s", 3, kLeast)}),
      SectionOf("dense-grpc",
                {RowOf("push 4 KiB, 8 in flight", "GB/s", 1, std::nullopt),
                 RowOf("push 4 MiB, 1 in flight", "GB/s", 2, kLeast),
                 RowOf("push 4 MiB, 8 in flight", "GB/s", 3, kLeast),
                 RowOf("push 4 MiB, 8 in flight", "CPU s/GB", 3, kLeast),
                 RowOf("push 4 KiB, acknowledged, p50", "us", 3, kLeast)}),
      SectionOf("dense-bulk",
                {RowOf("push 4 MiB, 8 in flight", "GB/s", 5, kLeast)}),
      SectionOf("dense-shm",
                {RowOf("push 4 MiB, 8 in flight", "GB/s", 8, kLeast)})};
  const std::vector<PageImage> images = PerformanceImages(sections);
  EXPECT_THAT(FilesOf(images),
              ElementsAre("performance-push.svg", "performance-push-cpu.svg",
                          "performance-kernels.svg"));
  EXPECT_THAT(images[0].svg,
              AllOf(HasSubstr(">4 KiB<"), HasSubstr(">4 MiB<"),
                    HasSubstr(">raw socket<"), HasSubstr(">bulk stream<"),
                    HasSubstr(">shared memory<")));
  EXPECT_THAT(images[2].svg, HasSubstr(">sgd<"));
  EXPECT_THAT(PerformanceImages({}), IsEmpty());
}

TEST(PerformanceImagesTest, TlsStandsBesidePlainText) {
  const std::vector<PageImage> images = PerformanceImages({SectionOf(
      "dense-tls",
      {RowOf("push 4 MiB, 8 in flight", "GB/s", 1, std::nullopt),
       RowOf("push 4 MiB, 1 in flight", "CPU s/GB", 9, kLeast),
       RowOf("push 4 MiB, 8 in flight", "CPU s/GB", 1.5, kLeast),
       RowOf("pull 16 MiB, 8 in flight", "CPU s/GB", 1.25, kLeast)})});
  ASSERT_THAT(FilesOf(images), ElementsAre("performance-tls.svg"));
  EXPECT_THAT(images[0].svg,
              AllOf(HasSubstr(">push 4 MiB<"), HasSubstr(">pull 16 MiB<"),
                    HasSubstr(">plain text<"), HasSubstr(">mutual TLS<")));
}

TEST(PerformanceImagesTest, BulkStreamsStandBesideARawSocketWithTheSameTls) {
  const std::vector<PageImage> images = PerformanceImages({SectionOf(
      "dense-bulk-tls",
      {RowOf("push 64 KiB, 8 in flight", "CPU s/GB", 9, std::nullopt),
       RowOf("push 4 MiB, 8 in flight", "CPU s/GB", 1.1, kLeast)})});
  ASSERT_THAT(FilesOf(images), ElementsAre("performance-bulk-tls.svg"));
  EXPECT_THAT(images[0].svg,
              AllOf(HasSubstr(">push 4 MiB<"), Not(HasSubstr(">push 64 KiB<")),
                    HasSubstr(">raw TLS socket<"), HasSubstr(">bulk stream<")));
}

TEST(PerformanceImagesTest, RowsOfEachTableStandBesideAHashMap) {
  const std::vector<PageImage> images = PerformanceImages(
      {SectionOf("sparse-grpc",
                 {RowOf("push, 8 in flight", "M rows/s", 1.5, kLeast),
                  RowOf("pull, 8 in flight", "M rows/s", 2, kLeast)}),
       SectionOf("sparse-zipf",
                 {RowOf("push, 8 in flight", "M rows/s", 1, kLeast)})});
  ASSERT_THAT(FilesOf(images), ElementsAre("performance-rows.svg"));
  EXPECT_THAT(
      images[0].svg,
      AllOf(HasSubstr(">push gRPC<"), HasSubstr(">pull gRPC<"),
            HasSubstr(">push gRPC, Zipf 1.1<"),
            HasSubstr(">hash map in one process<"), HasSubstr(">ebb<")));
}

TEST(PerformanceImagesTest, ScalingHasALineForEachNumberOfServers) {
  const std::vector<PageImage> images = PerformanceImages({SectionOf(
      "scaling",
      {RowOf("1 worker, 1 server", "examples/s", 4, std::nullopt),
       RowOf("2 workers, 1 server", "examples/s", 2, std::nullopt),
       RowOf("1 worker, 2 servers", "examples/s", 4, std::nullopt),
       RowOf("2 workers, 2 servers", "examples/s", 4, std::nullopt)})});
  ASSERT_THAT(FilesOf(images), ElementsAre("performance-scaling.svg"));
  EXPECT_THAT(images[0].svg,
              AllOf(HasSubstr(">1 server<"), HasSubstr(">2 servers<"),
                    HasSubstr(">1 worker<"), HasSubstr(">2 workers<")));
}

// 16 workers move 1.07 GB a second each way: 0.75 s of a core for a GB.
TEST(PerformanceImagesTest, SaturationIsOfWhatTheServerTook) {
  PageSection dense = SectionOf("dense-grpc", {});
  dense.figures.server_cpu_seconds_per_gb = {{"push 16 MiB, 8 in flight", 0.5}};
  EXPECT_THAT(PerformanceImages({dense}), IsEmpty());
  dense.figures.server_cpu_seconds_per_gb["pull 16 MiB, 8 in flight"] = 0.25;
  const std::vector<PageImage> images = PerformanceImages({dense});
  ASSERT_THAT(FilesOf(images), ElementsAre("performance-saturation.svg"));
  EXPECT_THAT(images[0].svg,
              AllOf(HasSubstr(">of 4 cores<"), HasSubstr(">64 MiB<"),
                    HasSubstr(">0.201<"), HasSubstr(">0.859<")));
}

}  // namespace
}  // namespace ebb::tools
