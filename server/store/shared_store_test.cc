// Tests of what SharedCheckpointStore adds to the contract: two servers, each
// with a store over the same place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "common/objects/memory_objects.h"
#include "server/store/checkpoint_store.h"
#include "server/store/folder_checkpoints.h"
#include "server/store/internal/store_test_util.h"
#include "server/store/memory_store.h"
#include "server/store/object_checkpoints.h"
#include "tests/testing/memory_files.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SharedPlace {
 public:
  virtual ~SharedPlace() = default;
  virtual std::unique_ptr<SharedCheckpointStore> Open(ServerId server) = 0;
};

class SharedMemoryPlace final : public SharedPlace {
 public:
  std::unique_ptr<SharedCheckpointStore> Open(ServerId server) override {
    return std::make_unique<MemoryStore>(&disk_, server);
  }

 private:
  MemoryDisk disk_;
};

class SharedFolderPlace final : public SharedPlace {
 public:
  std::unique_ptr<SharedCheckpointStore> Open(ServerId server) override {
    auto store = OpenFolderCheckpoints(
        {.folder = MemoryFiles::kRoot, .server = server, .files = &files_});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

 private:
  MemoryFiles files_;
};

class SharedObjectsPlace final : public SharedPlace {
 public:
  std::unique_ptr<SharedCheckpointStore> Open(ServerId server) override {
    auto store = ObjectCheckpoints::Open(
        &objects_, {.server = server, .piece_bytes = 1000});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

 private:
  MemoryObjects objects_;
};

enum class Kind { kMemory, kFolder, kObjects };

std::unique_ptr<SharedPlace> MakePlace(Kind kind) {
  switch (kind) {
    case Kind::kMemory:
      return std::make_unique<SharedMemoryPlace>();
    case Kind::kFolder:
      return std::make_unique<SharedFolderPlace>();
    case Kind::kObjects:
      return std::make_unique<SharedObjectsPlace>();
  }
  return nullptr;
}

// One server's process: a store, and a pool with content ids of its own.
struct Server {
  Server(SharedPlace* place, int32_t id)
      : pool(MakePool()), store(place->Open(ServerId(id))) {}

  int64_t BlocksWritten(const VersionKey& key, const Cut& cut) {
    const auto result = store->Write(key, cut);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->blocks_written : -1;
  }
  std::vector<VersionKey> Listed(int32_t partition = 0) {
    const auto listed = store->ListPartition(JobId(1), PartitionId(partition));
    EXPECT_TRUE(listed.ok()) << listed.status();
    return listed.ok() ? listed->versions : std::vector<VersionKey>{};
  }

