// Two threads of two processes that hand work to each other must not stay on
// one core. They do if the kernel takes idle cores for busy ones: a virtual
// processor that is halted counts as preempted by its host, and a thread that
// wakes up is then not put there (available_idle_cpu in Linux's fair
// scheduler). The two take turns and no other thread is ready to run, so load
// balancing does not part them. Each waits for what it could do meanwhile.
#ifndef EBB_COMMON_SHM_STEP_ASIDE_H_
#define EBB_COMMON_SHM_STEP_ASIDE_H_

#include <cstdint>

namespace ebb::shm {

// One of the two threads asks for another core when it finds the other on its
// own again and again. If both did, they would meet there. For that thread
// alone.
class StepAside {
 public:
  // After each wait that the other ended: the cores of the two. True: it is
  // time to leave this one.
  bool Met(int own_core, int other_core);

  // Moves the calling thread to another core that it may use, if there is one.
  // It has the same set of cores then, but as one of its own: cores that its
  // group is given later it may not use. False: there is none, or it may not.
  static bool Leave(int core);

 private:
  static constexpr int kLeast = 4;
  static constexpr int kMost = 4096;

  int together_ = 0;
  int apart_ = 0;
  int patience_ = kLeast;  // Meetings in a row.
};

}  // namespace ebb::shm

#endif  // EBB_COMMON_SHM_STEP_ASIDE_H_
