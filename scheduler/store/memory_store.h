// A SchedulerStore in memory, for the simulator and for tests.
#ifndef EBB_SCHEDULER_STORE_MEMORY_STORE_H_
#define EBB_SCHEDULER_STORE_MEMORY_STORE_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/store/scheduler_store.h"

namespace ebb::scheduler {

// The part of a simulated scheduler that outlives it: the disk under its
// MemoryStores. A copy is a snapshot, so "it came back with an older copy of
// its store" is an assignment while no store is over it. Thread-compatible.
class MemoryDisk {
 public:
  // Every Commit fails with `status` and changes nothing, until OK is given.
  void FailCommits(absl::Status status) { fault_ = std::move(status); }
  // A later Load is DataLoss naming this record.
  void DamageRecord(std::string key) { damaged_ = std::move(key); }

  const std::map<std::string, std::string>& records() const { return records_; }

 private:
  friend class MemoryStore;

  std::map<std::string, std::string> records_;
  std::string damaged_;  // Empty: none.
  absl::Status fault_;
};

class MemoryStore final : public SchedulerStore {
 public:
  // `disk` outlives the store.
  explicit MemoryStore(MemoryDisk* disk) : disk_(disk) {}

  absl::StatusOr<std::map<std::string, std::string>> Load() override;
  absl::Status Commit(const std::vector<StoreWrite>& writes) override;

 private:
  MemoryDisk* const disk_;  // Not owned.
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_STORE_MEMORY_STORE_H_
