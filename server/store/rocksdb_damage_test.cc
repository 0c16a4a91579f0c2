// Tests a RocksDbStore with damaged files: it never returns a damaged value,
// what is sound stays, and it goes on.
#include <glog/logging.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "server/store/internal/blob_records.h"
#include "server/store/internal/store_keys.h"
#include "server/store/internal/store_test_util.h"
#include "server/store/rocksdb_store.h"
#include "tests/testing/faulty_disk.h"

namespace ebb::server {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Large enough for blob files.
constexpr int64_t kBlockBytes = 8192;
constexpr int64_t kFloats = 3 * kBlockBytes / 4;

void FlipByte(const std::string& file, int64_t at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(at);
  const char byte = static_cast<char>(stream.get() ^ 0x41);
  stream.seekp(at);
  stream.put(byte);
}

// Once or twice is the same.
void Spoil(const std::string& file, int64_t at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(at);
  stream.write("spoilt", 6);
}

// A store with tables, blob files and a log, and what is in it.
class RocksDbDamageTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    FLAGS_minloglevel = google::FATAL;  // The damage is expected.
    original_ = std::make_unique<TestFolder>(TestFolder::On::kMemory);
    expected_ = std::make_unique<std::map<VersionKey, std::vector<float>>>();
    const auto pool = MakePool(kBlockBytes);
    Cut cut = MakeCut(*pool, kFloats, 1);
    for (int64_t i = 0; i < 4; ++i) {
      // Each life writes two partitions; opening puts what the life before
      // left in the log into a table and a blob file.
      const auto store = Open(original_->path());
      ASSERT_TRUE(store->SaveJob(MakeJob(1, "job")).ok());
      for (const int32_t partition : {0, 1}) {
        ChangeBlock(*pool, &cut.arrays["weights"], i % 3);
        const VersionKey key = Key(i, 1, partition);
        ASSERT_TRUE(store->Write(key, cut).ok());
        (*expected_)[key] = Values(cut.arrays["weights"]);
      }
    }
  }
  static void TearDownTestSuite() {
    original_.reset();
    expected_.reset();
  }

  RocksDbDamageTest() {
    fs::copy(original_->path(), folder_.path(), fs::copy_options::recursive);
  }

  static std::unique_ptr<RocksDbStore> Open(const std::string& folder) {
    auto store =
        RocksDbStore::Open({.folder = folder, .write_buffer_bytes = 1 << 20});
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  // The files of the database whose name contains `part`.
  std::vector<std::string> Files(const std::string& part) const {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(folder_.path() + "/db")) {
      if (absl::StrContains(entry.path().filename().string(), part)) {
        files.push_back(entry.path());
      }
    }
    std::ranges::sort(files);
    return files;
  }

  void StartAnew() {
    fs::remove_all(folder_.path());
    fs::copy(original_->path(), folder_.path(), fs::copy_options::recursive);
  }

  // The records of partition 0's blocks, by key: a file and a place in it for
  // each copy. Which files have them is compaction's affair.
  std::map<std::string, std::vector<std::pair<std::string, int64_t>>> Blocks()
      const {
    std::map<std::string, std::vector<std::pair<std::string, int64_t>>> blocks;
    const std::string prefix =
        PartitionPrefix(kBlocksPrefix, {JobId(1), PartitionId(0)});
    for (const std::string& file : Files(".blob")) {
      std::ifstream stream(file, std::ios::binary);
      const std::string bytes(std::istreambuf_iterator<char>(stream), {});
      for (const BlobRecord& record : FindBlobRecords(bytes)) {
        if (!absl::StartsWith(record.key, prefix)) continue;
        blocks[record.key].emplace_back(
            file, static_cast<int64_t>(record.offset + record.size / 2));
      }
    }
    return blocks;
  }

  bool WasRescued() const {
    return fs::exists(folder_.path() + "/db.damaged-1");
  }

  // Opens the store, checks that every version in it is as it was written or
  // DataLoss, that it can be written, and all that again in its next life.
  // Returns the versions that could be loaded.
  std::set<VersionKey> Check() {
    std::set<VersionKey> sound;
    const auto pool = MakePool(kBlockBytes);
    for (int life = 0; life < 2; ++life) {
      const auto store = Open(folder_.path());
      if (store == nullptr) return {};
      sound.clear();
      for (const VersionKey& key : VersionsIn(*store)) {
        if (!expected_->contains(key)) continue;  // Of this test.
        const auto cut = store->Load(key, pool.get());
        EXPECT_EQ(store->Verify(key).code(), cut.status().code());
        if (!cut.ok()) {
          EXPECT_EQ(cut.status().code(), absl::StatusCode::kDataLoss)
              << cut.status();
          continue;
        }
        EXPECT_EQ(Values(cut->arrays.at("weights")), expected_->at(key));
        sound.insert(key);
      }
      const VersionKey next = Key(100 + written_++);
      const Cut cut = MakeCut(*pool, kFloats, 7);
      const auto written = store->Write(next, cut);
      EXPECT_TRUE(written.ok()) << written.status();
      ExpectStored(*store, *pool, next, cut);
    }
    return sound;
  }

  int64_t written_ = 0;
  inline static std::unique_ptr<TestFolder> original_;
  inline static std::unique_ptr<std::map<VersionKey, std::vector<float>>>
      expected_;
  TestFolder folder_{TestFolder::On::kMemory};
};

