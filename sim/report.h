// `ebb sim --report`: how a cluster of each size would do on a spot market.
//
//   sim::ReportOptions options;
//   for (const int workers : options.workers) {
//     const sim::ReportRow row = sim::RunReportRow(options, workers);
//   }
//
#ifndef EBB_SIM_REPORT_H_
#define EBB_SIM_REPORT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "sim/churn.h"
#include "sim/meter.h"

namespace ebb::sim {

struct ReportOptions {
  // A row each; 1 to 20,000.
  std::vector<int> workers = {10, 100, 1'000, 10'000};
  // The market; the default is that of the p3 trace of Bamboo (NSDI 2023).
  // Losses up to 3,600 per worker-hour, a bulk of at least 1, away from a
  // millisecond to a day.
  ChurnRates market = BambooMarket();
  // Time of a batch, a tenth more or less; and of an item, in whole batches.
  absl::Duration batch_time = absl::Seconds(1);
  absl::Duration item_time = absl::Seconds(2);
  // Until a worker that came has loaded its data, a half more or less.
  absl::Duration load_time = absl::Seconds(2);
  // SSP with this clock bound; -1: asp, or rounds.
  int64_t clock_bound = -1;
  // Batches of a run of local steps, which is one push and one pull; 0: each
  // batch is. An item is a run at least, and in rounds exactly one.
  int32_t period = 0;
  // Rounds of so many runs for each worker; 0: none. They need a period.
  int32_t rounds = 0;
  // Servers are as few as that allows, but at least two.
  int workers_per_server = 1000;
  // A row lasts until this many workers were lost, on average, but at most for
  // that many batches.
  double losses = 50;
  int64_t most_batches = 1'000'000;
  uint64_t seed = 1;
  // Called now and then with the share of the row's time that is over; null:
  // not at all.
  std::function<void(double share)> progress;

  // The error names the value that is out of its range.
  absl::Status Validate() const;
  int Servers(int workers) const;
  // When the measured part of a row begins: workers have loaded and begun.
  absl::Duration MeasuredFrom() const;
  absl::Duration MeasuredUntil(int workers) const;
};

// Figures of the measured time, except `repeated` and the members after it.
struct ReportRow {
  int workers = 0;
  int servers = 0;
  bool runs = false;  // Workers push runs of local steps.
  // Examples a second of an undisturbed worker. A batch is an example.
  double rate = 0;
  Work work;
  // Over the whole run, to the end of the job, which is certain: computed
  // examples that did not count, over those that counted.
  double repeated = 0;
  int64_t events = 0;
  std::string violation;  // Empty: every invariant held.
  // Real time, different each time.
  absl::Duration took;

  // Examples counted over those that the workers alive could have computed.
  // Many runs are underway when the measured time begins and when it ends, so
  // with them it follows from `waiting` and `repeated`.
  double goodput() const;
  // The share of the workers' time in which they did not compute.
  double waiting() const;
  // How often all values of the model were pushed, and pulled, for each batch.
  double pushed() const;
  double pulled() const;
  double PerSecond(int64_t n) const;
  // The share of one core of this machine that the scheduler's logic takes.
  double scheduler_load() const;
};

// `options` are valid. A function of them, but for real time.
ReportRow RunReportRow(const ReportOptions& options, int workers);

}  // namespace ebb::sim

#endif  // EBB_SIM_REPORT_H_
