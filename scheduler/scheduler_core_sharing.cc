// Which worker works for which job, and what it is given to do; see
// scheduler_core.h.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "scheduler/scheduler_core.h"

namespace ebb::scheduler {

void SchedulerCore::LookAt(WorkerInfo* worker) {
  if (worker->draining || worker->silent) return;
  const JobId before = worker->job;
  allotment_.Look(worker->session);
  if (worker->job != before && waiting_[before].erase(worker->session) > 0) {
    waiting_[worker->job].insert(worker->session);
  }
}

void SchedulerCore::ForgetWorker(SessionId session) {
  waiting_[cluster_.workers.at(session).job].erase(session);
  allotment_.Forget(session);
}

// A worker may go on with an item that it holds since before it was forgotten,
// or since before this scheduler's life, if the job may have the worker. A job
// that needs the worker more gets it then.
void SchedulerCore::MaybeKeep(WorkerInfo* worker, JobId id) {
  const TrainingJob* job = Find(id);
  if (job == nullptr || worker->job != JobId() || worker->draining ||
      !worker->CanWorkOn(id)) {
    return;
  }
  LookAt(worker);
  const Allotment::JobClaim claim = ClaimOf(*job);
  const auto has = static_cast<int64_t>(allotment_.Of(id).size());
  if (has >= claim.limit) return;
  allotment_.Give(worker->session, id);
  if (waiting_[JobId()].erase(worker->session) > 0) {
    waiting_[id].insert(worker->session);
  }
}

Allotment::JobClaim SchedulerCore::ClaimOf(const TrainingJob& job) {
  Allotment::JobClaim claim;
  claim.job = job.id();
  claim.claim = job.parts().demand.Claim(
      allotment_.AbleFor(job.id()),
      static_cast<int64_t>(allotment_.Of(job.id()).size()), &claim.limit);
  return claim;
}

void SchedulerCore::ShareWorkers(Context* context) {
  if (gathering_) return;
  std::vector<Allotment::JobClaim> claims;
  claims.reserve(jobs_.size());
  for (const auto& [id, job] : jobs_) claims.push_back(ClaimOf(*job));
  if (!allotment_.Changed(claims)) return;
  const auto moves =
      allotment_.Rebalance(std::move(claims), [&](SessionId worker, JobId job) {
        return jobs_.at(job)->leases().CountHeldBy(worker);
      });
  std::map<JobId, std::vector<SessionId>> taken;
  std::map<std::pair<JobId, JobId>, int64_t> counts;
  for (const Allotment::Move& move : moves) {
    if (waiting_[move.from].erase(move.worker) > 0) {
      waiting_[move.to].insert(move.worker);
    }
    if (move.from == JobId()) continue;
    taken[move.from].push_back(move.worker);
    if (move.to != JobId()) ++counts[{move.from, move.to}];
  }
  for (const auto& [job, workers] : taken) {
    jobs_.at(job)->parts().keeper.TakeBack(workers, context);
  }
  for (const auto& [way, count] : counts) {
    const JobRecord& from = *jobs_.at(way.first)->record();
    const JobRecord& to = *jobs_.at(way.second)->record();
    context->Log(absl::StrCat(
        "job=", from.name, " gives ", count,
        count == 1 ? " worker" : " workers", " to job=", to.name, " (priority ",
        from.plan.priority, " and ", to.plan.priority, ")"));
  }
}

bool SchedulerCore::HoldsItems(SessionId worker) const {
  return std::ranges::any_of(jobs_, [worker](const auto& one) {
    return one.second->leases().CountHeldBy(worker) > 0;
  });
}

// To a worker of the job itself, if one wants something to do; else to any. If
// there is one that holds nothing, to that: items wait meanwhile.
void SchedulerCore::OfferEvaluations(Context* context) {
  if (gathering_) return;
  for (auto& [id, job] : jobs_) {
    if (!job->parts().evaluations.WantsEvaluator()) continue;
    const auto offer = [&, id = id,
                        &job = job](const std::set<SessionId>& workers) {
      std::optional<SessionId> who;
      for (const SessionId session : workers) {
        const WorkerInfo& worker = cluster_.workers.at(session);
        // One at a time: the next would take the place of the first.
        if (worker.no_evaluations || !worker.CanWorkOn(id) ||
            worker.evaluates) {
          continue;
        }
        const bool holds_items = HoldsItems(session);
        if (!holds_items || !who) who = session;
        if (!holds_items) break;
      }
      if (who) job->parts().evaluations.Evaluate(*who, context);
      return who.has_value();
    };
    if (offer(waiting_[id])) continue;
    for (const auto& [other, workers] : waiting_) {
      if (other != id && offer(workers)) break;
    }
  }
}

// All workers of a job get the same: the first that gets nothing ends it.
void SchedulerCore::OfferWork(Context* context) {
  if (gathering_) return;
  for (auto& [id, job] : jobs_) {
    const auto waiting = waiting_.find(id);
    if (waiting == waiting_.end()) continue;
    std::set<SessionId>& workers = waiting->second;
    while (!workers.empty()) {
      WorkerInfo& worker = cluster_.workers.at(*workers.begin());
      while (worker.wants > 0 && job->parts().offers.Offer(&worker, context)) {
      }
      if (worker.wants > 0) break;
      workers.erase(workers.begin());
    }
    if (workers.empty()) continue;
    if (job->parts().offers.OfferBackups(workers, context)) {
      std::erase_if(workers, [this](SessionId worker) {
        return cluster_.workers.at(worker).wants <= 0;
      });
    }
    for (const SessionId worker : workers) {
      if (job->parts().evaluations.EvaluateToo(&cluster_.workers.at(worker),
                                               context))
        break;
    }
  }
}

}  // namespace ebb::scheduler
