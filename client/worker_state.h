// The state that the jobs of one worker share. TrainingCore keeps it up to
// date; the jobs read it, number their pulls by it and use its one computation.
#ifndef EBB_CLIENT_WORKER_STATE_H_
#define EBB_CLIENT_WORKER_STATE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "client/actions.h"
#include "client/computation.h"
#include "client/options.h"
#include "client/row_cache.h"
#include "common/ids.h"
#include "protocol/peer_trouble.h"

namespace ebb::client {

// The fate of the local steps at servers that were away.
struct LocalSteps {
  int64_t batches = 0;  // Batches of which some part was kept.
  int64_t applied = 0;  // Shares that all of their partitions applied.
  int64_t refused = 0;  // Shares that some partition refused.
  // Examples of held items that a server came back without.
  int64_t taken_back = 0;
};

// Calls to servers that failed, by CallCause.
using FailedCalls = std::array<int64_t, kCallCauses>;

struct WorkerState {
  const ClientOptions options;
  bool connected = false;    // To the scheduler.
  bool draining = false;     // No new batch is begun.
  int64_t next_request = 1;  // Numbers the pulls, to any server.
  // Above all that were used for jobs that are forgotten (routes.h).
  int64_t first_incarnation = 0;
  Computation computation;
  int preparing = 0;        // Jobs: nothing is computed meanwhile.
  int64_t held_bytes = 0;   // By the computer, beside values and gradients.
  std::string room_advice;  // JobComputer::RoomAdvice() of the job loaded last.
  std::optional<JobId> evaluates;  // The job of its evaluation.
  // There is room for the values of an evaluation, or for those of a batch.
  bool evaluates_alone = false;
  // No batch is begun: see ClientOptions::evaluates_whole.
  bool within_evaluation = false;
  LocalSteps local_steps;
  CachedRowCounts cached_rows;  // Counts over all pulls that ended.
  FailedCalls failed_calls{};
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_WORKER_STATE_H_
