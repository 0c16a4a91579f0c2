// The one computation of a worker at a time: a batch or an evaluation.
//
// Thread-compatible.
#ifndef EBB_CLIENT_COMPUTATION_H_
#define EBB_CLIENT_COMPUTATION_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "client/actions.h"
#include "client/leased_items.h"
#include "common/ids.h"

namespace ebb::client {

class Computation {
 public:
  struct Batch {
    JobId job;
    Generation generation;
    LeasedItems::Run run;
    // The begin of the push to which the batch belongs; the values from which
    // the push was computed first; whether the push ends with this batch.
    int64_t push_begin = 0;
    PulledValuesPtr values;
    bool push = true;
    int64_t skips = 0;  // JobState::skips at its begin.
    absl::Time since;
    bool after_load = false;  // It waits until data are loaded.
  };

  bool busy() const { return computes_batch() || evaluating_; }
  bool computes_batch() const { return batch_.has_value(); }

  // Only when not busy.
  void Begin(Batch batch) { batch_ = std::move(batch); }
  // The computation has ended; returns its batch, if there was one.
  std::optional<Batch> End() { return std::exchange(batch_, std::nullopt); }
  // The batch was computed to its end: it counts.
  void Count(const Batch& batch, absl::Time now);
  // The batch under way; null: none, or one of another job or generation.
  const Batch* Of(JobId job, Generation generation) const;

  // A batch is under way that did not wait for a load: present loads wait for
  // it.
  bool BeforeLoads() const { return batch_.has_value() && !batch_->after_load; }

  // JobComputer::steps at this time.
  void NoteSteps(int64_t steps, absl::Time now) {
    if (steps != std::exchange(steps_, steps)) last_step_ = now;
  }
  // How long the batch has been under way since its begin or its last step.
  // Only if there is one.
  absl::Duration SinceStep(absl::Time now) const {
    return now - std::max(batch_->since, last_step_);
  }

  // Only when not busy.
  void BeginEvaluation() { evaluating_ = true; }
  void EndEvaluation() { evaluating_ = false; }
  bool evaluating() const { return evaluating_; }

  // Counts since the start, for all jobs.
  int64_t batches() const { return batches_; }
  int64_t examples() const { return examples_; }
  // A batch that takes longer than this is unusual; zero before the first.
  absl::Duration patience() const;

 private:
  std::optional<Batch> batch_;
  bool evaluating_ = false;
  int64_t batches_ = 0;
  int64_t examples_ = 0;
  absl::Duration typical_batch_ = absl::ZeroDuration();
  int64_t steps_ = 0;
  absl::Time last_step_ = absl::InfinitePast();
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_COMPUTATION_H_
