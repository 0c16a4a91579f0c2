#include "scheduler/job/rollbacks.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "protocol/plan_change.h"
#include "scheduler/check_job.h"

namespace ebb::scheduler {

namespace {

std::string RateText(double factor) {
  if (factor == 1) return "";
  return absl::StrCat(", at ", factor, " times the rate of the job file");
}

}  // namespace

absl::Status Rollbacks::RollBackTo(const RollbackOrder& order,
                                   Context* context) {
  if (absl::Status may = MayRollBack(order); !may.ok()) return may;
  if (order.change != nullptr) {
    job_.TakeRecord(order.change);
    job_.state.ended.clear();
  }
  RollbackRecord record = job_.state.rollback;
  record.versions = order.record.versions;
  if (EBB_PLANTED(rollback_names_no_versions)) record.versions.clear();
  record.rate_factor = order.rate_factor.value_or(record.rate_factor);
  RollBack(std::move(record),
           absl::StrCat(order.what,
                        order.change != nullptr
                            ? ": an operator changed the job (ebb run --resume)"
                            : ": an operator said so (ebb checkpoint "
                              "rollback)"),
           context);
  evaluations_.ForgetOpen();
  return absl::OkStatus();
}

absl::Status Rollbacks::MayRollBack(const RollbackOrder& order) const {
  const std::string name = absl::StrCat("job ", job_.name());
  if (job_.state.phase == JobPhase::kCancelled) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, " is cancelled, and stays so; submit it anew"));
  }
  if (!job_.started || !job_.placement.AllRegistered()) {
    return absl::UnavailableError(absl::StrCat(
        "only ", job_.placement.registered(), " of ", job_.placement.size(),
        " partitions of ", name,
        " are served; ebb explain says what it waits for. Try again then"));
  }
  if (order.generation != job_.state.generation) {
    return absl::AbortedError(
        absl::StrCat(name, " is of generation ", job_.state.generation.value(),
                     ", not ", order.generation.value(), ": meanwhile it ",
                     WhatBeganGeneration(), ". Look again"));
  }
  if (order.change != nullptr) {
    if (absl::Status may = MayFollow(job_.plan(), order.change->plan);
        !may.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " cannot be changed so: ", may.message()));
    }
    if (absl::Status fits = CheckPlan(*order.change); !fits.ok()) return fits;
  }
  if (order.rate_factor && !IsRateFactor(*order.rate_factor)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the rate factor ", *order.rate_factor, " is not within ",
                     kMinRateFactor, " to ", kMaxRateFactor));
  }
  std::set<PartitionId> named;
  for (const VersionKey& key : order.record.versions) {
    if (key.partition.value() >= 0 &&
        key.partition.value() < job_.placement.size() &&
        key.term < job_.state.moved[key.partition.value()]) {
      return absl::AbortedError(absl::StrCat(
          "partition ", key.partition.value(), " of ", name,
          " has another server since that was looked up. Look again"));
    }
    if (key.job != job_.id() || key.partition.value() < 0 ||
        key.partition.value() >= job_.placement.size() ||
        !named.insert(key.partition).second ||
        !OfLine(key, job_.state.generation, job_.state.rollback)) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, " cannot go back to the version of partition ",
          key.partition.value(), " with generation ", key.generation.value(),
          ", term ", key.term.value(), ", sequence ", key.sequence,
          ": it is not of the job's line, or another is named for it"));
    }
  }
  return absl::OkStatus();
}

std::string Rollbacks::WhatBeganGeneration() const {
  const JobState& state = job_.state;
  if (state.chosen_in == state.generation && !state.ended.empty()) {
    return absl::StrCat("ended: ", state.ended);
  }
  // The version of the last epoch may be the best, too. No generation begins
  // for it.
  if (state.chosen_in == state.generation && state.kept_epoch >= 0 &&
      state.kept_epoch + 1 < job_.plan().epochs) {
    return absl::StrCat("kept the version of epoch ", state.kept_epoch + 1,
                        " as its best (keep_best)");
  }
  return "rolled back, was changed, or converged";
}

bool Rollbacks::RollBackIfNeeded(Context* context) {
  auto rollback = rounds_.MustRollBack();
  if (!rollback || job_.state.phase == JobPhase::kCancelled) return false;
  // Evaluations of epochs that are open again are made again.
  evaluations_.ForgetFrom(rollback->to_round / job_.plan().RoundsPerEpoch());
  RollbackRecord record = job_.state.rollback;
  record.versions = std::move(rollback->record.versions);
  RollBack(std::move(record),
           absl::StrCat("from round ", rollback->from_round, " to round ",
                        rollback->to_round, ": ", rollback->why),
           context);
  return true;
}

