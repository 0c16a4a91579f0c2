#include "server/store/internal/log_reading.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "rocksdb/write_batch.h"

namespace ebb::server {

namespace {

// RocksDB's log is of blocks, and its records are cut into parts, each with a
// header, none of which crosses the end of a block (db/log_format.h).
constexpr int64_t kBlockBytes = 32768;
constexpr int64_t kHeaderBytes = 7;

// Returns the end of a record of so many bytes that is written after byte `at`.
int64_t EndOfRecord(int64_t at, int64_t bytes) {
  do {
    int64_t room = kBlockBytes - at % kBlockBytes;
    if (room < kHeaderBytes) {
      at += room;
      room = kBlockBytes;
    }
    const int64_t part = std::min(bytes, room - kHeaderBytes);
    at += kHeaderBytes + part;
    bytes -= part;
  } while (bytes > 0);
  return at;
}

}  // namespace

std::vector<UnreadLog> LogReading::Unread(rocksdb::Env* env,
                                          const std::string& folder) const {
  std::vector<std::string> names;
  env->GetChildren(folder, &names).PermitUncheckedError();
  std::map<uint64_t, UnreadLog> unread;
  for (const std::string& name : names) {
    absl::string_view digits = name;
    uint64_t number = 0;
    if (!absl::ConsumeSuffix(&digits, ".log") ||
        !absl::SimpleAtoi(digits, &number) || number < first_needed_) {
      continue;
    }
    uint64_t size = 0;
    if (!env->GetFileSize(absl::StrCat(folder, "/", name), &size).ok())
      continue;
    const auto found = read_to_.find(number);
    const int64_t from = found == read_to_.end() ? 0 : found->second;
    const int64_t bytes = static_cast<int64_t>(size) - from;
    if (bytes > 0) unread[number] = {name, from, bytes};
  }
  std::vector<UnreadLog> all;
  for (auto& [number, log] : unread) all.push_back(std::move(log));
  return all;
}

void LogReading::ColumnFamilyLogNumberMap(
    const std::map<uint32_t, uint64_t>& log_numbers,
    const std::map<std::string, uint32_t>& /*ids*/) {
  for (const auto& [family, number] : log_numbers) {
    first_needed_ = std::max(first_needed_, number);  // There is one only.
  }
}

rocksdb::WalFilter::WalProcessingOption LogReading::LogRecordFound(
    unsigned long long log_number, const std::string& /*log_file*/,
    const rocksdb::WriteBatch& batch, rocksdb::WriteBatch* /*new_batch*/,
    bool* /*batch_changed*/) {
  int64_t& read_to = read_to_[log_number];
  read_to = EndOfRecord(read_to, static_cast<int64_t>(batch.GetDataSize()));
  return WalProcessingOption::kContinueProcessing;
}

}  // namespace ebb::server
