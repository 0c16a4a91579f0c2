#include "server/partition_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "server/testing/one_partition.h"

namespace ebb::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
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

class InitialFileTest : public OnePartitionTest {
 protected:
  InitialFileTest() { initial_ = InitialFile{"values", "id", 8}; }

  void Tick() {
    now_ += absl::Seconds(1);
    ServerActions actions;
    core_->OnTick(now_, &actions);
    Do(std::move(actions));
  }
  std::vector<float> Weights() const {
    const Partition* values = core_->jobs().at(record_->id).partition(kP);
    std::vector<float> out(record_->plan.parameters);
    values->Values().CopyTo(std::as_writable_bytes(std::span(out)));
    return out;
  }
};

TEST_F(InitialFileTest, IsServedOnlyWithTheValuesOfTheFile) {
  GrantTerm(5, 0);
  EXPECT_THAT(registrations_, IsEmpty());
  ASSERT_THAT(initial_requests_, SizeIs(1));
  EXPECT_EQ(initial_requests_[0].file.set, "values");
  EXPECT_EQ(initial_requests_[0].shape->floats(), 2);
  Push(5, 0, 0);
  EXPECT_EQ(LastVerdict(), Verdict::kWrongPlacement);
  InitialValues(0, absl::OkStatus());
  ASSERT_THAT(registrations_, SizeIs(1));
  EXPECT_TRUE(registrations_[0].partitions[0].serving);
  EXPECT_THAT(Weights(), ElementsAre(3, 3));
  Push(5, 0, 1);
  EXPECT_EQ(LastVerdict(), Verdict::kApplied);
  EXPECT_THAT(Weights(), ElementsAre(4, 4));
}

TEST_F(InitialFileTest, NeverBeginsWithOthersHoweverTheyFail) {
  GrantTerm(5, 0);
  const absl::Status failures[] = {
      absl::UnavailableError("away"), absl::NotFoundError("no such set"),
      absl::DataLossError("checksum"), absl::ResourceExhaustedError("memory")};
  for (size_t i = 0; i < std::size(failures); ++i) {
    ASSERT_THAT(initial_requests_, SizeIs(i + 1));
    InitialValues(i, failures[i]);
    EXPECT_THAT(registrations_, IsEmpty());
    EXPECT_EQ(Statistics().problem, failures[i].message());
    // Only the server itself lacks memory: the reader tells a busy scheduler.
    EXPECT_EQ(statistics_.problem_kind, absl::IsResourceExhausted(failures[i])
                                            ? ServerProblem::kMemory
                                            : ServerProblem::kInitialValues);
    Tick();
  }
  InitialValues(std::size(failures), absl::OkStatus());
  EXPECT_THAT(registrations_, SizeIs(1));
  EXPECT_THAT(Weights(), ElementsAre(3, 3));
  Written();
  EXPECT_EQ(Statistics().problem, "");
}

TEST_F(InitialFileTest, ValuesThatWereAskedForInAnOlderTermAreNotTaken) {
  GrantTerm(5, 0);
  GrantTerm(6, 0);
  ASSERT_THAT(initial_requests_, SizeIs(2));
  InitialValues(0, absl::OkStatus());
  EXPECT_THAT(registrations_, IsEmpty());
  InitialValues(1, absl::OkStatus());
  EXPECT_THAT(registrations_, SizeIs(1));
  InitialValues(1, absl::OkStatus());  // Once more: nothing waits for it.
  EXPECT_THAT(registrations_, SizeIs(1));
}

TEST_F(InitialFileTest, GoesOnFromAVersionWithoutTheFile) {
  Inventory inventory;
  inventory.jobs = {{record_, Generation(1), {}, {}}};
  const VersionKey stored{record_->id, Generation(1), kP, Term(5), 0};
  inventory.versions = {stored};
  Restart(inventory);
  GrantTerm(8, 5);
  EXPECT_THAT(loads_, SizeIs(1));
  EXPECT_THAT(initial_requests_, IsEmpty());
  ServerActions actions;  // A damaged one is as good as none.
  core_->OnLoaded(stored, absl::DataLossError("checksum"), now_, &actions);
  Do(std::move(actions));
  EXPECT_THAT(registrations_, IsEmpty());
  EXPECT_THAT(initial_requests_, SizeIs(1));
}

TEST_F(InitialFileTest, ANewGenerationBeginsWithTheFileAgain) {
  GrantTerm(5, 0);
  InitialValues(0, absl::OkStatus());
  Push(5, 0, 0);
  generation_ = Generation(2);
  GrantTerm(9, 5);
  ASSERT_THAT(initial_requests_, SizeIs(2));
  InitialValues(1, absl::OkStatus());
  EXPECT_THAT(Weights(), ElementsAre(3, 3));
}

}  // namespace
}  // namespace ebb::server