// The ways to damage a file.
struct Harm {
  const char* name;
  void (*inflict)(const std::string& file);
};

const Harm kHarms[] = {
    {"Flipped",
     [](const std::string& file) {
       FlipByte(file, static_cast<int64_t>(fs::file_size(file)) / 2);
     }},
    {"CutShort",
     [](const std::string& file) {
       fs::resize_file(file, fs::file_size(file) / 2);
     }},
    {"Emptied", [](const std::string& file) { fs::resize_file(file, 0); }},
    {"Zeroed",
     [](const std::string& file) {
       const std::string zeros(fs::file_size(file), '\0');
       std::ofstream(file, std::ios::binary) << zeros;
     }},
    {"Removed", [](const std::string& file) { fs::remove(file); }},
};

class RocksDbHarmTest : public RocksDbDamageTest,
                        public testing::WithParamInterface<Harm> {};

INSTANTIATE_TEST_SUITE_P(Damage, RocksDbHarmTest, testing::ValuesIn(kHarms),
                         [](const auto& test) { return test.param.name; });

TEST_P(RocksDbHarmTest, ATableIsOnlyAnIndex) {
  const std::vector<std::string> tables = Files(".sst");
  ASSERT_FALSE(tables.empty());  // How many there are is compaction's affair.
  GetParam().inflict(tables.back());
  EXPECT_EQ(Check().size(), expected_->size());
  EXPECT_TRUE(WasRescued());
}

TEST_P(RocksDbHarmTest, SoIsTheListOfFiles) {
  GetParam().inflict(Files("MANIFEST").back());
  EXPECT_EQ(Check().size(), expected_->size());
  EXPECT_TRUE(WasRescued());
}

TEST_P(RocksDbHarmTest, SoIsItsName) {
  GetParam().inflict(Files("CURRENT").back());
  EXPECT_EQ(Check().size(), expected_->size());
  EXPECT_TRUE(WasRescued());
}

TEST_P(RocksDbHarmTest, OnlyTheLastVersionsAreInTheLog) {
  GetParam().inflict(Files(".log").back());
  // Two versions of each partition but the last.
  EXPECT_GE(Check().size(), expected_->size() - 2);
}

TEST_P(RocksDbHarmTest, ABlobFileTakesOnlyWhatIsInIt) {
  // The newest: nothing refers to it but the two versions in it.
  GetParam().inflict(Files(".blob").back());
  EXPECT_GE(Check().size(), expected_->size() - 2);
}

