#include "bench/pages/quick_look.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using bench::Bound;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

bench::Row RowOf(const std::string& what, double ours) {
  return {.what = what,
          .measure = "GB/s",
          .limit = 10,
          .ours = ours,
          .ratio = {.median = ours / 10, .low = 0.1, .high = 0.9, .pairs = 3},
          .bound = Bound{Bound::Kind::kAtLeast, 0.8}};
}

// Bug: a look said which rows hold, warned of those that it does not measure,
// and told that short samples were worse than long ones.
TEST(QuickLookTest, HasFiguresBesideWhatWasRecordedAndNoVerdict) {
  PageSection dense = {.title = "Dense",
                       .command = "ebb bench dense --quick",
                       .limit = "socket"};
  dense.figures.name = "dense";
  dense.figures.rows = {RowOf("push 4 MiB", 5), RowOf("pull 4 MiB", 7)};
  PageSection other = {.title = "Other"};
  other.figures = {.name = "other", .skipped = "not asked for"};
  const BenchRecord record = {
      .rows = {{"dense", "push 4 MiB", "GB/s", {0.9, 0.85, 0.95, 7}},
               {"dense", "push 64 MiB", "GB/s", {0.9, 0.85, 0.95, 7}},
               {"other", "push 4 MiB", "GB/s", {0.3, 0.2, 0.4, 7}}}};

  const std::string text = QuickLook({dense, other}, record);

  EXPECT_EQ(
      text,
      "Dense (ebb bench dense --quick)\n"
      "                  SOCKET  EBB             RATIO          RECORDED\n"
      "push 4 MiB  GB/s      10    5  0.50 (0.10-0.90)  0.90 (0.85-0.95)\n"
      "pull 4 MiB  GB/s      10    7  0.70 (0.10-0.90)\n\n");
}

TEST(QuickLookTest, HasTheSidesOfAComparison) {
  PageSection peers = {.title = "Peers", .limit = "PyTorch"};
  peers.figures.name = "peers";
  peers.figures.rows = {RowOf("speed", 5)};
  peers.figures.contestants = {{"ebb", 60000, 20, 0.87}};
  peers.figures.notes = {"a peer exited with 1"};

  EXPECT_THAT(QuickLook({peers}, {}),
              AllOf(HasSubstr("ebb       60000           20.0    0.8700\n"),
                    HasSubstr("not measured: a peer exited with 1\n"),
                    Not(HasSubstr("MISS"))));
}

}  // namespace
}  // namespace ebb::tools
