// The workers that a scheduler knows: everybody may read what is known of one,
// and it changes here alone, by what happens to the worker.
#ifndef EBB_SCHEDULER_WORKERS_H_
#define EBB_SCHEDULER_WORKERS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "protocol/peer_trouble.h"
#include "scheduler/actions.h"

namespace ebb::scheduler {

// A server that a daemon does not reach, as it last said.
struct UnreachedServer {
  PeerTrouble trouble;
  absl::Time since;  // Of the first call that failed.
  absl::Time told;   // When the scheduler first heard of it.
  // The daemon computes without it for now.
  bool goes_on = false;
};

// The facts about a worker. See Workers, which changes it.
struct WorkerInfo {
  SessionId session;
  std::string name;
  int64_t process_id = 0;
  LinkId link;
  absl::Time since = absl::InfinitePast();
  absl::Time last_heard = absl::InfinitePast();
  int32_t wants = 0;  // Items it could take.
  bool draining = false;
  bool parked = false;
  bool goodbye = false;  // It leaves in good order.
  bool silent = false;   // Its lease ran out, and it was not heard since.
  JobId silent_in;       // Whose lease that was; of a silent one.
  int64_t examples = 0;  // Computed in its life, as it last said.
  JobId job;             // That it works for: see allotment.h. 0: it is idle.
  // See RegisterWorker.
  JobId only_job;
  bool no_evaluations = false;
  // It has an evaluation, whether or not that still counts, until it says how
  // it ended.
  bool evaluates = false;
  // Jobs of which it was leased anything: see WorksOn.
  std::set<JobId> leased;
  // Jobs that it could not even begin, and why: their data is not there, or
  // another; or a message of theirs is over a limit.
  struct Unfit {
    std::string why;
    bool over_limit = false;
  };
  std::map<JobId, Unfit> unfit_for;
  // By job.
  std::map<JobId, std::vector<UnreachedServer>> unreached;
  // Jobs of which it does not reach a server that is up: it gets nothing to do
  // for them until it does. See WorkerReach.
  std::set<JobId> cut_off;
  int64_t clock = 0;             // Last heard.
  std::vector<HeldItem> claims;  // Held since before; settled at the start.
};

// Thread-compatible. Belongs to a Cluster. A verb takes the session of a worker
// that is there.
class Workers {
 public:
  // --- Who is there ----------------------------------------------------------
  using Map = std::map<SessionId, WorkerInfo>;
  Map::const_iterator begin() const { return workers_.begin(); }
  Map::const_iterator end() const { return workers_.end(); }
  Map::const_iterator find(SessionId worker) const {
    return workers_.find(worker);
  }
  bool contains(SessionId worker) const { return workers_.contains(worker); }
  const WorkerInfo& at(SessionId worker) const { return workers_.at(worker); }
  size_t size() const { return workers_.size(); }
  bool empty() const { return workers_.empty(); }

  // --- Which worker works on what --------------------------------------------
  // Programs that join the job compute it, and no other worker.
  bool IsForPrograms(JobId job) const { return for_programs_.contains(job); }
  bool MayWorkOn(const WorkerInfo& worker, JobId job) const {
    const bool asked = worker.only_job == JobId() ? !IsForPrograms(job)
                                                  : worker.only_job == job;
    return asked && !worker.unfit_for.contains(job);
  }
  // It may, and it reaches the job's servers, as far as is known.
  bool CanWorkOn(const WorkerInfo& worker, JobId job) const {
    return MayWorkOn(worker, job) && !worker.cut_off.contains(job);
  }
  // Workers that may work on the job are connected, and none of them evaluates.
  bool NoneEvaluates(JobId job) const;
  // It was leased something of the job, however long ago, or claims so since
  // before this scheduler. To others the job is none of their business.
  bool WorksOn(const WorkerInfo& worker, JobId job) const {
    return worker.leased.contains(job) ||
           (MayWorkOn(worker, job) &&
            std::ranges::any_of(worker.claims, [job](const HeldItem& held) {
              return held.job == job;
            }));
  }

  // --- Coming and going ------------------------------------------------------
  // It says anew what it holds, wants and does not reach.
  const WorkerInfo& Register(const RegisterWorker& message, LinkId link,
                             absl::Time now);
  // It will disconnect, in good order.
  void Leaves(SessionId worker) { workers_.at(worker).goodbye = true; }
  // Returns what was known of it.
  WorkerInfo Remove(SessionId worker);

  // --- What it says ----------------------------------------------------------
  // True: it was silent until now.
  bool Heard(SessionId worker, absl::Time now);
  // It could take so many items; 0: it takes no more.
  void Asks(SessionId worker, int32_t items);
  void Progressed(SessionId worker, const Progress& progress);
  // `examples` is of all its life. Returns how many of them are new.
  int64_t Computed(SessionId worker, int64_t examples);
  void CannotBegin(SessionId worker, JobId job, WorkerInfo::Unfit why);
  // The servers are the job's; none: it reaches all of them.
  void DoesNotReach(SessionId worker, JobId job,
                    std::vector<UnreachedServer> servers);

  // --- What it gets ----------------------------------------------------------
  void WorksFor(SessionId worker, JobId job) { workers_.at(worker).job = job; }
  void TakesItem(SessionId worker) { --workers_.at(worker).wants; }
  void IsLeased(SessionId worker, JobId job) {
    workers_.at(worker).leased.insert(job);
  }
  void BeginsEvaluation(SessionId worker, JobId job);
  void EndsEvaluation(SessionId worker) {
    workers_.at(worker).evaluates = false;
  }
  // Returns what it held since before; the caller settles it.
  std::vector<HeldItem> TakeClaims(SessionId worker);

  // --- What is decided about it ----------------------------------------------
  // Its lease of the job ran out.
  void FallsSilent(SessionId worker, JobId job);
  // From these jobs, and no others.
  void CutOff(SessionId worker, std::set<JobId> jobs) {
    workers_.at(worker).cut_off = std::move(jobs);
  }
  // All workers may try to begin the job again.
  void MayTryAgain(JobId job);
  // The job, which is new here, is for programs: see IsForPrograms.
  void LeaveToPrograms(JobId job) { for_programs_.insert(job); }
  // The job is no more: they do not need to reach its servers.
  void ForgetJob(JobId job);

 private:
  Map workers_;
  std::set<JobId> for_programs_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_WORKERS_H_
