#include "server/dense_values.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/plant.h"
#include "common/status_macros.h"
#include "optimizer/gradient.h"

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
    for (size_t s = 0; s < slots_.size(); ++s) {
      EBB_ASSIGN_OR_RETURN(slots_[s], TrainedOf(std::move(initial->slots[s])));
    }
    return absl::OkStatus();
  }
  for (size_t s = 0; s < slots_.size(); ++s) {
    EBB_ASSIGN_OR_RETURN(slots_[s], pushed_.shape().Allocate());
    for (const PushedShape::Piece& piece : pushed_.pieces()) {
      rule_->InitialSlot(static_cast<int>(s), piece.first,
                         piece.OfValues(shape_.Floats(weights_, piece.block)),
                         piece.OfPushed(pushed_.shape().Mutable(
                             &slots_[s], piece.pushed_block)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Blocks> DenseValues::TrainedOf(Blocks array) const {
  if (pushed_.shape().floats() == shape_.floats()) return array;
  EBB_ASSIGN_OR_RETURN(Blocks trained, pushed_.shape().Allocate());
  for (const PushedShape::Piece& piece : pushed_.pieces()) {
    std::ranges::copy(
        piece.OfValues(shape_.Floats(array, piece.block)),
        piece.OfPushed(pushed_.shape().Mutable(&trained, piece.pushed_block))
            .begin());
  }
  return trained;
}

absl::StatusOr<Blocks> DenseValues::NewWeights() const {
  return shape_.Renew(weights_, pushed_.stepped());
}

absl::StatusOr<Blocks> DenseValues::PrepareStep() {
  EBB_ASSIGN_OR_RETURN(Blocks new_weights, NewWeights());
  for (Blocks& slot : slots_) {
    EBB_RETURN_IF_ERROR(pushed_.shape().MakeUnique(&slot));
  }
  return new_weights;
}

absl::StatusOr<Blocks> DenseValues::PrepareStep(const RoundStep& step) {
  EBB_ASSIGN_OR_RETURN(Blocks new_weights, NewWeights());
  for (size_t s = 0; s < slots_.size(); ++s) {
    if (step.Changes(static_cast<int>(s))) {
      EBB_RETURN_IF_ERROR(pushed_.shape().MakeUnique(&slots_[s]));
    }
  }
  return new_weights;
}

void DenseValues::KeepFrozen(Blocks* new_weights) const {
  for (const PushedShape::Kept& kept : pushed_.kept()) {
    const auto from =
        shape_.Floats(weights_, kept.block).subspan(kept.within, kept.size);
    const auto to =
        shape_.Mutable(new_weights, kept.block).subspan(kept.within, kept.size);
    std::ranges::copy(from, to.begin());
    if (EBB_PLANTED(frozen_table_takes_a_step)) {
      for (float& value : to) value += 1;
    }
  }
}

void DenseValues::Step(const StepPlace& place, const Payload& gradient_sum,
                       Blocks* new_weights) {
  KeepFrozen(new_weights);
  GradientCursor gradient(gradient_sum);
  std::vector<std::span<float>> slots(slots_.size());
  for (const PushedShape::Piece& piece : pushed_.pieces()) {
    for (size_t s = 0; s < slots_.size(); ++s) {
      slots[s] = piece.OfPushed(
          pushed_.shape().Mutable(&slots_[s], piece.pushed_block));
    }
    StepRun run;
    run.first = piece.first;
    run.weights = piece.OfValues(shape_.Floats(weights_, piece.block));
    run.gradient = &gradient;
    run.out = piece.OfValues(shape_.Mutable(new_weights, piece.block));
    run.slots = slots;
    rule_->Step(place, run);
  }
}

void DenseValues::Step(const RoundStep& step, const StepPlace& place,
                       const Blocks& sum, Blocks* new_weights) {
  KeepFrozen(new_weights);
  const DenseShape& pushed = pushed_.shape();
  std::vector<std::span<const float>> slots(slots_.size());
  std::vector<std::span<float>> changed(slots_.size());
  for (const PushedShape::Piece& piece : pushed_.pieces()) {
    for (size_t s = 0; s < slots_.size(); ++s) {
      // The rest may be shared with a cut.
      if (step.Changes(static_cast<int>(s))) {
        changed[s] =
            piece.OfPushed(pushed.Mutable(&slots_[s], piece.pushed_block));
      }
      slots[s] = piece.OfPushed(pushed.Floats(slots_[s], piece.pushed_block));
    }
    const int times = EBB_PLANTED(operation_applied_twice) ? 2 : 1;
    for (int i = 0; i < times; ++i) {
      step.Apply(
          place.gradient_scale,
          {piece.first, piece.OfValues(shape_.Floats(weights_, piece.block)),
           piece.OfPushed(pushed.Floats(sum, piece.pushed_block)),
           piece.OfValues(shape_.Mutable(new_weights, piece.block)), slots,
           changed});
    }
  }
}

void DenseValues::Measure(const StepPlace& place, const Blocks& sum,
                          std::span<double> figures) const {
  const DenseShape& pushed = pushed_.shape();
  if (rule_->MeasuresWhole()) {  // Such a job freezes no table.
    if (shape_.blocks() == 0) return;
    const std::vector<float> weights = Whole(shape_, weights_);
    const std::vector<float> whole = Whole(pushed, sum);
    rule_->Measure(place, {shape_.First(0), weights, whole, {}}, figures);
    return;
  }
  std::vector<std::span<const float>> slots(slots_.size());
  for (const PushedShape::Piece& piece : pushed_.pieces()) {
    for (size_t s = 0; s < slots_.size(); ++s) {
      slots[s] = piece.OfPushed(pushed.Floats(slots_[s], piece.pushed_block));
    }
    rule_->Measure(
        place,
        {piece.first, piece.OfValues(shape_.Floats(weights_, piece.block)),
         piece.OfPushed(pushed.Floats(sum, piece.pushed_block)), slots},
        figures);
  }
}

std::vector<float> DenseValues::Whole(const DenseShape& shape,
                                      const Blocks& array) {
  std::vector<float> whole;
  whole.reserve(shape.floats());
  for (int64_t b = 0; b < shape.blocks(); ++b) {
    const std::span<const float> block = shape.Floats(array, b);
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
    cut->arrays[absl::StrCat("slot:", s)] = pushed_.shape().CutOf(slots_[s]);
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
  if (pushed_.shape().floats() == 0) return absl::OkStatus();
  for (const Blocks& slot : slots_) {
    if (slot.empty()) return absl::DataLossError("lacks optimizer slots");
  }
  return absl::OkStatus();
}

}  // namespace ebb::server
