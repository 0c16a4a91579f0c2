// The folder of shared checkpoints of ebb 0.2 is read, and its servers are shut
// out. The store of that ebb wrote tests/golden/shared_checkpoints_1: server 0
// stored versions of partitions 0 and 1 in term 10. Then server 1 went on with
// partition 0 in term 11.
#include "server/store/internal/old_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/objects/folder_objects.h"
#include "protocol/sealed.h"
#include "server/store/folder_checkpoints.h"
#include "server/store/internal/store_test_util.h"
#include "tests/testing/memory_files.h"

namespace ebb::server {
namespace {

namespace fs = std::filesystem;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kGolden[] = "tests/golden/shared_checkpoints_1";
constexpr char kPartition[] = "/shared/job-1/p0/";

VersionKey InTerm(uint64_t term, int64_t sequence) {
  return Key(sequence, 1, 0, term);
}

// Copies the golden folder, durably.
void CopyGolden(MemoryFiles* files) {
  std::vector<std::string> folders = {MemoryFiles::kRoot};
  for (const auto& entry : fs::recursive_directory_iterator(kGolden)) {
    const std::string path = absl::StrCat(
        MemoryFiles::kRoot, "/", fs::relative(entry.path(), kGolden).string());
    if (entry.is_directory()) {
      ASSERT_TRUE(files->MakeFolder(path).ok());
      folders.push_back(path);
      continue;
    }
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const absl::string_view parts[] = {bytes};
    ASSERT_TRUE(files->WriteNew(path, parts).ok());
  }
  for (const std::string& folder : folders) {
    ASSERT_TRUE(files->SyncFolder(folder).ok());
  }
}

// The versions of the golden folder, as its writer had them.
std::map<VersionKey, Cut> GoldenCuts(BlockPool* pool) {
  std::map<VersionKey, Cut> cuts;
  Cut cut = MakeCut(*pool, 4 * 64, 1);
  ChangeBlock(*pool, &cut.arrays["weights"], 1);
  cuts[InTerm(10, 1)] = cuts[InTerm(11, 0)] = cut;
  ChangeBlock(*pool, &cut.arrays["weights"], 2);
  cuts[InTerm(11, 1)] = cut;
  cuts[Key(0, 1, 1)] = MakeCut(*pool, 64, 300);
  return cuts;
}

class OldFolderTest : public testing::Test {
 protected:
  OldFolderTest() { CopyGolden(&files_); }

