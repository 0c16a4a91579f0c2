#include "job/job_change.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::job {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::Specification Specification() {
  v1::Specification specification;
  v1::Job* job = specification.mutable_job();
  job->set_name("lines");
  job->mutable_train()->set_epochs(3);
  job->mutable_train()->set_batch(40);
  job->mutable_optimizer()->set_rate(0.1);
  specification.set_train_index("index");
  return specification;
}

std::string Why(const v1::Specification& after) {
  return std::string(CheckChange(Specification(), after).message());
}

TEST(JobChangeTest, TheSameJobHasNoChange) {
  EXPECT_THAT(ChangedKeys(Specification().job(), Specification().job()),
              IsEmpty());
  EXPECT_TRUE(CheckChange(Specification(), Specification()).ok());
}

TEST(JobChangeTest, HintsNameOnlyWhatMayChange) {
  EXPECT_EQ(ChangeFlag("optimizer.rate", "0.01"), "--set optimizer.rate=0.01");
  EXPECT_EQ(ChangeFlag("checkpoint.keep", "3"), "--set checkpoint.keep=3");
  EXPECT_DEATH(ChangeFlag("train.batch", "3"), "train.batch may not change");
}

TEST(JobChangeTest, KeysAreNamedAsInTheJobFile) {
  v1::Specification after = Specification();
  after.mutable_job()->mutable_train()->set_epochs(6);
  after.mutable_job()->mutable_train()->set_batch(50);
  after.mutable_job()->set_seed(7);
  after.mutable_job()->mutable_evaluate()->set_every("2 epochs");
  EXPECT_THAT(ChangedKeys(Specification().job(), after.job()),
              ElementsAre("train.epochs", "train.batch", "evaluate", "seed"));
}

TEST(JobChangeTest, MoreEpochsAndAnotherRateMayBe) {
  v1::Specification after = Specification();
  after.mutable_job()->mutable_train()->set_epochs(6);
  after.mutable_job()->mutable_optimizer()->set_rate(0.01);
  after.mutable_job()->mutable_optimizer()->mutable_schedule()->set_factor(0.5);
  after.mutable_job()->mutable_workers()->set_max(9);
  EXPECT_TRUE(CheckChange(Specification(), after).ok()) << Why(after);
}

TEST(JobChangeTest, EachKeyThatMayNotIsNamed) {
  v1::Specification after = Specification();
  after.mutable_job()->mutable_train()->set_batch(50);
  after.mutable_job()->set_partitions(4);
  after.mutable_job()->mutable_train()->set_epochs(6);
  EXPECT_THAT(Why(after),
              HasSubstr("train.batch, partitions are another, and cannot"));
}

// Bug: a change that other jobs may make was refused only by the scheduler,
// with the run's daemons started.
TEST(JobChangeTest, NothingOfAnLbfgsJobMayChange) {
  v1::Specification before = Specification();
  before.mutable_job()->mutable_algorithm()->set_kind(
      v1::Algorithm::KIND_LBFGS);
  EXPECT_TRUE(CheckChange(before, before).ok());
  v1::Specification after = before;
  after.mutable_job()->mutable_train()->set_epochs(6);
  after.mutable_job()->set_priority(3);
  const absl::Status status = CheckChange(before, after);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("train.epochs, priority are another, and nothing of a "
                        "job with `algorithm: lbfgs` can change"));
}

TEST(JobChangeTest, OtherInitialValuesMayNotBe) {
  v1::Specification after = Specification();
  after.mutable_initial()->set_id("another");
  EXPECT_THAT(Why(after),
              HasSubstr("model.initial: what is in the file has changed"));
}

TEST(JobChangeTest, OtherDataMayNotBe) {
  v1::Specification after = Specification();
  after.set_train_index("another");
  EXPECT_THAT(Why(after), HasSubstr("the data has changed"));
}

}  // namespace
}  // namespace ebb::job
