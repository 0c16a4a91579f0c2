#include "common/shm/step_aside.h"

#include <sched.h>

#include <algorithm>

namespace ebb::shm {

bool StepAside::Met(int own_core, int other_core) {
  if (own_core != other_core) {
    together_ = 0;
    apart_ = std::min(apart_ + 1, kLeast);
    if (apart_ == kLeast) patience_ = kLeast;
    return false;
  }
  apart_ = 0;
  if (++together_ < patience_) return false;
  together_ = 0;
  // Should it not help, it is not done often.
  patience_ = std::min(2 * patience_, kMost);
  return true;
}

bool StepAside::Leave(int core) {
  cpu_set_t allowed;
  // Fails where there are more cores than the set has room for.
  if (core < 0 || core >= CPU_SETSIZE ||
      sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
    return false;
  }
  cpu_set_t others = allowed;
  CPU_CLR(core, &others);
  if (CPU_COUNT(&others) == 0 ||
      sched_setaffinity(0, sizeof(others), &others) != 0) {
    return false;
  }
  return sched_setaffinity(0, sizeof(allowed), &allowed) == 0;
}

}  // namespace ebb::shm
