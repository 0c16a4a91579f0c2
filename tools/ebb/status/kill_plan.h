// Which daemon `ebb run --kill-every` kills when: a function of the seed.
#ifndef EBB_TOOLS_EBB_STATUS_KILL_PLAN_H_
#define EBB_TOOLS_EBB_STATUS_KILL_PLAN_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace ebb::tools {

struct Kill {
  absl::Duration after;  // Since the run's start.
  std::string daemon;
  // The point where the next life of the daemon kills itself, as its --kill-at
  // takes it; empty: nowhere.
  std::string then_at;
};

// The named points of a daemon's program; see its --kill-at.
struct KillPointsByRole {
  std::vector<std::string> scheduler;
  std::vector<std::string> servers;
  std::vector<std::string> workers;
};

// Kills in turn a worker, a server and the scheduler, which of them is drawn;
// one kill falls into every `every`, at a moment drawn within it. Every second
// life that follows is to end at a named point, one after the other, the first
// to the eighth time that it is reached.
class KillPlan {
 public:
  KillPlan(absl::Duration every, uint64_t seed, int servers, int workers,
           KillPointsByRole points);
  const Kill& next() const { return next_; }
  void Advance();

 private:
  // Evenly from [0, bound).
  uint64_t Draw(uint64_t bound) { return random_() % bound; }

  const absl::Duration every_;
  const int servers_;
  const int workers_;
  const KillPointsByRole points_;
  // The same numbers on every machine, which distributions do not promise.
  std::mt19937_64 random_;
  std::string PointOf(const std::vector<std::string>& points,
                      uint64_t most_times);

  int64_t count_ = 0;
  Kill next_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_KILL_PLAN_H_
