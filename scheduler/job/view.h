// The membership view of a job under SSP: the numbered set of workers that
// count for the clock bound.
//
// A worker is a member only while it holds a training lease, and only from when
// it can begin. Its first pull is answered that it is not a member, and then it
// asks to join. No worker waits for another that is loading, nor for its
// missing batches.
//
// Thread-compatible.
#ifndef EBB_SCHEDULER_JOB_VIEW_H_
#define EBB_SCHEDULER_JOB_VIEW_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <vector>

#include "common/ids.h"
#include "protocol/messages.h"

namespace ebb::scheduler {

class View {
 public:
  ViewNumber number() const { return number_; }
  bool Contains(SessionId worker) const { return members_.contains(worker); }
  // The worker must be a member.
  const ViewMember& member(SessionId worker) const {
    return members_.at(worker);
  }

  // `number` is greater than any used before.
  void Join(SessionId worker, ViewNumber number, int64_t clock) {
    number_ = number;
    members_[worker] = {worker, number, clock};
    clocks_[worker] = clock;
  }
  // False: it was not a member.
  bool Leave(SessionId worker, ViewNumber number) {
    if (!members_.contains(worker)) return false;
    floor_ = MinClock();
    members_.erase(worker);
    clocks_.erase(worker);
    number_ = number;
    return true;
  }
  // All members leave. False: there were none.
  bool Clear(ViewNumber number) {
    if (members_.empty()) return false;
    floor_ = MinClock();
    members_.clear();
    clocks_.clear();
    number_ = number;
    return true;
  }
  // Returns the clock at which a worker joins. `view_clock` is the smallest
  // clock that a server reports; the clocks here are as old as the workers'
  // last reports. Workers at the smallest clock are in the midst of a batch. A
  // worker that begins one now comes after them, and would hold up the fastest.
  int64_t StartClock(int64_t view_clock) const {
    constexpr int64_t kMost = std::numeric_limits<int64_t>::max() - 1;
    return std::min(std::max(MinClock(), view_clock), kMost) + 1;
  }
  // Learns a member's clock: it is at least this.
  void Learn(SessionId worker, int64_t clock) {
    const auto it = clocks_.find(worker);
    if (it != clocks_.end()) it->second = std::max(it->second, clock);
  }

  // The smallest clock of the view; that of before when it is empty.
  int64_t MinClock() const {
    if (clocks_.empty()) return floor_;
    int64_t least = clocks_.begin()->second;
    for (const auto& [worker, clock] : clocks_) least = std::min(least, clock);
    return least;
  }
  SessionId Slowest() const {
    for (const auto& [worker, clock] : clocks_) {
      if (clock == MinClock()) return worker;
    }
    return SessionId();
  }

  ViewUpdate Message(JobId job, Generation generation) const {
    ViewUpdate update;
    update.job = job;
    update.generation = generation;
    update.number = number_;
    for (const auto& [worker, member] : members_) {
      update.members.push_back(member);
    }
    return update;
  }

 private:
  ViewNumber number_;
  int64_t floor_ = 0;
  std::map<SessionId, ViewMember> members_;
  std::map<SessionId, int64_t> clocks_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_VIEW_H_
