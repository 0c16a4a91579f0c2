// The options of the scheduler's core: its owner gives them at its start.
#ifndef EBB_SCHEDULER_OPTIONS_H_
#define EBB_SCHEDULER_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "algorithms/coordinator.h"
#include "common/ids.h"
#include "job/training_facts.h"
#include "protocol/messages.h"

namespace ebb::scheduler {

struct SchedulerOptions {
  SessionId session;  // Random for each life of the process; not 0.
  // Lease time: a worker without progress for this long loses its item. Default
  // 3 s. It must be longer than the machines or the network may stall; a dead
  // worker's item waits as long, unless its connection breaks.
  absl::Duration lease_ttl = absl::Seconds(3);
  // A "done" that the servers' marks do not confirm in this time is forgotten,
  // and the item leased again. Default 1 s: many times the servers'
  // report_interval (50 ms).
  absl::Duration confirm_timeout = absl::Seconds(1);
  // How long a starting scheduler waits for servers it knows of; and how long a
  // server may be away before others take its partitions, where they can. Give
  // more than a restart of a server takes. Default 60 s.
  absl::Duration takeover_after = absl::Seconds(60);
  // An evaluation that gives no result is begun again after this long. Give
  // several times the longest evaluation. Default 60 s.
  absl::Duration evaluation_timeout = absl::Seconds(60);
  // A server that is silent for this long may be replaced by another process
  // with its id. Until then, and for last_word after it came, the other is
  // refused. Default 5 s: longer than TransportOptions take to notice that a
  // machine is gone.
  absl::Duration server_ttl = absl::Seconds(5);
  // The last message of a silent server may still lie unread in a scheduler
  // that stood still itself. The scheduler waits this long for it. Default 1 s.
  absl::Duration last_word = absl::Seconds(1);
  // A partition's move is given up after this long without progress of the
  // target, and begun again. Default 3 s: longer than a disk or network stalls.
  absl::Duration move_timeout = absl::Seconds(3);
  // A worker that would be idle gets an item of another if that ends the work
  // earlier by at least this much; see backups.h. Default 50 ms; a day or more
  // turns it off.
  absl::Duration backup_gain = absl::Milliseconds(50);
  // Servers that must be there before the partitions of a job are placed.
  // Default 1; give the servers of the cluster, or the first gets everything.
  int32_t min_servers = 1;
  // Makes what decides how the rounds of a job end that are closed by
  // operations; null: none can be.
  std::function<absl::StatusOr<std::shared_ptr<const Coordinator>>(
      const JobRecord&)>
      coordinator;
  // Returns the job with that end, which operations, evaluations or operators
  // gave it; null: none is believed to.
  std::function<absl::StatusOr<JobRecord>(const JobRecord&, const JobEnd& end)>
      shortened;
  // A worker that looks whether there is more of data that grows is taken to be
  // gone after this. Default 15 s: it answers within 5 s.
  absl::Duration look_timeout = absl::Seconds(15);
  // Returns a job's facts about its training loss; null: they are unknown.
  std::function<absl::StatusOr<job::TrainingFacts>(const JobRecord&)>
      training_facts;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_OPTIONS_H_
