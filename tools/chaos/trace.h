// Records of a spot market: which machines came and went when.
//
//   EBB_ASSIGN_OR_RETURN(const Trace trace, ReadTrace(text, "market.csv"));
//   ChaosPlan plan(EventsOf(trace, /*speed=*/60, absl::ZeroDuration()), seed);
#ifndef EBB_TOOLS_CHAOS_TRACE_H_
#define EBB_TOOLS_CHAOS_TRACE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tools/chaos/events.h"

namespace ebb::chaos {

struct TraceEvent {
  absl::Duration at;
  bool add = true;  // Else the node is taken away.
  std::string node;
  friend bool operator==(const TraceEvent&, const TraceEvent&) = default;
};

struct Trace {
  std::vector<TraceEvent> events;  // At least one; by time.
  int64_t peak_nodes = 0;
  double mean_nodes = 0;  // Over `duration`.
  // Until the last event, from time zero: a trace does not say how long what
  // remained went on.
  absl::Duration duration;
};

// Reads CSV with the header `t_s,op,node`: seconds that never fall, add or
// remove, any name. Lines end with LF or CRLF; empty ones are passed over.
// InvalidArgument names the first few mistakes with `file_name`, line and what
// would be right, and says how many more there are.
absl::StatusOr<Trace> ReadTrace(absl::string_view text,
                                absl::string_view file_name);

// The nodes become worker-0, worker-1, … as they first appear; a node that
// comes back is a new life of its worker. Times are divided by `speed`, which
// is above 0; `notice` is how long a worker that is removed may take to leave
// (zero: it is killed), in the time of the run.
std::vector<ChaosEvent> EventsOf(const Trace& trace, double speed,
                                 absl::Duration notice);

// A market from which a trace is made: `nodes` machines at first. Each is taken
// at random, and some time later replaced by a new one.
struct Market {
  // Machines at the start, and wanted ever after; 1 to 10,000.
  int64_t nodes = 24;
  // How often a machine is lost per hour that it runs: 0 (never) to 3600.
  // Markets with many losses have about 0.3.
  double losses_per_node_hour = 0.3;
  // How many are taken at one instant, at least 1: fewer only if no more are
  // there. Larger bulks are rarer, so that each machine is lost as often.
  int64_t bulk = 1;
  // Mean time until a machine that was lost is replaced, up to a year;
  // infinite: never.
  absl::Duration replaced_after = absl::Minutes(5);
  // How long the market is looked at; at most a year.
  absl::Duration duration = absl::Hours(12);
  uint64_t seed = 1;

  // The error names a value out of its range, or says that the trace would have
  // more than about a million events.
  absl::Status Validate() const;
};

// The text of a trace of a market that is valid: a function of its fields
// alone, on every machine. All nodes come at 0; times are whole milliseconds.
std::string MakeTrace(const Market& market);

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_TRACE_H_
