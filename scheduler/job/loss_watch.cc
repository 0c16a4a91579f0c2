#include "scheduler/job/loss_watch.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "protocol/known_loss.h"

namespace ebb::scheduler {

namespace {

// A loss that is so far below that of guessing has come back.
constexpr double kBackBelowGuess = 0.9;

}  // namespace

void LossWatch::Heard(const ServerStatistics& statistics, Context* context) {
  Add(statistics);
  if (late_updates_.Heard(statistics.scaled, job_.plan().partitions)) {
    context->Log(absl::StrCat("job=", job_.name(), " ", LateUpdatesText()));
  }
  if (statistics.loss_examples == 0) return;
  statistics_.recent_loss =
      statistics.loss_sum / static_cast<double>(statistics.loss_examples);
  LookForDivergence(context);
}

void LossWatch::Add(const ServerStatistics& statistics) {
  statistics_.updates += statistics.updates;
  statistics_.traffic += statistics.traffic;
  statistics_.scaled += statistics.scaled;
  if (statistics.bound_wait) {
    statistics_.bound_wait = *statistics.bound_wait +
                             statistics_.bound_wait.value_or(absl::Duration());
  }
  auto& histogram = statistics_.staleness;
  if (histogram.size() < statistics.staleness.size()) {
    histogram.resize(statistics.staleness.size());
  }
  statistics_.clock_lead =
      std::max(statistics_.clock_lead, statistics.clock_lead);
  for (size_t i = 0; i < statistics.staleness.size(); ++i) {
    histogram[i] += statistics.staleness[i];
  }
  for (const EpochLossSum& loss : statistics.losses) {
    if (loss.epoch < job_.plan().epochs) statistics_.losses[loss.epoch] = loss;
  }
}

void LossWatch::BeginGeneration() {
  divergence_.Forget();
  late_updates_ = {};
  statistics_.recent_loss.reset();
  // The job may have fewer epochs now.
  statistics_.losses.erase(statistics_.losses.lower_bound(job_.plan().epochs),
                           statistics_.losses.end());
}

std::string LossWatch::DivergenceText() const {
  if (pauses_.PausedForDivergence()) return job_.state.reason;
  if (!divergence_.trouble()) {
    // A scheduler that began since has not heard the loss.
    return job_.state.divergence == DivergencePause::kAccepted
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
      *divergence_.trouble(), job_.plan().examples,
      job_.training_facts.squared_loss, job_.training_facts.rate_key,
      {.mean_staleness = updates > 0 ? staleness / updates : 0,
       .asynchronous = job_.plan().consistency.kind == ConsistencyKind::kAsp,
       .scales_late_steps = job_.training_facts.scales_late_steps,
       .runs = job_.plan().algorithm.runs});
}

std::string LossWatch::LateUpdatesText() const {
  return late_updates_.found()
             ? scheduler::LateUpdatesText(*late_updates_.found())
             : "";
}

// The loss of a job that is told of without its facts may be anything.
bool LossWatch::WatchesDivergence() const {
  return job_.options.training_facts != nullptr &&
         job_.state.phase == JobPhase::kRunning &&
         job_.placement.AllRegistered();
}

void LossWatch::LookForDivergence(Context* context) {
  if (!WatchesDivergence()) return;
  const double loss = *statistics_.recent_loss;
  const bool begins = divergence_.Heard(loss, job_.marks.LeastExamples());
  if (job_.state.divergence == DivergencePause::kAccepted &&
      !divergence_.trouble() &&
      loss < kBackBelowGuess * job_.training_facts.guess_loss) {
    job_.state.divergence = DivergencePause::kNone;  // It came back.
    job_.dirty = true;
  }
  if (begins) Diverges(context);
}

bool LossWatch::StopsAtItsEnd(Context* context) {
  if (!WatchesDivergence() || !statistics_.recent_loss) return false;
  std::vector<double> epochs;
  for (const auto& [epoch, loss] : statistics_.losses) {
    if (loss.examples > 0 && IsKnownLoss(loss.loss_sum)) {
      epochs.push_back(loss.loss_sum / static_cast<double>(loss.examples));
    }
  }
  return divergence_.Ended(*statistics_.recent_loss, epochs) &&
         Diverges(context);
}

bool LossWatch::Diverges(Context* context) {
  const std::string text = DivergenceText();
  context->Log(absl::StrCat("job=", job_.name(), " diverges: ", text));
  if (job_.state.divergence == DivergencePause::kAccepted ||
      job_.training_facts.on_divergence == job::OnDivergence::kWarn) {
    return false;
  }
  if (job_.training_facts.on_divergence == job::OnDivergence::kPause) {
    pauses_.PauseForDivergence(absl::StrCat(text, " (on_divergence: pause)"),
                               context);
  } else if (rollbacks_.MayByItself()) {
    rollbacks_.RollBackByItself(
        "on_divergence", job_.plan().rounds() ? job_.marks.RoundsClosed() : 0,
        text, context);
  } else {
    pauses_.PauseForDivergence(
        absl::StrCat(text, "; ", rollbacks_.RolledBackAlready()), context);
  }
  return true;
}

}  // namespace ebb::scheduler
