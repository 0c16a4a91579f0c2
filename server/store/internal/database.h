// RocksDB as a checkpoint store uses it: opening it, translating its errors,
// and reading and writing records.
#ifndef EBB_SERVER_STORE_INTERNAL_DATABASE_H_
#define EBB_SERVER_STORE_INTERNAL_DATABASE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/status.h"
#include "rocksdb/wal_filter.h"
#include "rocksdb/write_batch.h"
#include "server/store/manifest.h"

namespace ebb::server {

struct DatabaseOptions {
  // The same as RocksDbStoreOptions::write_buffer_bytes.
  int64_t write_buffer_bytes = int64_t{32} << 20;
  rocksdb::Env* env = nullptr;  // Not owned; nullptr: the real one.
  // Sees the records read from the log; see log_reading.h. Not owned.
  rocksdb::WalFilter* log_reading = nullptr;
};

enum class OpenMode {
  kWrite,      // Creates it where there is none.
  kRead,       // Changes nothing; also beside the process that writes.
  kReadWhole,  // The same, but damage in the middle of the log is DataLoss.
  kReplayLog,  // Like kWrite, but passes over damaged records of its log.
};

// Reports whether the folder holds a RocksDB database. Returns true for a
// damaged one, so that opening it reports the damage. Returns false for a
// folder whose creator was killed at once.
bool HasDatabase(const std::string& path, rocksdb::Env* env);

// Errors: see ToStatus. Any damage that opening can see is DataLoss.
absl::StatusOr<std::unique_ptr<rocksdb::DB>> OpenDatabase(
    const std::string& path, const DatabaseOptions& options, OpenMode mode);

// "checkpoint store PATH: cannot DOING: WHY; NEXT STEP". DataLoss when
// something stored is damaged or missing; ResourceExhausted, PermissionDenied
// and Unavailable as in CheckpointStore.
absl::Status ToStatus(absl::string_view path, absl::string_view doing,
                      const rocksdb::Status& status);

// Calls `visit(key, value)` for each record whose key begins with `prefix`,
// in order.
using RecordVisitor =
    absl::FunctionRef<void(absl::string_view, absl::string_view)>;
absl::Status Scan(rocksdb::DB& db, absl::string_view prefix,
                  RecordVisitor visit);
// Reads and checks each block of the version once, and hands its record (as
// stored) and its floats to `visit`. Ends with the first error.
using BlockVisitor = absl::FunctionRef<absl::Status(
    const StoredBlock&, absl::string_view record, absl::string_view floats)>;
absl::Status ReadBlocks(rocksdb::DB& db, const Manifest& manifest,
                        BlockVisitor visit);

// Bytes of blocks that are written at a time: a batch is held in memory.
inline constexpr size_t kBatchBytes = 4 << 20;

// When half of the files of values, and no less than this, belongs to no block
// any more, the rest moves to new files. It takes as long as writing the
// rest; each byte moves at most once for each byte of garbage.
inline constexpr uint64_t kLeastGarbage = 64 << 20;
absl::Status CollectGarbage(rocksdb::DB& db);

enum class LogUse {
  kNone,  // Durable when the database is flushed, and lost in a crash before.
  kUnsynced,  // Survives the process.
  kSynced,    // Durable on return, and all that was logged before.
};
// Writes the batch, which is empty afterwards.
absl::Status WriteBatch(rocksdb::DB& db, absl::string_view doing, LogUse log,
                        rocksdb::WriteBatch* batch);

inline rocksdb::Slice ToSlice(absl::string_view bytes) {
  return {bytes.data(), bytes.size()};
}
inline absl::string_view ToView(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_DATABASE_H_
