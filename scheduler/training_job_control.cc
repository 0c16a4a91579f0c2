// What operators do to a job, and how it shares workers with others; see
// training_job.h.
#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "protocol/plan_change.h"
#include "scheduler/check_job.h"
#include "scheduler/training_job.h"

namespace ebb::scheduler {

namespace {

// A loss that is so far below that of guessing has come back.
constexpr double kBackBelowGuess = 0.9;

constexpr absl::string_view kPausedByOperator =
    "an operator paused it; ebb resume lets it go on";

std::string RateText(double factor) {
  if (factor == 1) return "";
  return absl::StrCat(", at ", factor, " times the rate of the job file");
}

std::string AtMostWorkers(int32_t workers) {
  if (workers == 0) return "any number of workers";
  return absl::StrCat(workers, workers == 1 ? " worker" : " workers",
                      " at most");
}

}  // namespace

// --- Workers it shares -------------------------------------------------------

int32_t TrainingJob::max_workers() const {
  return state_.scaled_workers >= 0 ? state_.scaled_workers
                                    : plan().max_workers;
}

// In rounds a round's items at any time, or its workers would be taken away at
// the end of each round and given back at the beginning of the next.
int64_t TrainingJob::OpenWork() const {
  if (state_.phase != JobPhase::kRunning) return 0;
  const int64_t unfinished = std::max<int64_t>(0, leases_.Unfinished());
  if (!plan().rounds() || unfinished == 0) return unfinished;
  return std::min<int64_t>(plan().consistency.round_items, plan().shards());
}

WorkerClaim TrainingJob::Claim(int64_t able, int64_t has,
                               int64_t* limit) const {
  *limit =
      max_workers() > 0 ? max_workers() : std::numeric_limits<int64_t>::max();
  WorkerClaim claim;
  claim.priority = plan().priority;
  claim.begun = HasBegun();
  if (state_.phase == JobPhase::kPaused && !state_.paused_by_operator) {
    return claim;  // Those that have an item may end it.
  }
  if (state_.phase != JobPhase::kRunning) {
    *limit = 0;
    return claim;
  }
  // While a server is away nothing can be gained, and what it has it keeps.
  int64_t most = started_ && placement_.AllRegistered() ? OpenWork() : has;
  claim.min = std::min<int64_t>(plan().min_workers, most);
  claim.most = std::min({most, *limit, able});
  return claim;
}

// --- Operators ---------------------------------------------------------------

absl::Status TrainingJob::NotOver() const {
  if (!over()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("job ", record_->name, " is ", JobPhaseName(state_.phase)));
}

void TrainingJob::Cancel(Context* context) {
  for (const auto& [p, target] : moves_.Targets()) {
    GiveUpMove(p, "the job is cancelled", context);
  }
  if (state_.phase != JobPhase::kCancelled) {
    context->Tell(EventKind::kJobCancelled, id(),
                  absl::StrCat("job=", record_->name, " is cancelled"));
  }
  state_.phase = JobPhase::kCancelled;
  dirty_ = true;
  RevokeLeases([](ItemId) { return true; }, context);
}

// What was quarantined before stays the reason: it is there still when the
// operator's pause ends. What is applied becomes durable, for a pause may last.
absl::Status TrainingJob::Pause(Context* context) {
  if (absl::Status over = NotOver(); !over.ok()) return over;
  if (state_.paused_by_operator) return absl::OkStatus();
  state_.paused_by_operator = true;
  if (state_.phase == JobPhase::kRunning)
    state_.reason = std::string(kPausedByOperator);
  state_.phase = JobPhase::kPaused;
  dirty_ = true;
  context->Tell(
      EventKind::kJobPaused, id(),
      absl::StrCat("job=", record_->name, " is paused: ", kPausedByOperator));
  RequestCheckpoint(context);
  return absl::OkStatus();
}

absl::Status TrainingJob::EndPause(Context* context) {
  if (absl::Status over = NotOver(); !over.ok()) return over;
  if (!state_.paused_by_operator) return absl::OkStatus();
  state_.paused_by_operator = false;
  if (state_.divergence == DivergencePause::kPaused) {
    state_.divergence = DivergencePause::kAccepted;
  } else if (state_.divergence == DivergencePause::kGoneBack) {
    state_.divergence = DivergencePause::kNone;
  }
  dirty_ = true;
  context->Tell(
      EventKind::kJobGoesOn, id(),
      absl::StrCat("job=", record_->name, ": an operator ends its pause"));
  MaybeGoOn(context);
  return absl::OkStatus();
}

// The last marks may have come while it was paused, and no others will.
void TrainingJob::MaybeGoOn(Context* context) {
  if (state_.phase != JobPhase::kPaused || !state_.quarantined.empty()) return;
  if (state_.paused_by_operator) {
    state_.reason = std::string(kPausedByOperator);  // Nothing else is left.
    dirty_ = true;
    return;
  }
  state_.phase = JobPhase::kRunning;
  state_.reason.clear();
  dirty_ = true;
  MarksChanged(context);
}

absl::Status TrainingJob::ScaleWorkers(int32_t workers, Context* context) {
  if (absl::Status over = NotOver(); !over.ok()) return over;
  if (workers < 0 || (workers > 0 && workers < plan().min_workers)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "job ", record_->name, " cannot take ", workers,
        " workers at most: it takes ", plan().min_workers,
        " at least (workers.min); name as many, or 0 for no limit"));
  }
  if (workers == max_workers()) return absl::OkStatus();
  context->Tell(
      EventKind::kJobScaled, id(),
      absl::StrCat("job=", record_->name, " takes ", AtMostWorkers(workers),
                   " instead of ", AtMostWorkers(max_workers()),
                   ": an operator said so (ebb scale)"));
  state_.scaled_workers = workers;
  dirty_ = true;
  return absl::OkStatus();
}

