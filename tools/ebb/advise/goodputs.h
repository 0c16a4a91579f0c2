// How much of what its machines do would count, on clusters that are simulated.
#ifndef EBB_TOOLS_EBB_ADVISE_GOODPUTS_H_
#define EBB_TOOLS_EBB_ADVISE_GOODPUTS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sim/churn.h"
#include "tools/process/signals.h"

namespace ebb::tools {

struct SimulatedCluster {
  std::string name;  // For messages.
  int64_t workers = 1;
  sim::ChurnRates rates;
  absl::Duration batch;  // The time of a batch, an item, and loading.
  absl::Duration item;
  absl::Duration load;
  // Batches of a run of local steps; 0: each batch is pushed.
  int64_t period = 0;
  int64_t rounds = 0;  // Rounds of so many runs for each worker; 0: none.
};

struct GoodputOptions {
  std::string program_folder;  // With ebb-sim.
  uint64_t seed = 1;
  // Told how many simulations of how many are over; may be null.
  std::function<void(size_t over, size_t all)> progress;
};

// The goodput of each cluster, as `ebb sim --report` finds it: above 0, and at
// most 1. As many simulators run at once as there are processors, and clusters
// that differ only in their names are simulated once. Blocks until all are
// over. Aborted: a signal interrupted it. FailedPrecondition: there is no
// simulator, or nothing counts on such a cluster.
absl::StatusOr<std::vector<double>> SimulateGoodputs(
    const std::vector<SimulatedCluster>& clusters,
    const GoodputOptions& options, SignalWaiter* signals);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_ADVISE_GOODPUTS_H_
