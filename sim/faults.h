// The faults of a run, and when they happen.
#ifndef EBB_SIM_FAULTS_H_
#define EBB_SIM_FAULTS_H_

#include <vector>

#include "scheduler/job/rollback.h"
#include "scheduler/job/training_job.h"
#include "sim/counts.h"
#include "sim/rng.h"
#include "sim/world.h"

namespace ebb::sim {

// Plans and carries out the faults of one run. Thread-compatible.
class FaultPlan {
 public:
  FaultPlan(World* world, Rng rng);

  // Puts all planned faults into the queue, and the end of them.
  void Schedule();
  // Damages one server's store of a complete job.
  void DamageAfterCompletion();
  // A scheduler with a store of before what happened last; false: there is
  // none that the servers could make up for.
  bool AgeScheduler();
  // All is well again: splits heal, disks work, and all daemons are there.
  void Calm();
  // An operator looks at the job when it is complete.
  void AddEpochs();
  // An operator finishes a job on data that grows, when it is time for that.
  void FinishJob();

 private:
  // The stored versions of the partitions, at their owners.
  struct StoredNow {
    std::vector<scheduler::PartitionRounds> rounds;  // By partition.
    std::vector<scheduler::KeptVersion> kept;
  };

  StoredNow WhatIsStored(const scheduler::TrainingJob& job);
  void Happen();
  void HappenToServer(ServerNode* server);
  void HappenToWorker(WorkerNode* worker);
  void HappenToScheduler();
  void HappenToNetwork();
  void KillServer(ServerNode* server);
  bool DamageDisk(ServerNode* server);
  void KillScheduler();
  bool ServersKnowTheJob() const;
  bool LoseSchedulerStore();
  void AwaitRollback();
  void StopAndResume(Node* node, Fault fault);
  void SlowDown(Node* node, Fault fault);
  void SplitSomebody();
  void CopyGrantLate();
  void StartTwin();
  void OperatorActs();
  void OperatorRollsBack();
  void ScheduleElasticity();
  absl::Duration Outage();
  template <typename T>
  T* OneOf(std::vector<std::unique_ptr<T>>& nodes) {
    return nodes[rng_.Below(static_cast<int64_t>(nodes.size()))].get();
  }

  World* const world_;  // Not owned.
  Rng rng_;
  Rng aside_;  // For rare draws: the others stay the same.
  Rng twin_;   // For rare draws, too.
  Rng operator_;
  Rng elastic_;
};

}  // namespace ebb::sim

#endif  // EBB_SIM_FAULTS_H_
