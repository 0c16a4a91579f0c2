// How long a job's losses lasted: from the loss of a worker, a server or the
// scheduler until the next example of its work is counted. For people;
// decisions do not use it.
#ifndef EBB_SCHEDULER_RECOVERIES_H_
#define EBB_SCHEDULER_RECOVERIES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"

namespace ebb::scheduler {

// lost ──> resumed ──> counted
struct Recovery {
  enum class Kind {
    kWorker,     // One of its items: leased to another.
    kServer,     // Its partitions: served again, all of them.
    kScheduler,  // It is back: the first lease that it gives.
  };
  // Counts in this job and this life of the scheduler, from 1.
  int64_t number = 0;
  Kind kind = Kind::kWorker;
  std::string worker;    // kWorker: its name; empty: gone long ago.
  int64_t ordinal = -1;  // kWorker: the item's.
  ServerId server;       // kServer.
  // The connection broke; kScheduler: it started. InfiniteFuture: unknown, as
  // where a lease ran out or was returned.
  absl::Time lost = absl::InfiniteFuture();
  // InfiniteFuture: not yet.
  absl::Time resumed = absl::InfiniteFuture();
  // The first example of the item, or one in each of the partitions, or any.
  absl::Time counted = absl::InfiniteFuture();
};

// The recoveries of one job, the latest kMost. Thread-compatible.
class Recoveries {
 public:
  static constexpr size_t kMost = 128;

  // The scheduler, which knows the job from before, started at `start`.
  void SchedulerBack(absl::Time start);
  // A worker's connection broke that held these items.
  void WorkerLost(absl::string_view worker,
                  const std::vector<int64_t>& ordinals, absl::Time now);
  // A worker's lease ran out. LeasedAgain says which worker gets the item then.
  void WorkerSilent() { ++losses_; }
  // A server's connection broke that owned these partitions.
  void ServerLost(ServerId server, const std::vector<PartitionId>& partitions,
                  absl::Time now);

  // A worker got the item, for the first time.
  void Leased(absl::Time now);
  // Or again, after `from`, whose lease ended.
  void LeasedAgain(int64_t ordinal, absl::string_view from, absl::Time now);
  // The partition is served.
  void Served(PartitionId partition, absl::Time now);
  // An example of the item was counted in the partition.
  void Counted(int64_t ordinal, PartitionId partition, absl::Time now);

  // Workers, servers and schedulers that were lost with work of the job, each
  // once, however many items or partitions it had.
  int64_t losses() const { return losses_; }
  // Something is not counted yet.
  bool open() const { return open_ > 0; }
  // Oldest first.
  std::vector<Recovery> list() const;

 private:
  struct Entry {
    Recovery recovery;
    // kServer: the partitions still missing.
    std::set<PartitionId> unserved;
    std::set<PartitionId> uncounted;
    bool open() const { return recovery.counted == absl::InfiniteFuture(); }
  };

  Entry* Add(Recovery::Kind kind);
  void Close(Entry* entry, absl::Time now);
  // The first lease that a scheduler that is back gives.
  void NoteLease(absl::Time now);

  std::deque<Entry> entries_;
  int64_t last_ = 0;
  int64_t open_ = 0;
  int64_t losses_ = 0;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_RECOVERIES_H_
