// The gradient of a model on its way from where it computes.
#ifndef EBB_MODELS_OUTGOING_GRADIENT_H_
#define EBB_MODELS_OUTGOING_GRADIENT_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "models/backend.h"

namespace ebb::models {

// Takes the gradient of a batch from a model. Finished tables leave while the
// model computes the others, if they may; small ones leave with those after
// them. Not thread-safe.
class OutgoingGradient {
 public:
  // Does the remaining work on [begin, end), whole tables, before they leave.
  using Complete = absl::FunctionRef<void(int64_t begin, int64_t end)>;

  // `gradient`, in the back end's memory, goes to `host`: finished tables at
  // once if they leave `early`, all others with Complete. Nothing is owned, and
  // `complete` outlives it.
  OutgoingGradient(ComputeBackend* backend, float* gradient,
                   std::span<float> host, bool early, Complete complete)
      : backend_(backend),
        gradient_(gradient),
        host_(host),
        early_(early),
        complete_(complete) {}
  OutgoingGradient(const OutgoingGradient&) = delete;
  OutgoingGradient& operator=(const OutgoingGradient&) = delete;

  float* data() { return gradient_; }
  // The model has written [begin, begin + count), whole tables, for the last
  // time. It need not say so, and says it once.
  void Finished(int64_t begin, int64_t count);

  // [begin, end), whole tables, stays: it is of no use.
  void LeaveOut(int64_t begin, int64_t end) { left_.emplace_back(begin, end); }

  // Completes the remaining tables.
  void CompleteRest();
  // Lets the remaining tables leave.
  void LeaveRest();

 private:
  void Leave(int64_t begin, int64_t end);
  // Calls f(begin, end) for the tables that have not left.
  void ForEachRest(absl::FunctionRef<void(int64_t, int64_t)> f);

  ComputeBackend* const backend_;  // Not owned.
  float* const gradient_;          // Not owned.
  const std::span<float> host_;    // Not owned.
  const bool early_;
  const Complete complete_;
  // Finished, and waits for more of its kind: from begin to end.
  int64_t waiting_begin_ = 0, waiting_end_ = 0;
  std::vector<std::pair<int64_t, int64_t>> left_;  // Left out: begin to end.
};

}  // namespace ebb::models

#endif  // EBB_MODELS_OUTGOING_GRADIENT_H_
