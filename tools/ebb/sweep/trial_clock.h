// How long the jobs of trials have trained.
//
// The times of a job's submission and end do not say it: in between, the
// cluster may have been dead, or the job without workers. So the clock looks
// at the trials as often as the driver does, and takes these times away. What
// it knows is kept with the sweep, and the next driver goes on with it.
#ifndef EBB_TOOLS_EBB_SWEEP_TRIAL_CLOCK_H_
#define EBB_TOOLS_EBB_SWEEP_TRIAL_CLOCK_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "sweep/sweep.h"

namespace ebb::tools {

// Not thread-safe. Times are in milliseconds since 1970.
class TrialClock {
 public:
  // `outlive`: jobs train on while no driver looks, as those of a cluster do
  // that the sweep did not start. How long such a trial trained is not known.
  explicit TrialClock(bool outlive) : outlive_(outlive) {}

  // Takes over what ToText() of an earlier driver gave. Leaves out lines that
  // it cannot read: the times of these trials are not known then. Nothing
  // trained from the last look of the earlier driver to now.
  void Restore(absl::string_view text, int64_t now_ms);
  std::string ToText() const;

  // The trial is about to be submitted. The times of trials that were never
  // begun here or by an earlier driver are not known.
  void Begin(int64_t number, int64_t now_ms);
  // The scheduler does not answer. The time until the next look is taken away
  // from trials that still run then.
  void Miss() { missed_ = true; }
  // Sets Trial::seconds of all trials.
  void Look(int64_t now_ms, std::vector<sweep::Trial>* trials);
  // How many trials are over, with times that are known.
  int64_t over() const;

 private:
  struct Times {
    int64_t seen_ms = 0;  // When it was last looked at, or begun.
    int64_t idle_ms = 0;  // How long it ran until then, and did not train.
    std::optional<int64_t> trained_ms;  // It is over.
    bool looked_at = false;             // Since it was begun.
    // When it was taken over; 0: it was not, or was looked at since.
    int64_t restored_ms = 0;
  };
  // It did not train from when it was seen to `rested_until_ms`.
  static void Follow(const sweep::Trial& trial, int64_t rested_until_ms,
                     int64_t now_ms, Times* times);

  const bool outlive_;
  std::map<int64_t, Times> trials_;  // By number.
  bool missed_ = false;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_SWEEP_TRIAL_CLOCK_H_
