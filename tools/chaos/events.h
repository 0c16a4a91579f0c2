// Names what is done to a cluster, and when. It is the common language of
// scenarios, traces and the code that carries them out.
#ifndef EBB_TOOLS_CHAOS_EVENTS_H_
#define EBB_TOOLS_CHAOS_EVENTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace ebb::chaos {

enum class Op {
  kAdd,        // A worker is started.
  kRemove,     // It ends and does not come back.
  kKill,       // SIGKILL; the supervisor brings it back.
  kTerminate,  // SIGTERM; likewise.
  kStop,       // SIGSTOP.
  kContinue,   // SIGCONT.
  kSlow,       // Its processor is slower; with a share of 1 no more.
  kFillDisk,   // Its writes are refused, as on a full disk.
  kFreeDisk,   // There is space again.
  kDamage,     // Bytes of one of its files are flipped.
  kLose,       // All that it stored is gone.
  kKeep,       // Its stored files are copied ...
  kRestore,    // ... and put in the place of what it has by then.
  kSplit,      // The link carries nothing; connections stay open.
  kDrop,       // Connections of the link are reset, once.
  kDelay,      // Bytes of the link arrive later.
  kLimit,      // The link carries at most this many bytes a second.
  kHeal,       // The link is as it was.
};

// A daemon by name ("scheduler", "ps-0", "worker-2"), or any of a role that is
// there ("ps", "worker"), or all ("all").
using DaemonPattern = std::string;

// The connections between two daemons, whichever opened them.
struct Link {
  DaemonPattern a;
  DaemonPattern b = "all";
  friend bool operator==(const Link&, const Link&) = default;
};

// When the job has run for this long, or this much of it is counted.
struct Moment {
  absl::Duration at = absl::ZeroDuration();
  std::optional<double>
      progress;  // Share of the job, 0 to 1; goes before `at`.
};

// Which of a daemon's files is damaged.
enum class FileChoice { kAny, kNewest, kBiggest };

struct ChaosEvent {
  Moment when;
  Op op = Op::kKill;
  DaemonPattern target;  // For all but the network's events.
  Link link;             // For the network's events.
  // kRemove, kTerminate: how long it may take to leave before it is killed;
  // zero: it is killed at once.
  absl::Duration grace;
  absl::Duration delay;          // kDelay: one way.
  int64_t bytes_per_second = 0;  // kLimit: each way.
  double share = 1;              // kSlow: of its speed, above 0, at most 1.
  FileChoice file = FileChoice::kAny;  // kDamage.
  // kKill: how long it is away; infinite: it is brought back at once. Others:
  // when it is undone (kStop by kContinue, kSlow by kSlow, kFillDisk by
  // kFreeDisk, kSplit, kDelay and kLimit by kHeal); infinite: never.
  absl::Duration lasts = absl::InfiniteDuration();
};

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_EVENTS_H_
