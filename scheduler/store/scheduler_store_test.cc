// The contract of SchedulerStore, run over both implementations, and what each
// has beside it.
#include "scheduler/store/scheduler_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "common/testing/test_folder.h"
#include "scheduler/store/memory_store.h"
#include "scheduler/store/rocksdb_store.h"
#include "tests/testing/faulty_disk.h"

namespace ebb::scheduler {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

// A place that outlives the store over it.
class Place {
 public:
  virtual ~Place() = default;
  virtual std::unique_ptr<SchedulerStore> Open() = 0;
};

class MemoryPlace final : public Place {
 public:
  std::unique_ptr<SchedulerStore> Open() override {
    return std::make_unique<MemoryStore>(&disk_);
  }

 private:
  MemoryDisk disk_;
};

class RocksDbPlace final : public Place {
 public:
  std::unique_ptr<SchedulerStore> Open() override { return OpenRocksDb(); }
  std::unique_ptr<RocksDbStore> OpenRocksDb() {
    auto store = RocksDbStore::Open({.folder = folder_.path()});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  const std::string& path() const { return folder_.path(); }

 private:
  const TestFolder folder_{TestFolder::On::kMemory};
};

class SchedulerStoreTest : public testing::TestWithParam<bool> {
 protected:
  void Restart() {
    store_.reset();
    store_ = place_->Open();
  }
  std::map<std::string, std::string> Records() {
    auto records = store_->Load();
    EXPECT_TRUE(records.ok()) << records.status();
    return *std::move(records);
  }

