// How many batches a worker computes from the values of one pull, by what pulls
// and batches take.
//
// The next pull is under way while a batch is computed. If the pull takes much
// longer, as between regions, the worker would wait for most of the time.
// Instead it computes the next batches from the values that it has, as many as
// end before the pull does. The cost is staleness, so it does so only if more
// than half of the time would be lost.
//
// Thread-compatible.
#ifndef EBB_CLIENT_PIPELINE_DEPTH_H_
#define EBB_CLIENT_PIPELINE_DEPTH_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"
#include "client/recent_durations.h"

namespace ebb::client {

class PipelineDepth {
 public:
  // `most`: batches from one pull; 1: always one.
  explicit PipelineDepth(int32_t most) : most_(std::max(most, 1)) {}

  void Pulled(absl::Duration took) { pulls_.Add(took); }
  void Computed(absl::Duration took) { batches_.Add(took); }

  int32_t batches() const {
    if (most_ == 1 || !pulls_.enough() || !batches_.enough()) return 1;
    const absl::Duration pull = pulls_.Median(), batch = batches_.Median();
    if (pull < kMuchLonger * batch) return 1;
    const int64_t fit = batch == absl::ZeroDuration() ? most_ : pull / batch;
    return static_cast<int32_t>(std::min<int64_t>(fit, most_));
  }

 private:
  static constexpr int kMuchLonger = 3;

  const int32_t most_;
  // A single one that was delayed tells little.
  RecentDurations<9> pulls_;
  RecentDurations<9> batches_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_PIPELINE_DEPTH_H_
