// The values that a batch is computed with, as one flat vector, and those of
// the next batch while the first is computed.
#ifndef EBB_WORKER_ASSEMBLED_VALUES_H_
#define EBB_WORKER_ASSEMBLED_VALUES_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "client/float_pool.h"
#include "client/pulled_values.h"
#include "models/lookahead.h"
#include "protocol/plan.h"
#include "worker/loaded_job.h"

namespace ebb::worker {

// Thread-compatible.
class AssembledValues {
 public:
  // The whole flat vector, and behind it the rows that were pulled for the
  // batch (where the job trains some); valid until the next call.
  absl::StatusOr<models::KnownFloats> Assemble(
      const LoadedJob& job, const client::PulledValuesPtr& values);

  // The same in memory of their own, valid beside those until the next call.
  // Nothing: they are another job's, those of the batch, or not as they should
  // be, which Assemble tells when their batch is computed.
  models::KnownFloats AssembleNext(const LoadedJob& job,
                                   const client::PulledValuesPtr& values);

  // Lets the job's device copy the values of the batch by itself.
  void Pin(const LoadedJob& job);

 private:
  // A vector, and what it was assembled from: not held, for the servers' blocks
  // or the received buffers lie behind it.
  struct Assembled {
    bool Are(const client::PulledValuesPtr& values) const {
      return values != nullptr && of.lock() == values;
    }

    std::unique_ptr<client::FloatBuffer> buffer;
    std::weak_ptr<const client::PulledValues> of;
    models::ContentId content = models::ContentId::kUnknown;
    // The job whose frozen partitions it has.
    std::weak_ptr<const JobRecord> frozen_of;
  };

  absl::StatusOr<models::KnownFloats> AssembleIn(
      const LoadedJob& job, const client::PulledValuesPtr& values,
      Assembled* assembled);

  // The values of the batch, and of the next one.
  Assembled assembled_[2];
  int current_ = 0;
  int64_t contents_ = 0;  // So many, so far.
};

// Room for so many rows. There is one more size only with each power of two, so
// that buffers are used again.
int64_t RoomForRows(int64_t rows);

// Lets the job's device copy from and to the buffer by itself. Once, for as
// long as it is used again.
void PinBuffer(const LoadedJob& job, client::FloatBuffer* buffer);

}  // namespace ebb::worker

#endif  // EBB_WORKER_ASSEMBLED_VALUES_H_
