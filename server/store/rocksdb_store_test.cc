// Tests of RocksDbStore beside the contract: crashes, full disks, power cuts,
// room on the disk, and reading beside a server.
#include "server/store/rocksdb_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "protocol/sealed.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/options.h"
#include "server/store/internal/store_keys.h"
#include "server/store/internal/store_test_util.h"
#include "tests/testing/faulty_disk.h"

namespace ebb::server {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;

rocksdb::IOStatus DiskFull() { return rocksdb::IOStatus::NoSpace("disk full"); }

class RocksDbStoreTest : public testing::Test {
 protected:
  std::unique_ptr<RocksDbStore> Open() {
    auto store = RocksDbStore::Open({.folder = folder_.path(),
                                     .write_buffer_bytes = 1 << 20,
                                     .env = disk_.env()});
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  // The keys of all records of a kind, whatever the store thinks of them.
  std::vector<std::string> Keys(const std::string& kind) {
    std::vector<std::string> keys;
    rocksdb::DB* db = nullptr;
    EXPECT_TRUE(
        rocksdb::DB::OpenForReadOnly({}, folder_.path() + "/db", &db).ok());
    const std::unique_ptr<rocksdb::DB> owner(db);
    const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator({}));
    for (it->Seek(kind); it->Valid() && it->key().starts_with(kind);
         it->Next()) {
      keys.push_back(it->key().ToString());
    }
    return keys;
  }

  // Writes a record behind the store's back.
  void PutRaw(const std::string& key, const std::string& value) {
    rocksdb::Options options;
    options.enable_blob_files = true;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, folder_.path() + "/db", &db).ok());
    const std::unique_ptr<rocksdb::DB> owner(db);
    ASSERT_TRUE(db->Put({}, key, value).ok());
  }

  int64_t FolderBytes() const {
    int64_t sum = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      std::error_code gone;  // RocksDB may just be removing it.
      const uintmax_t size =
          entry.is_regular_file() ? entry.file_size(gone) : 0;
      if (!gone) sum += static_cast<int64_t>(size);
    }
    return sum;
  }
  // Threads of RocksDB remove files, perhaps after the call that let them go.
  void ExpectFolderBecomesSmallerThan(int64_t bytes) const {
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (FolderBytes() >= bytes && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    EXPECT_LT(FolderBytes(), bytes);
  }

  TestFolder folder_{TestFolder::On::kMemory};
  FaultyDisk disk_;
  std::unique_ptr<BlockPool> pool_ = MakePool();
};

// --- Opening -----------------------------------------------------------------

TEST_F(RocksDbStoreTest, IsForOneProcessAtATime) {
  const auto first = Open();
  const auto second = RocksDbStore::Open({.folder = folder_.path()});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(second.status().message(), HasSubstr("in use by process"));
}

