// The options of the client's core: its owner gives them at its start.
#ifndef EBB_CLIENT_OPTIONS_H_
#define EBB_CLIENT_OPTIONS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "common/ids.h"

namespace ebb::client {

struct ClientOptions {
  SessionId session;            // Random; must be given.
  std::string name = "worker";  // Appears in status and logs.
  int64_t process_id = 0;       // For logs; 0: not known.
  JobId only_job;               // Takes items of this job only; 0: of any.
  bool no_evaluations = false;  // Is not asked to evaluate.
  // Begins no batch between the parts of an evaluation: for a computer that is
  // in the middle of it. Default: false, so that training goes on.
  bool evaluates_whole = false;
  // Items held, from 1: the one in work and those after it, so that a short
  // absence of the scheduler costs nothing. Default 2; more help if items take
  // less time than the scheduler may be away. Others must wait for held items.
  int32_t held_items = 2;
  // One more item is leased while those held have fewer batches to compute than
  // this, for a program that reads examples ahead. Not in rounds, where an item
  // that waits here would make others wait. Give the batches that are read
  // ahead. Default 0: none is leased for that.
  int32_t held_batches = 0;
  // Batches computed but not yet acknowledged by every partition, from 1.
  // Default 2: one is computed while one is under way. More help if an answer
  // takes longer than a batch; each takes a gradient's memory and may be late
  // by as many updates.
  int32_t batches_in_flight = 2;
  // Bytes of values of one push at most, but for a partition that has more by
  // itself. A batch with more for a server goes there in several pushes.
  // Default 4 MiB, so that a server begins before all of a batch is there.
  int64_t push_bytes = int64_t{4} << 20;
  // Bytes of values of one pull at most, but for a partition that has more by
  // itself; a server with more is asked several times. Default 32 MiB; at most
  // half of what any message may have (rpc::TransportOptions).
  int64_t pull_bytes = int64_t{32} << 20;
  // Most bytes of values on their way to one server, except for a single push.
  // More wait here, so that a slow server holds this worker back instead of
  // being filled. Give at least twice push_bytes, or each push waits for the
  // answer to the one before, and more where the network's speed times its
  // round trip is more. Default 16 MiB.
  int64_t push_window_bytes = int64_t{16} << 20;
  // Bytes of memory for values and gradients of a job, the computer's data and
  // the program; a job that needs more gets fewer batches in flight and no
  // prefetch, and is refused if that is not enough. Give the limit that the
  // process has (--memory). Default 0: no bound.
  int64_t memory_bytes = 0;
  // Most batches computed from the values of one pull, if pulls take much
  // longer than batches (client/pipeline_depth.h). It applies in ASP without
  // bounds on staleness or memory, to models of which this many fit into a
  // window. Default 1; try 8 for servers far away (docs/several-machines.md),
  // and watch the loss.
  int32_t batches_per_pull = 1;
  // True: the next pull overlaps with computing, which costs one update of
  // staleness. It begins just in time (client/pull_start.h). Without it a pull
  // waits for the answers to this worker's pushes, unless a local rule goes on
  // by itself.
  bool prefetch = true;
  // A batch may take this long before its worker counts as stuck and loses the
  // item, even if no batch took as long before. It may take as long as a lease
  // lives in any case. The same holds while its rows are being found. Give
  // several times the longest batch if a program computes. Default 0: for ebb's
  // own models.
  absl::Duration batch_patience = absl::ZeroDuration();
  // The computer may put the next pull's values together beside those that it
  // computes from, as for a device. It takes the memory of one more copy.
  // Default: false.
  bool assembles_next = false;
  // A push without an answer counts as lost after this long; a pull after
  // pull_timeout (longer than the servers park it: ServerOptions::pull_park).
  // Large ones have more (TimeFor). Defaults 10 s each; broken connections are
  // noticed sooner, so shorter ones gain little.
  absl::Duration push_timeout = absl::Seconds(10);
  absl::Duration pull_timeout = absl::Seconds(10);
  // How often a waiting worker repeats its clock, which may be lost. Default
  // 100 ms: a lost one holds others up for as long.
  absl::Duration clock_interval = absl::Milliseconds(100);
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_OPTIONS_H_
