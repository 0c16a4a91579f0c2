#include "tools/ebb/stopped_job.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Item 2/3 failed at the batch of examples 32 to 63.
v1::JobStatus Paused() {
  v1::JobStatus job;
  job.mutable_summary()->set_state(v1::JOB_STATE_PAUSED);
  auto* const bad = job.add_quarantined();
  bad->mutable_item()->set_epoch(1);
  bad->mutable_item()->set_shard(2);
  bad->set_position(32);
  bad->set_failed_end(64);
  bad->set_failures(3);
  bad->set_error("at example 32: no room");
  return job;
}

TEST(StoppedJobTest, WhatGoesOnIsNotStopped) {
  v1::JobStatus job = Paused();
  job.mutable_summary()->set_state(v1::JOB_STATE_RUNNING);
  EXPECT_EQ(WhyStopped(job), "");
  job = Paused();
  job.mutable_quarantined(0)->set_skip_wanted(true);
  EXPECT_EQ(WhyStopped(job), "");
  job.clear_quarantined();  // An operator paused it, who will resume it.
  EXPECT_EQ(WhyStopped(job), "");
  job.mutable_summary()->set_state(v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(WhyStopped(job), "the job was cancelled");
}

TEST(StoppedJobTest, ADivergenceStopsAJobThatPausesForIt) {
  v1::JobStatus job = Paused();
  job.clear_quarantined();
  job.set_divergence("the training loss is 2.5");
  job.set_paused_by_operator(true);
  EXPECT_EQ(WhyStopped(job), "");  // An operator paused it.
  job.set_paused_for_divergence(true);
  EXPECT_THAT(WhyStopped(job),
              AllOf(HasSubstr("the job is paused: the training loss is 2.5\n"),
                    HasSubstr("--resume --set on_divergence=warn goes on"),
                    HasSubstr("--rate-factor")));
}

TEST(StoppedJobTest, ABatchThatFailsIsTriedAgainOrLeftOut) {
  EXPECT_EQ(WhyStopped(Paused()),
            "the job is paused after 3 failures in a row: item 2/3, at example "
            "32: no room\nhint: mend the cause and go on with --resume, or "
            "without its batch: --resume --skip");
}

TEST(StoppedJobTest, OnlyWhatNoPartitionHasIsToBeLeftOut) {
  v1::JobStatus job = Paused();
  job.mutable_quarantined(0)->set_applied_somewhere(true);
  EXPECT_THAT(WhyStopped(job),
              AllOf(HasSubstr("--resume"), Not(HasSubstr("--skip"))));
  job = Paused();
  job.mutable_quarantined(0)->set_failed_end(32);  // No worker could begin.
  EXPECT_THAT(WhyStopped(job),
              AllOf(HasSubstr("--resume"), Not(HasSubstr("--skip"))));
}

// It was known by "finite" in the words of the error, which a user's loader
// may have, too.
TEST(StoppedJobTest, ABatchWithoutFiniteGradientWantsAnotherRate) {
  v1::JobStatus job = Paused();
  job.mutable_quarantined(0)->set_error("a finite number of rows is wanted");
  EXPECT_THAT(WhyStopped(job), Not(HasSubstr("--rate-factor")));
  job.mutable_quarantined(0)->set_non_finite(true);
  EXPECT_THAT(WhyStopped(job), AllOf(HasSubstr("--resume --skip goes on"),
                                     HasSubstr("--rate-factor")));
  job.mutable_quarantined(0)->set_applied_somewhere(true);
  EXPECT_THAT(WhyStopped(job),
              AllOf(Not(HasSubstr("--skip")), HasSubstr("--rate-factor")));
}

}  // namespace
}  // namespace ebb::tools
