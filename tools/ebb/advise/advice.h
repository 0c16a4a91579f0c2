// How long a job takes on so many machines of a kind, and what that costs.
//
//   for (const Offer& offer : Offers(kinds, work, options)) { … }
//
// Pure: no clock, no files.
#ifndef EBB_TOOLS_EBB_ADVISE_ADVICE_H_
#define EBB_TOOLS_EBB_ADVISE_ADVICE_H_

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "sim/churn.h"
#include "tools/ebb/advise/machine_kinds.h"

namespace ebb::tools {

// A job, as it was measured on this machine.
struct MeasuredWork {
  double examples = 0;  // The whole job's, each epoch's anew.
  double rate = 0;      // Examples a second of one worker.
  // Standard deviation of the rate over the rate.
  double rate_error = 0;
  // Until a worker that comes has loaded its data.
  absl::Duration load;
  // Processor time of a server for an example.
  double server_seconds = 0;
  int64_t most_workers = 1;  // More would learn less from each example.
};

// Least to most, as the tenth, the half and nine tenths of the draws have it.
struct Spread {
  double low = 0;
  double middle = 0;
  double high = 0;
};

// So many machines of one kind.
struct Offer {
  int kind = 0;  // Its place in MachineKinds.workers.
  int64_t workers = 0;
  int64_t servers = 0;
  Spread hours;        // Infinite: longer than was looked at.
  Spread price;        // In the currency of the table.
  double in_time = 0;  // The share of the draws that meet the deadline.
};

// The share of a server's processors that workers may take before they wait for
// it.
inline constexpr double kServerShare = 0.7;

struct AdviceOptions {
  absl::Duration deadline = absl::InfiniteDuration();
  // The share of the draws that must meet it.
  double chance = 0.9;
  // For kinds that do not say their losses, and for how they are lost.
  sim::ChurnRates market;
  // Examples that count, over those that the workers there could compute.
  // Asked once for each kind, with its rates.
  absl::FunctionRef<double(const WorkerKind& kind,
                           const sim::ChurnRates& rates)>
      goodput;
  int64_t draws = 200;
  uint64_t seed = 1;
};

// The rates at which machines of the kind are lost.
sim::ChurnRates RatesOf(const WorkerKind& kind, const sim::ChurnRates& market);

// Servers, so that workers of the kind do not wait for them; at least 1.
int64_t ServersFor(const MeasuredWork& work, const WorkerKind& kind,
                   int64_t workers, const ServerKind& server);

// The offers of each kind, by kind and number. A function of its arguments.
// `work` has examples, a rate and workers above 0.
std::vector<Offer> Offers(const MachineKinds& kinds, const MeasuredWork& work,
                          const AdviceOptions& options);

// The cheapest that meets the deadline with the chance; null: none does.
const Offer* Cheapest(const std::vector<Offer>& offers, double chance);
// The one that takes the least time.
const Offer* Fastest(const std::vector<Offer>& offers);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_ADVISE_ADVICE_H_
