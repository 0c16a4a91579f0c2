// What the jobs of one worker share. Whoever runs them keeps it up to date;
// they read it, number their pulls by it and use its one computation.
#ifndef EBB_CLIENT_WORKER_STATE_H_
#define EBB_CLIENT_WORKER_STATE_H_

#include <cstdint>

#include "client/actions.h"
#include "client/computation.h"

namespace ebb::client {

struct WorkerState {
  const ClientOptions options;
  bool connected = false;    // To the scheduler.
  bool draining = false;     // No new batch is begun.
  int64_t next_request = 1;  // Of pulls, to any server.
  // Above all that were used for jobs that are forgotten (routes.h).
  int64_t first_incarnation = 0;
  Computation computation;
  int64_t held_bytes = 0;  // By the computer, beside values and gradients.
  // There is room for the values of an evaluation, or for those of a batch.
  bool evaluates_alone = false;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_WORKER_STATE_H_
