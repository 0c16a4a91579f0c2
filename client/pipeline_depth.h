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
#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

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

  // The last few durations: a single one that was delayed tells little.
  class Recent {
   public:
    void Add(absl::Duration took) { last_[added_++ % kKept] = took; }
    bool enough() const { return added_ >= kKept; }
    absl::Duration Median() const {
      std::array<absl::Duration, kKept> sorted = last_;
      std::ranges::nth_element(sorted, sorted.begin() + kKept / 2);
      return sorted[kKept / 2];
    }

   private:
    static constexpr size_t kKept = 9;
    std::array<absl::Duration, kKept> last_ = {};
    size_t added_ = 0;
  };

  const int32_t most_;
  Recent pulls_;
  Recent batches_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_PIPELINE_DEPTH_H_
