#include "tools/ebb/report/run_samples.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/files/files.h"

namespace ebb::tools {
namespace {

using ::testing::ElementsAre;

class RunSamplesTest : public ::testing::Test {
 protected:
  RunSamplesTest() : folder_(*RunFolder::Make("a job", test_folder_ / "run")) {}

  static Progress Applied(int64_t applied) {
    Progress progress;
    progress.applied = applied;
    return progress;
  }
  static std::vector<double> Seconds(const std::vector<RunSample>& samples) {
    std::vector<double> seconds;
    for (const RunSample& one : samples) seconds.push_back(one.seconds);
    return seconds;
  }
  void Take(RunSamples* samples, absl::Duration after) const {
    ASSERT_TRUE(samples->Take(Applied(1), after).ok());
  }

  const TestFolder test_folder_;
  const RunFolder folder_;
};

TEST_F(RunSamplesTest, AreRarerInALongRun) {
  RunSamples samples(&folder_);
  for (int i = 0; i < 6; ++i) Take(&samples, absl::Milliseconds(100 * i));
  EXPECT_THAT(Seconds(samples.all()), ElementsAre(0, 0.2, 0.4));
  for (int i = 0; i < 6; ++i) Take(&samples, absl::Seconds(1000 + i));
  EXPECT_THAT(Seconds(samples.all()), ElementsAre(0, 0.2, 0.4, 1000, 1003));
}

TEST_F(RunSamplesTest, TheLastIsTakenThoughNoneIsDue) {
  RunSamples samples(&folder_);
  Take(&samples, absl::ZeroDuration());
  ASSERT_TRUE(samples.TakeLast(Applied(2), absl::Milliseconds(1)).ok());
  EXPECT_THAT(Seconds(samples.all()), ElementsAre(0, 0.001));
  EXPECT_EQ(samples.applied(), 2);
}

TEST_F(RunSamplesTest, GoOnWhereAnEarlierPartOfTheRunEnded) {
  RunSamples first(&folder_);
  EXPECT_EQ(first.applied(), 0);
  Take(&first, absl::ZeroDuration());
  ASSERT_TRUE(first.TakeLast(Applied(40), absl::Seconds(7)).ok());

  RunSamples second(&folder_);
  EXPECT_EQ(second.applied(), 40);
  Take(&second, absl::Seconds(2));
  EXPECT_THAT(Seconds(second.all()), ElementsAre(0, 7, 9));
  EXPECT_THAT(Seconds(folder_.ReadSamples()), ElementsAre(0, 7, 9));
}

// Bug: a run that was complete and exact failed, because the disk had been full
// for ten seconds.
TEST_F(RunSamplesTest, AreWrittenLaterIfTheDiskIsFull) {
  namespace fs = std::filesystem;
  RunSamples samples(&folder_);
  Take(&samples, absl::ZeroDuration());
  const std::string file = folder_.File("metrics.csv");
  fs::rename(file, folder_.File("kept"));
  fs::create_symlink("/dev/full", file);
  EXPECT_TRUE(absl::IsResourceExhausted(
      samples.TakeLast(Applied(2), absl::Seconds(1))));
  EXPECT_TRUE(absl::IsResourceExhausted(
      samples.TakeLast(Applied(3), absl::Seconds(2))));
  EXPECT_EQ(samples.unwritten(), 2);
  EXPECT_THAT(Seconds(samples.all()), ElementsAre(0, 1, 2));

  fs::remove(file);
  fs::rename(folder_.File("kept"), file);
  ASSERT_TRUE(samples.TakeLast(Applied(4), absl::Seconds(3)).ok());
  EXPECT_EQ(samples.unwritten(), 0);
  EXPECT_THAT(Seconds(folder_.ReadSamples()), ElementsAre(0, 1, 2, 3));
}

// Bug: `ebb run SCRIPT.py` of 0.2 wrote eight columns. The samples of a run
// that went on with it came behind them, without a header.
TEST_F(RunSamplesTest, SamplesWithOtherColumnsAreSetAside) {
  const std::vector<RunSample> one(1);
  ASSERT_TRUE(folder_.AppendSamples(one).ok());
  EXPECT_EQ(*SetAsideOtherSamples(folder_), "");
  EXPECT_EQ(folder_.ReadSamples().size(), 1);
  const std::string older =
      "seconds,epoch,applied,examples,examples_per_second,training_loss,"
      "workers,servers\r\n0.5,0,20,600,40,0.5,2,1\r\n";
  for (const char* const name : {"metrics-old.csv", "metrics-old-2.csv"}) {
    ASSERT_TRUE(WriteFile(folder_.File("metrics.csv"), older).ok());
    EXPECT_EQ(*SetAsideOtherSamples(folder_), name);
    EXPECT_EQ(*ReadFile(folder_.File(name)), older);
    ASSERT_TRUE(folder_.AppendSamples(one).ok());
    EXPECT_THAT(*ReadFile(folder_.File("metrics.csv")),
                ::testing::StartsWith("seconds,epoch,applied,examples,"
                                      "examples_per_second,training_loss,"
                                      "test_accuracy"));
    EXPECT_EQ(folder_.ReadSamples().size(), 1);
  }
}

}  // namespace
}  // namespace ebb::tools
