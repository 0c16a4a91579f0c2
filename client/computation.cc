#include "client/computation.h"

namespace ebb::client {

namespace {

// A batch may take this many times the typical time before its worker counts
// as stuck.
constexpr int kSlowBatch = 5;

}  // namespace

void Computation::Count(const Batch& batch, absl::Time now) {
  const absl::Duration took = now - batch.since;
  typical_batch_ = typical_batch_ == absl::ZeroDuration()
                       ? took
                       : typical_batch_ * 0.9 + took * 0.1;
  ++batches_;
  examples_ += batch.run.end - batch.run.begin;
}

const Computation::Batch* Computation::Of(JobId job,
                                          Generation generation) const {
  const bool ours =
      batch_ && batch_->job == job && batch_->generation == generation;
  return ours ? &*batch_ : nullptr;
}

absl::Duration Computation::patience() const {
  return typical_batch_ * kSlowBatch;
}

}  // namespace ebb::client