TEST_P(RocksDbHarmTest, FilesForPeopleAreNotNeeded) {
  for (const char* part : {"OPTIONS", "IDENTITY", "LOG", "LOCK"}) {
    for (const std::string& file : Files(part)) {
      if (fs::file_size(file) > 0) GetParam().inflict(file);
    }
  }
  EXPECT_EQ(Check().size(), expected_->size());
  EXPECT_FALSE(WasRescued());
}

TEST_F(RocksDbDamageTest, AFlippedByteInTheLogCostsOneVersionOfEachPartition) {
  const std::string log = Files(".log").back();
  const auto size = static_cast<int64_t>(fs::file_size(log));
  for (int64_t i = 0; i < 8; ++i) {
    StartAnew();
    FlipByte(log, size * (2 * i + 1) / 16);
    const size_t sound = Check().size();
    EXPECT_GE(sound, expected_->size() - 2) << i;
    EXPECT_LT(sound, expected_->size()) << i;
    EXPECT_TRUE(WasRescued()) << i;
  }
}

// Bug: of a damaged log nobody said how much of it is not read.
TEST_F(RocksDbDamageTest, AReaderSaysWhatOfADamagedLogItDoesNotRead) {
  const std::string log = Files(".log").back();
  const auto size = static_cast<int64_t>(fs::file_size(log));
  const RocksDbStoreOptions options = {.folder = folder_.path(),
                                       .whole_log = true};
  for (int64_t i = 0; i < 8; ++i) {
    StartAnew();
    const int64_t at = size * (2 * i + 1) / 16;
    FlipByte(log, at);
    std::vector<VersionKey> versions;
    UnreadLog unread;
    {
      const auto store = RocksDbStore::OpenReadOnly(options);
      ASSERT_TRUE(store.ok()) << store.status();
      const StoreCondition& condition = (*store)->condition();
      EXPECT_TRUE(condition.log_damaged) << at;
      ASSERT_EQ(condition.unread_log.size(), 1u) << at;
      unread = condition.unread_log[0];
      versions = VersionsIn(**store);
    }
    EXPECT_EQ(unread.file, fs::path(log).filename());
    EXPECT_EQ(unread.from + unread.bytes, size);
    EXPECT_LE(unread.from, at);
    // The byte was in the first record that is not read: what is before it is
    // sound, and the same without what is not read.
    fs::resize_file(log, unread.from);
    const auto cut_off = RocksDbStore::OpenReadOnly(options);
    ASSERT_TRUE(cut_off.ok()) << cut_off.status();
    EXPECT_FALSE((*cut_off)->condition().log_damaged) << at;
    EXPECT_EQ(VersionsIn(**cut_off), versions) << at;
  }
}

TEST_F(RocksDbDamageTest, OfASoundLogAllIsRead) {
  const auto store =
      RocksDbStore::OpenReadOnly({.folder = folder_.path(), .whole_log = true});
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_FALSE((*store)->condition().log_damaged);
  EXPECT_THAT((*store)->condition().unread_log, IsEmpty());
}

TEST_F(RocksDbDamageTest, AFlippedByteInABlobCostsTheVersionsThatHaveIt) {
  const std::string blob = Files(".blob").back();
  const auto size = static_cast<int64_t>(fs::file_size(blob));
  for (int64_t i = 0; i < 16; ++i) {
    StartAnew();
    FlipByte(blob, size * (2 * i + 1) / 32);
    EXPECT_GE(Check().size(), expected_->size() - 2) << i;
  }
}

TEST_F(RocksDbDamageTest, LoadNamesWhatIsDamaged) {
  const auto blocks = Blocks();
  ASSERT_FALSE(blocks.empty());
  for (const auto& [file, at] : blocks.rbegin()->second) FlipByte(file, at);
  const auto pool = MakePool(kBlockBytes);
  const auto store = Open(folder_.path());
  int damaged = 0;
  for (const VersionKey& key : VersionsIn(*store)) {
    const absl::Status status = store->Load(key, pool.get()).status();
    if (status.ok()) continue;
    ++damaged;
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(status.message(), HasSubstr("partition"));
    EXPECT_THAT(status.message(), HasSubstr("is damaged"));
  }
  EXPECT_EQ(damaged, 1);
}

