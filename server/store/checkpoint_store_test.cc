// The contract of CheckpointStore, run over all implementations.
#include "server/store/checkpoint_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/objects/memory_objects.h"
#include "protocol/marks.h"
#include "server/store/copied_store.h"
#include "server/store/folder_checkpoints.h"
#include "server/store/internal/store_test_util.h"
#include "server/store/memory_store.h"
#include "server/store/object_checkpoints.h"
#include "server/store/rocksdb_store.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// A place that outlives the store over it.
class Place {
 public:
  virtual ~Place() = default;
  virtual std::unique_ptr<CheckpointStore> Open() = 0;
};

class MemoryPlace final : public Place {
 public:
  std::unique_ptr<CheckpointStore> Open() override {
    return std::make_unique<MemoryStore>(&disk_);
  }

 private:
  MemoryDisk disk_;
};

class RocksDbPlace final : public Place {
 public:
  std::unique_ptr<CheckpointStore> Open() override {
    auto store = RocksDbStore::Open(
        {.folder = folder_.path(), .write_buffer_bytes = 1 << 20});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

 private:
  TestFolder folder_{TestFolder::On::kMemory};
};

class FolderPlace final : public Place {
 public:
  std::unique_ptr<CheckpointStore> Open() override {
    auto store = OpenFolderCheckpoints(
        {.folder = folder_.path(), .server = ServerId(3)});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

 private:
  TestFolder folder_{TestFolder::On::kMemory};
};

class ObjectsPlace final : public Place {
 public:
  std::unique_ptr<CheckpointStore> Open() override {
    auto store = ObjectCheckpoints::Open(
        &objects_, {.server = ServerId(3), .piece_bytes = 1000});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

 private:
  MemoryObjects objects_;
};

class CopiedPlace final : public Place {
 public:
  std::unique_ptr<CheckpointStore> Open() override {
    return std::make_unique<CopiedStore>(
        std::make_unique<MemoryStore>(&local_),
        std::make_unique<MemoryStore>(&shared_, ServerId(3)));
  }

 private:
  MemoryDisk local_, shared_;
};

enum class Kind { kMemory, kRocksDb, kFolder, kObjects, kCopied };

std::unique_ptr<Place> MakePlace(Kind kind) {
  switch (kind) {
    case Kind::kMemory:
      return std::make_unique<MemoryPlace>();
    case Kind::kRocksDb:
      return std::make_unique<RocksDbPlace>();
    case Kind::kFolder:
      return std::make_unique<FolderPlace>();
    case Kind::kObjects:
      return std::make_unique<ObjectsPlace>();
    case Kind::kCopied:
      return std::make_unique<CopiedPlace>();
  }
  return nullptr;
}

class CheckpointStoreTest : public testing::TestWithParam<Kind> {
 protected:
  // The process ends, and another one starts: with a new pool, whose content
  // ids begin anew.
  void Restart() {
    store_.reset();
    pool_ = MakePool();
    store_ = place_->Open();
  }

  int64_t BlocksWritten(const VersionKey& key, const Cut& cut) {
    const auto result = store_->Write(key, cut);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->blocks_written : -1;
  }

