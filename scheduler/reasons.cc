#include "scheduler/reasons.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ebb::scheduler {

void Reasons::Add(v1::WaitReason::Kind kind, std::string subject,
                  std::string text, absl::Duration lasts) {
  v1::WaitReason& reason = reasons_.emplace_back();
  reason.set_kind(kind);
  reason.set_subject(std::move(subject));
  reason.set_text(std::move(text));
  reason.set_for_ms(std::max<int64_t>(0, absl::ToInt64Milliseconds(lasts)));
}

v1::WaitReason::Kind ReasonOf(ServerProblem problem) {
  switch (problem) {
    case ServerProblem::kMemory:
      return v1::WaitReason::KIND_BACK_PRESSURE;
    case ServerProblem::kDisk:
      return v1::WaitReason::KIND_DISK_FULL;
    case ServerProblem::kOther:
      break;
  }
  return v1::WaitReason::KIND_UNSPECIFIED;
}

std::string Seconds(absl::Duration duration) {
  return absl::StrFormat("%.1f s", absl::ToDoubleSeconds(duration));
}

std::string NameOf(const Cluster& cluster, SessionId session) {
  const auto it = cluster.workers.find(session);
  if (it == cluster.workers.end()) return "a worker that is gone";
  const std::string& name = it->second.name;
  return absl::StartsWith(name, "worker") ? name
                                          : absl::StrCat("worker ", name);
}

}  // namespace ebb::scheduler
