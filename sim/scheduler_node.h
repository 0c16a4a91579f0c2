// The scheduler's process: a SchedulerCore over a disk.
#ifndef EBB_SIM_SCHEDULER_NODE_H_
#define EBB_SIM_SCHEDULER_NODE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "scheduler/scheduler_core.h"
#include "scheduler/store/memory_store.h"
#include "sim/node.h"

namespace ebb::sim {

class ServerNode;

class SchedulerNode final : public Node {
 public:
  explicit SchedulerNode(World* world);
  ~SchedulerNode() override;

  // Null while it is dead.
  const scheduler::SchedulerCore* core() const { return core_.get(); }
  // Null when it is dead or does not know the job.
  const scheduler::TrainingJob* job() const;
  scheduler::MemoryDisk& disk() { return disk_; }

  void FromServer(const Stream& stream, const ServerToScheduler& message);
  void FromWorker(const Stream& stream, const WorkerToScheduler& message);
  void LinkUp(const StreamPtr& stream) { links_[stream->link] = stream; }
  void LinkDown(const Stream& stream);

  // --- The operator ----------------------------------------------------------
  void Submit();
  // Another job, which the Checker does not watch.
  JobId SubmitBeside(JobPlan plan);
  void ResumeJob(bool skip);
  void DemandCheckpoint();
  bool FinishJob(int64_t examples);
  // False: it was refused.
  bool PauseJob();
  bool ScaleJob(int32_t workers);
  bool RollBack(const scheduler::RollbackOrder& order);
  // `order` names the newest versions.
  bool AddEpochs(int32_t epochs, scheduler::RollbackOrder order);
  void ScaleServers(int32_t servers);
  // The last grant to the server comes once more, to whatever life it has
  // then. False: there was none.
  bool CopyLastGrant(const ServerNode& server, absl::Duration delay);

  // Its disk heals; it goes on with records that it could not store.
  void DiskHealed();
  // Copies of the disk as it once was.
  void RememberDisk() { older_disks_.push_back(disk_); }
  const std::vector<scheduler::MemoryDisk>& older_disks() const {
    return older_disks_;
  }
  void ReplaceDisk(scheduler::MemoryDisk disk) {
    disk_ = std::move(disk);
    heard_.clear();  // It may know none of them: the first that comes is it.
  }

 protected:
  void OnStart() override;
  void OnKilled() override;
  void OnTick() override;
  absl::Time NextTick() const override;

 private:
  // Returns whether it, and no other process with its id, is the server.
  bool Serves(const ServerNode& server) const;
  // After a registration: whether another process than before is it now.
  void NoteWhoServes(const ServerNode& server);
  template <typename Handle>
  void Decide(Handle handle);
  void Carry(scheduler::SchedulerActions actions);
  void CarryFrom(size_t first, scheduler::SchedulerActions actions);
  void Send(scheduler::LinkId link, const SchedulerToServer& message);
  void Send(scheduler::LinkId link, const SchedulerToWorker& message);

  scheduler::MemoryDisk disk_;
  std::vector<scheduler::MemoryDisk> older_disks_;
  std::unique_ptr<scheduler::MemoryStore> store_;
  std::unique_ptr<scheduler::SchedulerCore> core_;
  std::map<scheduler::LinkId, std::weak_ptr<Stream>> links_;
  bool waits_for_disk_ = false;
  // Over all lives.
  std::map<const ServerNode*, Grant> last_grants_;
  std::map<ServerId, const ServerNode*> served_by_;
  // When a server last sent something, by id, over all lives since the disk was
  // replaced.
  std::map<ServerId, absl::Time> heard_;
  std::set<ServerId> met_;  // In this life.
};

}  // namespace ebb::sim

#endif  // EBB_SIM_SCHEDULER_NODE_H_
