#include "server/partition_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <utility>

#include "server/testing/one_partition.h"

namespace ebb::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using PartitionLoaderTest = OnePartitionTest;

TEST_F(PartitionLoaderTest, ServesInitialValuesUnderAFirstGrant) {
  GrantTerm(5, 0);
  ASSERT_THAT(registrations_, SizeIs(1));
  EXPECT_TRUE(registrations_[0].partitions[0].serving);
  Push(5, 0, 0);
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);
}

TEST_F(PartitionLoaderTest, RefusesAPartitionThatItHasNoRoomFor) {
  memory_ = 64;  // The values, and nothing for a step.
  GrantTerm(5, 0);
  EXPECT_THAT(registrations_, IsEmpty());
  Push(5, 0, 0);
  EXPECT_EQ(LastVerdict(), Verdict::kWrongPlacement);
  for (int i = 0; i < 3; ++i) {  // It tries again, and says the same.
    EXPECT_EQ(Statistics().problem_kind, ServerProblem::kMemory);
    EXPECT_THAT(statistics_.problem,
                AllOf(HasSubstr("no room for another partition of job"),
                      HasSubstr("raise --memory, or add servers")));
  }
  EXPECT_THAT(log_, SizeIs(1));
}

TEST_F(PartitionLoaderTest, LoadsTheNewestVersionAndFallsBackWhenItIsDamaged) {
  Inventory inventory;
  inventory.jobs = {{record_, Generation(1), {}, {}}};
  const VersionKey older{record_->id, Generation(1), kP, Term(3), 4};
  const VersionKey newest{record_->id, Generation(1), kP, Term(5), 0};
  inventory.versions = {older, newest};
  Restart(inventory);
  GrantTerm(8, 5);
  ASSERT_THAT(loads_, SizeIs(1));
  EXPECT_EQ(loads_[0], newest);
  for (const VersionKey& key : {newest, older}) {
    EXPECT_THAT(registrations_, IsEmpty());
    ServerActions actions;
    core_->OnLoaded(key, absl::DataLossError("checksum"), now_, &actions);
    Do(std::move(actions));
  }
  ASSERT_THAT(registrations_, SizeIs(1));  // Initial values.
  EXPECT_EQ(loads_[1], older);
  EXPECT_EQ(Statistics().store_damage.versions_lost, 2);
  EXPECT_THAT(statistics_.store_damage.last_lost,
              HasSubstr("version (3, 4) cannot be used: checksum"));
}

TEST_F(PartitionLoaderTest, AVersionThatCannotBeLoadedNowIsWaitedFor) {
  Inventory inventory;
  inventory.jobs = {{record_, Generation(1), {}, {}}};
  const VersionKey stored{record_->id, Generation(1), kP, Term(5), 0};
  inventory.versions = {stored};
  Restart(inventory);
  GrantTerm(8, 5);
  for (size_t i = 1; i <= 3; ++i) {
    ASSERT_THAT(loads_, SizeIs(i));
    EXPECT_EQ(loads_.back(), stored);
    ServerActions actions;
    core_->OnLoaded(stored,
                    i == 1   ? absl::ResourceExhaustedError("memory")
                    : i == 2 ? absl::PermissionDeniedError("mode")
                             : absl::UnavailableError("store"),
                    now_, &actions);
    Do(std::move(actions));
    EXPECT_THAT(registrations_, IsEmpty());
    EXPECT_LE(core_->NextTick(), now_ + absl::Seconds(1));
    now_ += absl::Seconds(1);
    actions.clear();
    core_->OnTick(now_, &actions);
    Do(std::move(actions));
  }
}

TEST_F(PartitionLoaderTest, SaysWhichVersionAPartitionGoesOnFrom) {
  GrantTerm(5, 0);
  Written();
  Push(5, 0, 0);
  Checkpoint();
  Written();
  GrantTerm(9, 8);  // Somebody else was the owner.
  ASSERT_THAT(loads_, SizeIs(1));
  EXPECT_THAT(log_, IsEmpty());
  ServerActions actions;
  core_->OnLoaded(loads_[0], std::move(writes_.back().cut), now_, &actions);
  Do(std::move(actions));
  ASSERT_THAT(log_, SizeIs(1));
  EXPECT_THAT(log_[0].text,
              HasSubstr("partition 0 goes on from version (5, 1) of "));
  EXPECT_THAT(log_[0].text, HasSubstr(": 1 examples"));
}

TEST_F(PartitionLoaderTest, SaysThatAPartitionOfBeforeBeginsAgain) {
  GrantTerm(5, 0);
  EXPECT_THAT(log_, IsEmpty());  // A first time is nothing to speak of.
  Restart({});
  GrantTerm(6, 5);
  ASSERT_THAT(log_, SizeIs(1));
  EXPECT_THAT(log_[0].text, HasSubstr("partition 0 was served before, but has "
                                      "no version here"));
  EXPECT_TRUE(log_[0].warning);
}

}  // namespace
}  // namespace ebb::server