  std::unique_ptr<BlockPool> pool;
  std::unique_ptr<SharedCheckpointStore> store;
};

VersionKey InTerm(uint64_t term, int64_t sequence) {
  return Key(sequence, 1, 0, term);
}

class SharedStoreTest : public testing::TestWithParam<Kind> {
 protected:
  std::unique_ptr<SharedPlace> place_ = MakePlace(GetParam());
  Server a_{place_.get(), 0};
  Server b_{place_.get(), 1};
};

INSTANTIATE_TEST_SUITE_P(Store, SharedStoreTest,
                         testing::Values(Kind::kMemory, Kind::kFolder,
                                         Kind::kObjects),
                         [](const auto& test) -> std::string {
                           switch (test.param) {
                             case Kind::kMemory:
                               return "Memory";
                             case Kind::kFolder:
                               return "Folder";
                             case Kind::kObjects:
                               return "Objects";
                           }
                           return "";
                         });

TEST_P(SharedStoreTest, AnotherServerGoesOnWithoutCopyingValues) {
  Cut cut = MakeCut(*a_.pool, 4 * 64, 1);
  ASSERT_EQ(a_.BlocksWritten(InTerm(10, 0), cut), 8);
  ChangeBlock(*a_.pool, &cut.arrays["weights"], 1);
  ASSERT_EQ(a_.BlocksWritten(InTerm(10, 1), cut), 1);

  EXPECT_THAT(b_.Listed(), ElementsAre(InTerm(10, 0), InTerm(10, 1)));
  auto taken = b_.store->Load(InTerm(10, 1), b_.pool.get());
  ASSERT_TRUE(taken.ok()) << taken.status();
  ExpectSameCut(*taken, cut);
  EXPECT_EQ(b_.BlocksWritten(InTerm(11, 0), *taken), 0);
  ChangeBlock(*b_.pool, &taken->arrays["weights"], 2);
  EXPECT_EQ(b_.BlocksWritten(InTerm(11, 1), *taken), 1);
  ExpectStored(*b_.store, *b_.pool, InTerm(11, 1), *taken);
  EXPECT_THAT(a_.Listed(), ElementsAre(InTerm(10, 0), InTerm(10, 1),
                                       InTerm(11, 0), InTerm(11, 1)));
}

TEST_P(SharedStoreTest, ListTellsWhatThisServerStored) {
  ASSERT_TRUE(a_.store->SaveJob(MakeJob(1, "of a")).ok());
  StoredJob of_b = MakeJob(1, "of b");
  of_b.known_servers = {ServerId(1)};
  ASSERT_TRUE(b_.store->SaveJob(of_b).ok());
  ASSERT_TRUE(b_.store->SaveJob(MakeJob(2, "of b alone")).ok());
  const Cut cut = MakeCut(*a_.pool, 64, 1);
  ASSERT_EQ(a_.BlocksWritten(Key(0, 1, 0), cut), 2);
  ASSERT_EQ(b_.BlocksWritten(Key(0, 1, 1), cut), 2);

  // Whichever process of it asks.
  Server again(place_.get(), 0);
  const auto inventory = again.store->List();
  ASSERT_TRUE(inventory.ok()) << inventory.status();
  EXPECT_THAT(inventory->versions, ElementsAre(Key(0, 1, 0)));
  ASSERT_EQ(inventory->jobs.size(), 1u);
  EXPECT_EQ(inventory->jobs[0].record->name, "of a");
  EXPECT_EQ(inventory->jobs[0].known_servers.size(), 2u);
  EXPECT_THAT(again.Listed(1), ElementsAre(Key(0, 1, 1)));
}

TEST_P(SharedStoreTest, WhoWasTakenOverFromCanDoNoHarm) {
  Cut cut = MakeCut(*a_.pool, 4 * 64, 1);
  ASSERT_EQ(a_.BlocksWritten(InTerm(10, 0), cut), 8);
  auto taken = b_.store->Load(InTerm(10, 0), b_.pool.get());
  ASSERT_TRUE(taken.ok());
  ASSERT_EQ(b_.BlocksWritten(InTerm(11, 0), *taken), 0);

  ChangeBlock(*a_.pool, &cut.arrays["weights"], 1);
  EXPECT_EQ(a_.store->Write(InTerm(10, 1), cut).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const VersionKey all[] = {InTerm(10, 0), InTerm(11, 0)};
  EXPECT_TRUE(a_.store->Delete(all).ok());
  EXPECT_THAT(b_.Listed(), ElementsAre(InTerm(10, 0), InTerm(11, 0)));
  ExpectStored(*b_.store, *b_.pool, InTerm(11, 0), *taken);
  // Nor can a later process of it, until it is granted a newer term.
  Server twin(place_.get(), 0);
  EXPECT_EQ(twin.store->Write(InTerm(10, 2), cut).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(twin.store->Delete(all).ok());
  ExpectStored(*b_.store, *b_.pool, InTerm(10, 0), *taken);
  EXPECT_EQ(twin.BlocksWritten(InTerm(12, 0), cut), 8);
}

TEST_P(SharedStoreTest, TheNewestOwnerDeletesWhatOlderTermsLeft) {
  Cut cut = MakeCut(*a_.pool, 4 * 64, 1);
  ASSERT_EQ(a_.BlocksWritten(InTerm(10, 0), cut), 8);
  ChangeBlock(*a_.pool, &cut.arrays["weights"], 0);
  ASSERT_EQ(a_.BlocksWritten(InTerm(10, 1), cut), 1);
  auto taken = b_.store->Load(InTerm(10, 1), b_.pool.get());
  ASSERT_TRUE(taken.ok());
  ASSERT_EQ(b_.BlocksWritten(InTerm(11, 0), *taken), 0);
  const VersionKey old[] = {InTerm(10, 0), InTerm(10, 1)};
  ASSERT_TRUE(b_.store->Delete(old).ok());
  EXPECT_THAT(b_.Listed(), ElementsAre(InTerm(11, 0)));
  ExpectStored(*a_.store, *a_.pool, InTerm(11, 0), *taken);
  // The first one has it back: a third term over the blocks of the first.
  auto back = a_.store->Load(InTerm(11, 0), a_.pool.get());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(a_.BlocksWritten(InTerm(12, 0), *back), 0);
  EXPECT_EQ(b_.store->Write(InTerm(11, 1), *taken).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// It goes on from memory, and what it knew to be stored is gone meanwhile.
TEST_P(SharedStoreTest, WhatTheOwnerBetweenDeletedIsWrittenAgain) {
  const Cut cut = MakeCut(*a_.pool, 2 * 64, 1);
  ASSERT_EQ(a_.BlocksWritten(InTerm(10, 0), cut), 4);
  ASSERT_EQ(b_.BlocksWritten(InTerm(11, 0), MakeCut(*b_.pool, 64, 500)), 2);
  const VersionKey old[] = {InTerm(10, 0)};
  ASSERT_TRUE(b_.store->Delete(old).ok());
  EXPECT_EQ(a_.BlocksWritten(InTerm(12, 0), cut), 4);
  ExpectStored(*b_.store, *b_.pool, InTerm(12, 0), cut);
}

TEST_P(SharedStoreTest, WhatIsRecognizedIsNotWrittenAgain) {
  const Cut cut = MakeCut(*a_.pool, 4 * 64, 1);
  ASSERT_EQ(a_.BlocksWritten(InTerm(10, 0), cut), 8);
  // The same contents from elsewhere, but for one block.
  Cut read = MakeCut(*b_.pool, 4 * 64, 1);
  ChangeBlock(*b_.pool, &read.arrays["slot:0"], 3);
  ASSERT_TRUE(b_.store->Recognize(InTerm(10, 0), read).ok());
  EXPECT_EQ(b_.BlocksWritten(InTerm(11, 0), read), 1);
  ExpectStored(*a_.store, *a_.pool, InTerm(11, 0), read);
  EXPECT_EQ(b_.store->Recognize(InTerm(10, 9), read).code(),
            absl::StatusCode::kNotFound);
}

TEST_P(SharedStoreTest, AForgottenJobIsForgottenByAll) {
  const Cut cut = MakeCut(*a_.pool, 64, 1);
  for (Server* server : {&a_, &b_}) {
    ASSERT_TRUE(server->store->SaveJob(MakeJob(1, "job")).ok());
  }
  ASSERT_EQ(a_.BlocksWritten(InTerm(10, 0), cut), 2);
  ASSERT_TRUE(b_.store->DeleteJob(JobId(1)).ok());
  ASSERT_TRUE(a_.store->DeleteJob(JobId(1)).ok());
  EXPECT_THAT(a_.Listed(), IsEmpty());
  EXPECT_THAT(a_.store->List()->jobs, IsEmpty());
}

}  // namespace
}  // namespace ebb::server
