// A job's training as one loop in one process, without servers, leases, marks
// and messages: what the rest of ebb may cost at most is measured against it.
#ifndef EBB_BENCH_JOB_ONE_PROCESS_H_
#define EBB_BENCH_JOB_ONE_PROCESS_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "protocol/plan.h"

namespace ebb::bench {

struct OneProcessRun {
  int64_t examples = 0;
  // Time of the loop alone: the data was loaded before.
  double seconds = 0;
  double cpu_seconds = 0;
  double loss = 0;       // Mean over the examples of the last epoch.
  double accuracy = -1;  // On the test data; -1: there is none.
  std::vector<float> weights;

  double examples_per_second() const {
    return static_cast<double>(examples) / seconds;
  }
};

// Goes through the items of the job in their order, batch after batch, as one
// worker does, with the kernels of workers and servers. It uses the same
// examples, the same model on one thread (another gathers the next batches, as
// a worker's does), and the optimizer in place. Blocks. `stop`, which may be
// empty, is asked between items: true ends it with Cancelled.
absl::StatusOr<OneProcessRun> TrainInOneProcess(
    const JobRecord& record, const std::function<bool()>& stop);

}  // namespace ebb::bench

#endif  // EBB_BENCH_JOB_ONE_PROCESS_H_
