// Daemons that do not reach a server; see explain.h.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "scheduler/answers/reasons.h"

namespace ebb::scheduler {

namespace {

constexpr size_t kMostNames = 3;

// Workers that do not reach one server, all for the same cause.
struct Cut {
  std::vector<SessionId> workers;
  UnreachedServer first;  // The one that lasts longest.
  bool goes_on = false;   // Some worker does, for now.
};

// By server and cause. Servers that are away, or silent, are explained
// elsewhere (explain_servers.cc).
std::map<std::pair<ServerId, std::string>, Cut> CutsOf(
    const SchedulerShell::Picture& picture, JobId job) {
  const Cluster& cluster = picture.core.cluster();
  std::map<std::pair<ServerId, std::string>, Cut> cuts;
  for (const auto& [session, worker] : cluster.workers) {
    const auto servers = worker.unreached.find(job);
    if (servers == worker.unreached.end()) continue;
    for (const UnreachedServer& one : servers->second) {
      const auto server = cluster.servers.find(one.trouble.server);
      if (server == cluster.servers.end() || !server->second.connected ||
          server->second.session != one.trouble.session ||
          picture.now - server->second.last_heard > kUnheard) {
        continue;
      }
      Cut& cut = cuts[{one.trouble.server, one.trouble.why.text}];
      if (cut.workers.empty() || one.since < cut.first.since) cut.first = one;
      cut.workers.push_back(session);
      cut.goes_on = cut.goes_on || one.goes_on;
    }
  }
  return cuts;
}

std::string NamesOf(const Cluster& cluster,
                    const std::vector<SessionId>& workers) {
  std::string names;
  for (size_t i = 0; i < std::min(workers.size(), kMostNames); ++i) {
    absl::StrAppend(&names, i == 0 ? "" : ", ", NameOf(cluster, workers[i]));
  }
  if (workers.size() > kMostNames) {
    absl::StrAppend(&names, " and ", workers.size() - kMostNames, " more");
  }
  return names;
}

void ExplainCut(const SchedulerShell::Picture& picture, const TrainingJob& job,
                const Cut& cut, Reasons* reasons) {
  const Cluster& cluster = picture.core.cluster();
  const PeerTrouble& trouble = cut.first.trouble;
  const auto count = static_cast<int64_t>(cut.workers.size());
  std::string text = absl::StrCat(
      NamesOf(cluster, cut.workers), " cannot reach ps ",
      trouble.server.value(), " at ", trouble.address, ": ", trouble.why.text);
  const bool all = count >= cluster.WorkersFor(job.id());
  absl::StrAppend(&text, cut.goes_on ? "; it goes on without it for a while"
                         : all       ? "; no other worker reaches it"
                                     : "; others get the work meanwhile");
  reasons->Add(v1::WaitReason::KIND_UNREACHED,
               count == 1 ? NameOf(cluster, cut.workers.front()) : "workers",
               text,
               WhatToDo(trouble.why.cause, trouble.address,
                        count == 1 ? "the worker" : "the workers"),
               picture.now - cut.first.since);
}

}  // namespace

void ExplainUnreached(const SchedulerShell::Picture& picture,
                      const TrainingJob& job, Reasons* reasons) {
  int64_t listed = 0;
  for (const auto& [of, cut] : CutsOf(picture, job.id())) {
    if (++listed > kMostListed) return;
    ExplainCut(picture, job, cut, reasons);
  }
  for (const auto& [target, avoid] : job.parts().moves.avoid()) {
    if (!avoid.unreached) continue;
    if (++listed > kMostListed) return;
    const PeerTrouble& trouble = avoid.unreached->trouble;
    const std::string name = absl::StrCat("ps ", target.value());
    reasons->Add(
        v1::WaitReason::KIND_UNREACHED, name,
        absl::StrCat(name,
                     " cannot take partitions over, for it cannot "
                     "reach ps ",
                     trouble.server.value(), " at ", trouble.address, ": ",
                     trouble.why.text, "; they stay where they are"),
        WhatToDo(trouble.why.cause, trouble.address, name),
        picture.now - avoid.unreached->since);
  }
}

}  // namespace ebb::scheduler