// --- Rollback ----------------------------------------------------------------

absl::Status TrainingJob::MayRollBack(const RollbackOrder& order) const {
  const std::string name = absl::StrCat("job ", record_->name);
  if (state_.phase == JobPhase::kCancelled) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, " is cancelled, and stays so; submit it anew"));
  }
  if (!started_ || !placement_.AllRegistered()) {
    return absl::UnavailableError(absl::StrCat(
        "only ", placement_.registered(), " of ", placement_.size(),
        " partitions of ", name,
        " are served; ebb explain says what it waits for. Try again then"));
  }
  if (order.generation != state_.generation) {
    return absl::AbortedError(absl::StrCat(
        name, " is of generation ", state_.generation.value(), ", not ",
        order.generation.value(), ": it rolled back meanwhile. Look again"));
  }
  if (order.change != nullptr) {
    if (absl::Status may = MayFollow(plan(), order.change->plan); !may.ok()) {
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
        key.partition.value() < placement_.size() &&
        key.term < state_.moved[key.partition.value()]) {
      return absl::AbortedError(absl::StrCat(
          "partition ", key.partition.value(), " of ", name,
          " has another server since that was looked up. Look again"));
    }
    if (key.job != id() || key.partition.value() < 0 ||
        key.partition.value() >= placement_.size() ||
        !named.insert(key.partition).second ||
        !OfLine(key, state_.generation, state_.rollback)) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, " cannot go back to the version of partition ",
          key.partition.value(), " with generation ", key.generation.value(),
          ", term ", key.term.value(), ", sequence ", key.sequence,
          ": it is not of the job's line, or another is named for it"));
    }
  }
  return absl::OkStatus();
}

absl::Status TrainingJob::RollBackTo(const RollbackOrder& order,
                                     Context* context) {
  if (absl::Status may = MayRollBack(order); !may.ok()) return may;
  if (order.change != nullptr) TakeRecord(order.change);
  RollbackRecord record = state_.rollback;
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
  forget_evaluations_ = true;
  return absl::OkStatus();
}

// Several workers meet one divergence. What the others say of it is of the
// generation before, and not heard: so it is one rollback.
void TrainingJob::RollBackByItself(absl::string_view policy, int64_t round,
                                   absl::string_view why, Context* context) {
  const NonfiniteRollback& how = plan().nonfinite_rollback;
  const auto& kept = rounds_.Kept(marks_);
  RollbackRecord record = state_.rollback;
  std::string where;
  if (plan().rounds()) {
    Rollback back = RollbackToRoundOrOldest(
        kept, std::max<int64_t>(0, round - how.versions), OfRound::kOpen);
    record.versions = std::move(back.record.versions);
    where = absl::StrCat("to round ", back.to_round);
  } else {
    record.versions = VersionsBefore(kept, how.versions, state_.moved);
    where = absl::StrCat("by ", how.versions,
                         how.versions == 1 ? " version" : " versions");
  }
  record.rate_factor =
      std::max(kMinRateFactor, record.rate_factor * how.factor);
  ++record.nonfinite;
  RollBack(std::move(record),
           absl::StrCat(where, ": ", why, " (", policy, ": rollback ",
                        state_.rollback.nonfinite + 1, " of at most ", how.most,
                        ")"),
           context);
  forget_evaluations_ = true;
}

// --- Divergence --------------------------------------------------------------

bool TrainingJob::PausedForDivergence() const {
  return state_.phase == JobPhase::kPaused &&
         (state_.divergence == DivergencePause::kPaused ||
          state_.divergence == DivergencePause::kGoneBack) &&
         state_.quarantined.empty();
}

