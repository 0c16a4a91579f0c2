#include "tools/ebb/report/run_facts.h"

#include <string>

#include "absl/status/status.h"
#include "common/testing/test_folder.h"
#include "ebb/v1/specification.pb.h"
#include "gtest/gtest.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/files/files.h"

namespace ebb::tools {
namespace {

// Bug: `ebb run`, which starts three, waited for a fourth for ever.
TEST(RunFactsTest, ARunThatCouldNeverBeginIsRefused) {
  JobPlan plan;
  plan.min_workers = 4;
  EXPECT_TRUE(CheckWorkers(plan, "job.yaml", 4).ok());
  EXPECT_EQ(CheckWorkers(plan, "job.yaml", 3),
            absl::InvalidArgumentError(
                "job.yaml: workers.min: the job begins with 4 workers, and "
                "this run would have 3\n  hint: --workers 4, or --set "
                "workers.min=3"));
}

// Bug: `ebb run --workers 16` was silent about the half that the job left out.
TEST(RunFactsTest, WorkersThatTheJobLeavesOutAreNamed) {
  JobPlan plan;
  EXPECT_EQ(IdleWorkersText(plan, 16), "");  // No limit.
  plan.max_workers = 8;
  EXPECT_EQ(IdleWorkersText(plan, 8), "");
  EXPECT_EQ(IdleWorkersText(plan, 9),
            "1 of the 9 workers stays idle: the job takes 8 at once "
            "(workers.max). For all: --set workers.max=9");
  EXPECT_EQ(IdleWorkersText(plan, 16),
            "8 of the 16 workers stay idle: the job takes 8 at once "
            "(workers.max). For all: --set workers.max=16");
}

// Bug: `ebb predict --workers 4` named --set, which it does not have.
TEST(RunFactsTest, WorkersWithoutAPartAreNamed) {
  JobPlan plan;
  plan.examples = 2500;
  plan.shard_size = 2048;
  plan.max_workers = 2;
  EXPECT_EQ(IdlePredictorsText(plan, 2), "");
  EXPECT_EQ(IdlePredictorsText(plan, 4),
            "2 of the 4 workers stay idle: there are 2 parts of at most 2,048 "
            "examples (--part-examples; 1,024 at least)");
  plan.examples = 1000;
  plan.max_workers = 1;
  EXPECT_EQ(IdlePredictorsText(plan, 2),
            "1 of the 2 workers stays idle: there is 1 part of at most 2,048 "
            "examples (--part-examples; 1,024 at least)");
}

TEST(RunFactsTest, FactsAreReadAsTheyWereWritten) {
  const TestFolder folder;
  const auto run = RunFolder::Make("near", folder / "run");
  ASSERT_TRUE(run.ok()) << run.status();
  for (const char* const place : {"", "s3://bucket/a b"}) {
    ASSERT_TRUE(WriteFacts(*run, {4, 5, true, place}).ok());
    const auto facts = ReadFacts(*run);
    ASSERT_TRUE(facts.ok()) << facts.status();
    EXPECT_EQ(facts->servers, 4);
    EXPECT_EQ(facts->workers, 5);
    EXPECT_TRUE(facts->complete);
    EXPECT_EQ(facts->shared_checkpoints, place);
  }
}

// Bug: the exit code was 1, and a file without a size was one of 0 servers.
TEST(RunFactsTest, DamagedFactsAreBadInput) {
  const TestFolder folder;
  const auto run = RunFolder::Make("near", folder / "run");
  ASSERT_TRUE(run.ok()) << run.status();
  const auto error = [&](const std::string& text) {
    EXPECT_TRUE(WriteFile(run->File("run"), text).ok());
    const absl::Status status = ReadFacts(*run).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  const std::string file = run->shown() + "/run: ";
  EXPECT_EQ(error("servers 2\nworkers two\n"),
            file + "cannot read \"workers two\"");
  EXPECT_EQ(error("servers 2\n"),
            file + "it does not say how many workers there are");
  EXPECT_EQ(error(""), file + "it does not say how many servers there are");
  EXPECT_TRUE(absl::IsInvalidArgument(ChangesOf(*run, "\xff", "").status()));
}

// Bug: a job that had converged was called another one.
TEST(RunFactsTest, AJobThatEndedEarlyIsTheSame) {
  const TestFolder folder;
  const auto run = RunFolder::Make("near", folder / "run");
  ASSERT_TRUE(run.ok()) << run.status();
  double tolerance = 0;
  const auto specification_of = [&](v1::Algorithm::Kind kind, int64_t epochs) {
    v1::Specification specification;
    v1::Job& job = *specification.mutable_job();
    job.mutable_algorithm()->set_kind(kind);
    job.mutable_algorithm()->set_max_rounds(epochs);
    job.mutable_algorithm()->set_tolerance(tolerance);
    job.mutable_train()->set_epochs(static_cast<int32_t>(epochs));
    return specification.SerializeAsString();
  };
  const auto changes = [&](v1::Algorithm::Kind kind, int64_t had, int64_t has) {
    return ChangesOf(*run, specification_of(kind, had),
                     specification_of(kind, has));
  };
  const auto same = changes(v1::Algorithm::KIND_LLOYD, 3, 100);
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_TRUE(same->empty());
  EXPECT_FALSE(changes(v1::Algorithm::KIND_LLOYD, 100, 3).ok());
  // L-BFGS ends early where that was asked for.
  EXPECT_FALSE(changes(v1::Algorithm::KIND_LBFGS, 3, 100).ok());
  tolerance = 0.01;
  EXPECT_TRUE(changes(v1::Algorithm::KIND_LBFGS, 3, 100).ok());
}

}  // namespace
}  // namespace ebb::tools
