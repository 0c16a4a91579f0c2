// A worker that pushes and pulls a dense model (bench/plane/transfer_loop.h).
#ifndef EBB_BENCH_DENSE_DENSE_WORKER_H_
#define EBB_BENCH_DENSE_DENSE_WORKER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/plane/transfer.h"
#include "bench/plane/transfer_loop.h"
#include "client/actions.h"
#include "client/float_pool.h"
#include "protocol/messages.h"
#include "rpc/transport.h"

namespace ebb::bench {

struct DenseJobOptions {
  // The rule as in a job file; with plain SGD at kTransferRate pulled values
  // can be verified.
  std::string optimizer;
  std::string checkpoint_every = "24h";  // At the beginning only.
  int64_t partitions = 0;                // 0: as many as a job by default.
};
// A job of one dense table of `bytes`, zeros at first, one example a batch, and
// more examples than are ever pushed.
absl::StatusOr<JobRecordPtr> DenseJob(JobId id, int64_t bytes,
                                      DenseJobOptions options = {});

// Works on one job on one server. Thread-compatible: one transfer at a time.
class DenseWorker {
 public:
  // The transport is not owned and outlives this. Another worker pushed the
  // first `pushed` examples of the only item. `heap` is the transport's, if it
  // has one.
  DenseWorker(rpc::Transport* transport, JobRecordPtr record,
              const Placement& placement, int64_t pushed = 0,
              std::shared_ptr<shm::SharedHeap> heap = nullptr);

  // Everything but the server's CPU seconds. Blocks. Internal: a push was not
  // applied, or a pull brought other values than were pushed. Else what the
  // transport says.
  absl::StatusOr<TransferSample> Run(const Transfer& transfer);

  const JobRecord& record() const { return loop_.record(); }
  // Examples, one each, of the first item.
  int64_t pushed() const { return loop_.pushed(); }

 private:
  void MakeGradient();
  absl::Status CheckPulled(const client::PulledValues& values) const;

  client::FloatPool pool_;
  client::ComputeResult result_;  // Pushed again and again.
  TransferLoop loop_;
};

}  // namespace ebb::bench

#endif  // EBB_BENCH_DENSE_DENSE_WORKER_H_
