// The options of the server's core: its owner gives them at its start.
#ifndef EBB_SERVER_OPTIONS_H_
#define EBB_SERVER_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "server/memory/block_pool.h"
#include "server/partition.h"
#include "server/update_rule.h"

namespace ebb::server {

// A file with the values that the dense tables of a job begin with, in their
// order, then the slots, and then rows (InitialValues in specification.proto,
// docs/formats/initial-rows.md).
struct InitialFile {
  std::string set;  // The data set that has it, and nothing else.
  std::string id;   // Names that set's content.
  int64_t bytes = 0;
  int32_t slots = 0;
  int64_t row_bytes = 0;  // The last ones. 0: sparse tables begin without rows.
};

// The resources that serving a job needs: made when its first grant arrives.
struct JobResources {
  std::shared_ptr<const UpdateRule> rule;
  std::shared_ptr<BlockPool> pool;
  // Absent: the dense values begin as the rule says.
  std::optional<InitialFile> initial;
};

struct UpdateTask {
  JobId job;
  std::shared_ptr<Partition> partition;
  std::unique_ptr<Partition::Update> update;
};

struct ServerOptions {
  ServerId id;             // Lasting, from 0; no two servers have the same.
  SessionId session;       // Random for each life of the process; not 0.
  std::string address;     // The address where workers reach this server.
  int64_t process_id = 0;  // For logs; 0: not known.
  // The identity of the folder in which the servers share copies of their
  // versions, the same for all that have it; empty: none.
  std::string shared_folder;
  std::function<absl::StatusOr<JobResources>(const JobRecord&,
                                             const RollbackRecord&)>
      resources;  // Opens what a job needs here. Must be given.

  // Returns whether the update is so small that it is computed within the event
  // that brings it, and not by a RunUpdate. Null: none is.
  std::function<bool(const UpdateTask& task)> at_once;

  // A parked pull is answered "wait" after this long. Default 1 s; keep it well
  // below the workers' pull_timeout (10 s).
  absl::Duration pull_park = absl::Seconds(1);
  // Pushes of one worker held while an earlier one is missing. Default 32: more
  // than a worker has under way to one server.
  int64_t push_window = 32;
  // The server gives up held pushes when no message of the worker came for this
  // long: the worker died, or counts the missing push as lost. Default 15 s;
  // keep it above the workers' push_timeout (10 s).
  absl::Duration push_hold = absl::Seconds(15);
  // Pushes of all workers admitted but not yet answered; more are refused, and
  // sent again later. Default 1024; give several for each worker.
  int64_t push_limit = 1024;
  // How often changed marks are reported to the scheduler, at most. Default
  // 50 ms: an item's end is known as much later. Raise it where many servers
  // keep a scheduler busy.
  absl::Duration report_interval = absl::Milliseconds(50);
  // The same for figures that people look at. Default 250 ms.
  absl::Duration statistics_interval = absl::Milliseconds(250);
  // Bytes of values that versions may have a second, on average, all jobs
  // together. If more values change, versions come less often. Versions that
  // something waits for are not held back: a partition's first version in a
  // term, those that the scheduler asks for (for an operator, a round that
  // cannot close, a pause or the end), and the last ones. Give a part of what a
  // shared or slow disk writes. Default 0: no bound.
  int64_t checkpoint_rate = 0;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_OPTIONS_H_
