// The particulars of checkpoints in a shared folder: its files, what harms
// them, and who may touch them.
#include "server/store/folder_checkpoints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/store/internal/store_test_util.h"
#include "tests/testing/memory_files.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kTerm10[] = "/shared/job-1/p0/t00000000000000000010/";

VersionKey InTerm(uint64_t term, int64_t sequence) {
  return Key(sequence, 1, 0, term);
}

std::string VersionName(int64_t sequence) {
  return absl::StrFormat("g%020d-%020d.version", 7, sequence);
}

class FolderCheckpointsTest : public testing::Test {
 protected:
  std::unique_ptr<ObjectCheckpoints> Open(int32_t server = 0) {
    auto store = OpenFolderCheckpoints({.folder = MemoryFiles::kRoot,
                                        .server = ServerId(server),
                                        .files = &files_});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

  std::vector<std::string> FilesWith(absl::string_view text) {
    std::vector<std::string> found;
    for (const std::string& path : files_.Files()) {
      if (absl::StrContains(path, text)) found.push_back(path);
    }
    return found;
  }

  MemoryFiles files_;
  std::unique_ptr<BlockPool> pool_ = MakePool();
  std::unique_ptr<ObjectCheckpoints> store_ = Open();
};

// --- The folder --------------------------------------------------------------

TEST_F(FolderCheckpointsTest, AFolderHasOneIdentity) {
  EXPECT_THAT(store_->folder_id(), SizeIs(32));
  EXPECT_EQ(Open(7)->folder_id(), store_->folder_id());
  MemoryFiles other;
  const auto elsewhere =
      OpenFolderCheckpoints({.folder = MemoryFiles::kRoot, .files = &other});
  ASSERT_TRUE(elsewhere.ok());
  EXPECT_NE((*elsewhere)->folder_id(), store_->folder_id());
}

TEST(FolderIdentityTest, IsOneHoweverManyMakeItAtOnce) {
  const TestFolder folder{TestFolder::On::kMemory};
  std::vector<std::string> ids(8);
  std::vector<std::thread> threads;
  for (int32_t i = 0; i < static_cast<int32_t>(ids.size()); ++i) {
    // Each is another server: one that begins removes what another process of
    // its own name has not finished.
    threads.emplace_back([&id = ids[i], &folder, i] {
      const auto store = OpenFolderCheckpoints(
          {.folder = folder.path(), .server = ServerId(i)});
      EXPECT_TRUE(store.ok()) << store.status();
      if (store.ok()) id = (*store)->folder_id();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(ids[0], SizeIs(32));
  EXPECT_THAT(std::set<std::string>(ids.begin(), ids.end()), SizeIs(1));
  // The losers left nothing.
  int entries = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(folder.path())) {
    ++entries;
  }
  EXPECT_EQ(entries, 1);
}

TEST_F(FolderCheckpointsTest, AFolderThatIsNotThereIsNotMade) {
  const auto store =
      OpenFolderCheckpoints({.folder = "/nowhere", .files = &files_});
  EXPECT_EQ(store.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(store.status().message(), HasSubstr("/nowhere"));
  EXPECT_EQ(OpenFolderCheckpoints({}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// An empty mount point is no empty store: nothing of it counts as lost, and
// nothing is written beside the volume.
TEST_F(FolderCheckpointsTest, AVolumeThatIsNotMountedIsWaitedFor) {
  ASSERT_TRUE(store_->Write(InTerm(10, 0), MakeCut(*pool_, 64, 1)).ok());
  ASSERT_TRUE(files_.Rename("/shared", "/elsewhere").ok());
  ASSERT_TRUE(files_.MakeFolder("/shared").ok());
  const VersionKey key = InTerm(10, 0);
  for (const absl::Status& status :
       {store_->Load(key, pool_.get()).status(), store_->List().status(),
        store_->ListPartition(JobId(1), PartitionId(0)).status(),
        store_->SaveJob(MakeJob(1, "job")),
        store_->Write(InTerm(10, 1), MakeCut(*pool_, 64, 1)).status(),
        store_->Write(InTerm(11, 0), MakeCut(*pool_, 64, 1)).status(),
        store_->DeleteJob(JobId(1))}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  }
  EXPECT_THAT(files_.Files(), IsEmpty());
  ASSERT_TRUE(files_.Rename("/elsewhere", "/shared").ok());
  EXPECT_TRUE(store_->Load(key, pool_.get()).ok());
}

// --- What harms it -----------------------------------------------------------

TEST_F(FolderCheckpointsTest, AnyBitThatIsWrongIsFound) {
  const Cut cut = MakeCut(*pool_, 100, 1);
  ASSERT_TRUE(store_->Write(InTerm(10, 0), cut).ok());
  const std::vector<std::string> files = FilesWith(kTerm10);
  ASSERT_THAT(files, SizeIs(2));
  for (const std::string& path : files) {
    const size_t bytes = files_.Read(path)->size();
    for (size_t at = 0; at < bytes; ++at) {
      files_.Damage(path, at);
      const auto loaded = store_->Load(InTerm(10, 0), pool_.get());
      // A version of the form that is too new looks like one.
      EXPECT_TRUE(absl::IsDataLoss(loaded.status()))
          << path << " at " << at << ": " << loaded.status();
      EXPECT_THAT(loaded.status().message(), HasSubstr(path));
      files_.Damage(path, at);  // Mends it.
    }
  }
  ExpectStored(*store_, *pool_, InTerm(10, 0), cut);
}

TEST_F(FolderCheckpointsTest, AMissingOrShortFileIsNamed) {
  ASSERT_TRUE(store_->Write(InTerm(10, 0), MakeCut(*pool_, 64, 1)).ok());
  const std::string pack = absl::StrCat(kTerm10, "1-0.values");
  const std::string bytes = *files_.Read(pack);
  ASSERT_TRUE(files_.Remove(pack).ok());
  const auto missing = store_->Load(InTerm(10, 0), pool_.get());
  EXPECT_TRUE(absl::IsDataLoss(missing.status())) << missing.status();
  EXPECT_THAT(missing.status().message(), HasSubstr("1-0.values"));
  const absl::string_view half[] = {
      absl::string_view(bytes).substr(0, bytes.size() / 2)};
  ASSERT_TRUE(files_.WriteNew(pack, half).ok());
  const auto cut_short = store_->Load(InTerm(10, 0), pool_.get());
  EXPECT_TRUE(absl::IsDataLoss(cut_short.status())) << cut_short.status();
  EXPECT_THAT(cut_short.status().message(), HasSubstr(pack));
}

TEST_F(FolderCheckpointsTest, AManifestOfAnotherVersionIsNoneOfThis) {
  const Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(store_->Write(InTerm(10, 0), cut).ok());
  ASSERT_TRUE(files_
                  .Rename(absl::StrCat(kTerm10, VersionName(0)),
                          absl::StrCat(kTerm10, VersionName(5)))
                  .ok());
  const auto loaded = store_->Load(InTerm(10, 5), pool_.get());
  EXPECT_TRUE(absl::IsDataLoss(loaded.status())) << loaded.status();
}

TEST_F(FolderCheckpointsTest,
       BesideAVersionThatCannotBeReadNoValuesAreDeleted) {
  Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(store_->Write(InTerm(10, 0), cut).ok());
  ASSERT_TRUE(store_->Write(InTerm(10, 1), cut).ok());
  store_ = Open();
  ASSERT_TRUE(store_->Write(InTerm(11, 0), MakeCut(*pool_, 64, 500)).ok());
  const std::string damaged = FilesWith(VersionName(1)).front();
  files_.Damage(damaged, 40);
  const VersionKey first[] = {InTerm(10, 0)};
  ASSERT_TRUE(store_->Delete(first).ok());
  EXPECT_THAT(FilesWith("10/1-0.values"), SizeIs(1));
  // It is deleted as any other.
  const VersionKey second[] = {InTerm(10, 1)};
  ASSERT_TRUE(store_->Delete(second).ok());
  EXPECT_THAT(FilesWith(kTerm10), IsEmpty());
  EXPECT_THAT(VersionsIn(*store_), ElementsAre(InTerm(11, 0)));
}

// --- Which files there are ---------------------------------------------------

TEST_F(FolderCheckpointsTest, NothingIsLeftOfOlderTerms) {
  Cut cut = MakeCut(*pool_, 4 * 64, 1);
  ASSERT_TRUE(store_->Write(InTerm(10, 0), cut).ok());
  ASSERT_TRUE(store_->Write(InTerm(11, 0), cut).ok());
  const VersionKey old[] = {InTerm(10, 0)};
  ASSERT_TRUE(store_->Delete(old).ok());
  EXPECT_THAT(FilesWith(kTerm10),
              ElementsAre(absl::StrCat(kTerm10, "1-0.values")));
  for (size_t i = 0; i < 4; ++i) {
    ChangeBlock(*pool_, &cut.arrays["weights"], i);
    ChangeBlock(*pool_, &cut.arrays["slot:0"], i);
  }
  ASSERT_TRUE(store_->Write(InTerm(11, 1), cut).ok());
  const VersionKey base[] = {InTerm(11, 0)};
  ASSERT_TRUE(store_->Delete(base).ok());
  const std::string p = "/shared/job-1/p0/", t = "t00000000000000000011/";
  EXPECT_THAT(FilesWith("/p0/"),
              ElementsAre(p + "claims/00000000000000000011",
                          p + "inherits/00000000000000000011",
                          p + t + "00000000000000000002.kept",
                          p + t + "2-0.values", p + t + VersionName(1)));
  // Nor of its folder.
  std::vector<std::string> folders;
  const auto entries = files_.Entries("/shared/job-1/p0");
  ASSERT_TRUE(entries.ok());
  for (const FolderEntry& entry : *entries) folders.push_back(entry.name);
  EXPECT_THAT(folders,
              ElementsAre("claims", "inherits", "t00000000000000000011"));
}

TEST_F(FolderCheckpointsTest, WhatACrashLeftGoesWithTheNextDelete) {
  Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(store_->Write(InTerm(10, 0), cut).ok());
  const absl::string_view junk[] = {"junk"};
  ASSERT_TRUE(files_.WriteNew(absl::StrCat(kTerm10, "77-0.values"), junk).ok());
  store_ = Open(1);
  auto taken = store_->Load(InTerm(10, 0), pool_.get());
  ASSERT_TRUE(taken.ok());
  ASSERT_TRUE(store_->Write(InTerm(11, 0), *taken).ok());
  const VersionKey none[] = {InTerm(9, 0)};
  ASSERT_TRUE(store_->Delete(none).ok());
  EXPECT_THAT(FilesWith(".values"),
              ElementsAre(absl::StrCat(kTerm10, "1-0.values")));
  ExpectStored(*store_, *pool_, InTerm(11, 0), *taken);
}

// It may be large, and no list shows it.
TEST_F(FolderCheckpointsTest, WhatAServerLeftUnfinishedGoesWhenItComesBack) {
  ASSERT_TRUE(store_->Write(InTerm(10, 0), MakeCut(*pool_, 64, 1)).ok());
  for (const int64_t room : {1, 3, 5}) {
    files_.FailAfter(room, absl::UnavailableError("killed"));
    EXPECT_FALSE(
        store_->Write(InTerm(10, 100 + room), MakeCut(*pool_, 64, 500)).ok());
    files_.Mend();
  }
  const std::vector<std::string> left = FilesWith(".new-server-0-");
  EXPECT_THAT(left, Not(IsEmpty()));
  // Another server may be writing at this moment.
  const auto other = Open(1);
  EXPECT_EQ(FilesWith(".new-server-0-"), left);
  store_ = Open(0);
  EXPECT_THAT(FilesWith(".new-"), IsEmpty());
  EXPECT_THAT(VersionsIn(*store_), testing::Contains(InTerm(10, 0)));
}

TEST_F(FolderCheckpointsTest, AFileSystemWhoseLinksReplaceIsRefused) {
  MemoryFiles odd;
  odd.LetLinksReplace();
  const auto store =
      OpenFolderCheckpoints({.folder = MemoryFiles::kRoot, .files = &odd});
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(store.status().message(), HasSubstr("8 creates of one object"));
}

// A server must start, and read its copies, when the volume is full.
TEST_F(FolderCheckpointsTest, AFolderThatCannotBeWrittenIsRead) {
  const Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(store_->Write(InTerm(10, 0), cut).ok());
  files_.FailAfter(0, absl::ResourceExhaustedError("disk full"));
  const auto store = OpenFolderCheckpoints(
      {.folder = MemoryFiles::kRoot, .server = ServerId(1), .files = &files_});
  ASSERT_TRUE(store.ok()) << store.status();
  ExpectStored(**store, *pool_, InTerm(10, 0), cut);
}

TEST_F(FolderCheckpointsTest, ToolsChangeNothing) {
  MemoryFiles empty;
  const auto store = OpenFolderCheckpoints(
      {.folder = MemoryFiles::kRoot, .create = false, .files = &empty});
  EXPECT_EQ(store.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(empty.changes(), 0);
  const int64_t before = files_.changes();
  EXPECT_TRUE(
      OpenFolderCheckpoints(
          {.folder = MemoryFiles::kRoot, .create = false, .files = &files_})
          .ok());
  EXPECT_EQ(files_.changes(), before);
}

// One block in a hundred keeps changing, and one never does.
TEST_F(FolderCheckpointsTest, RoomAndWritingAreBounded) {
  constexpr int64_t kBlocks = 100;
  constexpr int64_t kSealed = 256 + 24;
  Cut cut;
  cut.arrays["weights"] = MakeArray(*pool_, kBlocks * 64, 1);
  std::mt19937 random(1);
  int64_t changed = kBlocks, written = 0;
  for (int64_t sequence = 0; sequence < 1000; ++sequence) {
    // Bursts, so that files of all sizes come to be.
    const size_t count = sequence == 0 ? 0 : (sequence % 50 == 0 ? 60 : 1);
    for (size_t i = 0; i < count; ++i) {
      ChangeBlock(*pool_, &cut.arrays["weights"], 1 + random() % (kBlocks - 1));
    }
    changed += static_cast<int64_t>(count);
    const auto result = store_->Write(InTerm(10, sequence), cut);
    ASSERT_TRUE(result.ok()) << result.status();
    written += result->blocks_written;
    const VersionKey before[] = {InTerm(10, sequence - 1)};
    ASSERT_TRUE(store_->Delete(before).ok());
    EXPECT_LE(FilesWith(".values").size(), 65u);
    // Three times the values, and the manifest.
    EXPECT_LE(files_.bytes(), (3 * kBlocks + 1) * kSealed + 16'384);
  }
  EXPECT_LE(written, 2 * changed);
  ExpectStored(*store_, *pool_, InTerm(10, 999), cut);
  RecordProperty("blocks_changed", static_cast<int>(changed));
  RecordProperty("blocks_written", static_cast<int>(written));
}

// --- Who may touch it --------------------------------------------------------

// A former owner is stopped just before each of the changes that it makes, and
// goes on when another one has taken over: whatever it was about to do.
TEST_F(FolderCheckpointsTest, AnOwnerThatWakesInTheMiddleOfAnythingDoesNoHarm) {
  const VersionKey dropped[] = {InTerm(10, 0)};
  int takeovers = 0;
  for (int stop_at = 0;; ++stop_at) {
    SCOPED_TRACE(stop_at);
    MemoryFiles files;
    const auto open = [&](int32_t server) {
      return *OpenFolderCheckpoints({.folder = MemoryFiles::kRoot,
                                     .server = ServerId(server),
                                     .files = &files});
    };
    const auto former = open(0);
    Cut cut = MakeCut(*pool_, 4 * 64, 1);
    ASSERT_TRUE(former->Write(InTerm(10, 0), cut).ok());
    const auto next_pool = MakePool();
    const auto next = open(1);
    // The next owner goes on from the version that is being deleted, as a
    // rollback may want it to.
    bool taken_over = false;
    Cut taken;
    int changes = 0;
    files.BeforeChanges([&](const std::string&) {
      if (changes++ != stop_at) return;
      files.BeforeChanges(nullptr);
      auto loaded = next->Load(InTerm(10, 0), next_pool.get());
      if (!loaded.ok()) return;  // Deleted already.
      taken = *std::move(loaded);
      ASSERT_TRUE(next->Write(InTerm(11, 0), taken).ok());
      taken_over = true;
    });
    for (size_t i = 0; i < 4; ++i) {
      ChangeBlock(*pool_, &cut.arrays["weights"], i);
    }
    const bool written = former->Write(InTerm(10, 1), cut).ok();
    former->Delete(dropped).IgnoreError();  // It may have lost its folder.
    files.BeforeChanges(nullptr);
    if (changes <= stop_at) break;
    if (!taken_over) continue;
    ++takeovers;
    // Also for one who starts afresh.
    ExpectStored(*open(2), *next_pool, InTerm(11, 0), taken);
    if (written) ExpectStored(*open(2), *pool_, InTerm(10, 1), cut);
  }
  EXPECT_GT(takeovers, 4);
}

// Its partition is deleted by another server, or by hand, at any moment of a
// write. The write that finds its claim gone fails, and the next one begins the
// term anew. The files of those that failed name values that are gone, so they
// do not count as versions.
TEST_F(FolderCheckpointsTest, AnOwnerWhoseClaimIsGoneBeginsItsTermAnew) {
  bool deleted = true;
  int moments = 0;
  for (; deleted; ++moments) {
    SCOPED_TRACE(moments);
    MemoryFiles files;
    const auto open = [&](int32_t server, bool create) {
      return *OpenFolderCheckpoints({.folder = MemoryFiles::kRoot,
                                     .server = ServerId(server),
                                     .create = create,
                                     .files = &files});
    };
    auto owner = open(0, true);
    const auto other = open(1, true), reader = open(2, false);
    const auto expect_whole = [&] {
      const auto listed = reader->ListPartition(JobId(1), PartitionId(0));
      ASSERT_TRUE(listed.ok()) << listed.status();
      for (const VersionKey& key : listed->versions) {
        EXPECT_EQ(reader->Load(key, pool_.get()).status(), absl::OkStatus());
      }
    };
    Cut cut = MakeCut(*pool_, 4 * 64, 1);
    ASSERT_TRUE(owner->Write(InTerm(10, 0), cut).ok());
    ASSERT_TRUE(owner->Write(InTerm(10, 1), cut).ok());
    const VersionKey first[] = {InTerm(10, 0)};
    ASSERT_TRUE(owner->Delete(first).ok());
    ChangeBlock(*pool_, &cut.arrays["weights"], 1);

    deleted = false;
    int changes = 0;
    files.BeforeChanges([&](const std::string&) {
      if (changes++ != moments) return;
      files.BeforeChanges(nullptr);
      deleted = true;
      ASSERT_TRUE(other->DeleteJob(JobId(1)).ok());
    });
    const auto failed = owner->Write(InTerm(10, 2), cut);
    if (!deleted) break;
    EXPECT_FALSE(failed.ok());
    files.BeforeChanges([&](const std::string&) { expect_whole(); });
    // A new process begins it anew, too.
    if (moments % 2 == 1) owner = open(0, true);
    int64_t next = 3;
    auto anew = owner->Write(InTerm(10, next), cut);
    if (!absl::StrContains(failed.status().message(), "is gone") &&
        !anew.ok()) {
      // The first one failed before it looked for its claim.
      EXPECT_EQ(anew.status().code(), absl::StatusCode::kUnavailable);
      EXPECT_THAT(anew.status().message(), HasSubstr("is gone"));
      anew = owner->Write(InTerm(10, ++next), cut);
    }
    ASSERT_TRUE(anew.ok()) << anew.status();
    files.BeforeChanges(nullptr);
    ExpectStored(*reader, *pool_, InTerm(10, next), cut);
    EXPECT_THAT(reader->ListPartition(JobId(1), PartitionId(0))->versions,
                ElementsAre(InTerm(10, next)));
    const VersionKey second[] = {InTerm(10, 1)};
    ASSERT_TRUE(owner->Delete(second).ok());
    ASSERT_TRUE(owner->Write(InTerm(10, 8), cut).ok());
    std::vector<std::string> left;
    for (const std::string& path : files.Files()) {
      if (absl::StrContains(path, VersionName(2))) left.push_back(path);
    }
    EXPECT_THAT(left, IsEmpty());
    // Another owner goes on from it.
    ASSERT_TRUE(other->Write(InTerm(11, 0), cut).ok());
    EXPECT_EQ(owner->Write(InTerm(10, 9), cut).status().code(),
              absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(reader->ListPartition(JobId(1), PartitionId(0))->versions,
                ElementsAre(InTerm(10, next), InTerm(10, 8), InTerm(11, 0)));
    expect_whole();
    if (HasFailure()) break;
  }
  EXPECT_GT(moments, 5);
}

// --- Disks that fail ---------------------------------------------------------

// Trains for a while, and remembers what was said to be stored.
class Trainer {
 public:
  Trainer(MemoryFiles* files, BlockPool* pool, uint64_t term)
      : files_(files), pool_(pool), term_(term), random_(term) {}

  // Goes on from the newest version, or begins.
  void Start() {
    auto store =
        OpenFolderCheckpoints({.folder = MemoryFiles::kRoot, .files = files_});
    if (!store.ok()) return;
    store_ = *std::move(store);
    const auto listed = store_->ListPartition(JobId(1), PartitionId(0));
    if (!listed.ok()) return;
    if (!listed->versions.empty()) {
      auto cut = store_->Load(listed->versions.back(), pool_);
      ASSERT_TRUE(cut.ok()) << cut.status();
      cut_ = *std::move(cut);
    } else {
      cut_ = MakeCut(*pool_, 8 * 64, 1);
    }
    versions_ = listed->versions;
  }
  void Train(int64_t versions) {
    if (store_ == nullptr) return;
    for (int64_t sequence = 0; sequence < versions; ++sequence) {
      for (int i = 0; sequence > 0 && i < 3; ++i) {
        ChangeBlock(*pool_, &cut_.arrays["weights"], random_() % 8);
      }
      ++cut_.updates;
      const VersionKey key = InTerm(term_, sequence);
      if (!store_->Write(key, cut_).ok()) continue;
      stored_[key] = cut_;
      versions_.push_back(key);
      while (versions_.size() > 3) {
        const VersionKey old[] = {versions_.front()};
        stored_.erase(versions_.front());
        versions_.erase(versions_.begin());
        store_->Delete(old).IgnoreError();  // Perhaps the disk fails.
      }
    }
  }

  std::map<VersionKey, Cut>& stored() { return stored_; }
  ObjectCheckpoints& store() { return *store_; }

 private:
  MemoryFiles* const files_;
  BlockPool* const pool_;
  const uint64_t term_;
  std::mt19937 random_;
  std::unique_ptr<ObjectCheckpoints> store_;
  Cut cut_;
  std::vector<VersionKey> versions_;
  std::map<VersionKey, Cut> stored_;
};

TEST_F(FolderCheckpointsTest, AFullDiskCostsNothingThatIsStored) {
  int64_t failed = 0;
  for (int64_t room = 0; room < 40; ++room) {
    SCOPED_TRACE(room);
    MemoryFiles files;
    Trainer trainer(&files, pool_.get(), 10);
    trainer.Start();
    trainer.Train(2);
    files.FailAfter(room, absl::ResourceExhaustedError("disk full"));
    const auto full =
        trainer.store().Write(InTerm(10, 100), MakeCut(*pool_, 8 * 64, 500));
    if (!full.ok()) {
      ++failed;
      EXPECT_TRUE(absl::IsResourceExhausted(full.status())) << full.status();
    }
    for (const auto& [key, cut] : trainer.stored()) {
      ExpectStored(trainer.store(), *pool_, key, cut);
    }
    files.Mend();
    // It goes on by itself, and the version that failed is none.
    ASSERT_TRUE(
        trainer.store().Write(InTerm(10, 101), MakeCut(*pool_, 64, 900)).ok());
    for (const VersionKey& key : VersionsIn(trainer.store())) {
      EXPECT_EQ(trainer.store().Load(key, pool_.get()).status(),
                absl::OkStatus());
      EXPECT_TRUE(key.sequence != 100 || full.ok());
    }
  }
  EXPECT_GT(failed, 3);
}

// Returns what is wrong first, or "": everything that there is can be loaded,
// and what was told is there, bit by bit.
std::string FirstLoss(MemoryFiles* files, BlockPool* pool,
                      const std::map<VersionKey, Cut>& stored) {
  const auto store =
      OpenFolderCheckpoints({.folder = MemoryFiles::kRoot, .files = files});
  if (!store.ok()) return store.status().ToString();
  for (const auto& [key, cut] : stored) {
    const auto loaded = (*store)->Load(key, pool);
    if (!loaded.ok()) return loaded.status().ToString();
    if (loaded->ledger != cut.ledger || loaded->updates != cut.updates) {
      return "another cut";
    }
    for (const auto& [name, array] : cut.arrays) {
      if (Values(loaded->arrays.at(name)) != Values(array)) return name;
    }
  }
  const auto listed = (*store)->ListPartition(JobId(1), PartitionId(0));
  if (!listed.ok()) return listed.status().ToString();
  for (const VersionKey& key : listed->versions) {
    const auto loaded = (*store)->Load(key, pool);
    if (!loaded.ok()) return loaded.status().ToString();
  }
  return "";
}

using Syncs = std::function<bool(const std::string&)>;

// The power, or only the process, goes before each change in turn; of what was
// not synced, some is there afterwards and some is not. Returns the first loss.
// The syncs of folders that `left_out` names are not made.
std::string LosePowerAnywhere(BlockPool* pool, const Syncs& left_out,
                              size_t* checked) {
  std::mt19937 random(2);
  bool met = true;
  for (int64_t room = 0; met; ++room) {
    for (const bool power : {true, false}) {
      const std::string where =
          absl::StrCat(room, power ? " power: " : " process: ");
      MemoryFiles files;
      files.LeaveOutSyncs(left_out);
      const auto survives = [&] { return random() % 2 == 0; };
      Trainer first(&files, pool, 10);
      files.FailAfter(room, absl::UnavailableError("no power"));
      first.Start();
      first.Train(6);
      met = files.changes() >= room;
      files.Mend();
      if (power) files.LosePower(survives);
      std::string loss = FirstLoss(&files, pool, first.stored());
      if (!loss.empty()) return where + loss;
      // Its next life begins over what the first one left.
      Trainer second(&files, pool, 11);
      if (power) {
        files.FailAfter(2 * room / 3, absl::UnavailableError("no power"));
      }
      second.Start();
      second.Train(6);
      files.LosePower(survives);
      loss = FirstLoss(&files, pool, second.stored());
      if (!loss.empty()) return where + loss;
      *checked += first.stored().size() + second.stored().size();
    }
  }
  return "";
}

TEST_F(FolderCheckpointsTest, WhatWasStoredOutlastsAPowerFailureAtAnyPoint) {
  size_t checked = 0;
  EXPECT_EQ(LosePowerAnywhere(pool_.get(), nullptr, &checked), "");
  EXPECT_GT(checked, 100u);
}

// The end of the path of a folder whose syncs are left out.
class LeftOutSyncTest : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Folder, LeftOutSyncTest,
                         testing::Values("/shared", "/job-1", "/p0",
                                         "/inherits", "0000000010",
                                         "0000000011"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::erase_if(name, [](char c) {
                             return !absl::ascii_isalnum(c);
                           });
                           return name;
                         });

TEST_P(LeftOutSyncTest, IsFound) {
  const auto pool = MakePool();
  size_t checked = 0;
  EXPECT_NE(LosePowerAnywhere(
                pool.get(),
                [](const std::string& path) {
                  return absl::EndsWith(path, GetParam());
                },
                &checked),
            "");
}

// A version whose write failed is taken back, and the power goes meanwhile.
TEST_F(FolderCheckpointsTest, WhatIsTakenBackComesBackWholeIfAtAll) {
  std::mt19937 random(3);
  for (int64_t round = 0; round < 640; ++round) {
    const int64_t room = round % 8, later = round / 8 % 10;
    SCOPED_TRACE(absl::StrCat(room, " ", later));
    MemoryFiles files;
    Trainer trainer(&files, pool_.get(), 10);
    trainer.Start();
    trainer.Train(2);
    const Cut cut = MakeCut(*pool_, 64, 500);
    files.FailAfter(room, absl::ResourceExhaustedError("disk full"));
    trainer.store().Write(InTerm(10, 100), cut).IgnoreError();
    files.FailAfter(later, absl::UnavailableError("no power"));
    trainer.store().Write(InTerm(10, 101), cut).IgnoreError();
    files.LosePower([&] { return random() % 2 == 0; });
    ASSERT_EQ(FirstLoss(&files, pool_.get(), trainer.stored()), "");
  }
}

TEST(RealFolderFilesTest, SaysWhatIsWrongWithAFolder) {
  const TestFolder folder{TestFolder::On::kMemory};
  auto store = OpenFolderCheckpoints({.folder = folder.path()});
  ASSERT_TRUE(store.ok()) << store.status();
  const auto pool = MakePool();
  const Cut cut = MakeCut(*pool, 64, 1);
  ASSERT_TRUE((*store)->Write(InTerm(10, 0), cut).ok());
  // A file where the job's folder should be.
  std::ofstream(folder.path() + "/job-2") << "x";
  const auto refused = (*store)->Write(Key(0, 2), cut);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(refused.status().message(), HasSubstr("/job-2"));
  ExpectStored(**store, *pool, InTerm(10, 0), cut);
  std::filesystem::remove_all(folder.path());
  EXPECT_EQ((*store)->Load(InTerm(10, 0), pool.get()).status().code(),
            absl::StatusCode::kUnavailable);
  std::filesystem::create_directories(folder.path());
}

}  // namespace
}  // namespace ebb::server
