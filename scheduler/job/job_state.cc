#include "scheduler/job/job_state.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/match.h"
#include "common/status_macros.h"
#include "protocol/field_codec.h"
#include "protocol/message_fields.h"
#include "protocol/plan_codec.h"
#include "protocol/sealed_form.h"

namespace ebb::scheduler {

absl::string_view JobPhaseName(JobPhase phase) {
  switch (phase) {
    case JobPhase::kRunning:
      return "running";
    case JobPhase::kPaused:
      return "paused";
    case JobPhase::kCompleted:
      return "completed";
    case JobPhase::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

JobPhase MaxEnum(JobPhase) { return JobPhase::kCancelled; }
DivergencePause MaxEnum(DivergencePause) { return DivergencePause::kGoneBack; }

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, Evaluation>
void VisitFields(Struct& evaluation, Visitor&& visit) {
  auto& [epoch, position, examples, loss, accuracy, error, finished_us,
         figures] = evaluation;
  visit(epoch, position, examples, loss, accuracy, error, finished_us);
  static_cast<void>(figures);  // Behind the state: see VisitForm.
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, QuarantineReason>
void VisitFields(Struct& reason, Visitor&& visit) {
  auto& [text, non_finite] = reason;
  visit(text, non_finite);
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, JobState>
void VisitFields(Struct& state, Visitor&& visit) {
  auto& [generation, rollback, rolled_back, phase, reason, owners, failures,
         quarantined, failed_at, why_quarantined, skipped, evaluations,
         paused_by_operator, scaled_workers, owned_since, servers, durable_in,
         durable_term, moved, divergence, kept_epoch, chosen_in, ended,
         finish_at] = state;
  visit(generation, rollback, rolled_back, phase, reason, owners, failures,
        quarantined, failed_at, skipped, evaluations);
  // Later than the second version: see VisitForm.
  static_cast<void>(why_quarantined);
  static_cast<void>(paused_by_operator);
  static_cast<void>(scaled_workers);
  static_cast<void>(owned_since);
  static_cast<void>(servers);
  static_cast<void>(durable_in);
  static_cast<void>(durable_term);
  static_cast<void>(moved);
  static_cast<void>(divergence);
  static_cast<void>(kept_epoch);
  static_cast<void>(chosen_in);
  static_cast<void>(ended);
  static_cast<void>(finish_at);
}

namespace {

constexpr absl::string_view kMagic = "EBBJ";
constexpr uint32_t kVersion = 11;

// The bins of each of a list of evaluations: they came later than the other
// figures.
template <typename Evaluations>
struct Calibrations {
  explicit Calibrations(Evaluations& of) : evaluations(of) {}

  Evaluations& evaluations;
};

template <typename Evaluations, typename Visitor>
void VisitFields(const Calibrations<Evaluations>& all, Visitor&& visit) {
  for (auto& evaluation : all.evaluations) {
    visit(evaluation.figures.calibration);
  }
}

void ReadTexts(FieldReader& read,
               std::map<int64_t, QuarantineReason>* why_quarantined) {
  std::map<int64_t, std::string> texts;
  read(texts);
  for (auto& [ordinal, text] : texts) {
    (*why_quarantined)[ordinal].text = std::move(text);
  }
}

// Before the eighth version only the text of the reason told.
bool PausedItself(const JobState& state) {
  return state.phase == JobPhase::kPaused && state.paused_by_operator &&
         (absl::StrContains(state.reason, "(on_divergence: pause)") ||
          absl::StrContains(state.reason, "(on_nonfinite_rollback)"));
}

}  // namespace

// The first version had no `rolled_back`: it is read no more.
template <typename Struct, typename Form>
requires std::is_same_v<std::remove_const_t<Struct>, JobState>
void VisitForm(Struct& state, Form&& form) {
  form(1, state);
  form(3, state.paused_by_operator, state.scaled_workers, state.owned_since,
       state.servers, state.durable_in, state.durable_term, state.moved);
  form(4, state.rollback.rate_factor, state.rollback.nonfinite);
  // The fourth version had one reason for all items.
  form.Only(5, [&](auto& read) { ReadTexts(read, &state.why_quarantined); });
  form(6, state.why_quarantined);
  form(7, Column(state.evaluations, &Evaluation::figures));
  form(8, state.divergence);
  form(9, state.kept_epoch, state.chosen_in, state.ended);
  form(10, Calibrations(state.evaluations));
  form(11, state.finish_at);
}

std::string JobState::Encode() const {
  return SealForm(kMagic, kVersion, *this);
}

const Evaluation* JobState::Kept() const {
  if (kept_epoch < 0 || chosen_in != generation) return nullptr;
  const auto kept =
      std::ranges::find(evaluations, kept_epoch, &Evaluation::epoch);
  return kept == evaluations.end() ? nullptr : &*kept;
}

void JobState::AddEvaluation(Evaluation evaluation) {
  const Evaluation* const of_kept = Kept();
  for (Evaluation& before : evaluations) {
    if (&before == of_kept) continue;
    before.figures.confusion.clear();
    before.figures.calibration.clear();
  }
  evaluations.push_back(std::move(evaluation));
  if (evaluations.size() <= kMostEvaluations) return;
  const size_t half = evaluations.size() / 2;
  size_t kept = 0;
  for (size_t i = 0; i < evaluations.size(); ++i) {
    if (i < half && i % 2 == 1) continue;
    if (kept != i) evaluations[kept] = std::move(evaluations[i]);
    ++kept;
  }
  evaluations.resize(kept);
}

absl::StatusOr<JobState> JobState::Decode(absl::string_view bytes) {
  JobState state;
  EBB_ASSIGN_OR_RETURN(
      const uint32_t version,
      UnsealForm(kMagic, kVersion, "stored state of a job", bytes, &state));
  if (version >= 4 && version < 8 && PausedItself(state)) {
    state.divergence = DivergencePause::kPaused;
  }
  EBB_RETURN_IF_ERROR(CheckStored("stored state of a job", state.rollback));
  return state;
}

}  // namespace ebb::scheduler
