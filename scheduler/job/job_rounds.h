// The rounds of one job and the operations that close them, as servers and
// workers are told of them.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_JOB_ROUNDS_H_
#define EBB_SCHEDULER_JOB_JOB_ROUNDS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "protocol/messages.h"
#include "scheduler/cluster.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/lease_keeper.h"
#include "scheduler/job/partition_owners.h"
#include "scheduler/job/rollback.h"
#include "scheduler/job/round_operations.h"
#include "scheduler/job/rounds.h"

namespace ebb::scheduler {

class JobRounds {
 public:
  // The arguments are not owned, and outlive it.
  JobRounds(const JobTables* job, PartitionOwners* owners, LeaseKeeper* keeper)
      : job_(*job),
        owners_(*owners),
        keeper_(*keeper),
        rounds_(job->plan()),
        operations_(job->options, *job->record, job->plan()) {}

  // --- What servers say of a partition ---------------------------------------
  void Registered(const PartitionRegistration& registration);
  void Reported(const PartitionMarkReport& report);
  // A server is back: what was asked of it may be lost.
  void ServerBack() { rounds_.ServerBack(); }
  void BeginGeneration();

  // --- What daemons are told -------------------------------------------------
  // Returns whether the item's round is open; in a job whose epochs are in
  // order, its epoch. Asks for a checkpoint if the servers must store what they
  // have before a round opens.
  bool MayLease(int64_t ordinal, Context* context);
  // Tells daemons what closed, and what closes the open round; takes back
  // leases of rounds that are not open any more. All partitions are registered.
  void Tell(Context* context);
  // Returns what was told before; nullopt: nothing yet, in this generation.
  const std::optional<RoundStatus>& told() const { return rounds_.told(); }

  // --- What they have --------------------------------------------------------
  // By partition; of any job.
  const std::vector<PartitionRounds>& Kept() {
    return rounds_.Kept(job_.marks);
  }
  std::optional<Rollback> MustRollBack() {
    const RollbackRecord& now = job_.state.rollback;
    return rounds_.MustRollBack(job_.marks, OfRoundAt(now.rate_factor, now));
  }
  // The place where the job ends, if an operation ended it and all that it has
  // is durable: its length, and the versions that hold all of it. Else EndsNow
  // asks for a checkpoint if one is missing. All partitions are registered.
  struct End {
    int32_t epochs = 0;
    RollbackRecord record;
  };
  std::optional<End> EndsNow(Context* context);
  // How far a round is that is closed by an operation.
  RoundOperations::Phase OperationPhase(int64_t round) const {
    return operations_.PhaseOf(round, job_.marks, job_.placement);
  }
  // Returns RoundOperations' sums of rounds that are closed everywhere.
  std::map<int64_t, double> LossSums() const;
  // The validation of the latest round closed everywhere; nullopt: no examples
  // are kept back, or no operation has said it since the scheduler began.
  std::optional<Validation> LatestValidation() const;

 private:
  void TellStatus(Context* context);
  void OrderOperations(Context* context);

  const JobTables& job_;
  PartitionOwners& owners_;
  LeaseKeeper& keeper_;
  Rounds rounds_;
  RoundOperations operations_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_JOB_ROUNDS_H_
