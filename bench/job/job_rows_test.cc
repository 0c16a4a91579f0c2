#include "bench/job/job_rows.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::HasSubstr;

std::vector<RunSample> Samples(
    const std::vector<std::pair<double, int64_t>>& applied) {
  std::vector<RunSample> samples;
  for (const auto& [seconds, count] : applied) {
    samples.push_back({.seconds = seconds});
    samples.back().progress.applied = count;
    samples.back().progress.examples = 1000;
  }
  return samples;
}

TEST(SteadySpeedTest, LeavesOutStartAndEnd) {
  EXPECT_EQ(SteadySpeed(Samples({{0, 0},
                                 {5, 0},
                                 {6, 100},
                                 {7, 300},
                                 {9, 900},
                                 {20, 1000},
                                 {30, 1000}})),
            800.0 / 3);
}

TEST(SteadySpeedTest, SaysNothingOfTooLittle) {
  EXPECT_EQ(SteadySpeed({}), std::nullopt);
  EXPECT_EQ(SteadySpeed(Samples({{1, 0}, {2, 1000}})), std::nullopt);
  EXPECT_EQ(SteadySpeed(Samples({{1, 100}, {2, 1000}})), std::nullopt);
  EXPECT_EQ(SteadySpeed(Samples({{1, 100}, {2, 200}, {3, 1000}})),
            std::nullopt);
}

TEST(ReadPeerTest, ReadsTheLastLine) {
  const auto one = ReadPeer(
      "a warning\n{\"peer\": \"x\", \"examples_per_s\": 1000.5, "
      "\"cpu_s_per_million_examples\": 20, \"accuracy\": 0.87}\n");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->examples_per_second, 1000.5);
  EXPECT_EQ(one->cpu_seconds_per_million, 20);
  EXPECT_EQ(one->accuracy, 0.87);
}

TEST(ReadPeerTest, RefusesWhatIsNoFigure) {
  EXPECT_TRUE(absl::IsDataLoss(ReadPeer("Killed\n").status()));
  EXPECT_TRUE(absl::IsDataLoss(ReadPeer("{\"peer\": \"x\"}").status()));
  EXPECT_TRUE(absl::IsDataLoss(ReadPeer("").status()));
}

TEST(JobRowsTest, SaysWhatWasSkippedAndWhy) {
  JobRows rows;
  rows.skipped = "PyTorch is not installed";
  EXPECT_EQ(JobRowsText(rows), "skipped: PyTorch is not installed\n");
  Json json = Json::Object();
  AddJobRows(rows, &json);
  EXPECT_THAT(json.ToLine(),
              HasSubstr("\"skipped\": \"PyTorch is not installed\""));
  EXPECT_THAT(json.ToLine(), HasSubstr("\"rows\": []"));
}

TEST(JobRowsTest, TellsBothSidesAndWhatIsMissing) {
  JobRows rows;
  const std::vector<double> ours = {50, 60, 70}, theirs = {20, 20, 20};
  rows.rows.push_back(
      bench::MakeRow("main job / other", "examples/s", ours, theirs,
                     bench::Bound{bench::Bound::Kind::kAtLeast, 3}));
  rows.contestants = {{"ebb", 60, 20, 0.87}, {"other", 20, 40, -1}};
  rows.notes = {"a peer exited with 1"};
  const std::string text = JobRowsText(rows);
  EXPECT_THAT(text, HasSubstr("holds"));
  EXPECT_THAT(text, HasSubstr("ebb            60           20.0    0.8700"));
  EXPECT_THAT(text, HasSubstr("other          20           40.0\n"));
  EXPECT_THAT(text, HasSubstr("not measured: a peer exited with 1"));
  EXPECT_THAT(text, HasSubstr("medians of 3 pairs"));
}

}  // namespace
}  // namespace ebb::tools
