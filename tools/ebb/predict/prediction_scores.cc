#include "tools/ebb/predict/prediction_scores.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "tools/text/console.h"
#include "tools/text/evaluation_text.h"
#include "worker/job_data.h"
#include "worker/job_scores.h"
#include "worker/predict/predictions.h"

namespace ebb::tools {

absl::StatusOr<Scores> ScoresToPredict(
    const std::string& name, const worker::ExportedModel& model,
    const models::ModelDescription& description) {
  auto scores = worker::ScoresOf(model.job, model.index, description);
  if (scores) return *std::move(scores);
  const bool labels = description.labels != models::LabelKind::kNone;
  return absl::InvalidArgumentError(absl::StrCat(
      name,
      labels ? ": the predictions of this plugin's model are not ones that "
               "figures are made of"
             : ": the model looks at no labels, so there are none to score "
               "its predictions by",
      "; leave out --score"));
}

std::string ScoresText(const Figures& figures, int64_t examples,
                       absl::string_view positive) {
  std::string text = absl::StrCat(Count(examples, "example"), ":");
  const char* separator = " ";
  for (const FigureKind& kind : FigureKinds()) {
    const auto value = figures.Find(kind.name);
    if (!value) continue;
    absl::StrAppend(&text, separator, kind.title, " ", FigureText(*value),
                    OfClass(kind.name, positive));
    separator = ", ";
  }
  absl::StrAppend(&text, "\n");
  const char* front = "calibration: ";
  for (const std::string& row : CalibrationRows(figures.calibration)) {
    absl::StrAppend(&text, front, row, "\n");
    front = "             ";
  }
  return text;
}

absl::StatusOr<PartScores> PartScores::Create(
    const std::string& name, const worker::ExportedModel& model,
    const models::ModelDescription& description, const data::Dataset& input) {
  const ValueUnits units = worker::LabelScaleOf(model.job, model.index).units;
  EBB_ASSIGN_OR_RETURN(Scores scores,
                       ScoresToPredict(name, model, description));
  std::vector<float> labels;
  data::ExampleBatch batch;
  for (int64_t begin = 0; begin < input.examples();
       begin += worker::kPredictionBatch) {
    std::vector<int64_t> rows(
        std::min(worker::kPredictionBatch, input.examples() - begin));
    std::iota(rows.begin(), rows.end(), begin);
    EBB_RETURN_IF_ERROR(input.Gather(rows, &batch));
    labels.insert(labels.end(), batch.labels.begin(), batch.labels.end());
  }
  return PartScores(std::move(scores), units, description.outputs,
                    worker::PositiveClassOf(model.job, model.index),
                    std::move(labels));
}

absl::Status PartScores::Add(absl::string_view part) {
  std::vector<float> outputs;
  EBB_RETURN_IF_ERROR(worker::ReadPredictions(part, outputs_, &outputs));
  const size_t examples = outputs.size() / outputs_;
  if (examples > labels_.size() - added_) {
    return absl::DataLossError(
        absl::StrCat("there are more predictions than the ", labels_.size(),
                     " examples of the data"));
  }
  // Scores converts numbers from the units of the model to the user's; they are
  // written in the latter. Probabilities have no unit.
  if (units_.unit != 1 || units_.mean != 0) {
    for (float& output : outputs) {
      output = static_cast<float>((output - units_.mean) / units_.unit);
    }
  }
  scores_.Add(std::span(labels_).subspan(added_, examples), outputs);
  added_ += examples;
  return absl::OkStatus();
}

absl::StatusOr<Figures> PartScores::Get() const {
  if (added_ == labels_.size()) return scores_.Get();
  return absl::DataLossError(absl::StrCat("there are predictions of ", added_,
                                          " of the ", labels_.size(),
                                          " examples of the data"));
}

}  // namespace ebb::tools