  absl::StatusOr<std::unique_ptr<ObjectCheckpoints>> TryOpen(int32_t server) {
    return OpenFolderCheckpoints({.folder = MemoryFiles::kRoot,
                                  .server = ServerId(server),
                                  .files = &files_});
  }
  std::unique_ptr<ObjectCheckpoints> Open(int32_t server = 2) {
    auto store = TryOpen(server);
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
  const std::map<VersionKey, Cut> cuts_ = GoldenCuts(pool_.get());
};

TEST_F(OldFolderTest, WhatItHoldsIsRead) {
  const auto store = Open();
  for (const auto& [key, cut] : cuts_) ExpectStored(*store, *pool_, key, cut);
  const auto listed = store->ListPartition(JobId(1), PartitionId(0));
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_THAT(listed->versions,
              ElementsAre(InTerm(10, 1), InTerm(11, 0), InTerm(11, 1)));
  std::vector<std::string> problems;
  const auto jobs = store->JobsOfAll(&problems);
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  ASSERT_THAT(*jobs, SizeIs(1));
  EXPECT_EQ((*jobs)[0].record->name, "job");
  EXPECT_THAT(problems, IsEmpty());
  const auto copies = store->Summaries(JobId(1));
  ASSERT_TRUE(copies.ok()) << copies.status();
  ASSERT_THAT(*copies, SizeIs(4));
  EXPECT_EQ((*copies)[0].writer, ServerId(0));
  EXPECT_EQ((*copies)[0].version.value_bytes, 2 * 4 * 64 * 4);
  EXPECT_EQ((*copies)[2].version.key, InTerm(11, 1));
  EXPECT_EQ((*copies)[2].writer, ServerId(1));
  // Each server finds what it stored.
  EXPECT_THAT(VersionsIn(*Open(0)), ElementsAre(InTerm(10, 1), Key(0, 1, 1)));
}

// `ebb checkpoint` and `ebb audit` look at it as it is.
TEST_F(OldFolderTest, ToolsReadItAndChangeNothing) {
  const std::vector<std::string> before = files_.Files();
  const int64_t changes = files_.changes();
  const auto reader = OpenFolderCheckpoints(
      {.folder = MemoryFiles::kRoot, .create = false, .files = &files_});
  ASSERT_TRUE(reader.ok()) << reader.status();
  for (const auto& [key, cut] : cuts_) ExpectStored(**reader, *pool_, key, cut);
  EXPECT_EQ(files_.changes(), changes);
  EXPECT_EQ(files_.Files(), before);
  EXPECT_TRUE(HasFolderCheckpoints(kGolden));
  // Also while a server takes the folder.
  const auto server = Open();
  EXPECT_EQ((*reader)->folder_id(), server->folder_id());
  for (const auto& [key, cut] : cuts_) ExpectStored(**reader, *pool_, key, cut);
}

TEST_F(OldFolderTest, AServerGoesOnWithoutCopyingValues) {
  const auto store = Open();
  const auto pool = MakePool();
  auto taken = store->Load(InTerm(11, 1), pool.get());
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(store->Write(InTerm(12, 0), *taken)->blocks_written, 0);
  ChangeBlock(*pool, &taken->arrays["weights"], 3);
  EXPECT_EQ(store->Write(InTerm(12, 1), *taken)->blocks_written, 1);
  for (const auto& [key, cut] : cuts_) ExpectStored(*store, *pool_, key, cut);
  ExpectStored(*Open(3), *pool_, InTerm(12, 1), *taken);
  EXPECT_THAT(FilesWith(absl::StrCat(kPartition, "t11-s1.of12/")), SizeIs(3));

  // What is needed no longer goes, file by file.
  const VersionKey old[] = {InTerm(10, 1), InTerm(11, 0), InTerm(11, 1)};
  ASSERT_TRUE(store->Delete(old).ok());
  for (const char* folder : {"t10-s0", "t11-s1"}) {
    const std::string prefix = absl::StrCat(kPartition, folder);
    EXPECT_THAT(FilesWith(prefix), Each(EndsWith(".values"))) << folder;
    EXPECT_THAT(FilesWith(prefix), Not(IsEmpty())) << folder;
  }
  ExpectStored(*Open(3), *pool_, InTerm(12, 1), *taken);
  const auto listed = store->ListPartition(JobId(1), PartitionId(0));
  ASSERT_TRUE(listed.ok());
  EXPECT_THAT(listed->versions, ElementsAre(InTerm(12, 0), InTerm(12, 1)));
  ASSERT_TRUE(store->Write(InTerm(12, 2), MakeCut(*pool, 4 * 64, 900)).ok());
  const VersionKey rest[] = {InTerm(12, 0), InTerm(12, 1)};
  ASSERT_TRUE(store->Delete(rest).ok());
  EXPECT_THAT(FilesWith(absl::StrCat(kPartition, "t1")), IsEmpty());
  // The partition that no server took is as it was.
  ExpectStored(*store, *pool_, Key(0, 1, 1), cuts_.at(Key(0, 1, 1)));
}

// An older server died, or was stopped, before it gave the file its name.
TEST_F(OldFolderTest, WhatAnOlderServerLeftUnfinishedGoesWithTheNextDelete) {
  const absl::string_view junk[] = {"junk"};
  for (const char* file :
       {"t11-s1/g7-8.version.new", "t10-s0.of11/g7-8.version.new"}) {
    ASSERT_TRUE(files_.WriteNew(absl::StrCat(kPartition, file), junk).ok());
  }
  const auto store = Open();
  for (const auto& [key, cut] : cuts_) ExpectStored(*store, *pool_, key, cut);
  const auto taken = store->Load(InTerm(11, 1), pool_.get());
  ASSERT_TRUE(taken.ok()) << taken.status();
  ASSERT_TRUE(store->Write(InTerm(12, 0), *taken).ok());
  EXPECT_THAT(FilesWith(".new"), SizeIs(2));
  const VersionKey none[] = {InTerm(9, 0)};
  ASSERT_TRUE(store->Delete(none).ok());
  EXPECT_THAT(FilesWith(".new"), IsEmpty());
  for (const auto& [key, cut] : cuts_) ExpectStored(*store, *pool_, key, cut);
}

TEST_F(OldFolderTest, AJobThatIsForgottenIsForgottenThereToo) {
  const auto store = Open();
  ASSERT_TRUE(store->DeleteJob(JobId(1)).ok());
  EXPECT_THAT(FilesWith("job-1"), IsEmpty());
  EXPECT_THAT(VersionsIn(*store), IsEmpty());
}

// --- Older servers -----------------------------------------------------------

// Servers of both kinds have the same folder: they may take over what the
// older ones have stored.
TEST_F(OldFolderTest, ItKeepsItsIdentityAndOlderServersDoNotFindIt) {
  const std::string id = *files_.Read("/shared/identity/id");
  const std::string first = Open()->folder_id();
  EXPECT_EQ(Open(0)->folder_id(), first);
  EXPECT_EQ(*files_.Read("/shared/identity"), id);
  // An older server looks for this file.
  EXPECT_EQ(files_.Open("/shared/identity/id").status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(OldFolderTest, ItIsTakenByOneServerOrAnotherWhateverFailsBetween) {
  const std::string id = *files_.Read("/shared/identity/id");
  std::mt19937 random(1);
  bool failed = true;
  for (int64_t room = 0; failed; ++room) {
    failed = false;
    for (int turn = 0; turn < 8; ++turn) {
      SCOPED_TRACE(room);
      MemoryFiles files;
      CopyGolden(&files);
      files.FailAfter(room, absl::UnavailableError("no power"));
      const auto taken = OpenFolderCheckpoints(
          {.folder = MemoryFiles::kRoot, .files = &files});
      failed = failed || !taken.ok();
      OpenFolderCheckpoints({.folder = MemoryFiles::kRoot,
                             .server = ServerId(2),
                             .files = &files})
          .status()
          .IgnoreError();
      files.LosePower([&] { return random() % 2 == 0; });
      const auto store = OpenFolderCheckpoints({.folder = MemoryFiles::kRoot,
                                                .server = ServerId(1),
                                                .files = &files});
      ASSERT_TRUE(store.ok()) << store.status();
      EXPECT_EQ(*files.Read("/shared/identity"), id);
      ExpectStored(**store, *pool_, InTerm(11, 1), cuts_.at(InTerm(11, 1)));
    }
  }
}

// Makes the identity as an older server does. Returns its bytes.
std::string MakeOldIdentity(MemoryFiles* files) {
  constexpr char kMade[] = "/shared/identity.0123";
  const std::string sealed = Seal("EBBI", 1, std::string(16, '\7'));
  const absl::string_view parts[] = {sealed};
  EXPECT_TRUE(files->MakeFolder(kMade).ok());
  EXPECT_TRUE(files->WriteNew(absl::StrCat(kMade, "/id"), parts).ok());
  EXPECT_TRUE(files->SyncFolder(kMade).ok());
  EXPECT_TRUE(files->Rename(kMade, "/shared/identity").ok());
  EXPECT_TRUE(files->SyncFolder(MemoryFiles::kRoot).ok());
  return sealed;
}

// A server moves the identity away and dies; an older one starts, finds none,
// and makes one. The folder keeps the one that it had.
TEST_F(OldFolderTest, ASecondIdentityOfAnOlderServerIsRemoved) {
  const std::string id = *files_.Read("/shared/identity/id");
  ASSERT_TRUE(files_.Rename("/shared/identity", "/shared/identity.old").ok());
  ASSERT_TRUE(files_.SyncFolder(MemoryFiles::kRoot).ok());
  ASSERT_NE(MakeOldIdentity(&files_), id);
  const auto reader = OpenFolderCheckpoints(
      {.folder = MemoryFiles::kRoot, .create = false, .files = &files_});
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto store = TryOpen(0);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->folder_id(), (*reader)->folder_id());
  EXPECT_EQ(*files_.Read("/shared/identity"), id);
  EXPECT_EQ(*files_.Read("/shared/identity.old/id"), id);
  for (const auto& [key, cut] : cuts_) ExpectStored(**store, *pool_, key, cut);
}

// The same at any moment: whatever the older server does, the next start of a
// newer one succeeds.
TEST_F(OldFolderTest, AnOlderServerMayStartAnywhereMeanwhile) {
  const std::string id = *files_.Read("/shared/identity/id");
  bool made = true;
  int at = 0;
  for (; made; ++at) {
    SCOPED_TRACE(at);
    MemoryFiles files;
    CopyGolden(&files);
    made = false;
    int seen = 0;
    // From the rename on, one change after the other.
    files.BeforeChanges([&](const std::string&) {
      const bool gone = !files.Look("/shared/identity").ok();
      if (!gone || seen++ != at) return;
      files.BeforeChanges(nullptr);
      MakeOldIdentity(&files);
      made = true;
    });
    const auto open = [&] {
      return OpenFolderCheckpoints(
          {.folder = MemoryFiles::kRoot, .files = &files});
    };
    auto store = open();
    files.BeforeChanges(nullptr);
    if (!store.ok()) store = open();
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_EQ(*files.Read("/shared/identity"), id);
  }
  EXPECT_GT(at, 3);
}

// So its older servers can be gone back to.
TEST_F(OldFolderTest, AFileSystemThatIsRefusedKeepsTheFolderAsItIs) {
  const std::vector<std::string> before = files_.Files();
  const auto expect_refused = [&](absl::StatusCode code) {
    EXPECT_EQ(TryOpen(0).status().code(), code);
    EXPECT_EQ(files_.Files(), before);
    const auto entries = files_.Entries(MemoryFiles::kRoot);
    ASSERT_TRUE(entries.ok());
    EXPECT_THAT(*entries, SizeIs(2));  // Nor is a folder left.
  };
  files_.RefuseLinks(absl::PermissionDeniedError("no hard links"));
  expect_refused(absl::StatusCode::kPermissionDenied);
  files_.RefuseLinks(absl::OkStatus());
  files_.LetLinksReplace();
  expect_refused(absl::StatusCode::kFailedPrecondition);
}

// An older server has begun its term, is stopped anywhere in a write or a
// delete, and wakes after another has gone on.
TEST_F(OldFolderTest, AnOlderOwnerThatWakesFindsItsPathsGone) {
  const std::string open = absl::StrCat(kPartition, "t11-s1");
  const auto store = Open();
  const auto taken = store->Load(InTerm(11, 1), pool_.get());
  ASSERT_TRUE(taken.ok());
  ASSERT_TRUE(store->Write(InTerm(12, 0), *taken).ok());
  const absl::string_view junk[] = {"junk"};
  EXPECT_TRUE(absl::IsNotFound(files_.WriteNew(open + "/9.values", junk)));
  EXPECT_TRUE(absl::IsNotFound(
      files_.Rename(open + "/g7-5.version.new", open + "/g7-5.version")));
  EXPECT_TRUE(absl::IsNotFound(files_.Remove(open + "/g7-1.version")));
  ExpectStored(*store, *pool_, InTerm(12, 0), *taken);
  ExpectStored(*store, *pool_, InTerm(11, 1), cuts_.at(InTerm(11, 1)));
}

// The same without the rule.
TEST_F(OldFolderTest, WithoutTakingTheFoldersAnOlderOwnerDoesHarm) {
  ASSERT_NE(Open(), nullptr);
  auto objects =
      FolderObjects::Open({.folder = MemoryFiles::kRoot, .files = &files_});
  ASSERT_TRUE(objects.ok());
  // It takes those of another place.
  const auto store = ObjectCheckpoints::Open(
      *std::move(objects),
      {.server = ServerId(2),
       .probe = false,
       .old = std::make_shared<const OldFolder>(&files_, "/elsewhere")});
  ASSERT_TRUE(store.ok()) << store.status();
  const auto taken = (*store)->Load(InTerm(11, 1), pool_.get());
  ASSERT_TRUE(taken.ok());
  ASSERT_TRUE((*store)->Write(InTerm(12, 0), *taken).ok());
  const std::string open = absl::StrCat(kPartition, "t11-s1");
  EXPECT_TRUE(files_.Remove(open + "/g7-1.version").ok());
  EXPECT_FALSE((*store)->Load(InTerm(11, 1), pool_.get()).ok());
}

TEST_F(OldFolderTest, ATermThatAnOlderServerHasBegunIsNotTaken) {
  const auto store = Open();
  for (const uint64_t term : {10, 11}) {
    const auto refused = store->Write(InTerm(term, 7), MakeCut(*pool_, 64, 1));
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition)
        << term;
    EXPECT_THAT(refused.status().message(), HasSubstr("older ebb"));
  }
  EXPECT_TRUE(store->Write(InTerm(12, 0), MakeCut(*pool_, 64, 1)).ok());
}

// --- Power -------------------------------------------------------------------

TEST_F(OldFolderTest, GoingOnOutlastsAPowerFailureAtAnyPoint) {
  std::mt19937 random(2);
  bool met = true;
  for (int64_t room = 0; met; ++room) {
    SCOPED_TRACE(room);
    MemoryFiles files;
    CopyGolden(&files);
    const int64_t before = files.changes();
    files.FailAfter(room, absl::UnavailableError("no power"));
    const auto open = [&](int32_t server) {
      return OpenFolderCheckpoints({.folder = MemoryFiles::kRoot,
                                    .server = ServerId(server),
                                    .files = &files});
    };
    std::map<VersionKey, Cut> stored = cuts_;
    if (const auto store = open(2); store.ok()) {
      auto cut = (*store)->Load(InTerm(11, 1), pool_.get());
      ASSERT_TRUE(cut.ok()) << cut.status();
      for (int64_t sequence = 0; sequence < 4; ++sequence) {
        if ((*store)->Write(InTerm(12, sequence), *cut).ok()) {
          stored[InTerm(12, sequence)] = *cut;
        }
        const VersionKey old[] = {InTerm(10, 1), InTerm(11, sequence % 2)};
        if (sequence >= 2) {
          stored.erase(old[0]);
          stored.erase(old[1]);
          (*store)->Delete(old).IgnoreError();
        }
        ChangeBlock(*pool_, &cut->arrays["weights"], sequence);
      }
    }
    met = files.changes() - before >= room;
    files.LosePower([&] { return random() % 2 == 0; });
    const auto store = open(3);
    ASSERT_TRUE(store.ok()) << store.status();
    for (const auto& [key, cut] : stored) {
      ExpectStored(**store, *pool_, key, cut);
    }
    const auto listed = (*store)->ListPartition(JobId(1), PartitionId(0));
    ASSERT_TRUE(listed.ok()) << listed.status();
    for (const VersionKey& key : listed->versions) {
      EXPECT_EQ((*store)->Load(key, pool_.get()).status(), absl::OkStatus());
    }
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace ebb::server
