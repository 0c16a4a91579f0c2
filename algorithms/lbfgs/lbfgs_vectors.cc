#include "algorithms/lbfgs/lbfgs_vectors.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace ebb {

namespace {

// Runs are gone through in pieces whose intermediate vectors stay in the cache.
constexpr size_t kPiece = 1024;

double Dot(std::span<const float> a, std::span<const float> b) {
  constexpr size_t kLanes = 8;
  std::array<double, kLanes> sums{};
  size_t i = 0;
  for (; i + kLanes <= a.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] +=
          static_cast<double>(a[i + lane]) * static_cast<double>(b[i + lane]);
    }
  }
  for (; i < a.size(); ++i) {
    sums[0] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
  double sum = 0;
  for (const double lane : sums) sum += lane;
  return sum;
}

}  // namespace

void AddLbfgsFigures(const LbfgsOptions& options, const LbfgsRun& run,
                     std::span<double> figures) {
  using F = LbfgsFigures;
  std::array<float, kPiece> step_of, change_of;
  for (size_t from = 0; from < run.values.size(); from += kPiece) {
    const size_t n = std::min(kPiece, run.values.size() - from);
    const auto slot = [&](int number) {
      return run.slots[number].subspan(from, n);
    };
    const std::span<const float> point = slot(LbfgsSlots::kPoint);
    const std::span<const float> old = slot(LbfgsSlots::kGradient);
    const std::span<const float> direction = slot(LbfgsSlots::kDirection);
    const std::span<const float> gradient = run.gradient.subspan(from, n);
    for (size_t i = 0; i < n; ++i) {
      step_of[i] = run.values[from + i] - point[i];
      change_of[i] = gradient[i] - old[i];
    }
    const std::span<const float> step = std::span(step_of).first(n);
    const std::span<const float> change = std::span(change_of).first(n);
    figures[F::kSlope] += Dot(old, direction);
    figures[F::kNewSlope] += Dot(gradient, direction);
    figures[F::kNewNorm] += Dot(gradient, gradient);
    figures[F::kStepNorm] += Dot(step, step);
    figures[F::kStepChange] += Dot(step, change);
    figures[F::kChangeNorm] += Dot(change, change);
    figures[F::kStepGradient] += Dot(step, gradient);
    figures[F::kChangeGradient] += Dot(change, gradient);
    for (int32_t pair = 0; pair < options.history; ++pair) {
      const std::span<const float> s = slot(LbfgsSlots::Step(pair));
      const std::span<const float> y = slot(LbfgsSlots::Change(pair));
      double* const of_pair =
          &figures[F::kPairs + F::kPerPair * static_cast<size_t>(pair)];
      of_pair[F::kOldStepChange] += Dot(s, change);
      of_pair[F::kOldChangeStep] += Dot(y, step);
      of_pair[F::kOldChangeChange] += Dot(y, change);
      of_pair[F::kOldStepGradient] += Dot(s, gradient);
      of_pair[F::kOldChangeGradient] += Dot(y, gradient);
    }
  }
}

void ApplyLbfgs(const LbfgsOperation& operation, const LbfgsRun& run,
                std::span<const std::span<float>> changed,
                std::span<float> out) {
  const std::span<const float> point = run.slots[LbfgsSlots::kPoint];
  const std::span<const float> gradient = run.slots[LbfgsSlots::kGradient];
  const std::span<const float> direction = run.slots[LbfgsSlots::kDirection];
  const size_t n = run.values.size();
  if (operation.pair >= 0) {
    const std::span<float> step = changed[LbfgsSlots::Step(operation.pair)];
    const std::span<float> change = changed[LbfgsSlots::Change(operation.pair)];
    for (size_t i = 0; i < n; ++i) {
      step[i] = run.values[i] - point[i];
      change[i] = run.gradient[i] - gradient[i];
    }
  }
  if (operation.accept) {
    for (size_t i = 0; i < n; ++i) {
      changed[LbfgsSlots::kPoint][i] = run.values[i];
      changed[LbfgsSlots::kGradient][i] = run.gradient[i];
    }
  }
  if (operation.turn) {
    for (size_t from = 0; from < n; from += kPiece) {
      const size_t count = std::min(kPiece, n - from);
      std::array<double, kPiece> sum;
      for (size_t i = 0; i < count; ++i) {
        sum[i] =
            operation.of_gradient * static_cast<double>(gradient[from + i]);
      }
      const auto add = [&](double factor, std::span<const float> vector) {
        if (factor == 0) return;
        for (size_t i = 0; i < count; ++i) {
          sum[i] += factor * static_cast<double>(vector[from + i]);
        }
      };
      for (size_t pair = 0; pair < operation.of_steps.size(); ++pair) {
        const auto place = static_cast<int32_t>(pair);
        add(operation.of_steps[pair], run.slots[LbfgsSlots::Step(place)]);
        add(operation.of_changes[pair], run.slots[LbfgsSlots::Change(place)]);
      }
      for (size_t i = 0; i < count; ++i) {
        changed[LbfgsSlots::kDirection][from + i] = static_cast<float>(sum[i]);
      }
    }
  }
  const auto step = static_cast<float>(operation.step);
  for (size_t i = 0; i < n; ++i) {
    out[i] = step == 0 ? point[i] : point[i] + step * direction[i];
  }
}

}  // namespace ebb
