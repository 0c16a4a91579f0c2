#include "common/scores/figures.h"

#include <algorithm>
#include <array>

#include "common/scores/perplexity.h"

namespace ebb {

namespace {

constexpr std::array kKinds = {
    FigureKind{kAccuracy, "accuracy", true, true, false},
    FigureKind{kLogLoss, "log loss", true, true, false},
    FigureKind{kAuc, "AUC", true, false, false},
    FigureKind{kF1, "F1", true, true, false},
    FigureKind{kPrecision, "precision", true, false, false},
    FigureKind{kRecall, "recall", true, false, false},
    FigureKind{kCalibrationError, "ECE", true, false, false},
    FigureKind{kRmse, "RMSE", false, false, true},
    FigureKind{kMae, "MAE", false, false, true},
    FigureKind{kR2, "R2", false, false, true},
    FigureKind{kPerplexity, "perplexity"},
};

}  // namespace

std::span<const FigureKind> FigureKinds() { return kKinds; }

const FigureKind* FindFigureKind(absl::string_view name) {
  const auto kind = std::ranges::find(kKinds, name, &FigureKind::name);
  return kind == kKinds.end() ? nullptr : &*kind;
}

std::optional<double> Figures::Find(absl::string_view name) const {
  for (const Figure& figure : named) {
    if (figure.name == name) return figure.value;
  }
  return std::nullopt;
}

}  // namespace ebb
