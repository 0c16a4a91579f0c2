#include "optimizer/weight_decay.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

#include "optimizer/internal/kernels.h"

namespace ebb {

namespace {

// So much fits into the nearest cache beside the rest of a step.
constexpr size_t kPieceFloats = 1024;
using Piece = std::array<float, kPieceFloats>;

class Decaying final : public Optimizer {
 public:
  Decaying(std::unique_ptr<Optimizer> inner, DecayKind kind, double decay)
      : inner_(std::move(inner)), kind_(kind), decay_(decay) {}

  std::span<const absl::string_view> SlotNames() const override {
    return inner_->SlotNames();
  }
  void InitializeSlot(int slot, std::span<const float> weights,
                      std::span<float> out) const override {
    inner_->InitializeSlot(slot, weights, out);
  }

 private:
  void StepRange(const StepContext& context,
                 const internal::KernelRange& range) const override {
    Piece piece;
    for (const RowStep& row : range.rows) {
      for (size_t begin = 0; begin < range.width; begin += kPieceFloats) {
        const size_t count = std::min(kPieceFloats, range.width - begin);
        RowStep part = PartOf(row, begin);
        if (kind_ == DecayKind::kDecoupled) {
          const double taken = decay_ * context.rate * row.late_factor;
          const auto kept = static_cast<float>(1 - taken);
          for (size_t i = 0; i < count; ++i) {
            piece[i] = kept * part.weights_in[i];
          }
          part.weights_in = piece.data();
        } else {
          const auto factor = static_cast<float>(
              decay_ * static_cast<double>(context.examples));
          std::memcpy(piece.data(), part.gradient_sum, count * sizeof(float));
          for (size_t i = 0; i < count; ++i) {
            piece[i] += factor * part.weights_in[i];
          }
          part.gradient_sum = reinterpret_cast<const std::byte*>(piece.data());
        }
        inner_->StepRows(context, count, {&part, 1});
      }
    }
  }

  const std::unique_ptr<Optimizer> inner_;
  const DecayKind kind_;
  const double decay_;
};

}  // namespace

std::unique_ptr<Optimizer> WithWeightDecay(std::unique_ptr<Optimizer> inner,
                                           DecayKind kind, double decay) {
  return std::make_unique<Decaying>(std::move(inner), kind, decay);
}

}  // namespace ebb
