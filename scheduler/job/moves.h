// The moves of a job's partitions that are under way, and what became of those
// before.
//
// Not stored: a scheduler that starts draws a new term for every partition,
// which ends every move. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_MOVES_H_
#define EBB_SCHEDULER_JOB_MOVES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/cluster.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/partition_owners.h"

namespace ebb::scheduler {

struct Move {
  PartitionId partition;
  ServerId source;
  ServerId target;
  SessionId target_session;
  Term term;
  absl::Time begun;
  absl::Time last_sign;  // Of life, from the target.
};

class Moves {
 public:
  // The arguments are not owned, and outlive it.
  Moves(const JobTables* job, PartitionOwners* owners)
      : job_(*job), owners_(*owners) {}

  // --- Those that are under way ----------------------------------------------
  const std::map<PartitionId, Move>& underway() const { return underway_; }
  void Begin(const Move& move) { underway_[move.partition] = move; }
  // The partition's move to this server in this term; null: there is none.
  const Move* Find(PartitionId p, const ServerInfo& target, Term term) const;
  // Its target lives.
  void Sign(PartitionId p, absl::Time now) { underway_.at(p).last_sign = now; }
  // The new owner is decided.
  void Complete(PartitionId p);
  // Another term than the move's is drawn: it can be committed no more. Nothing
  // happens if the partition is not moving.
  void End(PartitionId p, Context* context);
  // Returns where the partitions go.
  std::map<PartitionId, ServerId> Targets() const;
  absl::Time NextExpiry(absl::Duration timeout) const;

  // --- Targets of moves that were given up -----------------------------------
  struct Avoid {
    absl::Time until;
    int failures = 0;  // In a row.
    // Why the last was, if the target does not reach the source.
    std::optional<UnreachedServer> unreached;
  };
  const std::map<ServerId, Avoid>& avoid() const { return avoid_; }
  // One more move to it failed: it is avoided for a while, each time a longer
  // one.
  void Failed(ServerId target, absl::Time now);
  void SetUnreached(ServerId target, std::optional<UnreachedServer> source) {
    avoid_[target].unreached = std::move(source);
  }
  void Forgive(ServerId target) { avoid_.erase(target); }
  void ForgiveAll() { avoid_.clear(); }
  std::set<ServerId> Avoided(absl::Time now) const;
  absl::Time NextAvoidEnds(absl::Time after) const;

  // --- Counts ----------------------------------------------------------------
  int64_t completed() const { return completed_; }  // In the scheduler's life.
  int64_t given_up() const { return given_up_; }
  // How long those took pushes at neither end that were completed last, and of
  // that were stored.
  struct Pause {
    PartitionId partition;
    ServerId target;
    absl::Duration paused;
    absl::Duration stored;
  };
  static constexpr size_t kMostPauses = 64;
  const std::deque<Pause>& pauses() const { return pauses_; }
  void NotePause(const Pause& pause);

 private:
  const JobTables& job_;
  PartitionOwners& owners_;
  std::map<PartitionId, Move> underway_;
  std::map<ServerId, Avoid> avoid_;
  int64_t completed_ = 0;
  int64_t given_up_ = 0;
  std::deque<Pause> pauses_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_MOVES_H_
