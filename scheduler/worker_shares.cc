#include "scheduler/worker_shares.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace ebb::scheduler {

// The worker may go on with what it held before it was forgotten, or before
// this scheduler's life, if the job may have it. A job that wants the worker
// more gets it then.
void WorkerShares::MaybeKeep(const WorkerInfo& worker, JobId id) {
  const TrainingJob* job = state_.Find(id);
  if (job == nullptr || worker.job != JobId() || worker.draining ||
      !state_.cluster.workers.CanWorkOn(worker, id)) {
    return;
  }
  LookAt(worker);
  const Allotment::JobClaim claim = ClaimOf(*job);
  const auto has = static_cast<int64_t>(allotment_.Of(id).size());
  if (has >= claim.limit) return;
  allotment_.Give(worker.session, id);
  if (waiting_[JobId()].erase(worker.session) > 0) {
    waiting_[id].insert(worker.session);
  }
}

void WorkerShares::LookAt(const WorkerInfo& worker) {
  if (worker.draining || worker.silent) return;
  const JobId before = worker.job;
  allotment_.Look(worker.session);
  if (worker.job != before && waiting_[before].erase(worker.session) > 0) {
    waiting_[worker.job].insert(worker.session);
  }
}

void WorkerShares::LookAgainAt(const WorkerInfo& worker) {
  if (allotment_.Knows(worker.session)) LookAt(worker);
}

void WorkerShares::Wants(const WorkerInfo& worker) {
  if (!allotment_.Knows(worker.session)) LookAt(worker);
  waiting_[worker.job].insert(worker.session);
}

void WorkerShares::Forget(SessionId session) {
  waiting_[state_.cluster.workers.at(session).job].erase(session);
  allotment_.Forget(session);
}

Allotment::JobClaim WorkerShares::ClaimOf(const TrainingJob& job) {
  Allotment::JobClaim claim;
  claim.job = job.id();
  claim.claim = job.parts().demand.Claim(
      allotment_.AbleFor(job.id()),
      static_cast<int64_t>(allotment_.Of(job.id()).size()), &claim.limit);
  return claim;
}

void WorkerShares::Settle(Context* context) {
  if (state_.gathering) return;
  Share(context);
  OfferEvaluations(context);
  OfferWork(context);
  OfferLooks(context);
}

void WorkerShares::Share(Context* context) {
  std::vector<Allotment::JobClaim> claims;
  claims.reserve(state_.jobs.size());
  for (const auto& [id, job] : state_.jobs) claims.push_back(ClaimOf(*job));
  if (!allotment_.Changed(claims)) return;
  const auto moves =
      allotment_.Rebalance(std::move(claims), [&](SessionId worker, JobId job) {
        return state_.jobs.at(job)->leases().CountHeldBy(worker);
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
    state_.jobs.at(job)->parts().keeper.TakeBack(workers, context);
  }
  for (const auto& [way, count] : counts) {
    const JobRecord& from = *state_.jobs.at(way.first)->record();
    const JobRecord& to = *state_.jobs.at(way.second)->record();
    context->Log(absl::StrCat(
        "job=", from.name, " gives ", count,
        count == 1 ? " worker" : " workers", " to job=", to.name, " (priority ",
        from.plan.priority, " and ", to.plan.priority, ")"));
  }
}

bool WorkerShares::HoldsItems(SessionId worker) const {
  return std::ranges::any_of(state_.jobs, [worker](const auto& one) {
    return one.second->leases().CountHeldBy(worker) > 0;
  });
}

void WorkerShares::OfferEvaluations(Context* context) {
  for (auto& [id, job] : state_.jobs) {
    if (!job->parts().evaluations.WantsEvaluator()) continue;
    if (OfferEvaluation(waiting_[id], job.get(), context)) continue;
    for (const auto& [other, workers] : waiting_) {
      if (other != id && OfferEvaluation(workers, job.get(), context)) break;
    }
  }
}

// To a worker of the job itself, if one wants something to do; else to any. If
// there is one that holds nothing, to that: items wait meanwhile.
bool WorkerShares::OfferEvaluation(const std::set<SessionId>& workers,
                                   TrainingJob* job, Context* context) {
  std::optional<SessionId> who;
  for (const SessionId session : workers) {
    const Workers& all = state_.cluster.workers;
    const WorkerInfo& worker = all.at(session);
    // One at a time: the next would take the place of the first.
    if (worker.no_evaluations || !all.CanWorkOn(worker, job->id()) ||
        worker.evaluates) {
      continue;
    }
    const bool holds_items = HoldsItems(session);
    if (!holds_items || !who) who = session;
    if (!holds_items) break;
  }
  if (who) job->parts().evaluations.Evaluate(*who, context);
  return who.has_value();
}

// A worker that holds nothing looks, if there is one. It may get an item
// meanwhile.
void WorkerShares::OfferLooks(Context* context) {
  for (auto& [id, job] : state_.jobs) {
    DataWatch& data = job->parts().data;
    if (!data.WantsWorker()) continue;
    std::optional<SessionId> who;
    for (const auto& [session, worker] : state_.cluster.workers) {
      if (worker.draining || worker.silent || worker.goodbye ||
          worker.no_evaluations ||
          !state_.cluster.workers.CanWorkOn(worker, id)) {
        continue;
      }
      const bool better = session != data.failed() && worker.wants > 0;
      if (better || !who) who = session;
      if (better) break;
    }
    if (who) data.Ask(*who, context);
  }
}

// All workers of a job get the same: the first that gets nothing ends it.
void WorkerShares::OfferWork(Context* context) {
  for (auto& [id, job] : state_.jobs) {
    const auto waiting = waiting_.find(id);
    if (waiting == waiting_.end()) continue;
    std::set<SessionId>& workers = waiting->second;
    while (!workers.empty()) {
      const WorkerInfo& worker = state_.cluster.workers.at(*workers.begin());
      while (worker.wants > 0 && job->parts().offers.Offer(worker, context)) {
      }
      if (worker.wants > 0) break;
      workers.erase(workers.begin());
    }
    if (workers.empty()) continue;
    if (job->parts().offers.OfferBackups(workers, context)) {
      std::erase_if(workers, [this](SessionId worker) {
        return state_.cluster.workers.at(worker).wants <= 0;
      });
    }
    // Not a look at each idle worker after each message.
    if (!job->parts().evaluations.MayEvaluateToo()) continue;
    for (const SessionId worker : workers) {
      if (job->parts().evaluations.EvaluateToo(
              state_.cluster.workers.at(worker), context))
        break;
    }
  }
}

}  // namespace ebb::scheduler
