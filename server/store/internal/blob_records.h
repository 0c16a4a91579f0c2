// Finds a checkpoint store's records in a blob file without RocksDB's help: no
// list of files, no table that points into it.
#ifndef EBB_SERVER_STORE_INTERNAL_BLOB_RECORDS_H_
#define EBB_SERVER_STORE_INTERNAL_BLOB_RECORDS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ebb::server {

struct BlobRecord {
  std::string key;
  size_t offset = 0;  // Offset of the value in the file.
  size_t size = 0;
};

// Finds all parts of a blob file that look like a record of this store: the key
// has the right form and the value the head of a sealed record
// (protocol/sealed.h). It does not check the values further, and skips
// damaged parts.
std::vector<BlobRecord> FindBlobRecords(absl::string_view file);

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_BLOB_RECORDS_H_
