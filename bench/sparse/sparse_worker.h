// A worker that pushes and pulls rows under keys (bench/plane/transfer_loop.h).
#ifndef EBB_BENCH_SPARSE_SPARSE_WORKER_H_
#define EBB_BENCH_SPARSE_SPARSE_WORKER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/plane/transfer_loop.h"
#include "bench/rows/bare_rows.h"
#include "client/actions.h"
#include "client/float_pool.h"
#include "client/key_order.h"
#include "protocol/messages.h"
#include "rpc/transport.h"

namespace ebb::bench {

// A job of one sparse table under Adagrad and nothing else, zeros at first, one
// example a batch, and more examples than are ever pushed. It has as many
// partitions as a job by default; each stores a version every
// `checkpoint_every`.
absl::StatusOr<JobRecordPtr> SparseJob(
    JobId id, int64_t width, const std::string& checkpoint_every = "24h");

// Rows that are pushed or pulled together.
struct RowMessage {
  std::vector<uint64_t> keys;  // In the order of partitions.
  std::unique_ptr<client::KeyOrder> order;
  client::BatchRowsPtr pull;
  client::ComputeResult push;
};

// Works on one job on one server. Rows are named by number (RowSampler::KeyOf).
// Thread-compatible: one call at a time.
class SparseWorker {
 public:
  // The transport is not owned and outlives this; `heap` is the transport's, if
  // it has one. A push has `most_rows` rows at most, and gradients that follow
  // from `seed`.
  SparseWorker(rpc::Transport* transport, JobRecordPtr record,
               const Placement& placement, int64_t most_rows, uint64_t seed,
               std::shared_ptr<shm::SharedHeap> heap = nullptr);

  // Makes a message of distinct rows, without a push or a pull.
  RowMessage MessageOf(std::span<const uint64_t> ids) const;
  // Makes a message of `rows` rows that the sampler draws.
  RowMessage DrawMessage(RowSampler* sampler, int64_t rows) const;
  // The first rows of every gradient.
  std::span<const float> Gradient(int64_t rows) const;
  // The same for a push: anew for every sample, as that of every batch is.
  Payload MakeGradient(int64_t rows);

  // Pushes all rows [0, rows) once, some at a time, and tells of each message
  // before it goes. Errors: TransferLoop's, and those of `told`.
  absl::Status Fill(
      int64_t rows, int in_flight,
      absl::FunctionRef<absl::Status(const RowMessage&, int64_t last)> told);

  TransferLoop& loop() { return loop_; }
  const JobRecord& record() const { return loop_.record(); }

 private:
  const size_t width_;
  std::vector<float> gradient_;
  client::FloatPool pool_;
  TransferLoop loop_;
};

}  // namespace ebb::bench

#endif  // EBB_BENCH_SPARSE_SPARSE_WORKER_H_
