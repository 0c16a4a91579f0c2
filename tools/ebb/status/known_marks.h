// How far a job is, as far as the scheduler knows: in a new life, until it has
// heard from the servers, it knows of no applied examples.
#ifndef EBB_TOOLS_EBB_STATUS_KNOWN_MARKS_H_
#define EBB_TOOLS_EBB_STATUS_KNOWN_MARKS_H_

#include <algorithm>
#include <cstdint>
#include <optional>

#include "ebb/v1/scheduler.pb.h"

namespace ebb::tools {

// True if every partition has reported its marks.
inline bool MarksKnown(const v1::JobStatus& status) {
  return status.placement().partitions_size() == status.partitions();
}

// Not thread-safe.
class KnownMarks {
 public:
  // `before`: the assumed number at first.
  explicit KnownMarks(int64_t before = 0)
      : least_(before), most_(before), highest_(before) {}

  // Replaces unknown numbers by the last known ones.
  void Mend(v1::JobStatus* status) {
    if (MarksKnown(*status)) {
      least_ = status->applied_min();
      most_ = status->applied_max();
      if (!first_) first_ = least_;
      highest_ = std::max(highest_, least_);
      return;
    }
    status->set_applied_min(std::max(least_, status->applied_min()));
    status->set_applied_max(std::max(most_, status->applied_max()));
  }
  // Applied to the partition that had the least, when it was first known.
  std::optional<int64_t> first() const { return first_; }
  // How much less that is than it was at its highest: a server that was killed
  // lost it, or the job was rolled back.
  int64_t taken_back() const { return highest_ - least_; }

 private:
  int64_t least_;
  int64_t most_;
  int64_t highest_;
  std::optional<int64_t> first_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_KNOWN_MARKS_H_
