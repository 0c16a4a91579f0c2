// When, while a batch is computed, the pull for the next one begins.
//
// The values should be there when the batch ends. A pull that begins with the
// batch mostly ends much earlier, and its values then grow old: with N workers
// that are alike, a gradient comes 2N updates late instead of N. So the pull
// begins just in time:
//
//   |<------------------ a short batch ------------------->|
//   |<------ After() ------>|<---- a long pull ---->|margin|
//
// A worker that waits loses more than values gain by the last bit of freshness.
// So it goes by the shortest batch and the longest pull of the last few, and
// waits only if the next two are further apart.
//
// A batch that is too short for this may still have time for the answer to the
// push before it. A pull that begins then has what this worker pushed, and a
// gradient comes one update late instead of two:
//
//   |<---------------------- a batch ---------------------->|
//   |<----- a push ----->|<------ a pull ------>|
//
// This goes by medians. On a busy machine the longest of a few pushes is longer
// than most batches, and the answer begins the pull, whenever it comes.
//
// Thread-compatible.
#ifndef EBB_CLIENT_PULL_START_H_
#define EBB_CLIENT_PULL_START_H_

#include "absl/time/time.h"
#include "client/recent_durations.h"

namespace ebb::client {

class PullStart {
 public:
  // `assembles`: the computer puts the values together before the batch ends
  // (ClientOptions::assembles_next). This takes less than the pull did.
  explicit PullStart(bool assembles) : pulls_in_time_(assembles ? 2 : 1) {}

  // A pull ended so long after it was due.
  void Pulled(absl::Duration took) { pulls_.Add(took); }
  void Computed(absl::Duration took) { batches_.Add(took); }
  // What was pushed before a batch was answered so long after its begin.
  void Pushed(absl::Duration took) { pushes_.Add(took); }

  // How long after the begin of a batch. Zero: with the batch, because the pull
  // takes about as long, or too little is known.
  absl::Duration After() const {
    if (!pulls_.enough() || !batches_.enough()) return absl::ZeroDuration();
    const absl::Duration batch = batches_.Shortest();
    const absl::Duration after =
        batch - pulls_in_time_ * pulls_.Longest() - kMargin;
    return after < kLeastShare * batch ? absl::ZeroDuration() : after;
  }

  // True if there is mostly time to wait for the answers to pushes.
  bool AfterPushes() const {
    if (!pulls_.enough() || !batches_.enough() || !pushes_.enough()) {
      return false;
    }
    return pushes_.Median() + pulls_in_time_ * pulls_.Median() <=
           batches_.Median();
  }

 private:
  // Timers and threads are late by less than this.
  static constexpr absl::Duration kMargin = absl::Milliseconds(1);
  // Less of a batch gains too little to risk a wait.
  static constexpr double kLeastShare = 0.25;

  const int pulls_in_time_;
  RecentDurations<16> pulls_;
  RecentDurations<16> batches_;
  RecentDurations<16> pushes_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_PULL_START_H_
