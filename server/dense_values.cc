#include "server/dense_values.h"

#include <cstddef>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/plant.h"
#include "common/status_macros.h"
#include "server/optimizer/gradient.h"

namespace ebb::server {

absl::Status DenseValues::Initialize(std::optional<InitialDense> initial) {
  if (initial) {
    weights_ = std::move(initial->weights);
  } else {
    EBB_ASSIGN_OR_RETURN(weights_, shape_.Allocate());
    for (int64_t b = 0; b < shape_.blocks(); ++b) {
      rule_->InitialWeights(shape_.First(b), shape_.Mutable(&weights_, b));
    }
  }
  if (initial && !initial->slots.empty() &&
      !EBB_PLANTED(initial_state_is_left_out)) {
    if (initial->slots.size() != slots_.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("it begins with ", initial->slots.size(),
                       " slots, and its rule has ", slots_.size()));
    }
    slots_ = std::move(initial->slots);
    return absl::OkStatus();
  }
  for (size_t s = 0; s < slots_.size(); ++s) {
    EBB_ASSIGN_OR_RETURN(slots_[s], shape_.Allocate());
    for (int64_t b = 0; b < shape_.blocks(); ++b) {
      rule_->InitialSlot(static_cast<int>(s), shape_.First(b),
                         shape_.Floats(weights_, b),
                         shape_.Mutable(&slots_[s], b));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Blocks> DenseValues::PrepareStep() {
  EBB_ASSIGN_OR_RETURN(Blocks new_weights, shape_.Allocate());
  for (Blocks& slot : slots_) EBB_RETURN_IF_ERROR(shape_.MakeUnique(&slot));
  return new_weights;
}

absl::StatusOr<Blocks> DenseValues::PrepareStep(const RoundStep& step) {
  EBB_ASSIGN_OR_RETURN(Blocks new_weights, shape_.Allocate());
  for (size_t s = 0; s < slots_.size(); ++s) {
    if (step.Changes(static_cast<int>(s))) {
      EBB_RETURN_IF_ERROR(shape_.MakeUnique(&slots_[s]));
    }
  }
  return new_weights;
}

void DenseValues::Step(const StepPlace& place, const Payload& gradient_sum,
                       Blocks* new_weights) {
  GradientCursor gradient(gradient_sum);
  std::vector<std::span<float>> slots(slots_.size());
  for (int64_t b = 0; b < shape_.blocks(); ++b) {
    for (size_t s = 0; s < slots_.size(); ++s) {
      slots[s] = shape_.Mutable(&slots_[s], b);
    }
    StepRun run;
    run.first = shape_.First(b);
    run.weights = shape_.Floats(weights_, b);
    run.gradient = &gradient;
    run.out = shape_.Mutable(new_weights, b);
    run.slots = slots;
    rule_->Step(place, run);
  }
}

void DenseValues::Step(const RoundStep& step, const StepPlace& place,
                       const Blocks& sum, Blocks* new_weights) {
  std::vector<std::span<const float>> slots(slots_.size());
  std::vector<std::span<float>> changed(slots_.size());
  for (int64_t b = 0; b < shape_.blocks(); ++b) {
    for (size_t s = 0; s < slots_.size(); ++s) {
      // The rest may be shared with a cut.
      if (step.Changes(static_cast<int>(s))) {
        changed[s] = shape_.Mutable(&slots_[s], b);
      }
      slots[s] = shape_.Floats(slots_[s], b);
    }
    const int times = EBB_PLANTED(operation_applied_twice) ? 2 : 1;
    for (int i = 0; i < times; ++i) {
      step.Apply(place, {shape_.First(b), shape_.Floats(weights_, b),
                         shape_.Floats(sum, b), shape_.Mutable(new_weights, b),
                         slots, changed});
    }
  }
}

void DenseValues::Measure(const StepPlace& place, const Blocks& sum,
                          std::span<double> figures) const {
  if (rule_->MeasuresWhole()) {
    if (shape_.blocks() == 0) return;
    const std::vector<float> weights = Whole(weights_);
    const std::vector<float> whole = Whole(sum);
    rule_->Measure(place, {shape_.First(0), weights, whole, {}}, figures);
    return;
  }
  std::vector<std::span<const float>> slots(slots_.size());
  for (int64_t b = 0; b < shape_.blocks(); ++b) {
    for (size_t s = 0; s < slots_.size(); ++s) {
      slots[s] = shape_.Floats(slots_[s], b);
    }
    rule_->Measure(place,
                   {shape_.First(b), shape_.Floats(weights_, b),
                    shape_.Floats(sum, b), slots},
                   figures);
  }
}

std::vector<float> DenseValues::Whole(const Blocks& array) const {
  std::vector<float> whole;
  whole.reserve(shape_.floats());
  for (int64_t b = 0; b < shape_.blocks(); ++b) {
    const std::span<const float> block = shape_.Floats(array, b);
    whole.insert(whole.end(), block.begin(), block.end());
  }
  return whole;
}

Blocks DenseValues::Publish(Blocks new_weights) {
  return std::exchange(weights_, std::move(new_weights));
}

void DenseValues::AddTo(Cut* cut) const {
  cut->arrays["weights"] = shape_.CutOf(weights_);
  for (size_t s = 0; s < slots_.size(); ++s) {
    cut->arrays[absl::StrCat("slot:", s)] = shape_.CutOf(slots_[s]);
  }
}

bool DenseValues::Restore(absl::string_view name, const CutArray& array) {
  if (name == "weights") {
    weights_ = array.blocks;
    return true;
  }
  int64_t slot = 0;
  if (!absl::ConsumePrefix(&name, "slot:") || !absl::SimpleAtoi(name, &slot) ||
      slot < 0 || slot >= slots()) {
    return false;
  }
  slots_[slot] = array.blocks;
  return true;
}

absl::Status DenseValues::CheckRestored() const {
  if (shape_.floats() == 0) return absl::OkStatus();
  if (weights_.empty()) return absl::DataLossError("has no weights");
  for (const Blocks& slot : slots_) {
    if (slot.empty()) return absl::DataLossError("lacks optimizer slots");
  }
  return absl::OkStatus();
}

}  // namespace ebb::server
