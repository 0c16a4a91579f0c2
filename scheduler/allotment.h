// Decides which worker works for which job: the shares of share_out.h, made of
// workers.
//
// A worker belongs to at most one job at a time, and leases go to a job's own
// workers only. Workers move at once when shares change: those without work
// first, then those with the least. A worker moves only if a job gains by it,
// or if its job is beyond its maximum. Workers that no job may have are idle.
//
// Decision logic only. Thread-compatible. The cluster outlives it. Only this
// class says which job a worker works for (Workers::WorksFor).
#ifndef EBB_SCHEDULER_ALLOTMENT_H_
#define EBB_SCHEDULER_ALLOTMENT_H_

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "absl/functional/function_ref.h"
#include "common/ids.h"
#include "scheduler/cluster.h"
#include "scheduler/job/share_out.h"

namespace ebb::scheduler {

class Allotment {
 public:
  struct JobClaim {
    JobId job;
    WorkerClaim claim;
    int64_t limit = 0;  // The most that it may have, even if others are idle.
    friend bool operator==(const JobClaim&, const JobClaim&) = default;
  };
  struct Move {
    SessionId worker;
    JobId from;  // 0: it was idle.
    JobId to;    // 0: it is idle now.
  };

  explicit Allotment(Cluster* cluster) : cluster_(*cluster) {}

  // A worker of the cluster came, or is able to do more or less than before: it
  // leaves the job that it may not work on.
  void Look(SessionId worker);
  bool Knows(SessionId worker) const {
    return Of(cluster_.workers.at(worker).job).contains(worker);
  }
  // Jobs that workers could not begin may be tried by them again.
  void LookAgain();
  // It leaves, or is gone.
  void Forget(SessionId worker);
  // It works for the job already, as it says; 0: for none.
  void Give(SessionId worker, JobId job);

  int64_t workers() const { return workers_; }
  // The job's workers; of 0: those that are idle.
  const std::set<SessionId>& Of(JobId job) const;
  // How many workers there are that may work on the job.
  int64_t AbleFor(JobId job);

  // Returns whether shares may be others than at the last Rebalance.
  bool Changed(const std::vector<JobClaim>& jobs) const {
    return changed_ || jobs != jobs_;
  }
  // `jobs` in the order of submission. `held`: how much a worker has to do for
  // the job that it belongs to. The moves are done; the caller tells them.
  using Held = absl::FunctionRef<int64_t(SessionId worker, JobId job)>;
  std::vector<Move> Rebalance(std::vector<JobClaim> jobs, Held held);

 private:
  class Round;

  bool Able(SessionId worker, JobId job) const {
    const Workers& workers = cluster_.workers;
    return workers.CanWorkOn(workers.at(worker), job);
  }

  Cluster& cluster_;
  int64_t workers_ = 0;
  std::map<JobId, std::set<SessionId>> of_;  // The workers; 0: the idle ones.
  std::set<SessionId> choosy_;               // Maybe not able for every job.
  std::map<JobId, int64_t> able_;            // So far as it was asked for.
  bool changed_ = true;
  std::vector<JobClaim> jobs_;  // Claims at the last Rebalance.
  const std::set<SessionId> none_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_ALLOTMENT_H_