  std::unique_ptr<Place> place_ =
      GetParam() ? std::unique_ptr<Place>(std::make_unique<RocksDbPlace>())
                 : std::make_unique<MemoryPlace>();
  std::unique_ptr<SchedulerStore> store_ = place_->Open();
};

INSTANTIATE_TEST_SUITE_P(Store, SchedulerStoreTest, testing::Bool(),
                         [](const auto& test) {
                           return test.param ? "RocksDb" : "Memory";
                         });

TEST_P(SchedulerStoreTest, ANewOneIsEmpty) {
  EXPECT_THAT(Records(), IsEmpty());
}

TEST_P(SchedulerStoreTest, WhatWasCommittedIsThereInTheNextLife) {
  const std::string binary("\0\xff\n", 3);
  ASSERT_TRUE(store_->Commit({{"job/1", "one"}, {"term", binary}}).ok());
  ASSERT_TRUE(store_->Commit({{binary, ""}}).ok());
  for (int life = 0; life < 2; ++life) {
    EXPECT_THAT(Records(), ElementsAre(Pair(binary, ""), Pair("job/1", "one"),
                                       Pair("term", binary)));
    Restart();
  }
}

TEST_P(SchedulerStoreTest, ACommitReplacesAndRemoves) {
  ASSERT_TRUE(store_->Commit({{"a", "1"}, {"b", "2"}, {"c", "3"}}).ok());
  ASSERT_TRUE(
      store_
          ->Commit(
              {{"a", "4"}, {"b", std::nullopt}, {"never there", std::nullopt}})
          .ok());
  for (int life = 0; life < 2; ++life) {
    EXPECT_THAT(Records(), ElementsAre(Pair("a", "4"), Pair("c", "3")));
    Restart();
  }
}

TEST_P(SchedulerStoreTest, OfTwoWritesToAKeyTheLastHolds) {
  ASSERT_TRUE(
      store_->Commit({{"a", "1"}, {"a", std::nullopt}, {"a", "2"}}).ok());
  ASSERT_TRUE(store_->Commit({{"b", "1"}, {"b", std::nullopt}}).ok());
  for (int life = 0; life < 2; ++life) {
    EXPECT_THAT(Records(), ElementsAre(Pair("a", "2")));
    Restart();
  }
}

TEST_P(SchedulerStoreTest, KeepsLargeRecords) {
  const std::string large(3 << 20, 'x');
  ASSERT_TRUE(store_->Commit({{"index", large}}).ok());
  Restart();
  EXPECT_EQ(Records().at("index"), large);
}

// --- Memory ------------------------------------------------------------------

TEST(MemoryDiskTest, AFailedCommitChangesNothing) {
  MemoryDisk disk;
  MemoryStore store(&disk);
  ASSERT_TRUE(store.Commit({{"a", "1"}}).ok());
  disk.FailCommits(absl::ResourceExhaustedError("disk full"));
  EXPECT_EQ(store.Commit({{"a", "2"}, {"b", "2"}}).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(disk.records(), ElementsAre(Pair("a", "1")));
  disk.FailCommits(absl::OkStatus());
  EXPECT_TRUE(store.Commit({{"b", "2"}}).ok());
}

TEST(MemoryDiskTest, ACopyIsTheDiskAsItWas) {
  MemoryDisk disk;
  ASSERT_TRUE(MemoryStore(&disk).Commit({{"term", "1"}}).ok());
  const MemoryDisk older = disk;
  ASSERT_TRUE(MemoryStore(&disk).Commit({{"term", "2"}}).ok());
  disk = older;
  EXPECT_THAT(*MemoryStore(&disk).Load(), ElementsAre(Pair("term", "1")));
}

TEST(MemoryDiskTest, ADamagedRecordIsNamed) {
  MemoryDisk disk;
  MemoryStore store(&disk);
  ASSERT_TRUE(store.Commit({{"term", "1"}}).ok());
  disk.DamageRecord("term");
  EXPECT_EQ(store.Load().status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(store.Load().status().message(), HasSubstr("term"));
  ASSERT_TRUE(store.Commit({{"term", "2"}}).ok());
  EXPECT_TRUE(store.Load().ok());
}

// --- RocksDB -----------------------------------------------------------------

class SchedulerRocksDbTest : public testing::Test {
 protected:
  // Changes each file of the database that `chosen` accepts.
  int Damage(const std::function<bool(const std::string&)>& chosen,
             const std::function<void(const std::string&)>& damage) {
    int damaged = 0;
    for (const auto& entry : fs::directory_iterator(place_.path() + "/db")) {
      if (!chosen(entry.path().filename())) continue;
      damage(entry.path());
      ++damaged;
    }
    return damaged;
  }
  static void FlipMiddle(const std::string& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<int64_t>(fs::file_size(path)) / 2);
    const char byte = static_cast<char>(file.peek() ^ 0x20);
    file.seekp(file.tellg());
    file.put(byte);
  }
  void Fill() {
    const auto store = place_.OpenRocksDb();
    for (int i = 0; i < 20; ++i) {
      const std::string key = "key" + std::to_string(i);
      ASSERT_TRUE(store->Commit({{key, std::string(100, 'x')}}).ok());
    }
  }

  RocksDbPlace place_;
};

TEST_F(SchedulerRocksDbTest, IsForOneProcessAtATime) {
  const auto first = place_.OpenRocksDb();
  const auto second = RocksDbStore::Open({.folder = place_.path()});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(second.status().message(), HasSubstr("in use by process"));
}

// Bug: a server's store was set aside.
TEST_F(SchedulerRocksDbTest, LeavesAServersFolder) {
  std::ofstream(place_.path() + "/owner") << "server 0\n";
  const auto store = RocksDbStore::Open({.folder = place_.path()});
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(store.status().message(), HasSubstr("that of server 0"));
}

TEST_F(SchedulerRocksDbTest, NeedsAFolder) {
  EXPECT_EQ(RocksDbStore::Open({}).status().code(),
            absl::StatusCode::kInvalidArgument);
  std::ofstream(place_.path() + "/file") << "x";
  const auto store = RocksDbStore::Open({.folder = place_.path() + "/file"});
  EXPECT_EQ(store.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(store.status().message(), HasSubstr(place_.path() + "/file"));
}

struct DamageCase {
  std::string name;
  std::string part_of_name;
  bool in_log;
  bool remove;
};

class SchedulerDamageTest : public SchedulerRocksDbTest,
                            public testing::WithParamInterface<DamageCase> {};

INSTANTIATE_TEST_SUITE_P(
    Damage, SchedulerDamageTest,
    testing::Values(DamageCase{"FlippedInLog", ".log", true, false},
                    DamageCase{"FlippedInTable", ".sst", false, false},
                    DamageCase{"FlippedInManifest", "MANIFEST", false, false},
                    DamageCase{"FlippedInCurrent", "CURRENT", false, false},
                    DamageCase{"MissingTable", ".sst", false, true},
                    DamageCase{"MissingManifest", "MANIFEST", false, true},
                    DamageCase{"MissingCurrent", "CURRENT", false, true}),
    [](const auto& test) { return test.param.name; });

TEST_P(SchedulerDamageTest, IsSetAsideAndAnEmptyStoreStarts) {
  Fill();
  // Opening writes the log's records to a table.
  if (!GetParam().in_log) place_.OpenRocksDb();
  ASSERT_GE(Damage(
                [&](const std::string& name) {
                  return absl::StrContains(name, GetParam().part_of_name);
                },
                [&](const std::string& path) {
                  GetParam().remove ? (void)fs::remove(path) : FlipMiddle(path);
                }),
            1);
  {
    const auto store = place_.OpenRocksDb();
    EXPECT_THAT(*store->Load(), IsEmpty());
    EXPECT_EQ(store->set_aside(), place_.path() + "/db.damaged-1");
    EXPECT_TRUE(fs::exists(store->set_aside()));
    ASSERT_TRUE(store->Commit({{"a", "1"}}).ok());
  }
  const auto store = place_.OpenRocksDb();
  EXPECT_THAT(*store->Load(), ElementsAre(Pair("a", "1")));
  EXPECT_EQ(store->set_aside(), "");
}

class SchedulerFaultTest : public SchedulerRocksDbTest {
 protected:
  std::unique_ptr<RocksDbStore> OpenFaulty() {
    auto store = RocksDbStore::Open(
        {.folder = place_.path() + "/faulty", .env = disk_.env()});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

  FaultyDisk disk_;
};

TEST_F(SchedulerFaultTest, AFullDiskCostsNothingAndIsForgottenWhenItHasRoom) {
  auto store = OpenFaulty();
  ASSERT_TRUE(store->Commit({{"a", "1"}}).ok());
  disk_.FailAfter(10, rocksdb::IOStatus::NoSpace("disk full"));
  for (int i = 0; i < 3; ++i) {
    const absl::Status status = store->Commit({{"a", "2"}, {"b", "2"}});
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(status.message(), HasSubstr("make room"));
  }
  EXPECT_THAT(*store->Load(), ElementsAre(Pair("a", "1")));
  disk_.Mend();
  ASSERT_TRUE(store->Commit({{"c", "3"}}).ok());
  for (int life = 0; life < 2; ++life) {
    EXPECT_THAT(*store->Load(), ElementsAre(Pair("a", "1"), Pair("c", "3")));
    store.reset();
    store = OpenFaulty();
  }
}

TEST_F(SchedulerFaultTest, ACommitWhoseSyncFailedIsUndone) {
  auto store = OpenFaulty();
  ASSERT_TRUE(store->Commit({{"a", "1"}, {"b", "1"}}).ok());
  disk_.FailSyncs(rocksdb::IOStatus::IOError("no sync"));
  EXPECT_EQ(store->Commit({{"a", "2"}, {"b", std::nullopt}, {"c", "2"}}).code(),
            absl::StatusCode::kUnavailable);
  disk_.Mend();
  ASSERT_TRUE(store->Commit({{"d", "3"}}).ok());
  for (int life = 0; life < 2; ++life) {
    EXPECT_THAT(*store->Load(),
                ElementsAre(Pair("a", "1"), Pair("b", "1"), Pair("d", "3")));
    store.reset();
    store = OpenFaulty();
  }
}

TEST_F(SchedulerFaultTest, WhatWasCommittedOutlivesThePower) {
  auto store = OpenFaulty();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(store->Commit({{"a", std::to_string(i)}}).ok());
    store.reset();
    disk_.LoseUnsynced([](int64_t) { return 0; });
    store = OpenFaulty();
    EXPECT_THAT(*store->Load(), ElementsAre(Pair("a", std::to_string(i))));
  }
}

// Before each operation on the disk in turn, from the first opening on; the
// names of files are lost, too, where a folder was not synced.
TEST(SchedulerPowerTest, WhatWasCommittedOutlivesThePowerAtAnyPoint) {
  std::minstd_rand random(1);
  const auto any = [&](int64_t most) {
    return static_cast<int64_t>(random()) % (most + 1);
  };
  int64_t committed_ever = 0;
  bool met = true;
  for (int64_t operations = 0; met; ++operations) {
    SCOPED_TRACE(operations);
    const RocksDbPlace place;
    FaultyDisk disk(/*strict=*/true);
    const auto open = [&] {
      return RocksDbStore::Open({.folder = place.path(), .env = disk.env()});
    };
    disk.CutPowerAfter(operations);
    int committed = -1, tried = -1;
    if (auto store = open(); store.ok()) {
      for (int i = 0; i < 8; ++i) {
        tried = i;
        // Two records, which must not be torn apart.
        if (!(*store)
                 ->Commit({{"a", std::to_string(i)}, {"b", std::to_string(i)}})
                 .ok()) {
          break;
        }
        committed = i;
      }
    }
    met = disk.operations() >= operations;
    committed_ever += committed + 1;
    disk.LoseUnsynced(any);
    const auto store = open();
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_EQ((*store)->set_aside(), "");
    const auto records = *(*store)->Load();
    if (records.empty()) {
      EXPECT_EQ(committed, -1);
      continue;
    }
    EXPECT_EQ(records.at("a"), records.at("b"));
    const int there = std::stoi(records.at("a"));
    EXPECT_GE(there, committed);
    EXPECT_LE(there, tried);
  }
  EXPECT_GT(committed_ever, 50);
}

TEST_F(SchedulerFaultTest, OpensWhatIsThereWhenTheDiskIsFull) {
  auto store = OpenFaulty();
  ASSERT_TRUE(store->Commit({{"a", "1"}}).ok());
  store.reset();
  disk_.FailAfter(0, rocksdb::IOStatus::NoSpace("disk full"));
  store = OpenFaulty();
  EXPECT_THAT(*store->Load(), ElementsAre(Pair("a", "1")));
  EXPECT_EQ(store->Commit({{"b", "1"}}).code(),
            absl::StatusCode::kResourceExhausted);
  disk_.Mend();
  EXPECT_TRUE(store->Commit({{"b", "1"}}).ok());
}

}  // namespace
}  // namespace ebb::scheduler
