// A run that waits for rows of a table that may have no more, and for how long.
#ifndef EBB_TOOLS_EBB_STATUS_FULL_TABLE_H_
#define EBB_TOOLS_EBB_STATUS_FULL_TABLE_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/scheduler.pb.h"

namespace ebb::tools {

// A batch with a key beyond a table's max_rows waits for ever where rows are
// refused: only examples that are applied let others expire, and a job keeps
// its limit. Not thread-safe.
class FullTable {
 public:
  // What else holds the run up may pass, as for a full disk.
  static constexpr absl::Duration kPatience = absl::Minutes(1);

  explicit FullTable(const v1::Job& job);

  // Returns the problem and its remedy, once nothing went on for a while;
  // empty: none.
  std::string Update(const v1::JobStatus& job, absl::Time now);

 private:
  const std::vector<std::string> refusing_;  // Names of such tables.
  absl::Time since_ = absl::InfiniteFuture();
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_FULL_TABLE_H_
