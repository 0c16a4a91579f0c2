// Facts about a scheduler for people, which decisions do not use: speeds, how
// long nothing has advanced, how many leases were given again, how long losses
// lasted, and recent events.
#ifndef EBB_SCHEDULER_WATCH_H_
#define EBB_SCHEDULER_WATCH_H_

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/event_list.h"
#include "scheduler/recoveries.h"
#include "scheduler/scheduler_core.h"

namespace ebb::scheduler {

// The speed of a number that grows, over the last seconds.
class Speed {
 public:
  void Add(absl::Time now, double value);
  double per_second() const;

 private:
  std::deque<std::pair<absl::Time, double>> samples_;
};

// How many examples the average partition applied since the first look. Only
// additions of a partition within a term count: examples learnt from a
// registration were not applied just then, and a server's loss is not a step
// back.
class AppliedCount {
 public:
  double Look(const TrainingJob& job);
  // Over all partitions, as they were when last looked at.
  int64_t sum() const { return sum_; }

 private:
  struct Seen {
    Term term;  // 0: not registered.
    int64_t examples = 0;
  };
  std::vector<Seen> seen_;  // By partition.
  double count_ = 0;
  int64_t sum_ = 0;
};

struct JobWatch {
  AppliedCount count;
  Speed applied;        // Speed of that count.
  absl::Time advanced;  // When its sum last changed, or the job was first seen.
  absl::Time finished = absl::InfiniteFuture();
  // Items that another worker was leased after a lease that ended before they
  // were done, within a generation.
  int64_t leases_repeated = 0;
  // How long the job had workers, all of them together.
  absl::Duration worker_time;
  // Ordinal -> last leased to, of items that are not done.
  absl::flat_hash_map<int64_t, LinkId> leased;
  Generation generation;       // The generation of these leases.
  int64_t silent_workers = 0;  // TrainingJob::silent_workers, last seen.
  Recoveries recoveries;
};

struct WorkerWatch {
  Speed examples;
  absl::Time parked_since = absl::InfiniteFuture();
};

// Thread-compatible.
class Watch {
 public:
  // How often to Look().
  static constexpr absl::Duration kInterval = absl::Milliseconds(250);

  explicit Watch(absl::Time now) : since_(now), looked_(now) {}

  void Look(const SchedulerCore& core, absl::Time now);

  // The events that the core is about to get (a goodbye is a close), ...
  void WorkerCloses(const SchedulerCore& core, LinkId link, absl::Time now);
  void ServerCloses(const SchedulerCore& core, LinkId link, absl::Time now);
  void WorkerSays(const SchedulerCore& core, LinkId link,
                  const WorkerToScheduler& message, absl::Time now);
  void ServerSays(const SchedulerCore& core, LinkId link,
                  const ServerToScheduler& message, absl::Time now);
  // ... was told, ...
  void ServerSaid(const SchedulerCore& core, const ServerToScheduler& message,
                  absl::Time now);
  // ... and does.
  void Leased(const SchedulerCore& core, LinkId to, const Lease& lease,
              absl::Time now);

  // The core told of it.
  void Happened(const LogEvent& event, absl::Time now) {
    events_.Add(event, now);
  }

  absl::Time since() const { return since_; }
  const EventList& events() const { return events_; }
  // Null: not looked at yet.
  const JobWatch* job(JobId id) const;
  const WorkerWatch* worker(SessionId session) const;

 private:
  JobWatch& Of(JobId job, absl::Time now);

  absl::Time since_;
  absl::Time looked_;  // When Look was called last.
  EventList events_;
  std::map<JobId, JobWatch> jobs_;
  std::map<SessionId, WorkerWatch> workers_;
  // Names of workers that are gone, the latest: items that they returned may be
  // leased later.
  std::map<LinkId, std::string> gone_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_WATCH_H_
