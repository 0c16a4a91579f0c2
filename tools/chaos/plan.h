// Which disturbances of a cluster are due.
//
//   ChaosPlan plan(scenario.events, seed);
//   while (!plan.done()) {
//     ... wait until plan.NextDue(), or until the job has advanced ...
//     for (const Disturb& disturb : plan.Due(elapsed, progress, there)) {
//       ... carry it out ...
//     }
//   }
#ifndef EBB_TOOLS_CHAOS_PLAN_H_
#define EBB_TOOLS_CHAOS_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tools/chaos/events.h"

namespace ebb::chaos {

// An event that is due, with its roles replaced by names.
struct Disturb {
  Op op = Op::kKill;
  // For all but the network's events; at least one.
  std::vector<std::string> daemons;
  // For the network's events: each end is the name of a daemon, or "all", which
  // includes daemons that come later.
  Link link;
  absl::Duration grace;
  absl::Duration delay;
  int64_t bytes_per_second = 0;
  double share = 1;
  FileChoice file = FileChoice::kAny;
  uint64_t draw = 0;  // kDamage: what chance has a say in.
  // kKill: how long it is away before it is brought back.
  absl::Duration away = absl::ZeroDuration();
  bool undoes = false;  // It ends what an earlier one began.

  friend bool operator==(const Disturb&, const Disturb&) = default;
};

// Says what to do when; does nothing itself, and has no clock. Not thread-safe.
//
// - A role is one of its daemons that are there when the event is due, drawn
//   from the seed and the event's place among the events. With the same daemons
//   there it is the same choice, whatever else happened. While no daemon of the
//   role is there, or for "all" no daemon at all, the event waits. A named
//   daemon is disturbed whether it is there or not.
// - To add "worker" adds the number after the highest that was ever there or
//   that an event adds by name.
// - An event that `lasts` is undone so long after it was due to be carried out,
//   for the same daemons or the same link. Until then a later event may replace
//   it: one that stops or continues the daemon, or splits, delays, limits or
//   heals just the same link. Then the former is not undone any more; nor is a
//   stop once its daemon is killed or removed. A slow machine and a full disk
//   outlive the daemon.
class ChaosPlan {
 public:
  ChaosPlan(std::vector<ChaosEvent> events, uint64_t seed);

  // Adds an event after the others. It is not one of the network's.
  void Add(ChaosEvent event);

  // Returns the events due after `elapsed` with `progress` (0 to 1) of the job
  // counted, each once. `there` are the daemons of the cluster at that time, in
  // any order. Waiting events come first, then those by time, then those by
  // progress. At equal times (or progress) they are in the order of the events,
  // undone ones first.
  std::vector<Disturb> Due(absl::Duration elapsed, double progress,
                           const std::vector<std::string>& there);

  // When the next is due by its time, which may have passed; infinite: none,
  // but some may be due by progress or wait for a daemon.
  absl::Duration NextDue() const;

  // True if any event, past or to come, is one of the network's.
  bool TouchesNetwork() const { return touches_network_; }

  // Every event was due; only undoing some remains.
  bool all_begun() const {
    return by_time_.empty() && by_progress_.empty() && waiting_.empty();
  }

  // No event will be due any more.
  bool done() const { return all_begun() && undos_.empty(); }

 private:
  // Carries on with an event whose moment has come: appends to `due`, or to
  // those that wait.
  void Begin(size_t event, absl::Duration elapsed,
             const std::vector<std::string>& there, std::vector<Disturb>* due);
  std::optional<Disturb> Resolve(size_t event,
                                 const std::vector<std::string>& there);
  // Returns one of the present daemons that `pattern` means, but not `other`;
  // nullopt: there is none. `end` makes the draws for the ends of a link
  // different ones.
  std::optional<std::string> Pick(const DaemonPattern& pattern,
                                  absl::string_view other, size_t event,
                                  uint64_t end,
                                  const std::vector<std::string>& there) const;
  // Drops the undos whose place `disturb` takes.
  void Supersede(const Disturb& disturb);
  void NoteWorker(absl::string_view daemon);

  const uint64_t seed_;
  std::vector<ChaosEvent> events_;
  bool touches_network_ = false;

  // Places in events_.
  std::multimap<absl::Duration, size_t> by_time_;
  std::multimap<double, size_t> by_progress_;
  std::vector<size_t> waiting_;
  std::multimap<absl::Duration, Disturb> undos_;
  int next_worker_ = 0;
};

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_PLAN_H_
