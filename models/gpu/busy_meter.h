// When a device has something to do.
#ifndef EBB_MODELS_GPU_BUSY_METER_H_
#define EBB_MODELS_GPU_BUSY_METER_H_

#include <algorithm>
#include <cstdint>

#include "models/gpu/lanes.h"

namespace ebb::models::gpu {

// Knows from what an engine is given, and from what its host has waited for,
// when the device begins to be busy and when it has come to an end. What it
// does between the two may have gaps, in which one lane waits for the other or
// the next call is on its way.
class BusyMeter {
 public:
  // The lane is given something. True: the device had nothing to do.
  bool Called(Lane lane) {
    const bool idle = Idle();
    ++Of(called_, lane);
    return idle;
  }
  void Marked(Lane lane, int mark) { marks_[mark] = {lane, Of(called_, lane)}; }
  // The host has waited for the mark. True: with that the device has come to an
  // end of all that it was given.
  bool Reached(int mark) {
    if (Idle()) return false;
    const Place& place = marks_[mark];
    int64_t& done = Of(done_, place.lane);
    done = std::max(done, place.called);
    return Idle();
  }

 private:
  struct Place {
    Lane lane;
    int64_t called;
  };

  static int64_t& Of(int64_t* lanes, Lane lane) {
    return lanes[static_cast<int>(lane)];
  }
  bool Idle() const { return called_[0] == done_[0] && called_[1] == done_[1]; }

  int64_t called_[2] = {};
  int64_t done_[2] = {};
  Place marks_[kMarks] = {};
};

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_BUSY_METER_H_
