#include "server/store/internal/blob_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "protocol/codec.h"
#include "protocol/sealed.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "server/store/internal/store_keys.h"
#include "server/store/internal/store_test_util.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A file as RocksDB writes it, of records with these keys, each holding its
// key.
std::string BlobFile(const std::vector<std::string>& keys) {
  const TestFolder folder{TestFolder::On::kMemory};
  rocksdb::Options options;
  options.create_if_missing = true;
  options.enable_blob_files = true;
  rocksdb::DB* db = nullptr;
  EXPECT_TRUE(rocksdb::DB::Open(options, folder.path(), &db).ok());
  const std::unique_ptr<rocksdb::DB> owner(db);
  for (const std::string& key : keys) {
    EXPECT_TRUE(db->Put({}, key, Seal("EBBB", 1, key)).ok());
  }
  EXPECT_TRUE(db->Flush({}).ok());
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (entry.path().extension() != ".blob") continue;
    std::string bytes;
    EXPECT_TRUE(
        rocksdb::ReadFileToString(rocksdb::Env::Default(), entry.path(), &bytes)
            .ok());
    return bytes;
  }
  ADD_FAILURE() << "no blob file";
  return "";
}

std::vector<std::string> KeysIn(const std::string& file) {
  std::vector<std::string> keys;
  for (const BlobRecord& record : FindBlobRecords(file)) {
    const std::string bytes = file.substr(record.offset, record.size);
    const auto body = Unseal("EBBB", 1, "record", bytes);
    if (body.ok() && *body == record.key) keys.push_back(record.key);
  }
  return keys;
}

const std::string kBlock = BlockKey({JobId(1), PartitionId(2)}, 3);
const std::string kJob = JobKey(JobId(1));
const std::string kVersion = ManifestKey(Key(0));

TEST(BlobRecordsTest, FindsWhatRocksDbWrote) {
  EXPECT_THAT(KeysIn(BlobFile({kBlock, kJob, kVersion})),
              ElementsAre(kBlock, kJob, kVersion));
}

TEST(BlobRecordsTest, PassesOverAnyDamagedByte) {
  const std::string good = BlobFile({kBlock, kJob, kVersion});
  for (size_t n = 0; n < good.size(); ++n) {
    std::string damaged = good;
    damaged[n] ^= 0x15;
    // One byte is in one record at most.
    EXPECT_GE(KeysIn(damaged).size(), 2u) << n;
  }
}

TEST(BlobRecordsTest, FindsWhatIsBeforeTheEndOfATornFile) {
  const std::string good = BlobFile({kBlock, kJob});
  size_t most = 0;
  for (size_t n = 0; n < good.size(); ++n) {
    const size_t found = KeysIn(good.substr(0, n)).size();
    EXPECT_GE(found, most);
    most = found;
  }
  EXPECT_EQ(most, 2u);
}

TEST(BlobRecordsTest, SizesThatCannotBeAreNoRecord) {
  EXPECT_THAT(FindBlobRecords(""), IsEmpty());
  EXPECT_THAT(FindBlobRecords(std::string(1000, '\xff')), IsEmpty());
  EXPECT_THAT(FindBlobRecords(std::string(1000, '\0')), IsEmpty());
  std::string file(30, '\0');
  PutFixed64(kJob.size(), &file);
  PutFixed64(~uint64_t{0}, &file);  // Size of the value.
  PutFixed64(0, &file);
  PutFixed64(0, &file);
  file += kJob + Seal("EBBS", 1, "body");
  EXPECT_THAT(FindBlobRecords(file), IsEmpty());
}

}  // namespace
}  // namespace ebb::server
