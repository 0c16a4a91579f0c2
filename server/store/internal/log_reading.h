// How far RocksDB reads its log when a database is opened.
#ifndef EBB_SERVER_STORE_INTERNAL_LOG_READING_H_
#define EBB_SERVER_STORE_INTERNAL_LOG_READING_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "rocksdb/env.h"
#include "rocksdb/wal_filter.h"
#include "server/store/unread_log.h"

namespace ebb::server {

// Given to a database by DatabaseOptions::log_reading, which it outlives. Looks
// at every record of the log and changes none. Thread-compatible.
class LogReading final : public rocksdb::WalFilter {
 public:
  // Call it for the database in `folder`, once it is open. Returns the logs it
  // needs that it has not read to their ends, oldest first. Empty if the folder
  // cannot be listed.
  std::vector<UnreadLog> Unread(rocksdb::Env* env,
                                const std::string& folder) const;

  // RocksDB calls these.
  void ColumnFamilyLogNumberMap(
      const std::map<uint32_t, uint64_t>& log_numbers,
      const std::map<std::string, uint32_t>& ids) override;
  WalProcessingOption LogRecordFound(unsigned long long log_number,
                                     const std::string& log_file,
                                     const rocksdb::WriteBatch& batch,
                                     rocksdb::WriteBatch* new_batch,
                                     bool* batch_changed) override;
  const char* Name() const override { return "ebb.LogReading"; }

 private:
  uint64_t first_needed_ = 0;            // Records of older logs are in tables.
  std::map<uint64_t, int64_t> read_to_;  // By log number, in bytes.
};

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_LOG_READING_H_
