#include "tools/ebb/run/finished_run.h"

#include <filesystem>
#include <string>
#include <vector>

#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/files/files.h"

namespace ebb::tools {
namespace {

const auto kWriter = [](const std::string& path, absl::string_view content) {
  return WriteFile(path, content);
};

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

class FinishedRunTest : public ::testing::Test {
 protected:
  FinishedRunTest() {
    job_.mutable_train()->set_epochs(5);
    report_.job = job_;
    report_.status.mutable_summary()->set_state(v1::JOB_STATE_COMPLETE);
    report_.audit.emplace();
  }

  const TestFolder tests_;
  const RunFolder folder_ = *RunFolder::Make("mlp", tests_ / "run");
  v1::Job job_;
  RunReport report_;
};

TEST_F(FinishedRunTest, OnlyAnInterruptedPredictionPredictedNothing) {
  report_.interrupted = true;
  EXPECT_FALSE(PredictedNothing(job_, report_));
  job_.mutable_predict();
  EXPECT_TRUE(PredictedNothing(job_, report_));
  report_.status.set_applied_min(1);
  EXPECT_FALSE(PredictedNothing(job_, report_));
  report_.status.set_applied_min(0);
  report_.problems = {"no room"};
  EXPECT_FALSE(PredictedNothing(job_, report_));
  report_.problems.clear();
  report_.interrupted = false;
  EXPECT_FALSE(PredictedNothing(job_, report_));
}

// Bug: "interrupted before anything was predicted", with a part in the folder.
TEST_F(FinishedRunTest, APartThatWasFinishedAtTheEndCounts) {
  report_.interrupted = true;
  job_.mutable_predict()->set_to(tests_ / "to");
  std::filesystem::create_directory(tests_ / "to");
  ASSERT_TRUE(WriteFile(tests_ / "to/_JOB", "").ok());
  ASSERT_TRUE(WriteFile(tests_ / "to/.part-000000-000099.csv-1", "").ok());
  EXPECT_TRUE(PredictedNothing(job_, report_));
  ASSERT_TRUE(WriteFile(tests_ / "to/part-000000-000099.csv", "").ok());
  EXPECT_FALSE(PredictedNothing(job_, report_));
}

// Bug: a page was asked for, and JSON was in it.
TEST_F(FinishedRunTest, ACopyIsThePageOrTheJsonByItsName) {
  ASSERT_TRUE(WriteFile(folder_.File("report.html"), "page").ok());
  ASSERT_TRUE(WriteFile(folder_.File("report.json"), "json").ok());
  for (const char* name : {"a.html", "a.HTM"}) {
    ASSERT_TRUE(CopyReport(folder_, tests_ / name).ok());
    EXPECT_EQ(*ReadFile(tests_ / name), "page");
  }
  ASSERT_TRUE(CopyReport(folder_, tests_ / "a.json").ok());
  EXPECT_EQ(*ReadFile(tests_ / "a.json"), "json");
  EXPECT_THAT(CopyReport(folder_, tests_ / "nowhere/a.json").message(),
              HasSubstr("No such file"));
}

TEST_F(FinishedRunTest, ARunGoesOnWithWhatItLacks) {
  EXPECT_TRUE(NothingLeft(report_));
  report_.interrupted = true;
  EXPECT_FALSE(NothingLeft(report_));
  report_.interrupted = false;
  report_.audit->silent.emplace_back();
  EXPECT_FALSE(NothingLeft(report_));
  report_.audit.reset();
  EXPECT_FALSE(NothingLeft(report_));
  report_.audit.emplace();
  report_.status.mutable_summary()->set_state(v1::JOB_STATE_RUNNING);
  EXPECT_FALSE(NothingLeft(report_));
}

TEST_F(FinishedRunTest, TheCommandToGoOnKeepsTheOverrides) {
  const JobChoice choice = {.file = "jobs/mlp.yaml",
                            .overrides = {"train.epochs=9", "data.seed=1"}};
  EXPECT_EQ(CommandToGoOn(choice, "runs/mlp-1"),
            "ebb run jobs/mlp.yaml --set train.epochs=9 --set data.seed=1 "
            "--resume --run-dir runs/mlp-1");
  // Bug: a shell read other words.
  EXPECT_EQ(
      CommandToGoOn({.file = "my jobs/mlp.yaml", .overrides = {"name=it's"}},
                    "my runs/1"),
      "ebb run 'my jobs/mlp.yaml' --set 'name=it'\"'\"'s' --resume "
      "--run-dir 'my runs/1'");
}

TEST_F(FinishedRunTest, WhyItStoppedComesBeforeOtherProblems) {
  report_.problems = {"ps-0 exited with 3"};
  ExplainStop("", job_, folder_, &report_);
  EXPECT_THAT(report_.problems, SizeIs(1));
  ExplainStop("the job was cancelled", job_, folder_, &report_);
  EXPECT_THAT(report_.problems,
              ElementsAre("the job was cancelled", "ps-0 exited with 3"));
  report_.status.set_paused_for_divergence(true);
  ExplainStop("the job is paused", job_, folder_, &report_);
  EXPECT_THAT(report_.problems,
              ElementsAre(StartsWith("the job is paused\nhint: "),
                          "the job was cancelled", "ps-0 exited with 3"));
}

TEST_F(FinishedRunTest, AJobThatEndedEarlyHasItsOwnEpochs) {
  report_.audit->updates = 12;
  FinishReport(job_, folder_, &report_);
  EXPECT_FALSE(report_.converged);
  EXPECT_EQ(report_.job.train().epochs(), 5);
  EXPECT_EQ(report_.status.updates(), 12);

  report_.status.mutable_summary()->set_epochs(3);
  report_.status.set_ended("by an operator");
  FinishReport(job_, folder_, &report_);
  EXPECT_FALSE(report_.converged);
  EXPECT_EQ(report_.job.train().epochs(), 3);

  report_.status.clear_ended();
  FinishReport(job_, folder_, &report_);
  EXPECT_TRUE(report_.converged);
  EXPECT_EQ(report_.job.train().epochs(), 3);
}

TEST_F(FinishedRunTest, AnInterruptedRunIsNotJudged) {
  report_.status.mutable_summary()->set_state(v1::JOB_STATE_RUNNING);
  report_.interrupted = true;
  FinishReport(job_, folder_, &report_);
  EXPECT_THAT(report_.problems, IsEmpty());
  report_.interrupted = false;
  FinishReport(job_, folder_, &report_);
  EXPECT_THAT(report_.problems, ElementsAre(HasSubstr("not complete")));
}

TEST_F(FinishedRunTest, TheReportIsInTheFolderAndInItsCopy) {
  WriteReport(folder_, {}, tests_ / "copy.json", kWriter, &report_);
  EXPECT_THAT(report_.problems, IsEmpty());
  EXPECT_THAT(report_.files,
              ElementsAre("report.html", "report.json", "metrics.csv", "logs"));
  const auto json = ReadFile(folder_.File("report.json"));
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(*ReadFile(tests_ / "copy.json"), *json);
}

// Bug: a page was asked for, and JSON was in it.
TEST_F(FinishedRunTest, ACopyThatIsCalledAPageIsOne) {
  for (const char* const name : {"copy.html", "Copy.HTM"}) {
    WriteReport(folder_, {}, tests_ / name, kWriter, &report_);
    const auto html = ReadFile(folder_.File("report.html"));
    ASSERT_TRUE(html.ok()) << html.status();
    EXPECT_EQ(*ReadFile(tests_ / name), *html);
  }
}

TEST_F(FinishedRunTest, AReportThatCannotBeWrittenIsAProblem) {
  WriteReport(folder_, {}, tests_ / "missing/copy.json", kWriter, &report_);
  EXPECT_THAT(report_.problems, ElementsAre(HasSubstr("copy.json")));
  EXPECT_THAT(report_.files, SizeIs(4));
}

}  // namespace
}  // namespace ebb::tools
