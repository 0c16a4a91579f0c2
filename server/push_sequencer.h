// The order in which the pushes of one worker to one server are judged.
//
// A worker numbers its pushes from 0 in each incarnation, and they may arrive
// in any order, twice, or never. They are judged in the order of their
// numbers; what comes too early is held, at most a window of it. With a newer
// incarnation everything of the older is dropped, so one lost push cannot
// block a worker for ever (docs/protocol.md, "A push"). Where there was no room
// for one, none of its incarnation is held any more: the worker begins another.
#ifndef EBB_SERVER_PUSH_SEQUENCER_H_
#define EBB_SERVER_PUSH_SEQUENCER_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace ebb::server {

// `Push` is movable. Thread-compatible.
template <typename Push>
class PushSequencer {
 public:
  struct Outcome {
    std::vector<Push> ready;       // To be judged, in this order.
    std::vector<Push> superseded;  // To be answered "superseded".
    std::vector<Push> refused;     // To be answered "busy".
    bool after_refusal = false;    // Not as the window is full.
  };

  explicit PushSequencer(int64_t window) : window_(window) {}

  Outcome Arrive(int64_t incarnation, int64_t sequence, Push push,
                 bool room = true) {
    Outcome outcome;
    if (incarnation > incarnation_) {
      for (auto& [number, held] : held_) {
        outcome.superseded.push_back(std::move(held));
      }
      held_.clear();
      incarnation_ = incarnation;
      next_ = 0;
      refusing_ = false;
    }
    if (incarnation < incarnation_ || sequence < next_ ||
        held_.contains(sequence)) {
      outcome.superseded.push_back(std::move(push));
    } else if (refusing_ || !room) {
      refusing_ = outcome.after_refusal = true;
      outcome.refused = Drain();
      outcome.refused.push_back(std::move(push));
    } else if (sequence - next_ >= window_) {
      outcome.refused.push_back(std::move(push));
    } else {
      held_.emplace(sequence, std::move(push));
      while (!held_.empty() && held_.begin()->first == next_) {
        outcome.ready.push_back(std::move(held_.begin()->second));
        held_.erase(held_.begin());
        ++next_;
      }
    }
    return outcome;
  }

  bool holds() const { return !held_.empty(); }
  // Everything held, given up.
  std::vector<Push> Drain() {
    std::vector<Push> all;
    for (auto& [number, held] : held_) all.push_back(std::move(held));
    held_.clear();
    return all;
  }

 private:
  const int64_t window_;
  int64_t incarnation_ = -1;
  int64_t next_ = 0;
  bool refusing_ = false;  // Refuses all pushes of the incarnation.
  std::map<int64_t, Push> held_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_PUSH_SEQUENCER_H_
