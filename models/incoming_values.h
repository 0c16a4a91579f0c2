// The values of a model on their way to where it computes.
#ifndef EBB_MODELS_INCOMING_VALUES_H_
#define EBB_MODELS_INCOMING_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "models/backend.h"

namespace ebb::models {

// They come table after table, so that the first layer is computed while the
// values of the last are still copied; small tables come with those before
// them. Where models compute in the host's memory they are there. Not
// thread-safe.
class IncomingValues {
 public:
  // The back end is not owned and outlives it.
  explicit IncomingValues(ComputeBackend* backend)
      : backend_(backend), array_(backend) {}

  // Begins to bring `values`, of tables that end at `ends`, in this order; the
  // last end is theirs. The values stay as they are until
  // ComputeBackend::FinishCopies.
  void Begin(std::span<const float> values, std::span<const int64_t> ends);

  // Those from `begin` on, of which operations from now on may read `count`.
  const float* Read(int64_t begin, int64_t count);
  // All of them.
  const float* ReadAll() { return Read(0, size_); }

 private:
  // Of a table, or several.
  struct Copy {
    int64_t end;
    CopyTicket ticket;
  };

  ComputeBackend* const backend_;  // Not owned.
  BackendArray array_;
  const float* memory_ = nullptr;
  int64_t size_ = 0;
  std::vector<Copy> copies_;  // None where nothing is copied.
  size_t awaited_ = 0;        // So many, the first ones.
};

}  // namespace ebb::models

#endif  // EBB_MODELS_INCOMING_VALUES_H_
