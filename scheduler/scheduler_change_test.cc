// Jobs that go on as others, and jobs that are forgotten.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "scheduler/scheduler_control_fixture.h"

namespace ebb::scheduler {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ChangeTest : public SchedulerControlTest {
 protected:
  // The job with so many epochs, from its newest versions.
  absl::Status Change(int32_t epochs, int64_t shard_size = 2) {
    auto changed = std::make_shared<JobRecord>(*job().record());
    changed->plan.epochs = epochs;
    changed->plan.shard_size = shard_size;
    changed->specification = absl::StrCat(epochs, " epochs");
    return Operate([&](auto* out) {
      return core_->Rollback(job_,
                             {.generation = job().state().generation,
                              .record = {},
                              .what = "to the newest versions",
                              .change = changed},
                             now_, out);
    });
  }
  void Complete() {
    ServerUp();
    Begin("a", 0);
    Register(4, 4);
    ASSERT_EQ(job().state().phase, JobPhase::kCompleted);
  }
};

TEST_F(ChangeTest, ACompleteJobGoesOnToMoreEpochs) {
  Complete();
  const Generation before = job().state().generation;
  ASSERT_TRUE(Change(3).ok());
  EXPECT_GT(job().state().generation, before);
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  ASSERT_THAT(Grants(), SizeIs(1));
  EXPECT_EQ(Grants()[0].record->plan.epochs, 3);
  // What the server loaded has the first epoch.
  Register(4, 4);
  EXPECT_EQ(job().marks().full_everywhere(), 4);
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  WorkersUp(1);
  ASSERT_THAT(Leases(Link(0)), SizeIs(1));
  EXPECT_EQ(Leases(Link(0))[0].item, (ItemId{1, 0}));
  EXPECT_EQ(Leases(Link(0))[0].record->plan.epochs, 3);
}

TEST_F(ChangeTest, AChangeOutlivesTheScheduler) {
  Complete();
  const auto before = stored_;
  ASSERT_TRUE(Change(3).ok());
  const JobRegistration changed = Registration(4, 4);
  Restart(stored_);
  EXPECT_EQ(job().plan().epochs, 3);
  // One that has an older store hears of it from the server.
  Restart(before);
  EXPECT_EQ(job().plan().epochs, 1);
  ServerUp({changed});
  EXPECT_EQ(job().plan().epochs, 3);
  EXPECT_EQ(job().state().phase, JobPhase::kRunning);
  Restart(stored_);
  EXPECT_EQ(job().plan().epochs, 3);
}

TEST_F(ChangeTest, WhatMayNotFollowIsRefusedAndChangesNothing) {
  Complete();
  const Generation before = job().state().generation;
  const absl::Status smaller = Change(3, /*shard_size=*/4);
  EXPECT_EQ(smaller.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(smaller.message()),
              HasSubstr("train.item_examples) was 2, would be 4"));
  EXPECT_EQ(Change(0).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(job().state().generation, before);
  EXPECT_EQ(job().plan().epochs, 1);
  EXPECT_EQ(job().state().phase, JobPhase::kCompleted);
}

class ForgetTest : public SchedulerControlTest {
 protected:
  absl::Status Forget(JobId id, bool versions = false) {
    return Operate(
        [&](auto* out) { return core_->Forget(id, versions, now_, out); });
  }
  absl::Status Cancel(JobId id) {
    return Operate([&](auto* out) { return core_->Cancel(id, now_, out); });
  }
  std::vector<ForgetJob> Forgets() const {
    std::vector<ForgetJob> forgets;
    for (const SchedulerToServer& message : to_server_) {
      if (const auto* one = std::get_if<ForgetJob>(&message)) {
        forgets.push_back(*one);
      }
    }
    return forgets;
  }
};

TEST_F(ForgetTest, WhatIsNotOverIsNotForgotten) {
  ServerUp();
  const JobId id = Begin("a", 0);
  EXPECT_EQ(Forget(id).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(core_->jobs().contains(id));
  EXPECT_EQ(Forget(JobId(7)).code(), absl::StatusCode::kNotFound);
}

TEST_F(ForgetTest, ServersAndTheStoreLetGoOfIt) {
  ServerUp();
  const JobId id = Begin("a", 0);
  ASSERT_TRUE(Cancel(id).ok());
  ASSERT_TRUE(Forget(id).ok());
  EXPECT_FALSE(core_->jobs().contains(id));
  ASSERT_THAT(Forgets(), SizeIs(1));
  EXPECT_EQ(Forgets()[0].job, id);
  EXPECT_TRUE(Forgets()[0].keep_versions);
  for (const auto& [key, value] : stored_) {
    EXPECT_FALSE(key.starts_with("job/")) << key;
  }
  EXPECT_EQ(Forget(id).code(), absl::StatusCode::kNotFound);
}

// Bug: a server of an older release deletes the versions whatever it is told.
TEST_F(ForgetTest, AnOlderServerIsNotToldWhereVersionsStay) {
  ServerUp();
  const JobId id = Begin("a", 0);
  const JobRegistration registration = Registration(4, 4);
  ASSERT_TRUE(Cancel(id).ok());
  ServerGone();
  RegisterServer older;
  older.server = kServer;
  older.session = SessionId(150);
  older.address = "here:1";
  older.jobs = {registration};
  FromServer(older, older.session);
  ASSERT_TRUE(Forget(id).ok());
  EXPECT_THAT(Forgets(), IsEmpty());
  ServerGone();
  ServerUp({registration});
  ASSERT_THAT(Forgets(), SizeIs(1));
  EXPECT_TRUE(Forgets()[0].keep_versions);
}

TEST_F(ForgetTest, AServerThatWasAwayHearsOfItWhenItIsBack) {
  ServerUp();
  const JobId id = Begin("a", 0);
  const JobRegistration registration = Registration(4, 4);
  ASSERT_TRUE(Cancel(id).ok());
  ServerGone();
  ASSERT_TRUE(Forget(id, /*versions=*/true).ok());
  EXPECT_THAT(Forgets(), IsEmpty());
  Restart(stored_);
  ServerUp({registration});
  EXPECT_FALSE(core_->jobs().contains(id)) << "the server brought it back";
  ASSERT_THAT(Forgets(), SizeIs(1));
  EXPECT_FALSE(Forgets()[0].keep_versions);
}

// Bug: it was said for ever which server a worker of the job does not reach.
TEST_F(ForgetTest, WhatItsWorkersDoNotReachIsForgottenToo) {
  ServerUp();
  const JobId id = Begin("a", 0);
  WorkersUp(1);
  PlacementRequest message{Worker(0), id, {}, false};
  message.unreached.push_back({kServer,
                               kServerSession,
                               "ps-0:7001",
                               absl::Seconds(2),
                               9,
                               {CallCause::kName, "ps-0 does not resolve"}});
  FromWorker(Link(0), message);
  const WorkerInfo& worker = core_->cluster().workers.at(Worker(0));
  ASSERT_FALSE(worker.unreached.empty());
  ASSERT_TRUE(Cancel(id).ok());
  ASSERT_TRUE(Forget(id).ok());
  EXPECT_TRUE(worker.unreached.empty());
  EXPECT_TRUE(worker.cut_off.empty());
}

TEST_F(ForgetTest, OthersTrainOn) {
  ServerUp();
  const JobId gone = Begin("a", 0);
  WorkersUp(2);
  ASSERT_TRUE(Cancel(gone).ok());
  ASSERT_TRUE(Forget(gone).ok());
  const JobId id = Begin("b", 0);
  EXPECT_EQ(Has(id), 2u);
  Applied(id, {0, 0}, 2);
  EXPECT_EQ(Job(id).marks().full_everywhere(), 1);
}

}  // namespace
}  // namespace ebb::scheduler
