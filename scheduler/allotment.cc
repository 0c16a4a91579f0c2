#include "scheduler/allotment.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

namespace ebb::scheduler {

const std::set<SessionId>& Allotment::Of(JobId job) const {
  const auto it = of_.find(job);
  return it == of_.end() ? none_ : it->second;
}

void Allotment::Look(SessionId session) {
  const WorkerInfo& worker = cluster_.workers.at(session);
  if (of_[worker.job].insert(session).second) ++workers_;
  const bool choosy = worker.only_job != JobId() || !worker.unfit_for.empty() ||
                      !worker.cut_off.empty();
  if (choosy) {
    choosy_.insert(session);
  } else {
    choosy_.erase(session);
  }
  if (worker.job != JobId() && !Able(session, worker.job)) {
    Give(session, JobId());
  }
  able_.clear();
  changed_ = true;
}

void Allotment::LookAgain() {
  for (const SessionId worker : std::set(choosy_)) Look(worker);
}

void Allotment::Forget(SessionId session) {
  const auto it = cluster_.workers.find(session);
  const JobId job = it == cluster_.workers.end() ? JobId() : it->second.job;
  if (of_[job].erase(session) == 0) return;
  if (it != cluster_.workers.end()) {
    cluster_.workers.WorksFor(session, JobId());
  }
  --workers_;
  choosy_.erase(session);
  able_.clear();
  changed_ = true;
}

void Allotment::Give(SessionId session, JobId job) {
  of_[cluster_.workers.at(session).job].erase(session);
  cluster_.workers.WorksFor(session, job);
  of_[job].insert(session);
  changed_ = true;
}

int64_t Allotment::AbleFor(JobId job) {
  const bool for_programs = cluster_.workers.IsForPrograms(job);
  const auto [it, unknown] =
      able_.try_emplace(job, for_programs ? 0 : workers_);
  if (!unknown) return it->second;
  // All programs are choosy.
  for (const SessionId worker : choosy_) {
    const bool able = Able(worker, job);
    if (for_programs && able) ++it->second;
    if (!for_programs && !able) --it->second;
  }
  return it->second;
}

// One Rebalance.
class Allotment::Round {
 public:
  Round(Allotment* all, const std::vector<JobClaim>& jobs, Held held)
      : all_(*all),
        jobs_(jobs),
        held_(held),
        order_(jobs.size()),
        spare_(jobs.size()) {
    std::vector<WorkerClaim> claims;
    for (const JobClaim& job : jobs) claims.push_back(job.claim);
    shares_ = ShareOut(claims, all_.workers_);
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) {
      return claims[a].priority > claims[b].priority;
    });
  }

  std::vector<Move> Run() {
    for (size_t j = 0; j < jobs_.size(); ++j) {
      while (Has(j) > jobs_[j].limit) Take(j, JobId());
    }
    for (const size_t j : order_) Fill(j);
    if (!all_.choosy_.empty()) UseIdle();
    return std::move(moves_);
  }

 private:
  int64_t Has(size_t j) const {
    return static_cast<int64_t>(all_.Of(jobs_[j].job).size());
  }

  void MoveTo(SessionId worker, JobId to) {
    const JobId from = all_.cluster_.workers.at(worker).job;
    all_.Give(worker, to);
    moves_.push_back({worker, from, to});
  }

  // Idle workers first, then those that others have beyond their share, of the
  // lowest priority first. A job never gets fewer than it begins with.
  void Fill(size_t j) {
    const JobId job = jobs_[j].job;
    int64_t lacks = shares_[j] - Has(j);
    std::vector<SessionId> idle;
    for (const SessionId worker : all_.Of(JobId())) {
      if (static_cast<int64_t>(idle.size()) >= lacks) break;
      if (all_.Able(worker, job)) idle.push_back(worker);
    }
    for (const SessionId worker : idle) {
      MoveTo(worker, job);
      --lacks;
    }
    for (auto it = order_.rbegin(); it != order_.rend() && lacks > 0; ++it) {
      while (lacks > 0 && Has(*it) > shares_[*it] && Take(*it, job)) --lacks;
    }
  }

  // The job's worker with the least to do that may work on the other one.
  // False: there is none.
  bool Take(size_t from, JobId to) {
    auto& spare = spare_[from];
    if (!spare) {
      spare.emplace();
      for (const SessionId worker : all_.Of(jobs_[from].job)) {
        spare->emplace_back(held_(worker, jobs_[from].job), worker);
      }
      std::sort(spare->rbegin(), spare->rend());
    }
    const auto it =
        std::find_if(spare->rbegin(), spare->rend(), [&](const auto& one) {
          return to == JobId() || all_.Able(one.second, to);
        });
    if (it == spare->rend()) return false;
    const SessionId worker = it->second;
    spare->erase(std::next(it).base());
    MoveTo(worker, to);
    return true;
  }

  // If some workers cannot do everything, shares may be out of reach. The idle
  // workers then help the jobs that they can work on.
  void UseIdle() {
    for (const SessionId worker : std::set(all_.Of(JobId()))) {
      for (const size_t j : order_) {
        const WorkerClaim& claim = jobs_[j].claim;
        if (Has(j) < claim.most && (claim.begun || Has(j) >= claim.min) &&
            all_.Able(worker, jobs_[j].job)) {
          MoveTo(worker, jobs_[j].job);
          break;
        }
      }
    }
  }

  Allotment& all_;
  const std::vector<JobClaim>& jobs_;
  const Held held_;
  std::vector<size_t> order_;  // Higher priorities first.
  std::vector<int64_t> shares_;
  // By job: its workers at first, those with the least to do last.
  std::vector<std::optional<std::vector<std::pair<int64_t, SessionId>>>> spare_;
  std::vector<Move> moves_;
};

std::vector<Allotment::Move> Allotment::Rebalance(std::vector<JobClaim> jobs,
                                                  Held held) {
  jobs_ = std::move(jobs);
  std::vector<Move> moves = Round(this, jobs_, held).Run();
  changed_ = false;
  return moves;
}

}  // namespace ebb::scheduler
