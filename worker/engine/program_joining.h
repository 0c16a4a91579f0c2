// How a program joins its job: what the two say before the engine is at work.
#ifndef EBB_WORKER_ENGINE_PROGRAM_JOINING_H_
#define EBB_WORKER_ENGINE_PROGRAM_JOINING_H_

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "client/found_job.h"
#include "common/fd.h"
#include "rpc/admin.h"
#include "worker/engine/engine.h"
#include "worker/engine/messages.h"
#include "worker/engine/program_memory.h"
#include "worker/engine/program_socket.h"

namespace ebb::worker {

struct JoinedProgram {
  HelloBody hello;
  client::FoundJob job;
  ProgramMemory memory;
  std::unique_ptr<rpc::SchedulerAdminClient> admin;
};

// Blocks until the program has joined its job. Nothing: it heard why it cannot,
// or it is dead, or `signals` has one. An error: what it says is not a message.
absl::StatusOr<std::optional<JoinedProgram>> LetJoin(
    const EngineOptions& options, const Fd& signals, ProgramSocket* socket);

}  // namespace ebb::worker

#endif  // EBB_WORKER_ENGINE_PROGRAM_JOINING_H_
