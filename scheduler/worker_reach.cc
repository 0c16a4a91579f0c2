#include "scheduler/worker_reach.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace ebb::scheduler {

void WorkerReach::Hear(const PlacementRequest& message,
                       const WorkerInfo& worker, absl::Time now) {
  const auto it = worker.unreached.find(message.job);
  std::vector<UnreachedServer> heard;
  for (const PeerTrouble& trouble : message.unreached) {
    absl::Time told = now;
    if (it != worker.unreached.end()) {
      const auto same = std::ranges::find_if(it->second, [&](const auto& one) {
        return one.trouble.server == trouble.server &&
               one.trouble.session == trouble.session;
      });
      if (same != it->second.end()) told = same->told;
    }
    heard.push_back({trouble, now - trouble.lasts, told, message.goes_on});
  }
  if (!heard.empty()) unreaching_.insert(worker.session);
  state_.cluster.workers.DoesNotReach(worker.session, message.job,
                                      std::move(heard));
}

// The server speaks, and the worker does not reach it: something is between the
// two. While the server itself is away or stands still, nobody loses a lease.
// What a worker computes without the server is of use only if it reaches it
// soon: others do the same work meanwhile.
const UnreachedServer* WorkerReach::CutOffBy(const WorkerInfo& worker,
                                             const TrainingJob& job) const {
  const auto unreached = worker.unreached.find(job.id());
  if (unreached == worker.unreached.end()) return nullptr;
  for (const UnreachedServer& one : unreached->second) {
    const auto server = state_.cluster.servers.find(one.trouble.server);
    const absl::Duration patience =
        one.goes_on ? state_.options.lease_ttl : absl::ZeroDuration();
    if (server != state_.cluster.servers.end() && server->second.connected &&
        server->second.session == one.trouble.session &&
        server->second.last_heard > one.told + patience &&
        job.parts().owners.Owned(one.trouble.server) > 0) {
      return &one;
    }
  }
  return nullptr;
}

void WorkerReach::Settle(Context* context) {
  std::erase_if(unreaching_, [&](SessionId session) {
    const auto it = state_.cluster.workers.find(session);
    if (it == state_.cluster.workers.end()) return true;
    SettleWorker(it->second, context);
    return it->second.unreached.empty();
  });
}

void WorkerReach::SettleWorker(const WorkerInfo& worker, Context* context) {
  std::set<JobId> cut_off;
  for (const auto& [id, unreached] : worker.unreached) {
    TrainingJob* job = state_.Find(id);
    const UnreachedServer* by =
        job == nullptr ? nullptr : CutOffBy(worker, *job);
    if (by == nullptr) continue;
    cut_off.insert(id);
    if (worker.cut_off.contains(id)) continue;
    context->Log(absl::StrCat(
        "job=", job->record()->name, " worker=", worker.name, " cannot reach ",
        ToText(by->trouble),
        "; that server is up, so the worker gets no work of the job until it "
        "reaches it: ",
        WhatToDo(by->trouble.why.cause, by->trouble.address, "the worker")));
    job->CutOff(worker.session, context);
  }
  if (cut_off == worker.cut_off) return;
  for (const JobId id : worker.cut_off) {
    const TrainingJob* job = state_.Find(id);
    if (job == nullptr || cut_off.contains(id)) continue;
    context->Log(absl::StrCat("job=", job->record()->name, " worker=",
                              worker.name, " may work on it again"));
  }
  state_.cluster.workers.CutOff(worker.session, std::move(cut_off));
  shares_.LookAt(worker);
}

}  // namespace ebb::scheduler
