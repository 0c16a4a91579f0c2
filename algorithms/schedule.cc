#include "algorithms/schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ebb {
namespace {

constexpr std::array kRateKinds = {RateKind::kConstant, RateKind::kStep,
                                   RateKind::kCosine, RateKind::kTable};

// A quotient that should be whole may come out a little low: 0.3 / 0.1 < 3.
constexpr double kRoundUp = 1 + 1e-12;

template <typename T>
absl::Status Wrong(absl::string_view field, T value, absl::string_view right) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, "; it must be ", right));
}

absl::Status CheckTable(const RateSchedule& schedule) {
  const size_t points = schedule.at.size();
  if (points < 1 || points > kMaxSchedulePoints) {
    return Wrong("schedule.at", absl::StrCat("of ", points, " positions"),
                 absl::StrCat("1 to ", kMaxSchedulePoints, " positions"));
  }
  if (schedule.factors.size() != points) {
    return Wrong("schedule.factors",
                 absl::StrCat("of ", schedule.factors.size(), " numbers"),
                 absl::StrCat("one for each of the ", points, " positions"));
  }
  double before = 0;
  for (const double position : schedule.at) {
    if (!(position >= before && std::isfinite(position))) {
      return Wrong("schedule.at", position,
                   "no less than the position in front of it, or 0");
    }
    before = position;
  }
  for (const double factor : schedule.factors) {
    if (!(factor >= 0 && std::isfinite(factor))) {
      return Wrong("schedule.factors", factor, "a number of at least 0");
    }
  }
  return absl::OkStatus();
}

double FactorOfTable(const RateSchedule& schedule, double position) {
  const auto after = static_cast<size_t>(
      std::ranges::upper_bound(schedule.at, position) - schedule.at.begin());
  if (after == 0) return schedule.factors.front();
  if (after == schedule.at.size()) return schedule.factors.back();
  const double from = schedule.at[after - 1];
  const double share = (position - from) / (schedule.at[after] - from);
  return std::lerp(schedule.factors[after - 1], schedule.factors[after], share);
}

}  // namespace

double BatchPosition(int32_t epoch, int64_t begin, int64_t end,
                     int64_t examples) {
  const double middle =
      (static_cast<double>(begin) + static_cast<double>(end)) / 2;
  return epoch + middle / static_cast<double>(examples);
}

absl::string_view RateKindName(RateKind kind) {
  switch (kind) {
    case RateKind::kConstant:
      return "constant";
    case RateKind::kStep:
      return "step";
    case RateKind::kCosine:
      return "cosine";
    case RateKind::kTable:
      return "table";
  }
  return "unknown";
}

absl::StatusOr<RateKind> ParseRateKind(absl::string_view name) {
  for (RateKind kind : kRateKinds) {
    if (RateKindName(kind) == name) return kind;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "schedule.kind is '", name, "'; it must be one of ",
      absl::StrJoin(kRateKinds, ", ", [](std::string* out, RateKind kind) {
        absl::StrAppend(out, RateKindName(kind));
      })));
}

// The comparisons are written so that NaN fails them.
absl::Status RateSchedule::Validate() const {
  if (kind == RateKind::kStep) {
    if (!(step_epochs > 0 && std::isfinite(step_epochs))) {
      return Wrong("schedule.step_epochs", step_epochs,
                   "a number of epochs above 0");
    }
    if (!(factor > 0 && factor <= 1)) {
      return Wrong("schedule.factor", factor, "above 0 and at most 1");
    }
  }
  if (kind == RateKind::kCosine && !(final_share >= 0 && final_share <= 1)) {
    return Wrong("schedule.final_share", final_share, "from 0 to 1");
  }
  if (kind == RateKind::kTable) {
    if (absl::Status table = CheckTable(*this); !table.ok()) return table;
  }
  if (!(warm_up_epochs >= 0 && std::isfinite(warm_up_epochs))) {
    return Wrong("schedule.warm_up_epochs", warm_up_epochs,
                 "a number of epochs of at least 0");
  }
  return absl::OkStatus();
}

double LearningRate::At(double position) const {
  double rate = rate_;
  switch (schedule_->kind) {
    case RateKind::kConstant:
      break;
    case RateKind::kStep: {
      const double falls =
          std::floor(position / schedule_->step_epochs * kRoundUp);
      rate *= std::pow(schedule_->factor, falls);
      break;
    }
    case RateKind::kCosine: {
      const double done =
          std::min(1.0, position / static_cast<double>(epochs_));
      const double share = (1 + std::cos(std::numbers::pi * done)) / 2;
      rate *= schedule_->final_share + (1 - schedule_->final_share) * share;
      break;
    }
    case RateKind::kTable:
      rate *= FactorOfTable(*schedule_, position);
      break;
  }
  if (position < schedule_->warm_up_epochs) {
    rate *= position / schedule_->warm_up_epochs;
  }
  return rate;
}

absl::Status BatchSchedule::Validate() const {
  if (initial < 1) return Wrong("batch", initial, "at least 1");
  if (!(factor >= 1 && std::isfinite(factor))) {
    return Wrong("batch_growth.factor", factor, "a number of at least 1");
  }
  if (factor == 1) return absl::OkStatus();
  if (every < 1) return Wrong("batch_growth.every", every, "at least 1 epoch");
  if (max < initial) {
    return Wrong("batch_growth.max", max,
                 absl::StrCat("at least the first size, ", initial));
  }
  return absl::OkStatus();
}

// A product of doubles is rounded the same way on every machine; std::pow is
// not, and the grid of batches names pushes.
int64_t BatchSchedule::At(int32_t epoch) const {
  if (factor == 1) return initial;
  double size = static_cast<double>(initial);
  for (int64_t grown = epoch / every; grown > 0; --grown) {
    size *= factor;
    if (size >= static_cast<double>(max)) return max;
  }
  return static_cast<int64_t>(size);
}

}  // namespace ebb
