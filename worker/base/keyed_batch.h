// Batches of keyed examples: which rows of sparse tables they touch, and what
// a model sees of them once these are pulled.
#ifndef EBB_WORKER_BASE_KEYED_BATCH_H_
#define EBB_WORKER_BASE_KEYED_BATCH_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "client/actions.h"
#include "client/key_order.h"
#include "common/ids.h"
#include "models/batch.h"
#include "protocol/plan.h"
#include "worker/base/batch_reader.h"

namespace ebb::worker {

// Immutable once made.
struct KeyedBatch {
  KeyedBatch(const JobPlan& plan, TrainingBatch read);

  // The rows as BatchRows has them, for the thread that computes the batch
  // later.
  static client::BatchRowsPtr RowsOf(const JobPlan& plan, TrainingBatch read);
  static client::BatchRowsPtr TestRowsOf(const JobPlan& plan,
                                         TrainingBatch read, bool last);
  static const KeyedBatch& Of(const client::BatchRows& rows) {
    return *static_cast<const KeyedBatch*>(rows.batch.get());
  }

  // The view refers to the same memory. Parameters and gradient of the model
  // are the dense vector and then the rows, as `order` has them.
  models::BatchView View() const;

  const TrainingBatch batch;
  std::vector<int32_t> places;  // Place of each entry's key.
  const client::KeyOrder order;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_BASE_KEYED_BATCH_H_
