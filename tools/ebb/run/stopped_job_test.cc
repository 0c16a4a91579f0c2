#include "tools/ebb/run/stopped_job.h"

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

using Kind = SoundVersions::Kind;

v1::Job AtRate(double rate) {
  v1::Job job;
  job.mutable_optimizer()->set_rate(rate);
  return job;
}

std::string Help(const v1::JobStatus& job, const SoundVersions& stored = {}) {
  return WhatHelps(job, AtRate(0.5), stored);
}

// Bug: a K-Means job on numbers of 1e30 was to take a lower rate, which it has
// not.
TEST(StoppedJobTest, AJobWithoutARateNeedsSmallerNumbers) {
  v1::JobStatus status = Paused();
  status.mutable_quarantined(0)->set_non_finite(true);
  for (const char* const kind : {"kmeans", "boosted_trees"}) {
    v1::Job job = AtRate(0.5);
    job.mutable_model()->set_kind(kind);
    const std::string help = WhatHelps(status, job, {});
    EXPECT_THAT(help,
                AllOf(HasSubstr("standardise: true"), Not(HasSubstr("rate"))));
  }
}

TEST(StoppedJobTest, ADivergenceStopsAJobThatPausesForIt) {
  v1::JobStatus job = Paused();
  job.clear_quarantined();
  job.set_divergence("the training loss is 2.5");
  job.set_paused_by_operator(true);
  EXPECT_EQ(WhyStopped(job), "");  // An operator paused it.
  job.set_paused_for_divergence(true);
  EXPECT_EQ(WhyStopped(job), "the job is paused: the training loss is 2.5");
  EXPECT_TRUE(ValuesMatter(job));
  EXPECT_EQ(Help(job, {Kind::kNewest}),
            "hint: --resume --set optimizer.rate=0.05 goes on at a lower rate; "
            "or --resume goes on from here as it is");
  // Bug: a lower rate was recommended where nothing was left to train.
  job.mutable_summary()->set_items(8);
  job.mutable_summary()->set_full_items(8);
  EXPECT_EQ(Help(job, {Kind::kNewest}),
            "hint: every example is applied, so nothing is left to train at a "
            "lower rate: begin a new run with --set optimizer.rate=0.05; or "
            "--resume ends the run with these values");
}

TEST(StoppedJobTest, ABatchThatFailsIsTriedAgainOrLeftOut) {
  EXPECT_EQ(WhyStopped(Paused()),
            "the job is paused after 3 failures in a row: item 2/3, at example "
            "32: no room");
  EXPECT_FALSE(ValuesMatter(Paused()));
  EXPECT_EQ(Help(Paused()),
            "hint: mend the cause and go on with --resume; or --resume --skip "
            "goes on without the batch");
}

TEST(StoppedJobTest, OnlyWhatNoPartitionHasIsToBeLeftOut) {
  v1::JobStatus job = Paused();
  job.mutable_quarantined(0)->set_applied_somewhere(true);
  EXPECT_THAT(Help(job),
              AllOf(HasSubstr("--resume"), Not(HasSubstr("--skip"))));
  job = Paused();
  job.mutable_quarantined(0)->set_failed_end(32);  // No worker could begin.
  EXPECT_THAT(Help(job),
              AllOf(HasSubstr("--resume"), Not(HasSubstr("--skip"))));
}

v1::JobStatus NotFinite() {
  v1::JobStatus job = Paused();
  job.mutable_quarantined(0)->set_non_finite(true);
  return job;
}

// Bug: it said that another rate makes another job, which --resume takes.
TEST(StoppedJobTest, ABatchWithoutFiniteGradientWantsALowerRate) {
  EXPECT_TRUE(ValuesMatter(NotFinite()));
  EXPECT_THAT(Help(NotFinite(), {Kind::kNewest}),
              AllOf(HasSubstr("--resume --set optimizer.rate=0.05 goes on"),
                    HasSubstr("--resume --skip goes on")));
  v1::JobStatus job = NotFinite();
  job.mutable_quarantined(0)->set_applied_somewhere(true);
  EXPECT_THAT(Help(job, {Kind::kNewest}), Not(HasSubstr("--skip")));
  // It was known by "finite" in the words of the error, which a user's loader
  // may have, too.
  job = Paused();
  job.mutable_quarantined(0)->set_error("a finite number of rows is wanted");
  EXPECT_THAT(Help(job), Not(HasSubstr("rate")));
}

// Bug: a lower rate was recommended for a loss that is NaN from the start.
TEST(StoppedJobTest, TheRateIsNotToBlameForTheFirstBatch) {
  v1::JobStatus job = NotFinite();
  job.set_examples(100);
  EXPECT_EQ(Help(job, {Kind::kNewest}),
            "hint: --resume --skip goes on without the batch; or mend the "
            "data or the model and begin a new run: no batch was applied yet, "
            "so a lower rate does not help");
  job.set_applied_max(1);
  EXPECT_THAT(Help(job, {Kind::kNewest}), HasSubstr("optimizer.rate=0.05"));
}

TEST(StoppedJobTest, ValuesThatAreLostAreGoneBackFrom) {
  EXPECT_THAT(Help(NotFinite(), {Kind::kOlder, 1'790'000'000'123}),
              ::testing::MatchesRegex(
                  "hint: --resume --to 2026-09-2[0-9]T[0-9:]*.123 --set "
                  "optimizer.rate=0.05 goes back to the newest stored values "
                  "that are not far off, and on at a lower rate"));
  EXPECT_EQ(Help(NotFinite(), {Kind::kNone}),
            "hint: no stored version has usable values: begin a new run with "
            "--set optimizer.rate=0.05");
  EXPECT_THAT(Help(NotFinite()), HasSubstr("--resume --versions-ago 1 --set"));
  v1::Job rounds = AtRate(0.5);
  rounds.mutable_consistency()->set_kind(v1::Consistency::KIND_ROUNDS);
  EXPECT_THAT(WhatHelps(NotFinite(), rounds, {}),
              ::testing::StartsWith("hint: --resume --to-round N --set"));
}

// Bug: it named algorithm.inner.rate, which a program that steps does not read.
TEST(StoppedJobTest, AProgramThatStepsHasItsRateElsewhere) {
  v1::Job program = AtRate(0.5);
  program.mutable_algorithm()->set_program_steps(true);
  for (const Kind kind : {Kind::kNewest, Kind::kOlder, Kind::kUnknown}) {
    EXPECT_THAT(WhatHelps(NotFinite(), program, {kind}),
                AllOf(HasSubstr("begin a new run with a lower rate of the "
                                "program's optimizer, or with on_nonfinite"),
                      Not(HasSubstr("inner"))));
  }
}

TEST(StoppedJobTest, TheCourseOfTheLossBeforeIsSaid) {
  v1::JobStatus job = NotFinite();
  EXPECT_THAT(WhyStopped(job), Not(HasSubstr("before it")));
  job.set_divergence("the training loss is 2.5");
  EXPECT_THAT(WhyStopped(job),
              HasSubstr("no room; before it, the training loss is 2.5"));
}

}  // namespace
}  // namespace ebb::tools
