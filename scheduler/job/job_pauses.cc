#include "scheduler/job/job_pauses.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ebb::scheduler {

namespace {

constexpr absl::string_view kPausedByOperator =
    "an operator paused it; ebb resume lets it go on";

}  // namespace

// What was quarantined before stays the reason: it is there still when the
// operator's pause ends. What is applied becomes durable, for a pause may last.
absl::Status JobPauses::Pause(Context* context) {
  if (absl::Status over = job_.NotOver(); !over.ok()) return over;
  if (job_.state.paused_by_operator) return absl::OkStatus();
  job_.state.paused_by_operator = true;
  if (job_.state.phase == JobPhase::kRunning)
    job_.state.reason = std::string(kPausedByOperator);
  job_.state.phase = JobPhase::kPaused;
  job_.dirty = true;
  context->Tell(
      EventKind::kJobPaused, job_.id(),
      absl::StrCat("job=", job_.name(), " is paused: ", kPausedByOperator));
  owners_.RequestCheckpoint(context);
  return absl::OkStatus();
}

absl::StatusOr<bool> JobPauses::End(Context* context) {
  if (absl::Status over = job_.NotOver(); !over.ok()) return over;
  if (!job_.state.paused_by_operator) return false;
  job_.state.paused_by_operator = false;
  if (job_.state.divergence == DivergencePause::kPaused) {
    job_.state.divergence = DivergencePause::kAccepted;
  } else if (job_.state.divergence == DivergencePause::kGoneBack) {
    job_.state.divergence = DivergencePause::kNone;
  }
  job_.dirty = true;
  context->Tell(
      EventKind::kJobGoesOn, job_.id(),
      absl::StrCat("job=", job_.name(), ": an operator ends its pause"));
  return MayGoOn();
}

// Like an operator's pause: `ebb resume` ends it. It asks for no version: those
// that are stored are better than what the servers have now.
void JobPauses::PauseForDivergence(const std::string& why, Context* context) {
  job_.state.paused_by_operator = true;
  job_.state.divergence = DivergencePause::kPaused;
  job_.state.reason = why;
  job_.state.phase = JobPhase::kPaused;
  job_.dirty = true;
  context->Log(absl::StrCat("job=", job_.name(), " is paused: ", why));
}

bool JobPauses::PausedForDivergence() const {
  return job_.state.phase == JobPhase::kPaused &&
         (job_.state.divergence == DivergencePause::kPaused ||
          job_.state.divergence == DivergencePause::kGoneBack) &&
         job_.state.quarantined.empty();
}

// The last marks may have come while it was paused, and no others will.
bool JobPauses::MayGoOn() {
  if (job_.state.phase != JobPhase::kPaused ||
      !job_.state.quarantined.empty()) {
    return false;
  }
  if (job_.state.paused_by_operator) {
    job_.state.reason =
        std::string(kPausedByOperator);  // Nothing else is left.
    job_.dirty = true;
    return false;
  }
  job_.state.phase = JobPhase::kRunning;
  job_.state.reason.clear();
  job_.dirty = true;
  return true;
}

}  // namespace ebb::scheduler
