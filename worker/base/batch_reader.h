// The batches of a job's items, read ahead: while one is being computed, the
// next ones are gathered by a thread of the reader's own.
//
//   BatchReader reader(&dataset, record->plan, 2);
//   EBB_ASSIGN_OR_RETURN(auto batch, reader.Read(item, begin, end));
//
// Thread-compatible: one thread reads. Any may say what to read ahead.
#ifndef EBB_WORKER_BASE_BATCH_READER_H_
#define EBB_WORKER_BASE_BATCH_READER_H_

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/actions.h"
#include "common/ids.h"
#include "common/mutex.h"
#include "data/dataset.h"
#include "data/order.h"
#include "models/lookahead.h"
#include "protocol/ledger.h"
#include "protocol/plan.h"

namespace ebb::worker {

// Positions [begin, end) of an item, gathered.
struct TrainingBatch {
  ItemId item;
  int64_t begin = 0;
  int64_t end = 0;
  std::vector<int64_t> numbers;  // Numbers of the examples in the data set.
  data::ExampleBatch examples;
  LedgerRow ledger;  // Summed over the gathered examples.
  // Names the content of `examples`.
  models::ContentId content = models::ContentId::kUnknown;
  // Keeps the pages of dense values in place; may be null.
  std::shared_ptr<void> pin;
};

class BatchReader {
 public:
  // ComputeBackend::PinHost of the computing back end.
  using Pin = std::function<std::shared_ptr<void>(void* memory, int64_t bytes)>;

  // `dataset` is not owned and has the plan's examples. At most `ahead`
  // batches are kept ready; 0 reads none ahead. With `pin`, which is called by
  // the reader's thread too, the memory of dense examples is pinned.
  BatchReader(const data::Dataset* dataset, const JobPlan& plan, size_t ahead,
              Pin pin = nullptr);
  ~BatchReader();
  BatchReader(const BatchReader&) = delete;
  BatchReader& operator=(const BatchReader&) = delete;

  // Positions [begin, end) of `item`; valid until the next call. Blocks until
  // they are gathered. kInvalidArgument when the data has no such item or
  // positions.
  //
  // `next` are the batches that are likely to be read after it, which are read
  // ahead; empty: those that follow in the item.
  absl::StatusOr<const TrainingBatch*> Read(
      ItemId item, int64_t begin, int64_t end,
      std::span<const client::ExampleRun> next = {});
  // These batches are likely to be read soon, too: as many of them are read
  // ahead as there is room for. Any thread calls it; does not block.
  void ReadAhead(std::span<const client::ExampleRun> next);
  // Returns the batch if it is read ahead, valid until the next call of Read;
  // else null. Only for the thread that calls Read.
  const TrainingBatch* Ready(ItemId item, int64_t begin, int64_t end);

 private:
  // One batch ahead, from wish to use.
  struct Slot {
    enum class State { kWanted, kGathering, kReady };
    State state = State::kWanted;
    absl::Status status;
    TrainingBatch batch;
  };

  void Run();
  // Fills the batch whose item and positions are set. These do not change: a
  // thread that looks for a batch reads them while it is gathered.
  absl::Status Gather(TrainingBatch* batch) ABSL_LOCKS_EXCLUDED(mu_);
  // Makes the slot one that is not begun yet.
  void WantLocked(ItemId item, int64_t begin, int64_t end, Slot* slot)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The slot of this batch, ready if it was read ahead; else a spare one.
  std::unique_ptr<Slot> TakeLocked(ItemId item, int64_t begin, int64_t end)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool KnownLocked(const client::ExampleRun& run) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // A slot that wishes for the batch.
  std::unique_ptr<Slot> WishLocked(const client::ExampleRun& run)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The window that is likely to follow that of the item is read ahead.
  void ExpectWindow(ItemId item, std::span<const client::ExampleRun> next);
  // The batches that follow one that ends there in the item's grid.
  std::vector<client::ExampleRun> NextOfItem(ItemId item, int64_t end) const;
  // Wishes for the first of these batches; drops the rest.
  void PlanAheadLocked(std::span<const client::ExampleRun> next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Constant after construction.
  const data::Dataset* const dataset_;  // Not owned.
  const JobPlan plan_;
  const data::Order order_;
  const size_t ahead_;
  const Pin pin_;

  // Used by the thread that calls Read.
  std::unique_ptr<Slot> current_ = std::make_unique<Slot>();
  int64_t window_ = -1;        // The window of the last batch.
  int64_t window_after_ = -1;  // The one after it in the order of the epoch.
  bool in_order_ = true;       // It came after the one before it there.

  Mutex mu_;
  CondVar changed_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  int64_t wanted_ ABSL_GUARDED_BY(mu_) = 0;  // So many, so far.
  std::list<std::unique_ptr<Slot>> slots_ ABSL_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<Slot>> spare_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_BASE_BATCH_READER_H_
