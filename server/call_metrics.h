// Counts the results of workers' calls, and measures how long the answers took.
#ifndef EBB_SERVER_CALL_METRICS_H_
#define EBB_SERVER_CALL_METRICS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "common/metrics/histogram.h"
#include "common/metrics/open_metrics.h"
#include "protocol/messages.h"
#include "rpc/transport.h"

namespace ebb::server {

// Thread-safe; outlives the calls that it watches.
class CallMetrics {
 public:
  // Returns a callback to use in place of `done`. `bytes`: of the push's
  // values.
  rpc::PsHandler::PushDone Watch(int64_t bytes, rpc::PsHandler::PushDone done);
  rpc::PsHandler::PullDone Watch(rpc::PsHandler::PullDone done);

  void AddTo(metrics::OpenMetrics* text) const;

 private:
  // One for each enumerator.
  static constexpr size_t kVerdicts =
      static_cast<size_t>(Verdict::kInvalid) + 1;
  static constexpr size_t kPullResults =
      static_cast<size_t>(PullResult::kUnchanged) + 1;

  // All relaxed: figures for people.
  std::array<std::atomic<int64_t>, kVerdicts> verdicts_ = {};
  std::array<std::atomic<int64_t>, kPullResults> pull_results_ = {};
  std::atomic<int64_t> push_bytes_ = 0;
  std::atomic<int64_t> pull_bytes_ = 0;
  metrics::SecondsHistogram push_seconds_;
  metrics::SecondsHistogram pull_seconds_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_CALL_METRICS_H_