std::string TrainingJob::DivergenceText() const {
  if (PausedForDivergence()) return state_.reason;
  if (!divergence_.trouble()) {
    // A scheduler that began since has not heard the loss.
    return state_.divergence == DivergencePause::kAccepted
               ? "the training had diverged when it was told to go on, and no "
                 "loss since shows that it came back"
               : "";
  }
  double updates = 0, staleness = 0;
  for (size_t late = 0; late < statistics_.staleness.size(); ++late) {
    const auto count = static_cast<double>(statistics_.staleness[late]);
    updates += count;
    staleness += static_cast<double>(late) * count;
  }
  return scheduler::DivergenceText(
      *divergence_.trouble(), plan().examples, training_facts_.squared_loss,
      {.mean_staleness = updates > 0 ? staleness / updates : 0,
       .asynchronous = plan().consistency.kind == ConsistencyKind::kAsp,
       .scales_late_steps = training_facts_.scales_late_steps});
}

// The loss of a job that is told of without its facts may be anything.
bool TrainingJob::WatchesDivergence() const {
  return options_.training_facts != nullptr &&
         state_.phase == JobPhase::kRunning && placement_.AllRegistered();
}

void TrainingJob::LookForDivergence(Context* context) {
  if (!WatchesDivergence()) return;
  const double loss = *statistics_.recent_loss;
  const bool begins = divergence_.Heard(loss, marks_.LeastExamples());
  if (state_.divergence == DivergencePause::kAccepted &&
      !divergence_.trouble() &&
      loss < kBackBelowGuess * training_facts_.guess_loss) {
    state_.divergence = DivergencePause::kNone;  // It came back.
    dirty_ = true;
  }
  if (begins) Diverges(context);
}

bool TrainingJob::StopsAtItsEnd(Context* context) {
  if (!WatchesDivergence() || !statistics_.recent_loss) return false;
  std::vector<double> epochs;
  for (const auto& [epoch, loss] : statistics_.losses) {
    if (loss.examples > 0) {
      epochs.push_back(loss.loss_sum / static_cast<double>(loss.examples));
    }
  }
  return divergence_.Ended(*statistics_.recent_loss, epochs) &&
         Diverges(context);
}

bool TrainingJob::Diverges(Context* context) {
  const std::string text = DivergenceText();
  context->Log(absl::StrCat("job=", record_->name, " diverges: ", text));
  if (state_.divergence == DivergencePause::kAccepted ||
      training_facts_.on_divergence == job::OnDivergence::kWarn) {
    return false;
  }
  if (training_facts_.on_divergence == job::OnDivergence::kPause) {
    PauseByItself(absl::StrCat(text, " (on_divergence: pause)"), context);
  } else if (state_.rollback.nonfinite < plan().nonfinite_rollback.most) {
    RollBackByItself("on_divergence",
                     plan().rounds() ? marks_.RoundsClosed() : 0, text,
                     context);
  } else {
    PauseByItself(absl::StrCat(text, "; ", RolledBackAlready()), context);
  }
  return true;
}

// What stands in the way of another rollback.
std::string TrainingJob::RolledBackAlready() const {
  const int32_t times = state_.rollback.nonfinite;
  return absl::StrCat("the job rolled back ", times,
                      times == 1 ? " time" : " times", " already, to ",
                      state_.rollback.rate_factor,
                      " times its rate (on_nonfinite_rollback)");
}

// Like an operator's pause: `ebb resume` ends it. It asks for no version: those
// that are stored are better than what the servers have now.
void TrainingJob::PauseByItself(const std::string& why, Context* context) {
  state_.paused_by_operator = true;
  state_.divergence = DivergencePause::kPaused;
  state_.reason = why;
  state_.phase = JobPhase::kPaused;
  dirty_ = true;
  context->Log(absl::StrCat("job=", record_->name, " is paused: ", why));
}

void TrainingJob::RollBack(RollbackRecord record, std::string why,
                           Context* context) {
  const Generation generation(context->numbers->Draw(context->now));
  state_.rolled_back = std::move(why);
  context->Tell(
      new_record_ ? EventKind::kJobChanged : EventKind::kJobRolledBack, id(),
      absl::StrCat("job=", record_->name, " rolls back ", state_.rolled_back,
                   ". It is generation ", generation.value(),
                   "; what is missing is computed again",
                   RateText(record.rate_factor), "."));
  if (state_.phase == JobPhase::kCompleted) state_.phase = JobPhase::kRunning;
  BeginGeneration(generation, std::move(record), context);
}

}  // namespace ebb::scheduler
