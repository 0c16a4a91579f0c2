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

// Whatever in the bytes of a blob file looks like a record of this store: its
// key has the right form and its value the head of a sealed record
// (protocol/sealed.h). The values are not checked further. Passes over
// what is damaged.
std::vector<BlobRecord> FindBlobRecords(absl::string_view file);

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_BLOB_RECORDS_H_
