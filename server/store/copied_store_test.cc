// The fate of versions when one of the two places fails, or the machine does
// between them. The contract is in checkpoint_store_test.cc.
#include "server/store/copied_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "server/store/internal/store_test_util.h"
#include "server/store/memory_store.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Status kFull = absl::ResourceExhaustedError("no room");

std::unique_ptr<CopiedStore> OpenOver(MemoryDisk* local, MemoryDisk* shared,
                                      int32_t server = 0) {
  return std::make_unique<CopiedStore>(
      std::make_unique<MemoryStore>(local),
      std::make_unique<MemoryStore>(shared, ServerId(server)));
}

class CopiedStoreTest : public testing::Test {
 protected:
  void Restart() {
    pool_ = MakePool();
    store_ = OpenOver(&local_, &shared_);
  }
  std::vector<VersionKey> Loadable() {
    const auto listed = store_->ListPartition(JobId(1), PartitionId(0));
    EXPECT_TRUE(listed.ok()) << listed.status();
    return listed.ok() ? listed->versions : std::vector<VersionKey>{};
  }

  MemoryDisk local_, shared_;
  std::unique_ptr<BlockPool> pool_ = MakePool();
  std::unique_ptr<CopiedStore> store_ = OpenOver(&local_, &shared_);
};

TEST_F(CopiedStoreTest, AVersionIsStoredWhenBothHaveIt) {
  ASSERT_TRUE(store_->Write(Key(0), MakeCut(*pool_, 64, 1)).ok());
  EXPECT_THAT(local_.Versions(), ElementsAre(Key(0)));
  EXPECT_THAT(shared_.Versions(), ElementsAre(Key(0)));
  const VersionKey keys[] = {Key(0)};
  ASSERT_TRUE(store_->Delete(keys).ok());
  EXPECT_THAT(local_.Versions(), IsEmpty());
  EXPECT_THAT(shared_.Versions(), IsEmpty());
}

TEST_F(CopiedStoreTest, WhileTheSharedFolderFailsNothingIsStoredOrPilesUp) {
  Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(store_->Write(Key(0), cut).ok());
  shared_.FailWrites(kFull);
  int64_t written = 0;
  for (int64_t sequence = 1; sequence < 5; ++sequence) {
    ChangeBlock(*pool_, &cut.arrays["weights"], 0);
    const auto result = store_->Write(Key(sequence), cut);
    EXPECT_TRUE(absl::IsResourceExhausted(result.status()));
    EXPECT_THAT(result.status().message(), HasSubstr("shared checkpoints"));
    EXPECT_THAT(local_.Versions(), ElementsAre(Key(0)));
    if (sequence == 1) written = local_.bytes_written();
    EXPECT_EQ(local_.bytes_written(), written);
  }
  shared_.FailWrites(absl::OkStatus());
  ASSERT_TRUE(store_->Write(Key(5), cut).ok());
  EXPECT_THAT(local_.Versions(), ElementsAre(Key(0), Key(5)));
  EXPECT_THAT(shared_.Versions(), ElementsAre(Key(0), Key(5)));
  ExpectStored(*store_, *pool_, Key(5), cut);
}

TEST_F(CopiedStoreTest, WhileTheOwnDiskFailsNothingIsStoredOrPilesUp) {
  Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(store_->Write(Key(0), cut).ok());
  // Both in turn, so that either has failed last.
  shared_.FailWrites(kFull);
  EXPECT_FALSE(store_->Write(Key(1), cut).ok());
  shared_.FailWrites(absl::OkStatus());
  local_.FailWrites(kFull);
  for (int64_t sequence = 2; sequence < 5; ++sequence) {
    ChangeBlock(*pool_, &cut.arrays["weights"], 0);
    const auto result = store_->Write(Key(sequence), cut);
    EXPECT_EQ(result.status(), kFull);
    EXPECT_THAT(shared_.Versions(), ElementsAre(Key(0)));
  }
  local_.FailWrites(absl::OkStatus());
  ASSERT_TRUE(store_->Write(Key(5), cut).ok());
  EXPECT_THAT(shared_.Versions(), ElementsAre(Key(0), Key(5)));
}

