// The parts of one job in the scheduler: the tables that all read, and an owner
// for each subject. A part is given those that it uses when it is made, so it
// knows only parts that stand before it here.
//
//   servers   partition_owners.h  who owns what     registrar.h  what they have
//             granter.h           terms             takeover.h   lost servers
//             moves.h, partition_mover.h            moves
//   workers   lease_offers.h      who gets what     view_keeper.h   the view
//             held_leases.h       who has what      worker_demand.h how many
//             lease_keeper.h      what they are told
//             evaluations.h       evaluating
//             data_watch.h        data that grows
//   training  job_rounds.h        rounds            loss_watch.h    divergence
//             item_failures.h     poison            rollbacks.h     rollback
//             job_pauses.h        pauses            finish.h     its end
//
// Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_JOB_PARTS_H_
#define EBB_SCHEDULER_JOB_JOB_PARTS_H_

#include "protocol/messages.h"
#include "scheduler/actions.h"
#include "scheduler/job/backups.h"
#include "scheduler/job/best_version.h"
#include "scheduler/job/data_watch.h"
#include "scheduler/job/evaluations.h"
#include "scheduler/job/finish.h"
#include "scheduler/job/granter.h"
#include "scheduler/job/held_leases.h"
#include "scheduler/job/item_failures.h"
#include "scheduler/job/job_pauses.h"
#include "scheduler/job/job_rounds.h"
#include "scheduler/job/job_state.h"
#include "scheduler/job/job_tables.h"
#include "scheduler/job/lease_keeper.h"
#include "scheduler/job/lease_offers.h"
#include "scheduler/job/loss_watch.h"
#include "scheduler/job/moves.h"
#include "scheduler/job/partition_mover.h"
#include "scheduler/job/partition_owners.h"
#include "scheduler/job/registrar.h"
#include "scheduler/job/rollbacks.h"
#include "scheduler/job/takeover.h"
#include "scheduler/job/view_keeper.h"
#include "scheduler/job/worker_demand.h"
#include "scheduler/options.h"

namespace ebb::scheduler {

struct JobParts {
  // `options` outlives them.
  JobParts(const SchedulerOptions& options, JobRecordPtr record, JobState state,
           Rollbacks::BeginGeneration begin_generation);
  JobParts(const JobParts&) = delete;  // They know each other.
  JobParts& operator=(const JobParts&) = delete;

  JobTables tables;
  PartitionOwners owners;
  ViewKeeper view;
  Backups backups;
  LeaseKeeper keeper;
  JobRounds rounds;
  Moves moves;
  Granter granter;
  WorkerDemand demand;
  Evaluations evaluations;
  JobPauses pauses;
  Rollbacks rollbacks;
  BestVersion best;
  Finish finish;
  LossWatch losses;
  ItemFailures failures;
  DataWatch data;
  LeaseOffers offers;
  HeldLeases held;
  Registrar registrar;
  PartitionMover mover;
  Takeover takeover;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_JOB_PARTS_H_
