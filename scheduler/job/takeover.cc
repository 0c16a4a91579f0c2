#include "scheduler/job/takeover.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "scheduler/job/balance.h"

namespace ebb::scheduler {

// What is durable in a shared folder is in the reach of whoever has the folder,
// too. That the owner has one now says nothing: its newest durable version may
// be of a life in which it had none, or another.
void Takeover::TakeOver(Context* context) {
  next_tick_ = absl::InfiniteFuture();
  if (!job_.started || job_.placement.AllRegistered() ||
      job_.state.phase == JobPhase::kCancelled) {
    return;
  }
  std::map<std::pair<ServerId, std::string>, std::vector<PartitionId>> orphans;
  for (int32_t p = 0; p < job_.placement.size(); ++p) {
    const auto it =
        context->cluster->servers.find(job_.placement.at(PartitionId(p)).owner);
    if (it == context->cluster->servers.end() || it->second.connected) continue;
    const std::string& folder = EBB_PLANTED(folder_of_now_is_trusted)
                                    ? it->second.shared_folder
                                    : job_.state.durable_in[p];
    if (folder.empty() && !EBB_PLANTED(takeover_without_copies)) continue;
    const absl::Time at = it->second.since + job_.options.takeover_after;
    if (at > context->now) {
      next_tick_ = std::min(next_tick_, at);
    } else {
      orphans[{it->first, folder}].emplace_back(p);
    }
  }
  for (const auto& [from, partitions] : orphans) {
    TakeOverFrom(from.first, from.second, partitions, context);
  }
}

void Takeover::TakeOverFrom(ServerId from, const std::string& folder,
                            const std::vector<PartitionId>& partitions,
                            Context* context) {
  std::set<ServerId> heirs;
  for (const auto& [id, server] : context->cluster->servers) {
    const bool shares =
        server.shared_folder == folder || EBB_PLANTED(takeover_without_copies);
    if (server.connected && !server.leaving && shares) heirs.insert(id);
  }
  if (heirs.empty()) return;  // Asked again when a server registers.
  context->Tell(EventKind::kMoved, job_.id(),
                absl::StrCat("job=", job_.name(), " server=", from.value(),
                             " is away for ",
                             absl::FormatDuration(job_.options.takeover_after),
                             ": its ", partitions.size(),
                             " partitions go to others, which load the copies"),
                NameOf(from));
  PartitionCounts of_all_jobs = context->partitions_of_all_jobs();
  for (const PartitionId p : partitions) {
    const ServerId heir = Emptiest(job_.placement, heirs, of_all_jobs);
    owners_.SetOwner(p, heir);
    ++of_all_jobs[heir];
    ++taken_over_;
  }
  granter_.Grant(partitions, context);
  for (const PartitionId p : partitions) owners_.NoteMoved(p);
}

}  // namespace ebb::scheduler