// A background thread finds the damage, and RocksDB writes nothing any more.
TEST_F(RocksDbDamageTest, GoesOnWhenCompactionMeetsDamage) {
  const auto pool = MakePool(kBlockBytes);
  const auto store = Open(folder_.path());
  std::set<VersionKey> sound;
  for (const auto& [key, values] : *expected_) sound.insert(key);
  Cut cut = MakeCut(*pool, kFloats, 7);
  for (int64_t i = 0; i < 2000 && store->condition().rescues == 0; ++i) {
    // The values are sound; it reads the tables, which say where they are.
    if (i % 20 == 0) {
      for (const std::string& file : Files(".sst")) Spoil(file, 0);
    }
    ChangeBlock(*pool, &cut.arrays["weights"], 0);
    ASSERT_TRUE(store->Write(Key(100 + i), cut).ok());
    sound.insert(Key(100 + i));
  }

  EXPECT_EQ(store->condition().rescues, 1);
  EXPECT_EQ(store->condition().set_aside, folder_.path() + "/db.damaged-1");
  const StoreDamage damage = store->Damage();
  EXPECT_EQ(damage.rescues, 1);
  EXPECT_NE(damage.found, "");
  EXPECT_EQ(damage.set_aside, folder_.path() + "/db.damaged-1");
  EXPECT_GT(damage.versions_kept, 0);
  EXPECT_THAT(VersionsIn(*store), ElementsAreArray(sound));
  for (const VersionKey& key : sound) {
    EXPECT_TRUE(store->Verify(key).ok());
  }
}

TEST_F(RocksDbDamageTest, StartsEmptyWhenNothingIsLeft) {
  for (const char* part : {".blob", ".log", ".sst"}) {
    for (const std::string& file : Files(part)) fs::resize_file(file, 0);
  }
  EXPECT_THAT(Check(), IsEmpty());
  EXPECT_TRUE(WasRescued());
}

TEST_F(RocksDbDamageTest, TheJobIsRescuedToo) {
  fs::remove(Files("CURRENT").back());
  const auto store = Open(folder_.path());
  const auto inventory = store->List();
  ASSERT_TRUE(inventory.ok());
  ASSERT_EQ(inventory->jobs.size(), 1u);
  EXPECT_EQ(inventory->jobs[0].record->name, "job");
}

TEST_F(RocksDbDamageTest, ARescueWithoutRoomLeavesEverythingForTheNext) {
  fs::remove(Files("MANIFEST").back());
  FaultyDisk disk;
  for (const int64_t room : {0, 1'000, 200'000}) {
    disk.FailAfter(room, rocksdb::IOStatus::NoSpace("disk full"));
    const auto store =
        RocksDbStore::Open({.folder = folder_.path(), .env = disk.env()});
    EXPECT_EQ(store.status().code(), absl::StatusCode::kResourceExhausted);
  }
  EXPECT_FALSE(WasRescued());
  EXPECT_EQ(Check().size(), expected_->size());
}

TEST_F(RocksDbDamageTest, FinishesARescueThatWasInterrupted) {
  // Between its two renames.
  fs::rename(folder_.path() + "/db", folder_.path() + "/db.rescued");
  EXPECT_EQ(Check().size(), expected_->size());
  // While it was copying.
  fs::create_directory(folder_.path() + "/db.rescued");
  fs::create_directory(folder_.path() + "/db.scratch");
  EXPECT_EQ(Check().size(), expected_->size());
  EXPECT_FALSE(fs::exists(folder_.path() + "/db.rescued"));
  EXPECT_FALSE(fs::exists(folder_.path() + "/db.scratch"));
}

}  // namespace
}  // namespace ebb::server
