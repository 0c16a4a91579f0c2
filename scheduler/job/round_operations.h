// The operations that close the rounds of one job: what partitions measured of
// the open round, and the operation made from it
// (docs/decisions/0016-lbfgs.md).
//
// They are not stored here. An operation follows from the one before it and
// from figures that any partition measures again to the bit. Partitions keep
// the operations that others may still need, and register them.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_ROUND_OPERATIONS_H_
#define EBB_SCHEDULER_JOB_ROUND_OPERATIONS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "algorithms/coordinator.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/actions.h"
#include "scheduler/job/mark_table.h"
#include "scheduler/options.h"
#include "scheduler/placement.h"

namespace ebb::scheduler {

class RoundOperations {
 public:
  // `record` outlives it.
  RoundOperations(const SchedulerOptions& options, const JobRecord& record,
                  const JobPlan& plan);

  // --- What servers say of a partition ---------------------------------------
  void Registered(const PartitionRegistration& registration);
  void Reported(const PartitionMarkReport& report);
  void BeginGeneration();

  // --- Messages to servers ---------------------------------------------------
  struct Order {
    ServerId server;
    RoundOperation operation;
  };
  struct News {
    std::vector<Order> orders;
    std::string text;  // For people; empty: none.
  };
  // Returns the operations and figures that some partition waits for and that
  // were not sent yet. Every partition is registered.
  News Advance(const MarkTable& marks, const PlacementTable& placement);

  // --- The job's end ---------------------------------------------------------
  // The number of rounds after which an operation ends the job, though its plan
  // has more: whole epochs. Absent: as far as is known, none does.
  std::optional<int64_t> ends_after() const { return ends_after_; }

  // --- What it has learned ---------------------------------------------------
  // By round: the sums of the losses of its examples, as far as operations say
  // them and this scheduler has met them.
  const std::map<int64_t, double>& loss_sums() const { return loss_sums_; }
  // By round: what the examples say that the job keeps back. The latest two.
  const std::map<int64_t, Validation>& validations() const {
    return validations_;
  }

  // --- How far a round is ----------------------------------------------------
  struct Phase {
    bool made = false;    // There is its operation.
    std::string problem;  // Why it cannot be made; empty: nothing is wrong.
    // Partitions that have all its examples, and wait for its operation.
    std::vector<PartitionId> wait;
    // Partitions that miss examples of it. The rest have closed it.
    std::vector<PartitionId> count;
  };
  Phase PhaseOf(int64_t round, const MarkTable& marks,
                const PlacementTable& placement) const;

 private:
  // Learns operations that this scheduler, or one before it, ordered.
  void Learn(std::span<const RoundOperation> operations);
  void Note(int64_t round, const std::string& operation);
  void NoteEnd(int64_t round, const std::string& operation);

  struct Figures {
    Term term;
    RoundFigures figures;
    bool answered = false;
  };

  // Figures of the round that is open there, in its present term; else null.
  const Figures* Waiting(PartitionId p, const MarkTable& marks,
                         const PlacementTable& placement) const;
  // Makes the operation of the round, if every partition waits for it.
  std::string Make(int64_t round, const MarkTable& marks,
                   const PlacementTable& placement);

  const JobPlan& plan_;
  const bool may_end_;  // The job can be shortened.
  std::shared_ptr<const Coordinator> coordinator_;
  std::optional<int64_t> ends_after_;
  std::string problem_;  // Why there is none; empty: there is.
  std::vector<std::optional<Figures>> figures_;  // By partition.
  std::map<int64_t, std::string> operations_;    // By round.
  std::map<int64_t, double> loss_sums_;          // By round.
  std::map<int64_t, Validation> validations_;    // By round.
  std::string trouble_;  // Why the last one could not be made; empty: it was.
  std::string said_;     // The last news of people.
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_ROUND_OPERATIONS_H_