// Bug: another server's versions were deleted.
TEST_F(RocksDbStoreTest, IsForOneServer) {
  const auto open = [&](int server) {
    return RocksDbStore::Open(
               {.folder = folder_.path(), .server = ServerId(server)})
        .status();
  };
  ASSERT_TRUE(open(0).ok());
  EXPECT_EQ(open(1).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(open(1).message(), HasSubstr("that of server 0"));
  EXPECT_TRUE(open(0).ok());
}

// By it a scheduler knows a server that has nothing.
TEST_F(RocksDbStoreTest, HasANameOfItsOwnForLife) {
  const std::string name = Open()->List()->name;
  EXPECT_NE(name, "");
  EXPECT_EQ(Open()->List()->name, name);
  const TestFolder another{TestFolder::On::kMemory};
  const auto other = RocksDbStore::Open({.folder = another.path()});
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_NE((*other)->List()->name, name);
}

TEST_F(RocksDbStoreTest, RefusesOptionsThatCannotWork) {
  EXPECT_EQ(RocksDbStore::Open({}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      RocksDbStore::Open({.folder = folder_.path(), .write_buffer_bytes = 100})
          .status()
          .code(),
      absl::StatusCode::kInvalidArgument);
}

TEST_F(RocksDbStoreTest, NamesAFolderThatCannotBeCreated) {
  std::ofstream(folder_.path() + "/file") << "x";
  const auto store =
      RocksDbStore::Open({.folder = folder_.path() + "/file/store"});
  EXPECT_EQ(store.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(store.status().message(),
              HasSubstr(folder_.path() + "/file/store"));
}

// A disk on which the files of tables are gone for the first lookers.
class GoneAtFirst final : public rocksdb::FileSystemWrapper {
 public:
  explicit GoneAtFirst(int times)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), times_(times) {}

  const char* Name() const override { return "GoneAtFirst"; }
  rocksdb::IOStatus GetFileSize(const std::string& path,
                                const rocksdb::IOOptions& options,
                                uint64_t* size,
                                rocksdb::IODebugContext* context) override {
    if (path.ends_with(".sst") && times_-- > 0) {
      return rocksdb::IOStatus::NotFound("gone");
    }
    return target()->GetFileSize(path, options, size, context);
  }

 private:
  int times_;
};

// Bug: an export of a job whose server was deleting files said that the store
// is damaged.
TEST_F(RocksDbStoreTest, FilesThatGoMeanwhileAreLookedForOnceMore) {
  const Cut cut = MakeCut(*pool_, 200, 1);
  {
    const auto server = Open();
    ASSERT_TRUE(server->SaveJob(MakeJob(1, "job")).ok());
    ASSERT_TRUE(server->Write(Key(0), cut).ok());
  }
  Open();  // What was in the log is in files now.
  for (const auto& [times, found] : {std::pair(2, true), {1000, false}}) {
    const auto files = std::make_shared<GoneAtFirst>(times);
    const auto env = rocksdb::NewCompositeEnv(files);
    const auto tool = RocksDbStore::OpenReadOnly(
        {.folder = folder_.path(), .env = env.get()});
    EXPECT_EQ(tool.ok(), found) << tool.status();
  }
}

TEST_F(RocksDbStoreTest, IsReadBesideItsServer) {
  const auto options = RocksDbStoreOptions{.folder = folder_.path()};
  EXPECT_EQ(RocksDbStore::OpenReadOnly(options).status().code(),
            absl::StatusCode::kNotFound);
  // Bug: one that was killed before it had a database was said to be damaged.
  fs::create_directory(folder_.path() + "/db");
  std::ofstream(folder_.path() + "/db/LOCK").close();
  EXPECT_EQ(RocksDbStore::OpenReadOnly(options).status().code(),
            absl::StatusCode::kNotFound);
  const auto server = Open();
  const Cut cut = MakeCut(*pool_, 200, 1);
  ASSERT_TRUE(server->SaveJob(MakeJob(1, "job")).ok());
  ASSERT_TRUE(server->Write(Key(0), cut).ok());

  const auto tool = RocksDbStore::OpenReadOnly(options);
  ASSERT_TRUE(tool.ok()) << tool.status();
  const auto inventory = (*tool)->List();
  ASSERT_TRUE(inventory.ok());
  EXPECT_EQ(inventory->jobs.size(), 1u);
  EXPECT_THAT(inventory->versions, ElementsAre(Key(0)));
  EXPECT_TRUE((*tool)->Verify(Key(0)).ok());
  EXPECT_EQ((*tool)->Verify(Key(1)).code(), absl::StatusCode::kNotFound);
  ExpectStored(**tool, *pool_, Key(0), cut);
  const VersionKey keys[] = {Key(0)};
  for (const absl::Status& status :
       {(*tool)->Write(Key(1), cut).status(), (*tool)->Delete(keys),
        (*tool)->DeleteJob(JobId(1)), (*tool)->SaveJob(MakeJob(2, "no"))}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_TRUE(server->Write(Key(1), cut).ok());
}

// Bug: RocksDB opens a database of one table and an empty log, read-only, as
// one without blob files, and no version in it was found.
TEST_F(RocksDbStoreTest, IsReadWhenItIsOneTableAndAnEmptyLog) {
  const Cut cut = MakeCut(*pool_, 200, 1);
  {
    const auto store = Open();
    ASSERT_TRUE(store->SaveJob(MakeJob(1, "job")).ok());
    ASSERT_TRUE(store->Write(Key(0), cut).ok());
  }
  Open();  // Moves what is in the log to a table and a file of values.
  int tables = 0;
  for (const auto& entry : fs::directory_iterator(folder_.path() + "/db")) {
    const std::string ending = entry.path().extension();
    if (ending == ".sst") ++tables;
    if (ending == ".log") {
      ASSERT_EQ(entry.file_size(), 0u) << entry.path();
    }
  }
  ASSERT_EQ(tables, 1);

  for (const bool whole_log : {false, true}) {
    const auto tool = RocksDbStore::OpenReadOnly(
        {.folder = folder_.path(), .whole_log = whole_log});
    ASSERT_TRUE(tool.ok()) << tool.status();
    EXPECT_FALSE((*tool)->condition().log_damaged);
    const auto inventory = (*tool)->List();
    ASSERT_TRUE(inventory.ok()) << inventory.status();
    EXPECT_EQ(inventory->jobs.size(), 1u);
    EXPECT_THAT(inventory->versions, ElementsAre(Key(0)));
    EXPECT_TRUE((*tool)->ListPartition(JobId(1), PartitionId(0)).ok());
    EXPECT_EQ((*tool)->Verify(Key(0)), absl::OkStatus());
    EXPECT_TRUE((*tool)->Summaries(JobId(1)).ok());
    ExpectStored(**tool, *pool_, Key(0), cut);
  }
}

TEST_F(RocksDbStoreTest, SummariesSayWhatIsNewInEachVersion) {
  const auto store = Open();
  Cut cut = MakeCut(*pool_, 200, 1);  // Two arrays of 4 blocks, the last of 8.
  cut.updates = 5;
  ASSERT_TRUE(store->Write(Key(0), cut).ok());
  ChangeBlock(*pool_, &cut.arrays["weights"], 0);
  cut.updates = 6;
  ASSERT_TRUE(store->Write(Key(1), cut).ok());
  ASSERT_TRUE(store->Write(Key(0, 1, 3), MakeCut(*pool_, 64, 1)).ok());
  ASSERT_TRUE(store->Write(Key(0, 2), cut).ok());

  const auto summaries = store->Summaries(JobId(1));
  ASSERT_TRUE(summaries.ok()) << summaries.status();
  ASSERT_EQ(summaries->size(), 3u);
  EXPECT_EQ((*summaries)[0].key, Key(0));
  EXPECT_EQ((*summaries)[0].updates, 5);
  EXPECT_EQ((*summaries)[0].marks, cut.marks);
  EXPECT_EQ((*summaries)[0].value_bytes, 1600);
  EXPECT_EQ((*summaries)[0].new_bytes, 1600);
  EXPECT_EQ((*summaries)[1].updates, 6);
  EXPECT_EQ((*summaries)[1].value_bytes, 1600);
  EXPECT_EQ((*summaries)[1].new_bytes, 256);
  EXPECT_EQ((*summaries)[2].key, Key(0, 1, 3));
  EXPECT_EQ((*summaries)[2].new_bytes, 512);
}

TEST_F(RocksDbStoreTest, ARecordThatCannotBeReadIsLeftOutAndCounted) {
  const Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(Open()->Write(Key(1), cut).ok());
  PutRaw(ManifestKey(Key(0)), "garbage");
  PutRaw(ManifestKey(Key(2)), Seal("EBBM", 1, "garbage"));
  PutRaw(JobKey(JobId(1)), Seal("EBBS", 1, "garbage"));
  const auto store = Open();
  EXPECT_EQ(store->condition().damaged_records, 3);
  EXPECT_EQ(store->condition().rescues, 0);
  EXPECT_THAT(VersionsIn(*store), ElementsAre(Key(1)));
  ExpectStored(*store, *pool_, Key(1), cut);
  // A version that was damaged can be written anew.
  EXPECT_TRUE(store->Write(Key(2), cut).ok());
}

TEST_F(RocksDbStoreTest, TouchesNothingThatANewerEbbWrote) {
  ASSERT_TRUE(Open()->Write(Key(1), MakeCut(*pool_, 64, 1)).ok());
  PutRaw(ManifestKey(Key(2)), Seal("EBBM", 5, "of the future"));
  PutRaw(BlockKey(PartitionOf(Key(2)), ~uint64_t{0}), "its block");
  const size_t blocks = Keys("b/").size();
  const auto store = RocksDbStore::Open({.folder = folder_.path()});
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(store.status().message(), HasSubstr("version 5"));
  EXPECT_EQ(Keys("b/").size(), blocks);
}

// --- Crashes and faults ------------------------------------------------------

// The write fails, or the process dies, at every place in a version's bytes.
TEST_F(RocksDbStoreTest, AVersionIsThereWhollyOrNotAtAll) {
  const Cut first = MakeCut(*pool_, 10 * 64, 1);
  const Cut second = MakeCut(*pool_, 10 * 64, 500);
  int torn = 0;
  for (int64_t room = 0;; room += 777) {
    SCOPED_TRACE(room);
    fs::remove_all(folder_.path() + "/db");
    auto store = Open();
    ASSERT_TRUE(store->Write(Key(0), first).ok());
    disk_.FailAfter(room, DiskFull());
    const auto result = store->Write(Key(1), second);
    store.reset();  // It dies.
    disk_.Mend();
    store = Open();
    if (result.ok()) {
      ExpectStored(*store, *pool_, Key(1), second);
      break;
    }
    ++torn;
    EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(VersionsIn(*store), ElementsAre(Key(0)));
    ExpectStored(*store, *pool_, Key(0), first);
    store.reset();
    EXPECT_EQ(Keys("b/").size(), 20u);  // Of the first version only.
  }
  EXPECT_GT(torn, 5);
}

TEST_F(RocksDbStoreTest, ValuesAreWrittenBeforeTheManifest) {
  std::vector<size_t> blocks, versions;
  auto store =
      RocksDbStore::Open({.folder = folder_.path(), .before_manifest = [&] {
                            blocks.push_back(Keys("b").size());
                            versions.push_back(Keys("v").size());
                          }});
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE((*store)->Write(Key(0), MakeCut(*pool_, 200, 1)).ok());
  EXPECT_THAT(blocks, ElementsAre(8));
  EXPECT_THAT(versions, ElementsAre(0));
}

TEST_F(RocksDbStoreTest, LeftoversOfACrashAreRemoved) {
  const Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(Open()->Write(Key(0, 1, 3), cut).ok());
  // Blocks beyond those of a version, and of partitions without a version.
  for (const int32_t partition : {0, 3, 4}) {
    for (const uint64_t number : {uint64_t{1} << 60, ~uint64_t{0}}) {
      PutRaw(BlockKey({JobId(1), PartitionId(partition)}, number), "left over");
    }
  }
  PutRaw(BlockKey({JobId(2), PartitionId(0)}, 5), "left over");
  auto store = Open();
  ExpectStored(*store, *pool_, Key(0, 1, 3), cut);
  store.reset();
  EXPECT_EQ(Keys("b/").size(), 2u);
}

TEST_F(RocksDbStoreTest, AFullDiskCostsNothingAndIsForgottenWhenItHasRoom) {
  const auto store = Open();
  Cut cut = MakeCut(*pool_, 10 * 64, 1);
  ASSERT_TRUE(store->Write(Key(0), cut).ok());
  ASSERT_TRUE(store->SaveJob(MakeJob(1, "job")).ok());
  ChangeBlock(*pool_, &cut.arrays["weights"], 3);
  disk_.FailAfter(100, DiskFull());
  for (int i = 0; i < 3; ++i) {
    const auto result = store->Write(Key(1), cut);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(result.status().message(), HasSubstr(folder_.path()));
    EXPECT_THAT(result.status().message(), HasSubstr("make room"));
    // What is stored can be read meanwhile.
    EXPECT_TRUE(store->Verify(Key(0)).ok());
    EXPECT_EQ(store->List()->jobs.size(), 1u);
  }
  EXPECT_GT(disk_.failures(), 0);
  disk_.Mend();
  // What was stored before is known still: only the change is written.
  const auto result = store->Write(Key(1), cut);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->blocks_written, 1);
  ExpectStored(*store, *pool_, Key(1), cut);
  EXPECT_EQ(store->condition().rescues, 0);
}

TEST_F(RocksDbStoreTest, OpensWhatIsThereWhenTheDiskIsFull) {
  const Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(Open()->Write(Key(0), cut).ok());
  disk_.FailAfter(0, DiskFull());
  const auto store = Open();
  ExpectStored(*store, *pool_, Key(0), cut);
  EXPECT_EQ(store->Write(Key(1), cut).status().code(),
            absl::StatusCode::kResourceExhausted);
  disk_.Mend();
  EXPECT_TRUE(store->Write(Key(1), cut).ok());
}

// The record is in the log, but nobody knows whether it is on the disk.
TEST_F(RocksDbStoreTest, AWriteWhoseSyncFailedDoesNotExist) {
  auto store = Open();
  Cut cut = MakeCut(*pool_, 10 * 64, 1);
  ASSERT_TRUE(store->Write(Key(0), cut).ok());
  ChangeBlock(*pool_, &cut.arrays["weights"], 3);
  disk_.FailSyncs(rocksdb::IOStatus::IOError("no sync"));
  EXPECT_EQ(store->Write(Key(1), cut).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_THAT(VersionsIn(*store), ElementsAre(Key(0)));
  disk_.Mend();
  ChangeBlock(*pool_, &cut.arrays["weights"], 3);
  ASSERT_TRUE(store->Write(Key(1), cut).ok());
  for (int life = 0; life < 2; ++life) {
    EXPECT_THAT(VersionsIn(*store), ElementsAre(Key(0), Key(1)));
    const auto loaded = store->Load(Key(1), pool_.get());
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(Values(loaded->arrays.at("weights"))[3 * 64], 193.0f + 2000);
    store.reset();
    store = Open();
  }
}

TEST_F(RocksDbStoreTest, ADeletionThatFailedMayBeRepeated) {
  const auto store = Open();
  const Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(store->Write(Key(0), cut).ok());
  ASSERT_TRUE(store->Write(Key(1), cut).ok());
  disk_.FailAfter(0, DiskFull());
  const VersionKey keys[] = {Key(0)};
  EXPECT_EQ(store->Delete(keys).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(store->Verify(Key(0)).ok());
  EXPECT_EQ(store->DeleteJob(JobId(1)).code(),
            absl::StatusCode::kResourceExhausted);
  disk_.Mend();
  ASSERT_TRUE(store->Delete(keys).ok());
  EXPECT_THAT(VersionsIn(*store), ElementsAre(Key(1)));
  ExpectStored(*store, *pool_, Key(1), cut);
}

TEST_F(RocksDbStoreTest, WhatWasWrittenOutlivesThePower) {
  std::minstd_rand random(1);
  for (int round = 0; round < 10; ++round) {
    SCOPED_TRACE(round);
    fs::remove_all(folder_.path() + "/db");
    pool_ = MakePool(8192);
    auto store = Open();
    std::vector<std::pair<VersionKey, std::vector<float>>> written;
    Cut cut = MakeCut(*pool_, 8 * 2048, 1);
    // Enough to fill the write buffer of 1 MiB now and then.
    for (int64_t i = 0; i < 30; ++i) {
      for (size_t block = 0; block < 8; ++block) {
        ChangeBlock(*pool_, &cut.arrays["weights"], block);
      }
      ASSERT_TRUE(store->Write(Key(i), cut).ok());
      written.emplace_back(Key(i), Values(cut.arrays["weights"]));
      if (i >= 3) {
        const VersionKey old[] = {Key(i - 3)};
        ASSERT_TRUE(store->Delete(old).ok());
        written.erase(written.begin());
      }
    }
    store.reset();
    disk_.LoseUnsynced([&random](int64_t unsynced) {
      return static_cast<int64_t>(random()) % (unsynced + 1);
    });
    store = Open();
    EXPECT_EQ(store->condition().rescues, 0);
    for (const auto& [key, values] : written) {
      const auto loaded = store->Load(key, pool_.get());
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      EXPECT_EQ(Values(loaded->arrays.at("weights")), values);
    }
  }
}

// --- Room on the disk --------------------------------------------------------

TEST_F(RocksDbStoreTest, DeletedVersionsLeaveTheDisk) {
  pool_ = MakePool(8192, 1024);
  const auto store = Open();
  // 1 MiB a version, two versions kept, 60 MiB written.
  for (int64_t i = 0; i < 60; ++i) {
    const Cut cut = MakeCut(*pool_, 64 * 2048, static_cast<float>(i));
    ASSERT_TRUE(store->Write(Key(i), cut).ok());
    if (i < 2) continue;
    const VersionKey old[] = {Key(i - 2)};
    ASSERT_TRUE(store->Delete(old).ok());
  }
  ExpectFolderBecomesSmallerThan(20 << 20);
}

TEST_F(RocksDbStoreTest, AForgottenJobLeavesTheDiskWithoutFurtherWrites) {
  pool_ = MakePool(8192, 1024);
  const auto store = Open();
  for (int64_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(store->Write(Key(i), MakeCut(*pool_, 64 * 2048, 1)).ok());
  }
  ASSERT_GT(FolderBytes(), 8 << 20);
  ASSERT_TRUE(store->DeleteJob(JobId(1)).ok());
  ExpectFolderBecomesSmallerThan(4 << 20);
}

// The system itself refuses, not our disk: no file may grow beyond 300 KB.
TEST_F(RocksDbStoreTest, GoesOnWhenTheSystemAllowsItAgain) {
  pool_ = MakePool(8192, 2048);
  const auto store = Open();
  const Cut small = MakeCut(*pool_, 2048, 5);
  ASSERT_TRUE(store->Write(Key(0), small).ok());
  signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit tight = {.rlim_cur = 300'000, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const Cut large = MakeCut(*pool_, 400 * 2048, 1);
  const absl::Status refused = store->Write(Key(1), large).status();
  const absl::Status again = store->Write(Key(1), large).status();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_EQ(again.code(), absl::StatusCode::kResourceExhausted) << again;
  ExpectStored(*store, *pool_, Key(0), small);
  EXPECT_TRUE(store->Write(Key(1), large).ok());
  ExpectStored(*store, *pool_, Key(1), large);
  EXPECT_THAT(VersionsIn(*store), ElementsAre(Key(0), Key(1)));
  EXPECT_EQ(store->condition().rescues, 0);
}

// RocksDB's log could not be written either, which aborted the server.
TEST_F(RocksDbStoreTest, NotAByteLeftOnTheDiskIsAnErrorAndNoMore) {
  pool_ = MakePool(64, 2048);
  const auto store = Open();
  const Cut cut = MakeCut(*pool_, 2048, 5);
  ASSERT_TRUE(store->Write(Key(0), cut).ok());
  signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  std::vector<absl::StatusCode> codes;
  for (int i = 1; i <= 4; ++i) {
    codes.push_back(store->Write(Key(i), cut).status().code());
  }
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(codes, std::vector(4, absl::StatusCode::kResourceExhausted));
  ExpectStored(*store, *pool_, Key(0), cut);
  EXPECT_TRUE(store->Write(Key(1), cut).ok());
  EXPECT_THAT(VersionsIn(*store), ElementsAre(Key(0), Key(1)));
}

TEST_F(RocksDbStoreTest, SaysWhenTheFolderIsNotWritable) {
  const auto store = Open();
  const Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_TRUE(store->Write(Key(0), cut).ok());
  disk_.FailAfter(0, rocksdb::IOStatus::IOError("Permission denied"));
  const auto result = store->Write(Key(1), cut);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(result.status().message(), HasSubstr("writable"));
  EXPECT_TRUE(store->Verify(Key(0)).ok());
  disk_.Mend();
  EXPECT_TRUE(store->Write(Key(1), cut).ok());
}

// Bug: all values were written to the log, and then again.
TEST_F(RocksDbStoreTest, ALargeVersionIsWrittenOnce) {
  const auto pool = MakePool(64 << 10);
  const auto store = Open();
  const Cut cut = MakeCut(*pool, 1 << 20, 1);
  ASSERT_TRUE(store->Write(Key(0), cut).ok());
  int64_t logged = 0;
  for (const auto& entry : fs::directory_iterator(folder_.path() + "/db")) {
    if (entry.path().extension() != ".log") continue;
    logged += static_cast<int64_t>(entry.file_size());
  }
  EXPECT_LT(logged, 64 << 10);
  EXPECT_LT(FolderBytes(), 9 << 20);  // Weights and a slot.
  ExpectStored(*store, *pool, Key(0), cut);
}

// Bug: a block that never changes again kept its file, which was otherwise
// garbage.
TEST_F(RocksDbStoreTest, RoomIsMadeOfWhatIsLeftBetweenBlocksThatStay) {
  constexpr int64_t kBlocks = 64;
  const auto pool = MakePool(64 << 10, 4 * kBlocks);
  const auto store = Open();
  Cut cut = MakeCut(*pool, kBlocks << 14, 1);
  for (int64_t i = 0; i < kBlocks; ++i) {
    for (int64_t b = i; b < kBlocks; ++b) {
      ChangeBlock(*pool, &cut.arrays["weights"], b);
    }
    ASSERT_TRUE(store->Write(Key(i), cut).ok());
    if (i > 0) {
      const VersionKey before = Key(i - 1);
      ASSERT_TRUE(store->Delete({&before, 1}).ok());
    }
  }
  // Of 130 MiB that were written, 4 MiB are in use.
  ExpectFolderBecomesSmallerThan(100 << 20);
  ExpectStored(*store, *pool, Key(kBlocks - 1), cut);
}

}  // namespace
}  // namespace ebb::server