  std::unique_ptr<Place> place_ = MakePlace(GetParam());
  std::unique_ptr<BlockPool> pool_ = MakePool();
  std::unique_ptr<CheckpointStore> store_ = place_->Open();
};

INSTANTIATE_TEST_SUITE_P(Store, CheckpointStoreTest,
                         testing::Values(Kind::kMemory, Kind::kRocksDb,
                                         Kind::kFolder, Kind::kObjects,
                                         Kind::kCopied),
                         [](const auto& test) -> std::string {
                           switch (test.param) {
                             case Kind::kMemory:
                               return "Memory";
                             case Kind::kRocksDb:
                               return "RocksDb";
                             case Kind::kFolder:
                               return "Folder";
                             case Kind::kObjects:
                               return "Objects";
                             case Kind::kCopied:
                               return "Copied";
                           }
                           return "";
                         });

TEST_P(CheckpointStoreTest, ANewOneIsEmpty) {
  const auto inventory = store_->List();
  ASSERT_TRUE(inventory.ok());
  EXPECT_THAT(inventory->jobs, IsEmpty());
  EXPECT_THAT(inventory->versions, IsEmpty());
  EXPECT_EQ(store_->Load(Key(0), pool_.get()).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_P(CheckpointStoreTest, LoadReturnsWhatWasWritten) {
  // 64 floats a block: two blocks and a half.
  const Cut cut = MakeCut(*pool_, 160, 1);
  const auto result = store_->Write(Key(0), cut);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->blocks_written, 6);
  EXPECT_EQ(result->bytes_written, 2 * 160 * 4);
  ExpectStored(*store_, *pool_, Key(0), cut);
  Restart();
  EXPECT_THAT(VersionsIn(*store_), ElementsAre(Key(0)));
  ExpectStored(*store_, *pool_, Key(0), MakeCut(*pool_, 160, 1));
}

TEST_P(CheckpointStoreTest, ACutWithoutValuesIsAVersionToo) {
  Cut cut;
  cut.marks = "marks";
  cut.arrays["sum"] = {};
  EXPECT_EQ(BlocksWritten(Key(0), cut), 0);
  Restart();
  ExpectStored(*store_, *pool_, Key(0), cut);
}

TEST_P(CheckpointStoreTest, LoadedBlocksAreZeroBeyondTheArray) {
  ASSERT_TRUE(store_->Write(Key(0), MakeCut(*pool_, 65, 1)).ok());
  const auto cut = store_->Load(Key(0), pool_.get());
  ASSERT_TRUE(cut.ok());
  const auto floats = cut->arrays.at("weights").blocks[1].floats();
  EXPECT_EQ(floats[0], 65.0f);
  for (size_t i = 1; i < floats.size(); ++i) EXPECT_EQ(floats[i], 0.0f);
}

TEST_P(CheckpointStoreTest, ListsVersionsByTermThenSequence) {
  const Cut cut = MakeCut(*pool_, 64, 1);
  const std::vector<VersionKey> keys = {
      Key(1 << 20),         Key(3),       Key(256),
      Key(0, 1, 0, 11),     Key(0, 1, 2), Key(0, 1, 1),
      Key(5, 0x10000000000)};
  for (const VersionKey& key : keys) ASSERT_GE(BlocksWritten(key, cut), 0);
  for (int life = 0; life < 2; ++life) {
    EXPECT_THAT(VersionsIn(*store_),
                ElementsAre(Key(3), Key(256), Key(1 << 20), Key(0, 1, 0, 11),
                            Key(0, 1, 1), Key(0, 1, 2), Key(5, 0x10000000000)));
    Restart();
  }
}

TEST_P(CheckpointStoreTest, AVersionIsWrittenOnce) {
  const Cut cut = MakeCut(*pool_, 64, 1);
  ASSERT_EQ(BlocksWritten(Key(0), cut), 2);
  EXPECT_EQ(store_->Write(Key(0), MakeCut(*pool_, 64, 2)).status().code(),
            absl::StatusCode::kAlreadyExists);
  ExpectStored(*store_, *pool_, Key(0), cut);
}

TEST_P(CheckpointStoreTest, WritesOnlyWhatChanged) {
  Cut cut = MakeCut(*pool_, 4 * 64, 1);
  ASSERT_EQ(BlocksWritten(Key(0), cut), 8);
  EXPECT_EQ(BlocksWritten(Key(1), cut), 0);
  ChangeBlock(*pool_, &cut.arrays["weights"], 2);
  const auto result = store_->Write(Key(2), cut);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->blocks_written, 1);
  EXPECT_EQ(result->bytes_written, 256);
  ExpectStored(*store_, *pool_, Key(2), cut);
}

TEST_P(CheckpointStoreTest, WhatWasLoadedIsNotWrittenAgain) {
  ASSERT_EQ(BlocksWritten(Key(0), MakeCut(*pool_, 4 * 64, 1)), 8);
  Restart();
  auto cut = store_->Load(Key(0), pool_.get());
  ASSERT_TRUE(cut.ok());
  // The first version of a new term: a manifest over old blocks.
  EXPECT_EQ(BlocksWritten(Key(0, 1, 0, 11), *cut), 0);
  ChangeBlock(*pool_, &cut->arrays["weights"], 0);
  EXPECT_EQ(BlocksWritten(Key(1, 1, 0, 11), *cut), 1);
  ExpectStored(*store_, *pool_, Key(1, 1, 0, 11), *cut);
}

TEST_P(CheckpointStoreTest, ContentsOfAnotherLifeAreNotTakenForTheseContents) {
  ASSERT_EQ(BlocksWritten(Key(0), MakeCut(*pool_, 4 * 64, 1)), 8);
  Restart();
  // A new pool gives the same content ids to other contents.
  const Cut other = MakeCut(*pool_, 4 * 64, 500);
  EXPECT_EQ(BlocksWritten(Key(1), other), 8);
  ExpectStored(*store_, *pool_, Key(1), other);
}

TEST_P(CheckpointStoreTest, ABlockInTwoArraysIsStoredOnceAndLoadedAsOne) {
  Cut cut = MakeCut(*pool_, 2 * 64, 1);
  cut.arrays["value:3"] = cut.arrays["weights"];
  ASSERT_EQ(BlocksWritten(Key(0), cut), 4);
  const auto loaded = store_->Load(Key(0), pool_.get());
  ASSERT_TRUE(loaded.ok());
  ExpectSameCut(*loaded, cut);
  EXPECT_TRUE(loaded->arrays.at("value:3").blocks[1] ==
              loaded->arrays.at("weights").blocks[1]);
}

TEST_P(CheckpointStoreTest, ASharedBlockUsedToDifferentLengthsIsTwo) {
  Cut cut = MakeCut(*pool_, 64, 1);
  cut.arrays["short"] = cut.arrays["weights"];
  cut.arrays["short"].floats = 10;
  ASSERT_EQ(BlocksWritten(Key(0), cut), 3);
  ExpectStored(*store_, *pool_, Key(0), cut);
}

// Lets go of a block: the cut only names its contents.
void LetGo(CutArray* array, size_t i) {
  array->stored_ids.resize(array->blocks.size());
  array->stored_ids[i] = array->blocks[i].content_id();
  array->block_floats = static_cast<int64_t>(array->blocks[i].floats().size());
  array->blocks[i] = {};
}

TEST_P(CheckpointStoreTest, ContentsThatAreStoredNeedNotBeAtHand) {
  Cut cut = MakeCut(*pool_, 200, 1);
  cut.rows = "rows";
  EXPECT_EQ(BlocksWritten(Key(1), cut), 8);
  Cut next = cut;
  ChangeBlock(*pool_, &next.arrays["weights"], 1);
  const std::vector<float> expected = Values(next.arrays["weights"]);
  // The last one is used in part.
  for (const size_t i : {0, 3}) LetGo(&next.arrays["weights"], i);
  EXPECT_EQ(BlocksWritten(Key(2), next), 1);
  // However often: what a version named is known as what it had.
  EXPECT_EQ(BlocksWritten(Key(3), next), 0);
  ASSERT_TRUE(store_->Delete(std::vector{Key(1), Key(2)}).ok());
  Restart();
  const auto loaded = store_->Load(Key(3), pool_.get());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(Values(loaded->arrays.at("weights")), expected);
  EXPECT_EQ(loaded->rows, "rows");
}

TEST_P(CheckpointStoreTest, BlocksMayBeUsedInPartAllAlike) {
  Cut cut;
  CutArray& array = cut.arrays["rows:0"];
  array = MakeArray(*pool_, 4 * 64, 1);
  array.block_floats = 60;
  array.floats = 3 * 60 + 7;
  EXPECT_EQ(BlocksWritten(Key(1), cut), 4);
  Restart();
  const auto loaded = store_->Load(Key(1), pool_.get());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const CutArray& back = loaded->arrays.at("rows:0");
  EXPECT_EQ(back.block_floats, 60);
  EXPECT_EQ(back.floats, array.floats);
  for (size_t i = 0; i < 4; ++i) {
    const size_t used = i < 3 ? 60 : 7;
    for (size_t k = 0; k < 64; ++k) {
      EXPECT_EQ(back.blocks[i].floats()[k],
                k < used ? array.blocks[i].floats()[k] : 0.0f);
    }
  }
  // Of what was loaded no block is written again.
  EXPECT_EQ(BlocksWritten(Key(2), *loaded), 0);
  array.block_floats = 65;  // More than a block has.
  array.floats = 4 * 65;
  EXPECT_EQ(store_->Write(Key(3), cut).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_P(CheckpointStoreTest, WhatIsNeitherStoredNorAtHandIsNoVersion) {
  const Cut cut = MakeCut(*pool_, 200, 1);
  ASSERT_EQ(BlocksWritten(Key(1), cut), 8);
  const Cut newer = MakeCut(*pool_, 200, 2);
  ASSERT_EQ(BlocksWritten(Key(2), newer), 8);
  Cut next = newer;
  ChangeBlock(*pool_, &next.arrays["slot:0"], 0);
  // Only the version before the newest has it.
  next.arrays["weights"].blocks[2] = cut.arrays.at("weights").blocks[2];
  LetGo(&next.arrays["weights"], 2);
  EXPECT_EQ(store_->Write(Key(3), next).status().code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(store_->Load(Key(3), pool_.get()).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->List()->versions, (std::vector{Key(1), Key(2)}));
  // It is as if nothing had been tried.
  EXPECT_EQ(BlocksWritten(Key(3), newer), 0);
}

TEST_P(CheckpointStoreTest, PartitionsHaveTheirOwnBlocks) {
  const Cut cut = MakeCut(*pool_, 64, 1);
  EXPECT_EQ(BlocksWritten(Key(0, 1, 0), cut), 2);
  EXPECT_EQ(BlocksWritten(Key(0, 1, 1), cut), 2);
  EXPECT_EQ(BlocksWritten(Key(0, 2, 0), cut), 2);
  const VersionKey first[] = {Key(0, 1, 0)};
  ASSERT_TRUE(store_->Delete(first).ok());
  ExpectStored(*store_, *pool_, Key(0, 1, 1), cut);
  ExpectStored(*store_, *pool_, Key(0, 2, 0), cut);
}

TEST_P(CheckpointStoreTest, DeletingAVersionKeepsWhatOthersNeed) {
  Cut cut = MakeCut(*pool_, 4 * 64, 1);
  ASSERT_EQ(BlocksWritten(Key(0), cut), 8);
  ChangeBlock(*pool_, &cut.arrays["weights"], 1);
  ASSERT_EQ(BlocksWritten(Key(1), cut), 1);
  const VersionKey gone[] = {Key(0), Key(77), Key(0)};
  ASSERT_TRUE(store_->Delete(gone).ok());
  for (int life = 0; life < 2; ++life) {
    EXPECT_THAT(VersionsIn(*store_), ElementsAre(Key(1)));
    EXPECT_EQ(store_->Load(Key(0), pool_.get()).status().code(),
              absl::StatusCode::kNotFound);
    const auto loaded = store_->Load(Key(1), pool_.get());
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(Values(loaded->arrays.at("weights"))[64], 1065.0f);
    Restart();
  }
}

TEST_P(CheckpointStoreTest, WhatWasDeletedIsWrittenAgain) {
  const Cut cut = MakeCut(*pool_, 2 * 64, 1);
  ASSERT_EQ(BlocksWritten(Key(0), cut), 4);
  const VersionKey gone[] = {Key(0)};
  ASSERT_TRUE(store_->Delete(gone).ok());
  EXPECT_EQ(BlocksWritten(Key(1), cut), 4);
  ExpectStored(*store_, *pool_, Key(1), cut);
}

TEST_P(CheckpointStoreTest, JobsAreKeptAndReplaced) {
  ASSERT_TRUE(store_->SaveJob(MakeJob(1, "first")).ok());
  ASSERT_TRUE(store_->SaveJob(MakeJob(2, "second")).ok());
  StoredJob changed = MakeJob(1, "first");
  changed.generation = Generation(99);
  changed.rollback.versions.clear();
  changed.known_servers = {ServerId(3)};
  ASSERT_TRUE(store_->SaveJob(changed).ok());
  Restart();
  const auto inventory = store_->List();
  ASSERT_TRUE(inventory.ok());
  ASSERT_EQ(inventory->jobs.size(), 2u);
  const StoredJob& first = inventory->jobs[0];
  EXPECT_EQ(first.record->name, "first");
  EXPECT_EQ(first.record->plan.examples, 100);
  EXPECT_EQ(first.record->specification, "specification");
  EXPECT_EQ(first.generation, Generation(99));
  EXPECT_THAT(first.rollback.versions, IsEmpty());
  EXPECT_THAT(first.known_servers, ElementsAre(ServerId(3)));
  const StoredJob& second = inventory->jobs[1];
  EXPECT_EQ(second.record->name, "second");
  EXPECT_THAT(second.rollback.versions, ElementsAre(Key(3, 2), Key(4, 2, 1)));
  EXPECT_THAT(second.known_servers, ElementsAre(ServerId(0), ServerId(5)));
}

TEST_P(CheckpointStoreTest, ListsOnePartitionByItself) {
  const Cut cut = MakeCut(*pool_, 64, 1);
  for (const VersionKey& key : {Key(3, 1, 1), Key(256, 1, 1), Key(0, 1, 1, 11),
                                Key(0, 1, 0), Key(0, 1, 2), Key(0, 2, 1)}) {
    ASSERT_GE(BlocksWritten(key, cut), 0);
  }
  for (int life = 0; life < 2; ++life) {
    const auto listed = store_->ListPartition(JobId(1), PartitionId(1));
    ASSERT_TRUE(listed.ok()) << listed.status();
    EXPECT_THAT(listed->versions,
                ElementsAre(Key(3, 1, 1), Key(256, 1, 1), Key(0, 1, 1, 11)));
    EXPECT_THAT(listed->rounds, IsEmpty());
    const auto unknown = store_->ListPartition(JobId(1), PartitionId(9));
    ASSERT_TRUE(unknown.ok()) << unknown.status();
    EXPECT_THAT(unknown->versions, IsEmpty());
    Restart();
  }
}

TEST_P(CheckpointStoreTest, TellsTheRoundsOfVersions) {
  StoredJob job = MakeJob(1, "in rounds");
  JobRecord record = *job.record;
  record.plan.consistency = {.kind = ConsistencyKind::kRounds,
                             .round_items = 2};
  job.record = std::make_shared<JobRecord>(record);
  ASSERT_TRUE(store_->SaveJob(job).ok());
  MarkSet marks(record.plan);
  Cut cut = MakeCut(*pool_, 64, 1);
  cut.marks = marks.Encode();
  ASSERT_GE(BlocksWritten(Key(0), cut), 0);
  for (const int32_t shard : {0, 1, 2, 3}) {
    ASSERT_TRUE(marks.Raise({0, shard}, 10).ok());
  }
  cut.marks = marks.Encode();
  cut.arrays["value:1"] = cut.arrays["weights"];
  ASSERT_GE(BlocksWritten(Key(1), cut), 0);
  ASSERT_GE(BlocksWritten(Key(0, 1, 1), cut), 0);
  for (int life = 0; life < 2; ++life) {
    const auto one = store_->ListPartition(JobId(1), PartitionId(0));
    ASSERT_TRUE(one.ok()) << one.status();
    EXPECT_THAT(one->rounds, ElementsAre(Pair(Key(0), RoundSpan{0, 0}),
                                         Pair(Key(1), RoundSpan{1, 2})));
    const auto all = store_->List();
    ASSERT_TRUE(all.ok()) << all.status();
    EXPECT_EQ(all->rounds.size(), 3u);
    Restart();
  }
}

TEST_P(CheckpointStoreTest, AForgottenJobTakesNothingElseWithIt) {
  const Cut cut = MakeCut(*pool_, 64, 1);
  for (const uint64_t job : {1, 2, 3}) {
    ASSERT_TRUE(store_->SaveJob(MakeJob(job, "job")).ok());
    ASSERT_EQ(BlocksWritten(Key(0, job), cut), 2);
    ASSERT_EQ(BlocksWritten(Key(0, job, 3), cut), 2);
  }
  ASSERT_TRUE(store_->DeleteJob(JobId(2)).ok());
  ASSERT_TRUE(store_->DeleteJob(JobId(77)).ok());
  for (int life = 0; life < 2; ++life) {
    const auto inventory = store_->List();
    ASSERT_TRUE(inventory.ok());
    EXPECT_EQ(inventory->jobs.size(), 2u);
    EXPECT_THAT(inventory->versions,
                ElementsAre(Key(0, 1), Key(0, 1, 3), Key(0, 3), Key(0, 3, 3)));
    ExpectStored(*store_, *pool_, Key(0, 1, 3), MakeCut(*pool_, 64, 1));
    Restart();
  }
}

TEST_P(CheckpointStoreTest, RefusesACutWhoseBlocksDoNotFit) {
  Cut cut = MakeCut(*pool_, 2 * 64, 1);
  for (const int64_t floats : {-1, 0, 64, 129}) {
    cut.arrays["weights"].floats = floats;
    EXPECT_EQ(store_->Write(Key(0), cut).status().code(),
              absl::StatusCode::kInvalidArgument)
        << floats;
  }
  cut.arrays["weights"].floats = 128;
  cut.arrays["weights"].blocks[1] = BlockRef();
  EXPECT_EQ(store_->Write(Key(0), cut).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->SaveJob(StoredJob()).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(VersionsIn(*store_), IsEmpty());
}

TEST_P(CheckpointStoreTest, SaysWhenThereIsNoMemoryToLoadInto) {
  ASSERT_TRUE(store_->Write(Key(0), MakeCut(*pool_, 8 * 64, 1)).ok());
  const auto small = MakePool(256, 4);
  EXPECT_EQ(store_->Load(Key(0), small.get()).status().code(),
            absl::StatusCode::kResourceExhausted);
  const auto narrow = MakePool(128, 64);
  EXPECT_EQ(store_->Load(Key(0), narrow.get()).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// --- What only the memory store offers: faults on purpose --------------------

TEST(MemoryDiskTest, ADamagedVersionIsNeverServed) {
  MemoryDisk disk;
  const auto pool = MakePool();
  MemoryStore store(&disk);
  const Cut cut = MakeCut(*pool, 64, 1);
  ASSERT_TRUE(store.Write(Key(0), cut).ok());
  ASSERT_TRUE(store.Write(Key(1), cut).ok());
  disk.DamageVersion(Key(1));
  EXPECT_EQ(store.Load(Key(1), pool.get()).status().code(),
            absl::StatusCode::kDataLoss);
  ExpectStored(store, *pool, Key(0), cut);
}

TEST(MemoryDiskTest, WhenWritesFailNothingChanges) {
  MemoryDisk disk;
  const auto pool = MakePool();
  MemoryStore store(&disk);
  const Cut cut = MakeCut(*pool, 64, 1);
  ASSERT_TRUE(store.Write(Key(0), cut).ok());
  disk.FailWrites(absl::ResourceExhaustedError("disk full"));
  const VersionKey keys[] = {Key(0)};
  for (const absl::Status& status :
       {store.Write(Key(1), cut).status(), store.Delete(keys),
        store.DeleteJob(JobId(1)), store.SaveJob(MakeJob(1, "job"))}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  }
  EXPECT_THAT(VersionsIn(store), ElementsAre(Key(0)));
  disk.FailWrites(absl::OkStatus());
  EXPECT_TRUE(store.Write(Key(1), cut).ok());
  EXPECT_EQ(disk.bytes_written(), 2 * 64 * 4);
}

TEST(MemoryDiskTest, ACopyIsTheDiskAsItWas) {
  MemoryDisk disk;
  const auto pool = MakePool();
  const Cut cut = MakeCut(*pool, 64, 1);
  ASSERT_TRUE(MemoryStore(&disk).Write(Key(0), cut).ok());
  const MemoryDisk older = disk;
  ASSERT_TRUE(MemoryStore(&disk).Write(Key(1), cut).ok());
  EXPECT_THAT(older.Versions(), ElementsAre(Key(0)));
  disk = older;
  MemoryStore store(&disk);
  EXPECT_THAT(VersionsIn(store), ElementsAre(Key(0)));
  ExpectStored(store, *pool, Key(0), cut);
}

TEST(MemoryDiskTest, KeepsNoBlockOfThePool) {
  MemoryDisk disk;
  const auto pool = MakePool();
  {
    MemoryStore store(&disk);
    ASSERT_TRUE(store.Write(Key(0), MakeCut(*pool, 640, 1)).ok());
    ASSERT_TRUE(store.Load(Key(0), pool.get()).ok());
    EXPECT_EQ(pool->Stats().live_blocks, 0);
  }
}

}  // namespace
}  // namespace ebb::server