TEST_F(CopiedStoreTest, AJobIsSavedWhenBothHaveIt) {
  shared_.FailWrites(kFull);
  EXPECT_TRUE(absl::IsResourceExhausted(store_->SaveJob(MakeJob(1, "job"))));
  shared_.FailWrites(absl::OkStatus());
  EXPECT_TRUE(store_->SaveJob(MakeJob(1, "job")).ok());
}

TEST_F(CopiedStoreTest, LoadsTheCopyOfWhatIsDamagedOrMissing) {
  const Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(store_->Write(Key(0), cut).ok());
  ASSERT_TRUE(store_->Write(Key(1), cut).ok());
  local_.DamageVersion(Key(0));
  const VersionKey second[] = {Key(1)};
  ASSERT_TRUE(MemoryStore(&local_).Delete(second).ok());
  EXPECT_THAT(Loadable(), ElementsAre(Key(0), Key(1)));
  ExpectStored(*store_, *pool_, Key(0), cut);
  ExpectStored(*store_, *pool_, Key(1), cut);
  // One was damaged; of the other nothing was there.
  EXPECT_GT(store_->Damage().versions_lost, 0);
  EXPECT_NE(store_->Damage().last_lost, "");
  shared_.DamageVersion(Key(0));
  shared_.DamageVersion(Key(1));
  EXPECT_TRUE(absl::IsDataLoss(store_->Load(Key(0), pool_.get()).status()));
  EXPECT_TRUE(absl::IsDataLoss(store_->Load(Key(1), pool_.get()).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->Load(Key(2), pool_.get()).status()));
}

// An older version must not be served because a newer one cannot be read now.
TEST_F(CopiedStoreTest, WhatCannotBeReadNowIsNotTakenForLost) {
  ASSERT_TRUE(store_->Write(Key(0), MakeCut(*pool_, 64, 1)).ok());
  const absl::Status away = absl::UnavailableError("not mounted");
  shared_.FailReads(away);
  EXPECT_TRUE(store_->Load(Key(0), pool_.get()).ok());
  EXPECT_TRUE(absl::IsUnavailable(store_->Load(Key(1), pool_.get()).status()));
  EXPECT_TRUE(absl::IsUnavailable(
      store_->ListPartition(JobId(1), PartitionId(0)).status()));
  EXPECT_THAT(VersionsIn(*store_), ElementsAre(Key(0)));
  local_.DamageVersion(Key(0));
  EXPECT_TRUE(absl::IsUnavailable(store_->Load(Key(0), pool_.get()).status()));
  shared_.FailReads(absl::OkStatus());
  shared_.DamageVersion(Key(0));
  local_.FailReads(away);
  EXPECT_TRUE(absl::IsUnavailable(store_->Load(Key(0), pool_.get()).status()));
}

TEST_F(CopiedStoreTest, WhatWasLoadedFromTheOwnDiskIsNotCopiedAgain) {
  ASSERT_TRUE(store_->Write(Key(0), MakeCut(*pool_, 4 * 64, 1)).ok());
  const int64_t copied = shared_.bytes_written();
  Restart();
  auto cut = store_->Load(Key(0), pool_.get());
  ASSERT_TRUE(cut.ok());
  ASSERT_TRUE(store_->Write(Key(0, 1, 0, 11), *cut).ok());
  EXPECT_EQ(shared_.bytes_written(), copied);
  ChangeBlock(*pool_, &cut->arrays["weights"], 1);
  ASSERT_TRUE(store_->Write(Key(1, 1, 0, 11), *cut).ok());
  EXPECT_EQ(shared_.bytes_written(), copied + 256);
}

// --- Between the two ---------------------------------------------------------

// The machine dies when its own disk has the version and the folder has not.
class HalfStoredTest : public CopiedStoreTest {
 protected:
  HalfStoredTest() {
    EXPECT_TRUE(store_->Write(Key(0), MakeCut(*pool_, 64, 1)).ok());
    const MemoryDisk before = shared_;
    EXPECT_TRUE(store_->Write(Key(1), newer_).ok());
    shared_ = before;
    Restart();
  }
  Cut newer_ = MakeCut(*pool_, 64, 500);
};

