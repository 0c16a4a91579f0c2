// Workers that are taken and replaced, as on a spot market.
//
//   const Churn churn = PlanChurn({.losses_per_worker_hour = 0.6}, 100, rng);
//
#ifndef EBB_SIM_CHURN_H_
#define EBB_SIM_CHURN_H_

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "sim/rng.h"

namespace ebb::sim {

// Both times are exponential: a worker that was there for long is as likely to
// be taken as a new one.
struct ChurnRates {
  double losses_per_worker_hour = 0;
  // How many are taken at one instant, on average; fewer only if no more are
  // there. Larger bulks are rarer, so that each worker is taken as often.
  double bulk = 1;
  // Mean time until one that was taken is replaced.
  absl::Duration away = absl::Minutes(5);
};

// The market of the p3 trace of Bamboo (NSDI 2023): 167 losses in 273 hours of
// its machines.
inline ChurnRates BambooMarket() {
  return {.losses_per_worker_hour = 0.611,
          .bulk = 2.11,
          .away = absl::Minutes(36.7)};
}

struct WorkerEvent {
  absl::Duration at;
  int worker = 0;
  bool comes = true;  // Else it is taken.
  friend bool operator==(const WorkerEvent&, const WorkerEvent&) = default;
};

// When workers are there. The cluster does not change it.
struct Churn {
  int workers = 0;   // Numbered from 0.
  int at_first = 0;  // How many are there from the start: the first ones.
  std::vector<WorkerEvent> events;  // By time.

  // The time that all workers together are there in [from, until).
  absl::Duration Presence(absl::Duration from, absl::Duration until) const;
  int64_t Losses(absl::Duration from, absl::Duration until) const;
};

// `workers` are there at first, and on average ever after: besides those there
// are as many away, on their way back, as such a market has. A function of its
// arguments. Ends at `length`; the events of a shorter plan are the first ones
// of a longer one, but for the numbers of workers that come.
Churn PlanChurn(const ChurnRates& rates, int workers, absl::Duration length,
                Rng rng);

}  // namespace ebb::sim

#endif  // EBB_SIM_CHURN_H_
