// The values of a model on their way to where it computes.
#ifndef EBB_MODELS_INCOMING_VALUES_H_
#define EBB_MODELS_INCOMING_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "models/backend.h"
#include "models/lookahead.h"

namespace ebb::models {

// They come table after table, so that the first layer is computed while the
// values of the last are still copied; small tables come with those before
// them. Values of the next batch may come while this one is computed, into
// memory of their own. If models compute in the host's memory, the values are
// there already. Dense examples come as the values of one table do. Not
// thread-safe.
class IncomingValues {
 public:
  // The back end is not owned and outlives it.
  explicit IncomingValues(ComputeBackend* backend)
      : backend_(backend), arrivals_{Arrival(backend), Arrival(backend)} {}

  // Begins to bring `values`, of tables that end at `ends`, in this order; the
  // last end is theirs. Those that were brought already are not copied again.
  // The values stay as they are until ComputeBackend::FinishCopies.
  void Begin(const KnownFloats& values, std::span<const int64_t> ends);

  // Returns the values from `begin` on; later operations may read `count` of
  // them.
  const float* Read(int64_t begin, int64_t count);
  // All of them.
  const float* ReadAll() { return Read(0, size_); }

  // After Begin, and before operations that may take long: room for as many
  // values of the next batch.
  void MakeRoomForNext();
  // Begins to bring those, if they are known and there is room for them, until
  // ComputeBackend::FinishCopies. False: they are not known.
  bool BeginNext(const KnownFloats& next);
  // A failure: copies may not have come.
  void Forget();

 private:
  // The copy of a table, or of several.
  struct Copy {
    int64_t end;
    CopyTicket ticket;
  };
  // Values on the device, or on their way there.
  struct Arrival {
    explicit Arrival(ComputeBackend* backend) : array(backend) {}
    bool Are(const KnownFloats& values) const {
      return values.id != ContentId::kUnknown && values.id == of.id &&
             values.floats.data() == of.floats.data() &&
             values.floats.size() == of.floats.size() &&
             array.data<float>() != nullptr;
    }

    BackendArray array;
    KnownFloats of;
  };

  Arrival& next() { return arrivals_[1 - current_]; }

  ComputeBackend* const backend_;  // Not owned.
  Arrival arrivals_[2];
  // The one that is read; the other one is of the next batch.
  int current_ = 0;
  const float* memory_ = nullptr;
  int64_t size_ = 0;
  std::vector<Copy> copies_;  // None where nothing is copied.
  size_t awaited_ = 0;        // So many, the first ones.
};

}  // namespace ebb::models

#endif  // EBB_MODELS_INCOMING_VALUES_H_
