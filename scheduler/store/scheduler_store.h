// The scheduler's store, for what must outlive it: jobs, terms, decisions.
#ifndef EBB_SCHEDULER_STORE_SCHEDULER_STORE_H_
#define EBB_SCHEDULER_STORE_SCHEDULER_STORE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ebb::scheduler {

// One change: the key's new value, or its end.
struct StoreWrite {
  std::string key;
  std::optional<std::string> value;
};

// A small ordered map of byte strings. Implementations: RocksDB
// (rocksdb_store.h) and memory (memory_store.h); one contract test runs
// through both. Thread-compatible.
class SchedulerStore {
 public:
  virtual ~SchedulerStore() = default;

  // Everything. DataLoss when a record is damaged, naming it.
  virtual absl::StatusOr<std::map<std::string, std::string>> Load() = 0;

  // Applies all writes or none; durable on return.
  virtual absl::Status Commit(const std::vector<StoreWrite>& writes) = 0;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_STORE_SCHEDULER_STORE_H_
