#include "scheduler/answers/reasons.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ebb::scheduler {

void Reasons::Add(v1::WaitReason::Kind kind, std::string subject,
                  absl::string_view text, absl::string_view to_do,
                  absl::Duration lasts) {
  v1::WaitReason& reason = reasons_.emplace_back();
  reason.set_kind(kind);
  reason.set_subject(std::move(subject));
  // What others say may end with a question.
  reason.set_text(absl::StrCat(text, absl::EndsWith(text, "?") ? "" : ".",
                               " What to do: ", to_do));
  reason.set_for_ms(std::max<int64_t>(0, absl::ToInt64Milliseconds(lasts)));
}

v1::WaitReason::Kind ReasonOf(ServerProblem problem) {
  switch (problem) {
    case ServerProblem::kMemory:
      return v1::WaitReason::KIND_BACK_PRESSURE;
    case ServerProblem::kDisk:
      return v1::WaitReason::KIND_DISK_FULL;
    case ServerProblem::kInitialValues:
      return v1::WaitReason::KIND_STARTING;
    case ServerProblem::kOther:
      break;
  }
  return v1::WaitReason::KIND_UNSPECIFIED;
}

std::string ToDoAbout(ServerProblem problem, absl::string_view name) {
  switch (problem) {
    case ServerProblem::kMemory:
      return absl::StrCat(
          "nothing if it passes: the workers try again. If it lasts, start ",
          name,
          " with a larger --memory, or start more servers; a full table takes "
          "what it has place for only");
    case ServerProblem::kDisk:
      return absl::StrCat("make room in the --state-dir of ", name,
                          " and in its --shared-checkpoints");
    case ServerProblem::kInitialValues:
      return "nothing if it passes: the servers try again. If the scheduler "
             "has lost the values, submit any job with the same model.initial "
             "or model.module, which puts them there again";
    case ServerProblem::kOther:
      break;
  }
  return absl::StrCat("look at the log of ", name,
                      "; if its versions come late, raise its "
                      "--checkpoint-rate, or checkpoint.every of the next job");
}

std::string ToStart(const SchedulerShell::Picture& picture,
                    absl::string_view them, absl::string_view by_hand) {
  if (!picture.of_a_run) return std::string(by_hand);
  return absl::StrCat("nothing: the run starts ", them,
                      " again. If it lasts, look at the logs in its folder");
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
