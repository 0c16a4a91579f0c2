// A wall clock that a test sets, as a person or NTP sets that of a machine.
//
//   SetWallClock(absl::Hours(-1));   // From now on it is an hour behind.
//
// A program that links wall_clock.cc reads this clock. Another program does if
// the library ebb_wall_clock is preloaded into it: the eight bytes of the file
// EBB_TEST_WALL_CLOCK then say by how many nanoseconds the clock is ahead.
//
// The kernel still goes by the right time. It keeps a wait until an instant of
// the wall clock too long while this clock is ahead, just as it does after its
// own clock was set back.
#ifndef EBB_COMMON_TESTING_WALL_CLOCK_H_
#define EBB_COMMON_TESTING_WALL_CLOCK_H_

#include "absl/time/time.h"

namespace ebb {

// How far the wall clock of this process is ahead. Thread-safe.
void SetWallClock(absl::Duration ahead);

}  // namespace ebb

#endif  // EBB_COMMON_TESTING_WALL_CLOCK_H_
