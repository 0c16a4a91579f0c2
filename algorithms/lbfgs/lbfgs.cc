#include "algorithms/lbfgs/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status_macros.h"
#include "protocol/sealed_fields.h"

namespace ebb {

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, LbfgsState>
void VisitFields(Struct& state, Visitor&& visit) {
  auto& [objective, gradient_norm, pairs, step_change, change_change, trials,
         low, high, accepted, stalled] = state;
  visit(objective, gradient_norm, pairs, step_change, change_change, trials,
        low, high, accepted, stalled);
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, LbfgsOperation>
void VisitFields(Struct& operation, Visitor&& visit) {
  auto& [round, pair, accept, turn, of_gradient, of_steps, of_changes, step,
         state, first_norm] = operation;
  visit(round, pair, accept, turn, of_gradient, of_steps, of_changes, step,
        state, first_norm);
}

namespace {

constexpr absl::string_view kMagic = "EBBL";
constexpr uint32_t kVersion = 2;

// Pairs whose step and change are nearly at right angles do not show the
// curvature: in float32 they are noise.
constexpr double kLeastCosine = 1e-6;
// A direction that is nearly level does not count.
constexpr double kLeastDescent = 1e-10;

using F = LbfgsFigures;

// One decision: what is known, and the operation as far as it is made.
class Decision {
 public:
  Decision(const LbfgsOptions& options, const RoundPlace& place,
           const LbfgsOperation* before, const std::vector<double>& figures)
      : options_(options),
        place_(place),
        before_(before),
        figures_(figures),
        objective_(figures[F::kLoss] / static_cast<double>(place.examples)) {
    out_.round = place.round;
    if (before != nullptr) {
      state() = before->state;
      out_.first_norm = before->first_norm;
    } else {
      out_.first_norm = std::sqrt(figures[F::kNewNorm]);
      state().step_change.resize(Square());
      state().change_change.resize(Square());
    }
  }

  LbfgsOperation Make() && {
    if (before_ == nullptr) {
      Accept();
    } else if (state().stalled) {
      Rest();
    } else {
      Judge();
    }
    // The values are the best known when the job ends: w, or what a trial
    // before it in the same search found.
    if (place_.last) out_.step = out_.accept ? 0 : state().low;
    return std::move(out_);
  }

 private:
  LbfgsState& state() { return out_.state; }
  size_t Square() const {
    return static_cast<size_t>(options_.history) *
           static_cast<size_t>(options_.history);
  }
  size_t At(int32_t row, int32_t column) const {
    return static_cast<size_t>(row) * static_cast<size_t>(options_.history) +
           static_cast<size_t>(column);
  }
  double OfPair(int32_t pair, size_t figure) const {
    return figures_[F::kPairs + F::kPerPair * static_cast<size_t>(pair) +
                    figure];
  }

  // The trial at w = x + step d.
  void Judge() {
    const double step = before_->step;
    const double slope = figures_[F::kSlope];
    const double new_slope = figures_[F::kNewSlope];
    const bool lowers =
        std::isfinite(objective_) && std::isfinite(new_slope) &&
        objective_ <=
            state().objective + options_.sufficient_decrease * step * slope;
    ++state().trials;
    const bool tries_on =
        state().trials < options_.trials && !place_.last && slope < 0;
    if (lowers && (!tries_on || new_slope >= options_.curvature * slope)) {
      Accept();
    } else if (lowers) {
      state().low = step;
      out_.step = Longer(step, slope, new_slope);
    } else {
      state().high = step;
      Reject(step, slope, tries_on);
    }
  }

  // The slope is still steep: where it would be level if it went on to change
  // as it did, or between the known ends.
  double Longer(double step, double slope, double new_slope) {
    if (state().high > 0) return (state().low + state().high) / 2;
    const double level = slope / (slope - new_slope);  // Times the step.
    return step * (new_slope > slope ? std::clamp(level, 2.0, 10.0) : 10.0);
  }

  void Reject(double step, double slope, bool tries_on) {
    if (tries_on) {
      out_.step = state().low > 0 ? (state().low + state().high) / 2
                                  : Shorter(step, slope);
    } else if (state().low > 0) {
      out_.step = state().low;  // It was lower there: it will be taken.
    } else if (!state().pairs.empty() && !place_.last) {
      Forget();
    } else {
      Rest();
    }
  }

  // The step at which the parabola through what is known is lowest.
  double Shorter(double step, double slope) const {
    const double above = objective_ - before_->state.objective - slope * step;
    const double lowest = -slope * step / (2 * above);
    return step * (std::isfinite(lowest) ? std::clamp(lowest, 0.1, 0.5) : 0.1);
  }

  void Rest() {
    state().stalled = true;
    out_.step = 0;
  }

  // The search begins anew, down the gradient at x.
  void Forget() {
    state().pairs.clear();
    BeginSearch();
    out_.turn = true;
    out_.of_gradient = -1;
    out_.of_steps.assign(options_.history, 0);
    out_.of_changes.assign(options_.history, 0);
    out_.step = FirstStep();
  }

  void BeginSearch() {
    state().trials = 0;
    state().low = state().high = 0;
  }

  double FirstStep() {
    const double step = options_.first_step / state().gradient_norm;
    if (std::isfinite(step) && step > 0) return step;
    Rest();  // It is level here.
    return 0;
  }

  void Accept() {
    out_.accept = true;
    ++state().accepted;
    state().objective = objective_;
    state().gradient_norm = std::sqrt(figures_[F::kNewNorm]);
    if (before_ != nullptr) TakePair();
    BeginSearch();
    if (place_.last || out_.Ends(options_)) return;
    if (!Turn()) Forget();
  }

  // The oldest pair makes place for the new one, if that says anything.
  void TakePair() {
    const double cosine =
        figures_[F::kStepChange] /
        std::sqrt(figures_[F::kStepNorm] * figures_[F::kChangeNorm]);
    if (!(std::isfinite(cosine) && cosine > kLeastCosine)) return;
    std::vector<int32_t>& pairs = state().pairs;
    int32_t place = 0;
    if (static_cast<int32_t>(pairs.size()) < options_.history) {
      while (std::ranges::count(pairs, place) > 0) ++place;
    } else {
      place = pairs.front();
      pairs.erase(pairs.begin());
    }
    for (const int32_t i : pairs) {
      state().step_change[At(i, place)] = OfPair(i, F::kOldStepChange);
      state().step_change[At(place, i)] = OfPair(i, F::kOldChangeStep);
      state().change_change[At(i, place)] =
          state().change_change[At(place, i)] = OfPair(i, F::kOldChangeChange);
    }
    state().step_change[At(place, place)] = figures_[F::kStepChange];
    state().change_change[At(place, place)] = figures_[F::kChangeNorm];
    pairs.push_back(place);
    out_.pair = place;
  }

  // The new gradient with the step and the change of a pair.
  double StepGradient(int32_t pair) const {
    return pair == out_.pair ? figures_[F::kStepGradient]
                             : OfPair(pair, F::kOldStepGradient);
  }
  double ChangeGradient(int32_t pair) const {
    return pair == out_.pair ? figures_[F::kChangeGradient]
                             : OfPair(pair, F::kOldChangeGradient);
  }

  // The two-loop recursion (Nocedal and Wright 2006, algorithm 7.4) on the
  // coefficients of r = gradient g + steps s + changes y. False: what comes out
  // does not lead down, or there are no pairs to make it of.
  bool Turn() {
    const std::vector<int32_t>& pairs = state().pairs;
    if (pairs.empty()) return false;
    const std::vector<double>& sy = state().step_change;
    const std::vector<double>& yy = state().change_change;
    double gradient = 1;
    std::vector<double> steps(options_.history), changes(options_.history);
    std::vector<double> alpha(options_.history);
    for (auto i = pairs.rbegin(); i != pairs.rend(); ++i) {
      double dot = gradient * StepGradient(*i);  // s_i r
      for (const int32_t j : pairs) dot += changes[j] * sy[At(*i, j)];
      alpha[*i] = dot / sy[At(*i, *i)];
      changes[*i] -= alpha[*i];
    }
    const int32_t newest = pairs.back();
    const double scale = sy[At(newest, newest)] / yy[At(newest, newest)];
    gradient *= scale;
    for (double& one : changes) one *= scale;
    for (const int32_t i : pairs) {
      double dot = gradient * ChangeGradient(i);  // y_i r
      for (const int32_t j : pairs) {
        dot += steps[j] * sy[At(j, i)] + changes[j] * yy[At(i, j)];
      }
      steps[i] += alpha[i] - dot / sy[At(i, i)];
    }
    double descent = gradient * figures_[F::kNewNorm];  // g r
    for (const int32_t i : pairs) {
      descent += steps[i] * StepGradient(i) + changes[i] * ChangeGradient(i);
    }
    if (!std::isfinite(descent) ||
        descent <= kLeastDescent * scale * figures_[F::kNewNorm]) {
      return false;
    }
    out_.turn = true;
    out_.of_gradient = -gradient;
    for (double& one : steps) one = -one;
    for (double& one : changes) one = -one;
    out_.of_steps = std::move(steps);
    out_.of_changes = std::move(changes);
    out_.step = 1;
    return true;
  }

  const LbfgsOptions& options_;
  const RoundPlace& place_;
  const LbfgsOperation* const before_;  // Null: round 0.
  const std::vector<double>& figures_;
  const double objective_;  // At w.
  LbfgsOperation out_;
};

class LbfgsCoordinator final : public Coordinator {
 public:
  explicit LbfgsCoordinator(const LbfgsOptions& options) : options_(options) {}

  absl::StatusOr<std::string> Next(
      const RoundPlace& place, absl::string_view before,
      const std::vector<std::vector<double>>& figures) const override {
    LbfgsOperation last;
    if (place.round > 0) {
      EBB_ASSIGN_OR_RETURN(last, LbfgsOperation::Decode(before, options_));
      EBB_RETURN_IF_ERROR(CheckRoundBefore(place, last.round));
    }
    EBB_ASSIGN_OR_RETURN(const std::vector<double> sums,
                         SumFigures(figures, F::Count(options_), F::kLoss));
    return NextOperation(options_, place, place.round > 0 ? &last : nullptr,
                         sums)
        .Encode();
  }

  absl::StatusOr<bool> Ends(absl::string_view operation) const override {
    EBB_ASSIGN_OR_RETURN(const LbfgsOperation decoded,
                         LbfgsOperation::Decode(operation, options_));
    return decoded.Ends(options_);
  }

  std::string Describe(absl::string_view operation) const override {
    const auto decoded = LbfgsOperation::Decode(operation, options_);
    if (!decoded.ok()) return std::string(decoded.status().message());
    const LbfgsState& state = decoded->state;
    return absl::StrFormat(
        "%s objective=%.9g gradient=%.3g step=%.3g pairs=%d%s%s",
        decoded->accept ? "accepted" : "rejected", state.objective,
        state.gradient_norm, decoded->step, state.pairs.size(),
        state.stalled ? " stalled" : "",
        decoded->Ends(options_) ? " converged" : "");
  }

 private:
  const LbfgsOptions options_;
};

}  // namespace

absl::Status LbfgsOptions::Validate() const {
  if (history < 1 || history > kMostLbfgsHistory) {
    return absl::InvalidArgumentError(
        absl::StrCat("history is ", history, ", not 1 to ", kMostLbfgsHistory));
  }
  if (!(sufficient_decrease > 0 && sufficient_decrease < curvature)) {
    return absl::InvalidArgumentError(
        absl::StrCat("sufficient_decrease is ", sufficient_decrease,
                     ", not above 0 and below curvature"));
  }
  if (!(curvature < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("curvature is ", curvature, ", not below 1"));
  }
  if (trials < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("trials is ", trials, ", not at least 1"));
  }
  if (!(std::isfinite(first_step) && first_step > 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("first_step is ", first_step, ", not above 0"));
  }
  if (!(tolerance >= 0 && tolerance < 1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tolerance is ", tolerance, ", not at least 0 and below 1"));
  }
  return absl::OkStatus();
}

bool LbfgsOperation::Ends(const LbfgsOptions& options) const {
  return options.tolerance > 0 &&
         (state.stalled ||
          state.gradient_norm <= options.tolerance * first_norm);
}

bool LbfgsOperation::Changes(int slot) const {
  if (slot == LbfgsSlots::kPoint || slot == LbfgsSlots::kGradient) {
    return accept;
  }
  if (slot == LbfgsSlots::kDirection) return turn;
  return pair >= 0 &&
         (slot == LbfgsSlots::Step(pair) || slot == LbfgsSlots::Change(pair));
}

std::string LbfgsOperation::Encode() const {
  return SealFields(kMagic, kVersion, *this);
}

absl::StatusOr<LbfgsOperation> LbfgsOperation::Decode(
    absl::string_view bytes, const LbfgsOptions& options) {
  LbfgsOperation operation;
  EBB_RETURN_IF_ERROR(UnsealFields(
      kMagic, kVersion, "operation of a round", bytes,
      [&](FieldReader& read, uint32_t version) {
        if (version >= 2) return read(operation);
        read(operation.round, operation.pair, operation.accept, operation.turn,
             operation.of_gradient, operation.of_steps, operation.of_changes,
             operation.step, operation.state);
      }));
  const auto history = static_cast<size_t>(options.history);
  const LbfgsState& state = operation.state;
  const auto is_pair = [&](int32_t pair) {
    return pair >= 0 && pair < options.history;
  };
  std::vector<int32_t> places = state.pairs;
  std::ranges::sort(places);
  const bool twice = std::ranges::adjacent_find(places) != places.end();
  const size_t turns = operation.turn ? history : 0;
  if (operation.of_steps.size() != turns ||
      operation.of_changes.size() != turns || operation.pair < -1 ||
      operation.pair >= options.history ||
      state.step_change.size() != history * history ||
      state.change_change.size() != history * history ||
      !std::ranges::all_of(places, is_pair) || twice) {
    return absl::InvalidArgumentError(
        absl::StrCat("the operation of round ", operation.round,
                     " is not one with a history of ", options.history));
  }
  return operation;
}

LbfgsOperation NextOperation(const LbfgsOptions& options,
                             const RoundPlace& place,
                             const LbfgsOperation* before,
                             const std::vector<double>& figures) {
  return Decision(options, place, before, figures).Make();
}

std::unique_ptr<const Coordinator> MakeLbfgsCoordinator(
    const LbfgsOptions& options) {
  return std::make_unique<LbfgsCoordinator>(options);
}

}  // namespace ebb