TEST_F(HalfStoredTest, ItsServerGoesOnFromItIfItComesBack) {
  EXPECT_THAT(Loadable(), ElementsAre(Key(0), Key(1)));
  const auto cut = store_->Load(Key(1), pool_.get());
  ASSERT_TRUE(cut.ok()) << cut.status();
  ExpectSameCut(*cut, newer_);
  // The first version of the new term makes it good.
  ASSERT_TRUE(store_->Write(Key(0, 1, 0, 11), *cut).ok());
  MemoryDisk other;
  const auto another = OpenOver(&other, &shared_, 1);
  ExpectStored(*another, *pool_, Key(0, 1, 0, 11), newer_);
}

TEST_F(HalfStoredTest, AnotherGoesOnFromTheOneBeforeAndOutranksIt) {
  MemoryDisk other;
  const auto another = OpenOver(&other, &shared_, 1);
  const auto pool = MakePool();
  const auto listed = another->ListPartition(JobId(1), PartitionId(0));
  ASSERT_TRUE(listed.ok());
  EXPECT_THAT(listed->versions, ElementsAre(Key(0)));
  auto cut = another->Load(Key(0), pool.get());
  ASSERT_TRUE(cut.ok());
  ASSERT_TRUE(another->Write(Key(0, 1, 0, 11), *cut).ok());
  // The first server, back and asked again, has the newer term last.
  EXPECT_THAT(Loadable(), ElementsAre(Key(0), Key(1), Key(0, 1, 0, 11)));
  ExpectStored(*store_, *pool_, Key(0, 1, 0, 11), *cut);
  // What it still writes in its old term is stored nowhere.
  EXPECT_EQ(store_->Write(Key(2), newer_).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Loadable(), ElementsAre(Key(0), Key(1), Key(0, 1, 0, 11)));
}

TEST_F(CopiedStoreTest, AnEmptyOwnDiskIsFilledFromTheCopies) {
  ASSERT_TRUE(store_->SaveJob(MakeJob(1, "job")).ok());
  const Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(store_->Write(Key(0), cut).ok());
  local_ = MemoryDisk();
  Restart();
  const auto inventory = store_->List();
  ASSERT_TRUE(inventory.ok());
  EXPECT_EQ(inventory->jobs.size(), 1u);
  EXPECT_THAT(inventory->versions, ElementsAre(Key(0)));
  const auto loaded = store_->Load(Key(0), pool_.get());
  ASSERT_TRUE(loaded.ok());
  ASSERT_TRUE(store_->Write(Key(0, 1, 0, 11), *loaded).ok());
  EXPECT_THAT(local_.Versions(), ElementsAre(Key(0, 1, 0, 11)));
}

// Bug: versions that a move had refused, or made forgotten, were called
// damaged: their copy was looked for on the own disk.
TEST_F(CopiedStoreTest, WhatOnlyTheFolderHasIsNotOnTheOwnDisk) {
  ASSERT_TRUE(store_->SaveJob(MakeJob(1, "job")).ok());
  ASSERT_TRUE(store_->Write(Key(0), MakeCut(*pool_, 64, 1)).ok());
  const VersionKey kept = Key(0, 1, 0, 11);
  ASSERT_TRUE(store_->Write(kept, MakeCut(*pool_, 64, 1)).ok());
  ASSERT_TRUE(store_->Forget(JobId(1), PartitionId(0), Key(0).term).ok());
  const auto own = store_->ListOwn();
  ASSERT_TRUE(own.ok());
  EXPECT_EQ(own->jobs.size(), 1u);
  EXPECT_THAT(own->versions, ElementsAre(kept));
  EXPECT_THAT(VersionsIn(*store_), ElementsAre(Key(0), kept));
}

TEST_F(CopiedStoreTest, AnOwnDiskThatWasSetBackHasNoSayOfTheJob) {
  StoredJob job = MakeJob(1, "job");
  ASSERT_TRUE(store_->SaveJob(job).ok());
  const MemoryDisk before = local_;
  job.generation = Generation(8);
  ASSERT_TRUE(store_->SaveJob(job).ok());
  local_ = before;
  Restart();
  const auto inventory = store_->List();
  ASSERT_TRUE(inventory.ok());
  ASSERT_EQ(inventory->jobs.size(), 1u);
  EXPECT_EQ(inventory->jobs[0].generation, Generation(8));
}

}  // namespace
}  // namespace ebb::server
