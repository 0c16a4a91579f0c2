// How many workers each job of a cluster gets. A pure function.
//
//   minima     in order of priority, each whole as long as there are enough;
//   the rest   in order of priority, each as many as it can use; jobs of equal
//              priority share evenly.
//
// So a job takes workers from those of a lower priority, down to their minima,
// and below a minimum only for its own. Among equal priorities the job that was
// submitted first gets its minimum first, and the worker that cannot be halved.
#ifndef EBB_SCHEDULER_JOB_SHARE_OUT_H_
#define EBB_SCHEDULER_JOB_SHARE_OUT_H_

#include <cstdint>
#include <vector>

namespace ebb::scheduler {

// A job's claim of workers.
struct WorkerClaim {
  int32_t priority = 0;  // Higher first.
  int64_t min = 0;
  // Workers that it could use now. Its maximum, its open work and the able
  // workers bound the number.
  int64_t most = 0;
  // A job that has not begun gets its minimum or nothing.
  bool begun = false;
  friend bool operator==(const WorkerClaim&, const WorkerClaim&) = default;
};

// In the order of `claims`, which is that of submission; their sum is at most
// `workers`.
std::vector<int64_t> ShareOut(const std::vector<WorkerClaim>& claims,
                              int64_t workers);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_SHARE_OUT_H_
