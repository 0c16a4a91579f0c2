// Bounded staleness between workers: the stale synchronous parallel rule of Ho
// et al. (NIPS 2013), over a membership that changes.
//
// A pull for the batch at clock c waits until every worker of the view has
// reached c - bound, where the bound is that of what it reads. Clocks are
// learned from the workers' own messages; the largest of a worker counts. A
// message counts only when it names the view in which the worker joined: what a
// worker said before it left and joined again must not be believed of its new
// life.
//
// Thread-compatible.
#ifndef EBB_SERVER_SSP_GATE_H_
#define EBB_SERVER_SSP_GATE_H_

#include <cstdint>
#include <map>

#include "absl/container/flat_hash_map.h"
#include "common/ids.h"
#include "protocol/messages.h"

namespace ebb::server {

class SspGate {
 public:
  enum class Answer {
    kOpen,
    kClosed,       // Some worker of the view is too far behind.
    kUnknownView,  // The worker joined in a view that is not known here yet.
    kNotInView,    // The worker is not a member (any more).
  };

  // Replaces the membership. False: the view is not newer and is ignored.
  bool SetView(const ViewUpdate& view);
  // A worker says how far it is.
  void Learn(const WorkerStamp& stamp);
  // May a pull of this worker for the batch at `target` be answered, if what it
  // reads has this bound?
  Answer Ask(const WorkerStamp& stamp, int64_t target, int64_t bound) const;

  ViewNumber view() const { return view_; }
  // The smallest clock in the view; 0 when it is empty.
  int64_t min_clock() const {
    return counts_.empty() ? 0 : counts_.begin()->first;
  }
  // A member at the smallest clock, for explanations; 0 when there is none.
  SessionId slowest() const;

 private:
  struct Member {
    ViewNumber joined;
    int64_t clock = 0;
  };

  ViewNumber view_;
  absl::flat_hash_map<SessionId, Member> members_;
  std::map<int64_t, int64_t> counts_;  // Members by clock.
};

}  // namespace ebb::server

#endif  // EBB_SERVER_SSP_GATE_H_