bool Rollbacks::EndIfDecided(Context* context) {
  if (job_.state.phase != JobPhase::kRunning) return false;
  std::optional<JobRounds::End> end = rounds_.EndsNow(context);
  if (!end) return false;
  RollbackRecord record = job_.state.rollback;
  record.versions = std::move(end->record.versions);
  return EndAfter({.epochs = end->epochs}, std::move(record), "converged",
                  context);
}

bool Rollbacks::EndAfter(const JobEnd& end, RollbackRecord record,
                         absl::string_view why, Context* context) {
  if (job_.options.shortened == nullptr) return false;
  const std::string where =
      job_.plan().grows
          ? absl::StrCat(job_.plan().examples * (end.epochs - 1) +
                             end.last_epoch_examples,
                         " examples")
          : absl::StrCat(end.epochs, end.epochs == 1 ? " epoch" : " epochs");
  absl::StatusOr<JobRecord> shorter = job_.options.shortened(*job_.record, end);
  if (!shorter.ok()) {
    context->Log(absl::StrCat("job=", job_.name(), " cannot end after ", where,
                              ": ", shorter.status().message()));
    return false;
  }
  job_.TakeRecord(std::make_shared<const JobRecord>(*std::move(shorter)));
  const Generation generation(context->numbers->Draw(context->now));
  context->Tell(
      EventKind::kJobChanged, job_.id(),
      absl::StrCat("job=", job_.name(), " ", why, ". It ends after ", where,
                   ", as generation ", generation.value(), "."));
  job_.state.finish_at = -1;
  // Evaluations of the epochs that are no more.
  evaluations_.ForgetFrom(end.epochs);
  begin_generation_(generation, std::move(record), context);
  return true;
}

void Rollbacks::GoOnFrom(RollbackRecord record, Context* context) {
  begin_generation_(Generation(context->numbers->Draw(context->now)),
                    std::move(record), context);
}

// Several workers meet one divergence. What the others say of it is of the
// generation before, and not heard: so it is one rollback.
void Rollbacks::RollBackByItself(absl::string_view policy, int64_t round,
                                 absl::string_view why, Context* context) {
  const NonfiniteRollback& how = job_.plan().nonfinite_rollback;
  const auto& kept = rounds_.Kept();
  RollbackRecord record = job_.state.rollback;
  std::string where;
  if (job_.plan().rounds()) {
    Rollback back = RollbackToRoundOrOldest(
        kept, std::max<int64_t>(0, round - how.versions), OfRound::kOpen);
    record.versions = std::move(back.record.versions);
    where = absl::StrCat("to round ", back.to_round);
  } else {
    record.versions = VersionsBefore(kept, how.versions, job_.state.moved);
    where = absl::StrCat("by ", how.versions,
                         how.versions == 1 ? " version" : " versions");
  }
  record.rate_factor =
      std::max(kMinRateFactor, record.rate_factor * how.factor);
  ++record.nonfinite;
  RollBack(std::move(record),
           absl::StrCat(where, ": ", why, " (", policy, ": rollback ",
                        job_.state.rollback.nonfinite + 1, " of at most ",
                        how.most, ")"),
           context);
  evaluations_.ForgetOpen();
}

bool Rollbacks::MayByItself() const {
  return job_.state.rollback.nonfinite < job_.plan().nonfinite_rollback.most;
}

std::string Rollbacks::RolledBackAlready() const {
  const int32_t times = job_.state.rollback.nonfinite;
  return absl::StrCat("the job rolled back ", times,
                      times == 1 ? " time" : " times", " already, to ",
                      job_.state.rollback.rate_factor,
                      " times its rate (on_nonfinite_rollback)");
}

void Rollbacks::RollBack(RollbackRecord record, std::string why,
                         Context* context) {
  const Generation generation(context->numbers->Draw(context->now));
  job_.state.rolled_back = std::move(why);
  context->Tell(
      job_.new_record ? EventKind::kJobChanged : EventKind::kJobRolledBack,
      job_.id(),
      absl::StrCat("job=", job_.name(), " rolls back ", job_.state.rolled_back,
                   ". It is generation ", generation.value(),
                   "; what is missing is computed again",
                   RateText(record.rate_factor), "."));
  if (job_.state.phase == JobPhase::kCompleted)
    job_.state.phase = JobPhase::kRunning;
  begin_generation_(generation, std::move(record), context);
}

}  // namespace ebb::scheduler
