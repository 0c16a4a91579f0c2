// A run that waits for room on a full disk, and for how long.
#ifndef EBB_TOOLS_EBB_STATUS_FULL_DISK_H_
#define EBB_TOOLS_EBB_STATUS_FULL_DISK_H_

#include <string>

#include "absl/time/time.h"
#include "ebb/v1/scheduler.pb.h"

namespace ebb::tools {

// Training goes on while a disk is full, and the user may make room. Once
// training cannot go on, it waits for as long as this. Not thread-safe.
class FullDisk {
 public:
  static constexpr absl::Duration kPatience = absl::Minutes(1);

  // Returns the problem, once patience is at an end; empty: none.
  std::string Update(const v1::JobStatus& job, absl::Time now);

 private:
  absl::Time since_ = absl::InfiniteFuture();
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_FULL_DISK_H_
