// The worker's work on the batches of a push, if the job's algorithm has a
// local rule (algorithms): the values from which a batch is computed,
// and the sums of a run of batches. With sparse tables a run has the rows of
// all its batches (run_rows.h).
//
//   EBB_ASSIGN_OR_RETURN(ComputeTask local, training.Begin(task));
//   ComputeResult result = computer->Compute(local);
//   training.End(task, &result);
//
// The core says with which batch a push ends (ComputeTask::push) and how many
// earlier examples belong to it (gathered). Gathered examples are not marked,
// so all of them may be lost at any time: a run that is not continued where it
// ended begins anew. Where pushes are runs (AlgorithmPlan), each begins by
// LocalRule::Begin, also from equal values, and Pulled is never called. A task
// whose earlier part is not here is Aborted; then the core cancels the batch
// and begins the run anew.
#ifndef EBB_CLIENT_LOCAL_TRAINING_H_
#define EBB_CLIENT_LOCAL_TRAINING_H_

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "algorithms/local_rule.h"
#include "algorithms/row_rule.h"
#include "client/actions.h"
#include "client/run_rows.h"
#include "common/ids.h"
#include "protocol/known_loss.h"
#include "protocol/ledger.h"
#include "protocol/messages.h"
#include "protocol/trained_ranges.h"

namespace ebb::client {

// A job's local rule, and the rate of its steps.
struct LocalMathematics {
  std::unique_ptr<LocalRule> rule;
  // The rate for the examples [begin, end) of the item, before the task's rate
  // factor.
  std::function<double(ItemId item, int64_t begin, int64_t end)> rate;
  // The rule for rows of sparse tables; null: the job trains none. `limits`
  // says how many rows of any table a push may have.
  std::shared_ptr<const RowRule> rows;
  RunLimits limits;
  // With frozen tables: the rule is of what they leave, and its vectors are as
  // long as that.
  TrainedRangesPtr trained;
};

// Thread-compatible.
class LocalTraining {
 public:
  // For a job whose plan says that it has a local rule. Each call makes another
  // rule.
  using Maker =
      std::function<absl::StatusOr<LocalMathematics>(const JobRecord& record)>;

  explicit LocalTraining(Maker maker) : maker_(std::move(maker)) {}

  // Returns the task with the values at which the batch's gradient is to be
  // computed; they are valid until End. Without a local rule it is the task
  // unchanged. Errors: Aborted: the run must begin anew. Internal: the pulled
  // values are not of this model. Else the maker's errors.
  absl::StatusOr<ComputeTask> Begin(const ComputeTask& task);

  // `result` has the batch's sums, and gets those of the run. If the task says
  // that the push ends, it gets the push, too. Error: the run has more rows
  // than a push may have, or the push is not finite. Goes through all values:
  // do not call it under a lock.
  void End(const ComputeTask& task, ComputeResult* result);

 private:
  // An item whose batches are computed here, until another takes over.
  struct Item {
    JobRecordPtr record;
    Generation generation;
    ItemId item;
    LocalMathematics mathematics;
    RunRows rows{nullptr, {}};  // Rows of the gathered run.
    // The values that the rule saw last. Not owned: servers' memory lies behind
    // them.
    std::weak_ptr<const PulledValues> pulled;
    // With frozen tables: all values, those of the rule among them.
    std::vector<float> whole;
    int64_t position = 0;  // Its next batch begins there.
    // The sums of the gathered run.
    int64_t gathered = 0;
    int64_t batches = 0;
    std::vector<uint64_t> oracle;
    LedgerRow ledger;
    double loss_sum = kUnknownLoss;
  };

  // Gives the rule the task's values: a run begins with them, or the rule goes
  // on with them. Error: they are not of this model.
  static absl::Status TakeValues(const ComputeTask& task, bool begins,
                                 Item* item);
  // No batch of the item is gathered yet.
  static void BeginRun(Item* item);
  // The two steps of End: adds the batch's sums to the run's, and puts the
  // push, if it ends, into `result`.
  static absl::Status Gather(const ComputeTask& task, Item* item,
                             const ComputeResult& result);
  static absl::Status EndRun(const ComputeTask& task, Item* item,
                             ComputeResult* result);
  Item* Find(const ComputeTask& task);
  absl::StatusOr<Item*> FindOrAdd(const ComputeTask& task);

  const Maker maker_;
  std::list<Item> items_;  // Used last first.
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_LOCAL_TRAINING_H_
