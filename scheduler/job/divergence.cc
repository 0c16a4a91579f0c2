#include "scheduler/job/divergence.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ebb::scheduler {

namespace {

// A loss is bad when it lost half of what was gained, and is half again as much
// as the best: a job that gained little has noise of that size.
constexpr double kLostShare = 0.5;
constexpr double kAboveBest = 1.5;
// It is good again when it has regained half of that.
constexpr double kRegainedShare = 0.25;
// The model learns nothing if its loss stays above that of guessing times this,
// and was never below that of guessing times the other.
constexpr double kAboveGuess = 1.05;
constexpr double kBelowGuess = 0.9;
// A loss of at most this multiple of the best has not risen.
constexpr double kStillFalls = 1.02;

// A single report may be of few updates.
constexpr int kLeastReports = 3;
constexpr int64_t kPatienceBatches = 100;  // Three times what a report is of.
constexpr int64_t kLeastBatches = 200;

// From where staleness is worth a word: eight workers have about seven.
constexpr double kMuchStaleness = 8;

int64_t PatienceOf(const JobPlan& plan) {
  // A job of few batches would be over before.
  const int64_t patience =
      std::min(std::max(plan.examples / 20,
                        kPatienceBatches * plan.batch_by_epoch.back()),
               plan.examples);
  return plan.rounds() ? std::max(patience, 2 * plan.RoundExamples(0))
                       : patience;
}

}  // namespace

Divergence::Divergence(const JobPlan& plan, double guess_loss)
    : watched_(!plan.algorithm.operated),
      epoch_(std::max<int64_t>(1, plan.examples)),
      patience_(PatienceOf(plan)),
      least_(std::max(epoch_ / 2, kLeastBatches * plan.batch_by_epoch.back())),
      guess_(guess_loss) {}

bool Divergence::Rose(double loss) const {
  return start_ > best_ && loss > kAboveBest * best_ &&
         loss > best_ + kLostShare * (start_ - best_);
}

bool Divergence::NeverFell(double loss, int64_t applied) const {
  // Values that start far off may take long to come near, and they come.
  const bool falls = applied - best_at_ < patience_;
  return !falls && loss > kAboveGuess * start_ &&
         best_ > kBelowGuess * start_ && applied - first_at_ >= least_;
}

void Divergence::NoteBest(double loss, int64_t applied) {
  if (first_at_ >= 0 && loss >= best_) return;
  best_ = loss;
  best_at_ = applied;
}

bool Divergence::Heard(double loss, int64_t applied) {
  // A loss that is heard twice, as of a job that stands still, counts once.
  if (!watched_ || !std::isfinite(loss) || loss < 0 || applied == last_at_) {
    return false;
  }
  // A server came back with less.
  if (applied < last_at_) Forget();
  last_at_ = applied;
  if (loss == 0) {
    trouble_.reset();
    bad_since_ = -1;
    return false;
  }
  NoteBest(loss, applied);
  NoteFirst(loss, applied);
  if (trouble_) {
    if (loss < best_ + kRegainedShare * (start_ - best_)) trouble_.reset();
    return false;
  }
  const bool rose = Rose(loss);
  if (!rose && !NeverFell(loss, applied)) {
    bad_since_ = -1;
    return false;
  }
  if (bad_since_ < 0) {
    bad_since_ = applied;
    bad_times_ = 0;
  }
  if (++bad_times_ < kLeastReports || applied - bad_since_ < patience_) {
    return false;
  }
  bad_since_ = -1;
  Begin(loss, !rose);
  return true;
}

void Divergence::NoteFirst(double loss, int64_t applied) {
  if (first_at_ >= 0) return;
  first_at_ = applied;
  start_ = guess_ > 0 ? guess_ : loss;
}

void Divergence::Begin(double loss, bool never_fell) {
  trouble_ = Trouble{.loss = loss,
                     .best = best_,
                     .best_at = best_at_,
                     .start = start_,
                     .start_known = guess_ > 0,
                     .never_fell = never_fell};
}

bool Divergence::Ended(double loss, const std::vector<double>& epochs) {
  if (!watched_ || trouble_ || !std::isfinite(loss) || loss <= 0) return false;
  // A short job reports its latest losses once or never before its end.
  int64_t applied = 0;
  for (const double mean : epochs) {
    applied += epoch_;
    if (!std::isfinite(mean) || mean <= 0) continue;
    NoteBest(mean, applied);
    NoteFirst(mean, applied);
  }
  if (first_at_ < 0) {
    NoteBest(loss, applied);
    NoteFirst(loss, applied);
  }
  const bool rose = Rose(loss);
  // The latest batches may be few examples.
  const double lasting = epochs.empty() ? loss : std::min(loss, epochs.back());
  if (!rose && lasting <= kAboveGuess * start_) return false;
  Begin(loss, !rose);
  return true;
}

void Divergence::Forget() {
  first_at_ = last_at_ = bad_since_ = -1;
  trouble_.reset();
}

std::string DivergenceText(const Divergence::Trouble& trouble, int64_t epoch,
                           bool squared_loss, absl::string_view rate_key,
                           const Lateness& lateness) {
  const auto figure = [squared_loss](double loss) {
    return absl::StrFormat("%.4g", squared_loss ? std::sqrt(2 * loss) : loss);
  };
  const std::string start =
      absl::StrCat(!trouble.start_known ? "it began with "
                   : squared_loss ? "always saying the mean of the labels has "
                                  : "guessing has ",
                   figure(trouble.start));
  std::string text =
      absl::StrCat("the training ", squared_loss ? "RMSE" : "loss", " is ",
                   figure(trouble.loss), ", ");
  if (trouble.never_fell) {
    absl::StrAppend(&text, "and ", start,
                    trouble.start_known ? ": the model is worse than that"
                                        : ": the job does not learn");
  } else {
    absl::StrAppend(
        &text, "its best was ", figure(trouble.best),
        absl::StrFormat(" after %.1f epochs, and ",
                        static_cast<double>(trouble.best_at) /
                            static_cast<double>(std::max<int64_t>(1, epoch))),
        start, ": the training diverges");
  }
  // The log loss of the test data is cut there (common/scores).
  constexpr double kMostLogLoss = 34.5;
  if (!squared_loss && trouble.start_known && trouble.loss > kMostLogLoss) {
    absl::StrAppend(&text,
                    " (the log loss of test data, which is cut at 34.5 an "
                    "example, shows less of it)");
  }
  if (lateness.mean_staleness < kMuchStaleness) {
    // Where it fell to the end, if slowly, a smaller rate makes it worse.
    const bool falls =
        trouble.never_fell && trouble.loss <= kStillFalls * trouble.best;
    return falls ? absl::StrCat(
                       text, ". The rate (", rate_key,
                       ") is too small, or too large, for features and labels "
                       "of this scale; where data.standardise and "
                       "data.standardise_labels are on, as they are by "
                       "default, the default rate fits")
                 : absl::StrCat(text, ". Take a smaller rate (", rate_key, ")");
  }
  return absl::StrCat(
      text,
      absl::StrFormat(
          ". Gradients are late by %.0f updates on average: take fewer workers "
          "(ebb scale), ",
          lateness.mean_staleness),
      !lateness.asynchronous ? ""
      : lateness.runs        ? "consistency: rounds, "
                             : "consistency: ssp, ",
      lateness.scales_late_steps ? "" : "algorithm: staleness_aware, ",
      "or a smaller rate (", rate_key, ")");
}

}  // namespace ebb::scheduler
