// Workers that do not reach a server; see scheduler_core.h.
#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "scheduler/scheduler_core.h"

namespace ebb::scheduler {

void SchedulerCore::HearUnreached(const PlacementRequest& message,
                                  WorkerInfo* worker, absl::Time now) {
  if (message.unreached.empty()) {
    worker->unreached.erase(message.job);
    return;
  }
  std::vector<UnreachedServer>& known = worker->unreached[message.job];
  std::vector<UnreachedServer> heard;
  for (const PeerTrouble& trouble : message.unreached) {
    const auto same = std::find_if(known.begin(), known.end(), [&](auto& one) {
      return one.trouble.server == trouble.server &&
             one.trouble.session == trouble.session;
    });
    heard.push_back({trouble, now - trouble.lasts,
                     same == known.end() ? now : same->told, message.goes_on});
  }
  known = std::move(heard);
  unreaching_.insert(worker->session);
}

// The server speaks, and the worker does not reach it: something is between the
// two. While the server itself is away or stands still, no worker loses a
// lease. Work of a worker without the server is of use only if it reaches it
// soon: others do the same work meanwhile.
const UnreachedServer* SchedulerCore::CutOffBy(const WorkerInfo& worker,
                                               const TrainingJob& job) const {
  const auto unreached = worker.unreached.find(job.id());
  if (unreached == worker.unreached.end()) return nullptr;
  for (const UnreachedServer& one : unreached->second) {
    const auto server = cluster_.servers.find(one.trouble.server);
    const absl::Duration patience =
        one.goes_on ? options_.lease_ttl : absl::ZeroDuration();
    if (server != cluster_.servers.end() && server->second.connected &&
        server->second.session == one.trouble.session &&
        server->second.last_heard > one.told + patience &&
        job.parts().owners.Owned(one.trouble.server) > 0) {
      return &one;
    }
  }
  return nullptr;
}

void SchedulerCore::SettleUnreached(Context* context) {
  std::erase_if(unreaching_, [&](SessionId session) {
    const auto it = cluster_.workers.find(session);
    if (it == cluster_.workers.end()) return true;
    WorkerInfo& worker = it->second;
    std::set<JobId> cut_off;
    for (const auto& [id, unreached] : worker.unreached) {
      TrainingJob* job = Find(id);
      const UnreachedServer* by =
          job == nullptr ? nullptr : CutOffBy(worker, *job);
      if (by == nullptr) continue;
      cut_off.insert(id);
      if (worker.cut_off.contains(id)) continue;
      context->Log(absl::StrCat(
          "job=", job->record()->name, " worker=", worker.name,
          " cannot reach ", ToText(by->trouble),
          "; that server is up, so the worker gets no work of the job until it "
          "reaches it: ",
          WhatToDo(by->trouble.why.cause, by->trouble.address, "the worker")));
      job->CutOff(session, context);
    }
    if (cut_off != worker.cut_off) {
      for (const JobId id : worker.cut_off) {
        const TrainingJob* job = Find(id);
        if (job == nullptr || cut_off.contains(id)) continue;
        context->Log(absl::StrCat("job=", job->record()->name, " worker=",
                                  worker.name, " may work on it again"));
      }
      worker.cut_off = std::move(cut_off);
      LookAt(&worker);
    }
    return worker.unreached.empty();
  });
}

}  // namespace ebb::scheduler
