// How good predictions are whose examples have labels (`ebb predict --score`).
#ifndef EBB_TOOLS_EBB_PREDICT_PREDICTION_SCORES_H_
#define EBB_TOOLS_EBB_PREDICT_PREDICTION_SCORES_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/scores/scores.h"
#include "data/dataset.h"
#include "models/model.h"
#include "worker/predict/exported_model.h"

namespace ebb::tools {

// Takes the predictions of a model. `name` is what the user calls it.
// InvalidArgument: no figures are made of such predictions.
absl::StatusOr<Scores> ScoresToPredict(
    const std::string& name, const worker::ExportedModel& model,
    const models::ModelDescription& description);

// "1,000 examples: accuracy 0.8805, log loss 0.3424, ...", and a line for each
// bin of the calibration. `positive` is the class that precision, recall and F1
// are of; empty: there are others than two.
std::string ScoresText(const Figures& figures, int64_t examples,
                       absl::string_view positive);

// Compares the files that many workers wrote with the labels of their input.
//
//   PartScores scores = ...;
//   for (const std::string& part : parts)
//   EBB_RETURN_IF_ERROR(scores.Add(part)); scores.Get();
//
// The figures of classes are those of one process. A number is written in
// single precision, so figures of numbers may differ from those by as much. Not
// thread-safe.
class PartScores {
 public:
  // Reads the labels of the input, 4 bytes each. InvalidArgument: no figures
  // are made of the model's predictions. Else the errors of Dataset::Gather.
  static absl::StatusOr<PartScores> Create(
      const std::string& name, const worker::ExportedModel& model,
      const models::ModelDescription& description, const data::Dataset& input);

  // `part` is the text of the next file. The errors of
  // worker::ReadPredictions; DataLoss: it has more lines than there are
  // examples left.
  absl::Status Add(absl::string_view part);

  // DataLoss: some examples have no predictions yet.
  absl::StatusOr<Figures> Get() const;
  // The `positive` of ScoresText.
  const std::string& positive_class() const { return positive_class_; }

 private:
  PartScores(Scores scores, ValueUnits units, int64_t outputs,
             std::string positive_class, std::vector<float> labels)
      : scores_(std::move(scores)),
        units_(units),
        outputs_(outputs),
        positive_class_(std::move(positive_class)),
        labels_(std::move(labels)) {}

  Scores scores_;
  ValueUnits units_;
  int64_t outputs_;  // Numbers that the model predicts for an example.
  std::string positive_class_;
  std::vector<float> labels_;
  size_t added_ = 0;  // Examples so far.
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_PREDICT_PREDICTION_SCORES_H_
