// Who owns which partition of a job, who else still has something of one, and
// what a server that registers would have to have. Servers and workers are told
// of owners here.
//
// Decision logic only. Thread-compatible. Belongs to a TrainingJob.
#ifndef EBB_SCHEDULER_JOB_PARTITION_OWNERS_H_
#define EBB_SCHEDULER_JOB_PARTITION_OWNERS_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/cluster.h"
#include "scheduler/job/job_tables.h"

namespace ebb::scheduler {

class PartitionOwners {
 public:
  // `job` is not owned, and outlives it.
  explicit PartitionOwners(JobTables* job) : job_(*job) {}

  // --- Who owns what ---------------------------------------------------------
  // Partitions that nobody owns are dealt out evenly over the servers that are
  // there.
  void Assign(Context* context);
  void SetOwner(PartitionId p, ServerId owner);
  // See JobState::durable_in.
  void SetDurable(PartitionId p, const std::string& folder, Term term);
  // The term is for this life of the owner.
  void Draw(PartitionId p, ServerId owner, SessionId session, Term term);
  // The present owner got it, from another, in the term that was drawn last.
  void NoteMoved(PartitionId p);
  int64_t Owned(ServerId server) const;

  // --- What servers say ------------------------------------------------------
  // The server registers: it has nothing of what it owns until it says so.
  void RegistersAnew(ServerId server);
  void Away(ServerId server);
  // Believes a server that claims more than was known.
  void HearClaim(const ServerInfo& server, const PartitionRegistration& one);
  // The server has something of a partition that another owns.
  void HasStale(PartitionId p, ServerId server) { stale_[p].insert(server); }
  // Returns what a registering server lacks of its partitions' durable data: it
  // is in a shared folder that this process has not. Empty: nothing.
  std::string LacksFolder(const RegisterServer& message) const;
  // Returns whether another process may have more of what the server had than
  // this one, which says nothing of a partition. `same_store`: no other process
  // can have what is not in its store. `gathering`: the server may have had
  // more than is known here.
  bool LacksWhatItsIdHad(const RegisterServer& message, bool same_store,
                         bool gathering) const;

  // --- What daemons are told -------------------------------------------------
  void TellOwner(PartitionId p, const ServerInfo& server, Context* context);
  // To servers that still have something of it.
  void TellStale(PartitionId p, Context* context);
  void TellStaleOfAll(Context* context);
  void SendPlacement(SessionId worker, Context* context);
  void RequestCheckpoint(Context* context);

 private:
  void RememberDrawn(PartitionId p);

  JobTables& job_;
  // Servers that still have something of a partition that another owns.
  std::map<PartitionId, std::set<ServerId>> stale_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_PARTITION_OWNERS_H_
