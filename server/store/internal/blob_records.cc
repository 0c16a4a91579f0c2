#include "server/store/internal/blob_records.h"

#include <cstdint>

#include "protocol/codec.h"
#include "protocol/sealed.h"
#include "server/store/internal/store_keys.h"

namespace ebb::server {

namespace {

// RocksDB's blob file, version 1: a header, records, a footer. A record is the
// sizes of key and value, an expiration (0) and two checksums, then key and
// value.
constexpr size_t kFileHeaderBytes = 30;
constexpr size_t kRecordHeaderBytes = 8 + 8 + 8 + 4 + 4;

// The record at `offset`, if there is one.
bool ParseRecord(absl::string_view file, size_t offset, BlobRecord* record) {
  ByteReader in(file.substr(offset));
  uint64_t key_size = 0, value_size = 0, expiration = 0, checksums = 0;
  absl::string_view key, head;
  if (!in.GetFixed64(&key_size) || !in.GetFixed64(&value_size) ||
      !in.GetFixed64(&expiration) || !in.GetFixed64(&checksums) ||
      expiration != 0 || key_size > kMaxKeyBytes ||
      !in.GetBytes(key_size, &key) || !IsStoreKey(key) ||
      value_size > in.remaining() ||
      value_size < kSealHeadBytes + kSealTailBytes) {
    return false;
  }
  record->key = std::string(key);
  record->offset = offset + kRecordHeaderBytes + key_size;
  record->size = value_size;
  return in.GetBytes(kSealHeadBytes, &head) &&
         SealedBodyBytes(head) == value_size - kSealHeadBytes - kSealTailBytes;
}

}  // namespace

std::vector<BlobRecord> FindBlobRecords(absl::string_view file) {
  std::vector<BlobRecord> records;
  BlobRecord record;
  size_t at = kFileHeaderBytes;
  while (at + kRecordHeaderBytes <= file.size()) {
    if (!ParseRecord(file, at, &record)) {
      ++at;
      continue;
    }
    at = record.offset + record.size;
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace ebb::server
