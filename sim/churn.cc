#include "sim/churn.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>
#include <utility>

#include "common/exponential.h"

namespace ebb::sim {

namespace {

// In whole microseconds: sums are the same on every machine.
class Planner {
 public:
  Planner(const ChurnRates& rates, int workers, absl::Duration length, Rng rng)
      : rates_(rates),
        end_(absl::ToInt64Microseconds(length)),
        rng_(rng),
        away_us_(absl::ToDoubleMicroseconds(rates.away)) {
    churn_.workers = churn_.at_first = workers;
    for (int i = 0; i < workers; ++i) there_.push_back(i);
    const double away = static_cast<double>(workers) *
                        rates.losses_per_worker_hour *
                        absl::ToDoubleHours(rates.away);
    for (int64_t i = std::llround(away); i > 0; --i) {
      // Workers that would come after the end are left out.
      const int64_t at = Later(away_us_);
      if (at < end_) returns_.push({at, churn_.workers++});
    }
  }

  Churn Plan() && {
    while (true) {
      // An exponential time has no memory: what is left of it after another
      // event is drawn anew.
      const int64_t loss = NextLoss();
      const int64_t back = returns_.empty() ? end_ : returns_.top().first;
      if (std::min(loss, back) >= end_) break;
      now_ = std::min(loss, back);
      if (back <= loss) {
        there_.push_back(returns_.top().second);
        returns_.pop();
        Note(there_.back(), true);
      } else {
        Lose();
      }
    }
    return std::move(churn_);
  }

 private:
  int64_t Later(double mean_us) {
    const double wait =
        DrawExponential([this] { return rng_.Next(); }) * mean_us;
    return wait < static_cast<double>(end_ - now_)
               ? now_ + static_cast<int64_t>(wait)
               : end_;
  }

  double Bulk() const {
    return std::min(rates_.bulk, static_cast<double>(there_.size()));
  }

  int64_t NextLoss() {
    constexpr double kMicrosPerHour = 3.6e9;
    if (there_.empty() || !(rates_.losses_per_worker_hour > 0)) return end_;
    // Each of n is lost at the hazard rate h if n * h / b times an hour b go.
    return Later(kMicrosPerHour * Bulk() / static_cast<double>(there_.size()) /
                 rates_.losses_per_worker_hour);
  }

  void Lose() {
    const double bulk = Bulk();
    auto left = static_cast<int64_t>(bulk);
    if (rng_.Chance(bulk - static_cast<double>(left))) ++left;
    for (; left > 0; --left) {
      std::swap(there_[rng_.Below(static_cast<int64_t>(there_.size()))],
                there_.back());
      Note(there_.back(), false);
      const int64_t back = Later(away_us_);
      if (back < end_) returns_.push({back, there_.back()});
      there_.pop_back();
    }
  }

  void Note(int worker, bool comes) {
    churn_.events.push_back({absl::Microseconds(now_), worker, comes});
  }

  using Return = std::pair<int64_t, int>;  // When, and which worker.
  const ChurnRates rates_;
  const int64_t end_;
  Rng rng_;
  const double away_us_;
  int64_t now_ = 0;
  std::vector<int> there_;
  std::priority_queue<Return, std::vector<Return>, std::greater<>> returns_;
  Churn churn_;
};

}  // namespace

absl::Duration Churn::Presence(absl::Duration from,
                               absl::Duration until) const {
  const auto within = [&](absl::Duration at) {
    return std::max(absl::ZeroDuration(), until - std::max(at, from));
  };
  absl::Duration sum = within(from) * at_first;
  for (const WorkerEvent& event : events) {
    sum += event.comes ? within(event.at) : -within(event.at);
  }
  return sum;
}

int64_t Churn::Losses(absl::Duration from, absl::Duration until) const {
  return std::ranges::count_if(events, [&](const WorkerEvent& event) {
    return !event.comes && from <= event.at && event.at < until;
  });
}

Churn PlanChurn(const ChurnRates& rates, int workers, absl::Duration length,
                Rng rng) {
  return Planner(rates, workers, length, rng).Plan();
}

}  // namespace ebb::sim
