#include "scheduler/store/memory_store.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::scheduler {

absl::StatusOr<std::map<std::string, std::string>> MemoryStore::Load() {
  if (!disk_->damaged_.empty()) {
    return absl::DataLossError(absl::StrCat(
        "scheduler store: record ", disk_->damaged_, ": damaged on purpose"));
  }
  return disk_->records_;
}

absl::Status MemoryStore::Commit(const std::vector<StoreWrite>& writes) {
  EBB_RETURN_IF_ERROR(disk_->fault_);
  for (const StoreWrite& write : writes) {
    if (write.value.has_value()) {
      disk_->records_[write.key] = *write.value;
    } else {
      disk_->records_.erase(write.key);
    }
    // What is written anew is sound again.
    if (write.key == disk_->damaged_) disk_->damaged_.clear();
  }
  return absl::OkStatus();
}

}  // namespace ebb::scheduler
