// When a device has something to do.
#ifndef EBB_MODELS_GPU_BUSY_METER_H_
#define EBB_MODELS_GPU_BUSY_METER_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "models/gpu/lanes.h"

namespace ebb::models::gpu {

// Computes when the device becomes busy and when it comes to an end, from the
// calls to an engine and the waits of its host. Between the two there may be
// gaps, in which one lane waits for another or the next call is on its way.
class BusyMeter {
 public:
  // The lane is given something. True: the device had nothing to do.
  bool Called(Lane lane) {
    const bool idle = Idle();
    ++At(lane)[static_cast<size_t>(lane)];
    return idle;
  }
  void Marked(Lane lane, int mark) { marks_[mark] = At(lane); }
  // The lane goes on after the mark.
  void Awaited(Lane lane, int mark) { Advance(marks_[mark], &At(lane)); }
  // The host has waited for the mark. True: with that the device has come to an
  // end of all that it was given.
  bool Reached(int mark) {
    if (Idle()) return false;
    Advance(marks_[mark], &done_);
    return Idle();
  }

 private:
  // So much of what each lane was given is over.
  using Place = std::array<int64_t, kLaneCount>;

  Place& At(Lane lane) { return ends_[static_cast<size_t>(lane)]; }
  static void Advance(const Place& place, Place* to) {
    for (size_t i = 0; i < to->size(); ++i) {
      (*to)[i] = std::max((*to)[i], place[i]);
    }
  }
  bool Idle() const {
    for (size_t i = 0; i < done_.size(); ++i) {
      if (done_[i] < ends_[i][i]) return false;
    }
    return true;
  }

  // The place that has ended when a lane comes to its end.
  std::array<Place, kLaneCount> ends_ = {};
  Place done_ = {};
  std::array<Place, kMarks> marks_ = {};
};

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_BUSY_METER_H_
