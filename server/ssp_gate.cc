#include "server/ssp_gate.h"

#include <algorithm>
#include <utility>

#include "common/plant.h"

namespace ebb::server {

bool SspGate::SetView(const ViewUpdate& view) {
  if (view.number <= view_) return false;
  view_ = view.number;
  absl::flat_hash_map<SessionId, Member> members;
  for (const ViewMember& member : view.members) {
    Member next{member.joined, member.start_clock};
    const auto known = members_.find(member.worker);
    if (known != members_.end() && known->second.joined == member.joined) {
      next.clock = std::max(next.clock, known->second.clock);
    }
    members[member.worker] = next;
  }
  if (EBB_PLANTED(dead_worker_kept_in_the_minimum)) {
    for (const auto& [worker, member] : members_) {
      members.try_emplace(worker, member);
    }
  }
  members_ = std::move(members);
  counts_.clear();
  for (const auto& [worker, member] : members_) ++counts_[member.clock];
  return true;
}

void SspGate::Learn(const WorkerStamp& stamp) {
  const auto it = members_.find(stamp.worker);
  if (it == members_.end()) return;
  Member& member = it->second;
  if (member.joined != stamp.joined && !EBB_PLANTED(old_pulls_count)) return;
  if (stamp.clock <= member.clock) return;
  if (--counts_[member.clock] == 0) counts_.erase(member.clock);
  member.clock = stamp.clock;
  ++counts_[member.clock];
}

SspGate::Answer SspGate::Ask(const WorkerStamp& stamp, int64_t target,
                             int64_t bound) const {
  if (stamp.joined > view_) return Answer::kUnknownView;
  const auto it = members_.find(stamp.worker);
  if (it == members_.end() || it->second.joined != stamp.joined) {
    return Answer::kNotInView;
  }
  const int64_t more = EBB_PLANTED(clock_bound_off_by_one) ? 1 : 0;
  return min_clock() >= target - bound - more ? Answer::kOpen : Answer::kClosed;
}

SessionId SspGate::slowest() const {
  SessionId slowest;
  for (const auto& [worker, member] : members_) {
    if (member.clock != min_clock()) continue;
    if (slowest == SessionId() || worker < slowest) slowest = worker;
  }
  return slowest;
}

}  // namespace ebb::server
