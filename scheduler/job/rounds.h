// The rounds of one job: which are closed and durable everywhere, what servers
// were told about them, and whether a value that some partition needs is gone.
// For any job: which versions of its line the servers have stored.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_ROUNDS_H_
#define EBB_SCHEDULER_JOB_ROUNDS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/job/mark_table.h"
#include "scheduler/job/rollback.h"

namespace ebb::scheduler {

class Rounds {
 public:
  // `plan` outlives it.
  explicit Rounds(const JobPlan& plan) : plan_(plan), kept_(plan.partitions) {}

  // --- What servers say of a partition ---------------------------------------
  void Registered(const PartitionRegistration& registration);
  void Stored(const PartitionMarkReport& report);

  // By partition, by the marks that are known now; of any job.
  const std::vector<PartitionRounds>& Kept(const MarkTable& marks);

  // Decides whether the job must roll back, by the marks that are known now.
  std::optional<Rollback> MustRollBack(const MarkTable& marks, OfRound which);

  // --- Messages to servers ---------------------------------------------------
  struct News {
    RoundStatus status;
    // Leases of rounds beyond the open one must be taken back.
    bool revokes = false;
  };
  // Returns the news for all servers; nullopt: they know all of it.
  std::optional<News> Advance(JobId job, Generation generation,
                              const MarkTable& marks);
  // Returns what was told before; nullopt: nothing yet, in this generation.
  const std::optional<RoundStatus>& told() const { return told_; }

  // The answer whether items of the round may be leased: they may if the one
  // before it is closed, and the servers hold no more values than they may.
  enum class Lease { kMay, kNotOpen, kNotDurable };
  Lease MayLease(int64_t round) const;
  // True once for each round: a checkpoint should be asked for.
  bool WantsCheckpoint(int64_t round);

  // A server is back: requests to it may be lost.
  void ServerBack() { checkpoint_asked_ = -1; }
  void BeginGeneration() {
    told_.reset();
    checkpoint_asked_ = -1;
  }

 private:
  const JobPlan& plan_;
  std::vector<PartitionRounds> kept_;  // By partition.
  std::optional<RoundStatus> told_;
  int64_t checkpoint_asked_ = -1;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_ROUNDS_H_
