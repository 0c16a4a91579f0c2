#include "worker/worker_metrics.h"

#include <cstdint>

#include "absl/strings/string_view.h"

namespace ebb::worker {

void AddWorker(const client::ClientShell::Status& status,
               double device_busy_seconds, metrics::OpenMetrics* text) {
  const auto count = [text](absl::string_view name, absl::string_view help,
                            int64_t value) {
    text->Counter(name, help).Add(static_cast<double>(value));
  };
  text->Gauge("ebb_worker_ready",
              "1: the scheduler knows it, and it does not leave")
      .Add(status.ready ? 1 : 0);
  text->Gauge("ebb_worker_computing", "1: it loads data, or computes")
      .Add(status.computing ? 1 : 0);
  count("ebb_worker_batches", "Batches whose gradients were computed",
        status.batches);
  count("ebb_worker_examples", "Examples of these batches", status.examples);
  text->Gauge("ebb_worker_unreached_servers",
              "Servers of its jobs that it has not reached for a second or "
              "more; its log and `ebb explain` say why. Above 0: it cannot "
              "train")
      .Add(static_cast<double>(status.unreached_servers));
  auto failed = text->Counter(
      "ebb_worker_failed_calls",
      "Calls to servers that were not answered, by cause; few while a server "
      "restarts, many: something is between it and a server");
  for (int cause = 0; cause < kCallCauses; ++cause) {
    failed.Add(
        static_cast<double>(status.failed_calls[cause]),
        {{"cause", std::string(CallCauseName(static_cast<CallCause>(cause)))}});
  }
  text->Counter("ebb_worker_device_busy_seconds",
                "Seconds in which its GPU had something to do; 0 without one. "
                "Much less than the time that passed: it waits for values, "
                "examples or pushes")
      .Add(device_busy_seconds);
  count("ebb_worker_local_batches",
        "Batches computed from values of its own, a server being away",
        status.local_steps.batches);
  text->Counter("ebb_worker_local_shares",
                "Pushes of sums of such batches when the server was back: all "
                "partitions applied it, or some refused it and others compute "
                "its examples again")
      .Add(static_cast<double>(status.local_steps.applied),
           {{"result", "applied"}})
      .Add(static_cast<double>(status.local_steps.refused),
           {{"result", "refused"}});
  count("ebb_worker_examples_taken_back",
        "Examples, counted once for each partition, that a server had applied "
        "of the worker's items and lost before it came back; they are "
        "computed again",
        status.local_steps.taken_back);
  count("ebb_worker_rows_pulled",
        "Rows that were pulled, of tables of which it keeps some",
        status.cached_rows.pulled);
  count("ebb_worker_rows_used_again",
        "Rows of such tables that it had, and did not pull; few beside those "
        "that were pulled: the cache is of little use",
        status.cached_rows.used);
}

}  // namespace ebb::worker
