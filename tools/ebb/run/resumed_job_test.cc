#include "tools/ebb/run/resumed_job.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/specification.pb.h"
#include "gtest/gtest.h"
#include "job/specification.h"
#include "tools/files/files.h"

namespace ebb::tools {
namespace {

class ResumedJobTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string rows = "a,b,label\n";
    for (int i = 0; i < 2000; ++i) {
      absl::StrAppend(&rows, i % 7, ",", i % 5, ",", i % 2, "\n");
    }
    ASSERT_TRUE(WriteFile(folder_ / "train.csv", rows).ok());
    WriteJob("");
  }

  void WriteJob(const std::string& more) {
    const std::string text = absl::StrCat(
        "model: softmax\ndata: {train: {csv: ", folder_ / "train.csv", "}}\n",
        more);
    ASSERT_TRUE(WriteFile(folder_ / "job.yaml", text).ok());
  }
  PreparedJob Prepare(std::vector<std::string> set) {
    auto prepared = PrepareJob(Choice(std::move(set)));
    EXPECT_TRUE(prepared.ok()) << prepared.status();
    return *std::move(prepared);
  }
  JobChoice Choice(std::vector<std::string> set) {
    return {.file = folder_ / "job.yaml", .overrides = std::move(set)};
  }
  // The job with these overrides, for a run that has `stored`.
  PreparedJob Resumed(const std::string& stored, std::vector<std::string> set) {
    auto kept = KeepChoicesOfRun(Choice(set), stored, Prepare(set));
    EXPECT_TRUE(kept.ok()) << kept.status();
    return *std::move(kept);
  }

  const TestFolder folder_;
};

// Bug: more epochs make other batches and take more workers, and by these the
// items have another size: so they were refused.
TEST_F(ResumedJobTest, MoreEpochsChangeNothingElse) {
  const PreparedJob first = Prepare({"train.epochs=200"});
  const PreparedJob anew = Prepare({"train.epochs=2000"});
  ASSERT_NE(first.job.train().batch(), anew.job.train().batch());
  ASSERT_NE(first.job.workers().max(), anew.job.workers().max());

  const PreparedJob more =
      Resumed(first.record.specification, {"train.epochs=2000"});
  EXPECT_EQ(more.job.train().epochs(), 2000);
  EXPECT_EQ(more.job.train().batch(), first.job.train().batch());
  EXPECT_EQ(more.job.workers().max(), first.job.workers().max());
  EXPECT_EQ(more.record.plan.shard_size, first.record.plan.shard_size);
}

// Bug: twice the epochs in twice the batch are as many steps, so that the
// number of workers seemed to be the same, and was another with the batch of
// before.
TEST_F(ResumedJobTest, TwiceTheEpochsChangeNothingElse) {
  const PreparedJob first = Prepare({"train.epochs=400"});
  const PreparedJob anew = Prepare({"train.epochs=800"});
  ASSERT_EQ(2 * first.job.train().batch(), anew.job.train().batch());
  ASSERT_EQ(first.job.workers().max(), anew.job.workers().max());

  const PreparedJob more =
      Resumed(first.record.specification, {"train.epochs=800"});
  EXPECT_EQ(more.job.train().batch(), first.job.train().batch());
  EXPECT_EQ(more.job.workers().max(), first.job.workers().max());
  EXPECT_EQ(more.record.plan.shard_size, first.record.plan.shard_size);
}

// Bug: it was refused for an algorithm that the job did not name.
TEST_F(ResumedJobTest, WhatDoesNotGoWithTheRestIsLeftToTheCaller) {
  const PreparedJob first = Prepare({});
  const PreparedJob rounds =
      Resumed(first.record.specification, {"consistency.kind=rounds"});
  EXPECT_EQ(rounds.job.consistency().kind(), v1::Consistency::KIND_ROUNDS);
}

// Bug: a run of an earlier release was called one of another job.
TEST_F(ResumedJobTest, ARunKeepsTheDefaultsThatItBeganWith) {
  v1::Specification before = job::ReadSpecification(Prepare({}).record).value();
  before.mutable_job()->mutable_algorithm()->set_kind(v1::Algorithm::KIND_SGD);
  before.mutable_job()->mutable_train()->set_batch(128);
  before.mutable_job()->mutable_train()->set_epochs(70);
  before.mutable_job()->mutable_workers()->set_max(5);
  before.mutable_job()->mutable_optimizer()->set_rate(0.02);
  before.mutable_job()->mutable_model()->set_l2(0.25);
  const std::string stored = before.SerializeAsString();

  const PreparedJob kept = Resumed(stored, {});
  EXPECT_EQ(kept.job.algorithm().kind(), v1::Algorithm::KIND_SGD);
  EXPECT_EQ(kept.job.train().batch(), 128);
  EXPECT_EQ(kept.job.train().epochs(), 70);
  EXPECT_EQ(kept.job.workers().max(), 5);
  EXPECT_EQ(kept.job.optimizer().rate(), 0.02);
  EXPECT_EQ(kept.job.model().l2(), 0.25);
}

// Ratings had no penalty before.
TEST_F(ResumedJobTest, ARunWithoutAPenaltyGetsNone) {
  ASSERT_TRUE(
      WriteFile(folder_ / "train.csv", "user,item,rating\n1,2,3\n2,1,4\n")
          .ok());
  ASSERT_TRUE(WriteFile(folder_ / "job.yaml",
                        absl::StrCat("model: matrix_factorisation\ndata: "
                                     "{train: {ratings: ",
                                     folder_ / "train.csv", "}}\n"))
                  .ok());
  v1::Specification before = job::ReadSpecification(Prepare({}).record).value();
  ASSERT_GT(before.job().model().l2(), 0);
  before.mutable_job()->mutable_model()->clear_l2();
  const PreparedJob kept = Resumed(before.SerializeAsString(), {});
  EXPECT_EQ(kept.job.model().l2(), 0);
  EXPECT_EQ(kept.job.optimizer().rate(), before.job().optimizer().rate());
}

TEST_F(ResumedJobTest, WhatIsNamedIsNotKept) {
  const PreparedJob first = Prepare({});
  WriteJob(
      "algorithm: sgd\ntrain: {batch: 64, epochs: 3}\nworkers: {max: 2}\n"
      "optimizer: {rate: 0.5}\n");
  const PreparedJob named = Resumed(first.record.specification, {});
  EXPECT_EQ(named.job.algorithm().kind(), v1::Algorithm::KIND_SGD);
  EXPECT_EQ(named.job.train().batch(), 64);
  EXPECT_EQ(named.job.train().epochs(), 3);
  EXPECT_EQ(named.job.workers().max(), 2);
  EXPECT_EQ(named.job.optimizer().rate(), 0.5);
}

TEST_F(ResumedJobTest, WithoutAStoredSpecificationItIsTheJobOfTheFile) {
  EXPECT_EQ(Resumed("", {}).record.specification,
            Prepare({}).record.specification);
}

}  // namespace
}  // namespace ebb::tools
