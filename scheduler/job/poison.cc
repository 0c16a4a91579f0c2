#include "scheduler/job/poison.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/plant.h"

namespace ebb::scheduler {

Poison::Poison(const JobRecord& record, const MarkTable& marks,
               LeaseTable* leases, JobState* state)
    : record_(record),
      plan_(record.plan),
      marks_(marks),
      leases_(leases),
      state_(state) {
  for (const int64_t ordinal : state_->quarantined) {
    leases_->Quarantine(ordinal);
  }
}

// A batch is not blamed for those before it: frequent losses of machines are
// not poison.
bool Poison::Failed(const Failure& failure, Context* context) {
  const int64_t ordinal = failure.ordinal;
  if (Quarantined(ordinal) || wanted_.contains(ordinal)) {
    return false;  // What is decided about stays as it is.
  }
  const ItemId item = plan_.ItemAt(ordinal);
  // Every partition has it: the worker that computed it again had not heard of
  // that.
  if (marks_.LowestMark(item) > failure.position) return false;
  const auto [failed_at, first] =
      state_->failed_at.try_emplace(ordinal, failure.position);
  // Runs name their batch, so another is another, also one before it.
  const bool elsewhere = plan_.algorithm.runs
                             ? failure.position != failed_at->second
                             : failure.position > failed_at->second;
  if (!first && elsewhere) {
    state_->failures[ordinal] = 0;
    failed_at->second = failure.position;
  }
  if (++state_->failures[ordinal] < plan_.quarantine_after &&
      !failure.non_finite) {
    return false;
  }
  if (failure.position >= plan_.ItemSize(item)) {
    state_->failures.erase(ordinal);
    return false;  // Another worker finished it.
  }
  // What some partition has applied can be computed; elsewhere it must be too.
  if (failure.policy == PoisonPolicy::kSkip &&
      marks_.HighestMark(item) <= failure.position) {
    state_->failures.erase(ordinal);
    wanted_[ordinal] = {failure.position, failure.why};
    leases_->Quarantine(ordinal);
    return true;
  }
  // A death is booked behind what any partition has, which may be further on.
  failed_at->second = failure.position;
  Quarantine(
      ordinal,
      {.text = absl::StrCat("at example ", failure.position, ": ", failure.why,
                            WhyNotSkipped(item, failure.position)),
       .non_finite = failure.non_finite},
      context);
  return false;
}

// The others may have refused it for the new terms of a skip elsewhere; its
// worker keeps neither what it pushed nor the values that it pulled.
std::string Poison::WhyNotSkipped(ItemId item, int64_t begin) const {
  const std::vector<int64_t> marks = marks_.Hints(item);
  const auto applied = std::ranges::count_if(
      marks, [begin](int64_t mark) { return mark > begin; });
  if (applied == 0) return "";
  return absl::StrCat("; ", applied, " of ", marks.size(),
                      " partitions applied this batch before, so it cannot be "
                      "left out: where it cannot be computed again, go back to "
                      "before it (ebb checkpoint rollback), then ebb resume");
}

void Poison::Acquit(int64_t ordinal, int64_t position) {
  const auto at = state_->failed_at.find(ordinal);
  if (at == state_->failed_at.end() || at->second != position ||
      Quarantined(ordinal)) {
    return;
  }
  const auto it = state_->failures.find(ordinal);
  if (it != state_->failures.end() && it->second > 0) --it->second;
}

void Poison::Succeeded(int64_t ordinal) {
  if (Quarantined(ordinal)) return;
  state_->failures.erase(ordinal);
  state_->failed_at.erase(ordinal);
}

void Poison::NobodyCan(int64_t ordinal, const std::string& why,
                       Context* context) {
  state_->failed_at.erase(ordinal);
  Quarantine(ordinal, {.text = why}, context);
}

void Poison::Quarantine(int64_t ordinal, QuarantineReason why,
                        Context* context) {
  leases_->Quarantine(ordinal);
  state_->quarantined.push_back(ordinal);
  state_->phase = JobPhase::kPaused;
  state_->reason = absl::StrCat(IsQuarantined(ordinal), why.text);
  state_->why_quarantined[ordinal] = std::move(why);
  context->Tell(
      EventKind::kQuarantine, record_.id,
      absl::StrCat("job=", record_.name, " is paused: ", state_->reason));
}

// The batch at `begin` is not to be applied, on any partition.
void Poison::Skip(ItemId item, int64_t begin, const std::string& why,
                  Context* context) {
  const int64_t end = EBB_PLANTED(skip_leaves_out_the_run)
                          ? plan_.PushEnd(item, begin)
                          : plan_.BatchEnd(item, begin);
  const SkippedRange range{item, begin, end};
  if (std::find(state_->skipped.begin(), state_->skipped.end(), range) ==
      state_->skipped.end()) {
    state_->skipped.push_back(range);
  }
  context->Tell(
      EventKind::kSkip, record_.id,
      absl::StrCat("job=", record_.name, " skips examples [", range.begin, ", ",
                   range.end, ") of item ", ToString(item), ": ", why));
}

bool Poison::Quarantined(int64_t ordinal) const {
  return std::ranges::find(state_->quarantined, ordinal) !=
         state_->quarantined.end();
}

std::optional<int64_t> Poison::QuarantinedAt(int64_t ordinal) const {
  const auto it = state_->failed_at.find(ordinal);
  if (it == state_->failed_at.end()) return std::nullopt;
  return it->second;
}

int32_t Poison::FailuresOf(int64_t ordinal) const {
  const auto it = state_->failures.find(ordinal);
  if (it == state_->failures.end() || !QuarantinedAt(ordinal)) return 0;
  return it->second;
}

std::string Poison::IsQuarantined(int64_t ordinal) const {
  return absl::StrCat("item ", ToString(plan_.ItemAt(ordinal)),
                      " is quarantined: ");
}

// An older ebb stored it as the whole reason of the pause.
QuarantineReason Poison::WhyQuarantined(int64_t ordinal) const {
  const auto it = state_->why_quarantined.find(ordinal);
  if (it != state_->why_quarantined.end()) return it->second;
  return {.text = std::string(
              absl::StripPrefix(state_->reason, IsQuarantined(ordinal)))};
}

bool Poison::AppliedSomewhere(int64_t ordinal) const {
  const auto failed_at = QuarantinedAt(ordinal);
  return failed_at && marks_.HighestMark(plan_.ItemAt(ordinal)) > *failed_at;
}

bool Poison::BlamesABatch() const {
  return std::any_of(
      state_->quarantined.begin(), state_->quarantined.end(),
      [this](int64_t ordinal) { return QuarantinedAt(ordinal).has_value(); });
}

bool Poison::Release(int64_t ordinal) {
  const bool was = std::erase(state_->quarantined, ordinal) > 0;
  // Deaths that no batch was quarantined for go on being counted.
  if (state_->failed_at.erase(ordinal) > 0) state_->failures.erase(ordinal);
  state_->why_quarantined.erase(ordinal);
  leases_->EndQuarantine(ordinal);
  // What others are there is why the job is paused still.
  if (was && !state_->quarantined.empty()) {
    const int64_t last = state_->quarantined.back();
    if (state_->why_quarantined.contains(last)) {
      state_->reason =
          absl::StrCat(IsQuarantined(last), WhyQuarantined(last).text);
    }
  }
  return was;
}

bool Poison::Resolve(int64_t ordinal) {
  if (!Quarantined(ordinal)) return false;
  wanted_.erase(ordinal);
  return Release(ordinal);
}

bool Poison::WantSkip(int64_t ordinal) {
  const auto failed_at = QuarantinedAt(ordinal);
  if (!Quarantined(ordinal) || !failed_at) return false;
  wanted_[ordinal] = {*failed_at, "an operator said so"};
  return true;
}

bool Poison::SettleSkips(Context* context) {
  for (const auto& [ordinal, skip] : wanted_) {
    const ItemId item = plan_.ItemAt(ordinal);
    const int64_t applied = marks_.HighestMark(item);
    Release(ordinal);
    if (applied <= skip.begin || EBB_PLANTED(skip_is_not_settled)) {
      Skip(item, skip.begin, skip.why, context);
    } else {
      context->Log(absl::StrCat("job=", record_.name, " item ", ToString(item),
                                " goes on without a skip: the batch at ",
                                skip.begin, " was applied meanwhile, up to ",
                                applied, " of it is"));
    }
  }
  return !std::exchange(wanted_, {}).empty();
}

std::vector<SkippedRange> Poison::Adopt(const std::vector<SkippedRange>& ranges,
                                        Context* context) {
  std::vector<SkippedRange> adopted;
  for (const SkippedRange& range : ranges) {
    if (!plan_.HasItem(range.item) ||
        std::find(state_->skipped.begin(), state_->skipped.end(), range) !=
            state_->skipped.end()) {
      continue;
    }
    context->Log(
        absl::StrCat("job=", record_.name, " skips examples [", range.begin,
                     ", ", range.end, ") of item ", ToString(range.item),
                     ": it was decided before, and a server remembers it"));
    state_->skipped.push_back(range);
    adopted.push_back(range);
  }
  return adopted;
}

void Poison::BeginGeneration() {
  for (const int64_t ordinal : state_->quarantined) {
    leases_->Quarantine(ordinal);
  }
  for (const auto& [ordinal, skip] : wanted_) leases_->Quarantine(ordinal);
  std::erase_if(state_->failed_at,
                [this](const auto& one) { return !Quarantined(one.first); });
  std::erase_if(state_->failures, [this](const auto& one) {
    return !state_->failed_at.contains(one.first);
  });
}

}  // namespace ebb::scheduler
