// The result of an evaluation, for people and for programs.
#ifndef EBB_TOOLS_TEXT_EVALUATION_TEXT_H_
#define EBB_TOOLS_TEXT_EVALUATION_TEXT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/scores/figures.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/text/json.h"

namespace ebb::tools {

// The last evaluation of the job; null: there is none, or it failed.
const v1::JobStatus::Evaluation* LastEvaluation(const v1::JobStatus& status);

// A figure by the name that `expect:` has for it ("accuracy", "loss", "auc").
// Absent: the evaluation does not have it.
std::optional<double> FigureOf(const v1::JobStatus::Evaluation& evaluation,
                               absl::string_view name);

// A figure that an evaluation has.
struct ShownFigure {
  std::string name;   // "auc".
  std::string title;  // "AUC".
  double value = 0;
};
// All figures that people read, the most important first. The loss is among
// them only where no figure says the same in a user's terms.
std::vector<ShownFigure> ShownFigures(
    const v1::JobStatus::Evaluation& evaluation);

// By how many epochs the model that was evaluated is further than the epoch:
// training goes on meanwhile. After the scheduler was away it may be as far as
// the next epoch that is evaluated. Then the epoch has no snapshot of its own,
// and its figures are those of a later one.
double EpochsFurther(const v1::JobStatus& job,
                     const v1::JobStatus::Evaluation& evaluation);
// True if the figures are of values in which the next epoch that is evaluated
// is not whole.
bool HasOwnSnapshot(const v1::JobStatus& job,
                    const v1::JobStatus::Evaluation& evaluation);
// "epochs 3 to 7, 9": those that were evaluated without a snapshot of their
// own. Empty: none was.
std::string LateEvaluationsText(const v1::JobStatus& job);

// " of 'left'": the class that a figure is of, if it is of one. `positive` is
// JobStatus.positive_class or PositiveClassOf of worker/job_scores.h. Empty: it
// is of all classes, or the class is not known.
std::string OfClass(absl::string_view figure, absl::string_view positive);

// "accuracy 0.8805, log loss 0.3424, F1 0.7131 of 'left'": all that one line
// says of it.
std::string FiguresText(const v1::JobStatus::Evaluation& evaluation,
                        absl::string_view positive = "");

// With this many digits after the point, or for a large number as many
// significant ones as a float holds; "nan" and "inf" are words.
std::string FigureText(double value, int digits = 4);

// "epoch 7, loss 0.3100": the evaluation whose version is kept. Empty: none is.
std::string BestText(const v1::JobStatus& status);

// Why the model is of no use, as a sentence: it predicts no better than a
// constant, or its probabilities do not. Empty: it does better, or it is not
// known. `trees` says whether the model is made of them.
std::string UselessText(const v1::JobStatus::Evaluation& evaluation,
                        bool trees = false);

// "the test log loss has risen since epoch 4, from 0.5217 to 0.9907": for long,
// and by more than its noise, so that an earlier version was better than the
// last one. Empty: it has not.
std::string RisenText(const v1::JobStatus& status);

// The confusion matrix, a text for each label: "40 3 0" counts what examples of
// it were taken for. Empty: there is none, or it has more than ten classes.
std::vector<std::string> ConfusionRows(
    const v1::JobStatus::Evaluation& evaluation);

// The bins of the calibration that have examples, a text for each: "predicted
// 0.0312, observed 0.0283  (812 examples)". Empty: there are none.
std::vector<std::string> CalibrationRows(
    const std::vector<CalibrationBin>& bins);
// Returns the bins of an evaluation, without the empty ones.
std::vector<CalibrationBin> CalibrationOf(
    const v1::JobStatus::Evaluation& evaluation);

// {"accuracy": …, "loss": …, "auc": …, …, "confusion": [[…], …],
// "calibration": [{"examples": …, "predicted": …, "observed": …}, …]}, without
// what it does not have. "further" is there if the epoch has no snapshot of its
// own.
Json EvaluationJson(const v1::JobStatus& job,
                    const v1::JobStatus::Evaluation& evaluation);
// {"epoch": 7, "figure": "loss", "value": 0.31}, of a job that keeps one.
Json BestJson(const v1::JobStatus& status);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_TEXT_EVALUATION_TEXT_H_
