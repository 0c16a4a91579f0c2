// The seam between training and mathematics, as the client's shell drives it.
#ifndef EBB_CLIENT_JOB_COMPUTER_H_
#define EBB_CLIENT_JOB_COMPUTER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/actions.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "protocol/plan.h"

namespace ebb::client {

// One thread calls it, one call at a time; but another thread finds rows, and
// any thread may call Expect and ReadAhead. A call blocks for as long as its
// work takes. If a call waits for something outside, the owner of the shell
// must end that wait before it ends the shell.
class JobComputer {
 public:
  virtual ~JobComputer() = default;

  // Opens the job's data and builds its model. The core reports an error to the
  // scheduler, which gives the job's items to others; a later lease tries
  // again.
  virtual absl::Status Prepare(const JobRecordPtr& record) = 0;

  // The bytes it holds beside the values and gradients of its job: data.
  virtual int64_t held_bytes() const { return 0; }

  // Says what else to do if that does not fit into the worker's memory: text
  // that follows the error. Empty: nothing.
  virtual std::string RoomAdvice(const JobRecord& /*record*/) const {
    return "";
  }

  // Which rows of the job's sparse tables a batch touches; called beside the
  // other methods, and only for jobs that have some. Null: the data is away for
  // now, and the core asks again.
  virtual absl::StatusOr<BatchRowsPtr> FindRows(const client::FindRows& batch) {
    return absl::UnimplementedError("this computer knows no sparse tables");
  }

  // Does that, and calls `found` with the rows, on any thread. A computer that
  // has to wait for them returns at once and calls it later; or not at all, if
  // it leaves.
  using RowsFound = std::function<void(absl::StatusOr<BatchRowsPtr>)>;
  virtual void FindRowsLater(const client::FindRows& batch,
                             const RowsFound& found) {
    found(FindRows(batch));
  }

  // Counts up while Compute gets on with a batch that may take long. A worker
  // whose batch takes long without such steps counts as stuck. Any thread asks.
  virtual int64_t steps() const { return 0; }

  // The sums over one batch. The job has been prepared.
  virtual ComputeResult Compute(const ComputeTask& task) = 0;

  // The next batch will be computed from these values, unless something comes
  // between; mostly told while one is computed. Does not block.
  virtual void Expect(const PulledValuesPtr& /*values*/) {}

  // These batches of the job are likely to be computed next, in this order: an
  // item was leased. Does not block.
  virtual void ReadAhead(JobId /*job*/, std::span<const ExampleRun> /*next*/) {}

  // Evaluates a snapshot of the model on the test data. Only the figures and
  // `error` of the result count. The job has been prepared. If the test data
  // comes in parts, `figures` are those of all parts so far, and the rest is of
  // this part alone. Nothing: the data is away for now, and the core asks
  // again.
  virtual std::optional<EvaluationResult> Evaluate(
      const EvaluateTask& task) = 0;

  // How many examples of data that grows there are, from the job's first on,
  // and whether there will be no more. One look, which ends soon.
  struct DataReach {
    int64_t examples = 0;
    bool ended = false;
  };
  // Looks beyond the first `known`. On a thread of its own. kUnavailable: the
  // data is away for now.
  virtual absl::StatusOr<DataReach> LookForData(const JobRecordPtr& /*record*/,
                                                int64_t /*known*/) {
    return absl::UnimplementedError("this computer knows no data that grows");
  }

  // No further part comes of the evaluation before: what was kept for one is of
  // no use. It may have had its last part, or none.
  virtual void EvaluationLost() {}
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_JOB_COMPUTER_H_
