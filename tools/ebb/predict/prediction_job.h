// `ebb predict` on many workers as a job
// (docs/decisions/0037-batch-prediction.md).
#ifndef EBB_TOOLS_EBB_PREDICT_PREDICTION_JOB_H_
#define EBB_TOOLS_EBB_PREDICT_PREDICTION_JOB_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/byte_source.h"
#include "tools/ebb/job/submission.h"
#include "tools/ebb/predict/prediction_scores.h"

namespace ebb::tools {

// The predictions that are wished for.
struct PredictionWish {
  std::string model;  // A file of `ebb checkpoint export`.
  // Workers read a copy of it, whose name begins with this path and has the
  // hash of the content. Empty: they read `model`.
  std::string model_beside;
  std::string data;
  bool labelled = false;
  bool score = false;  // Compare the predictions with the labels.
  std::string id;
  bool skip_bad = false;      // Leave out examples that cannot be read.
  std::string to;             // The folder of the parts, from the root.
  int64_t part_examples = 0;  // A multiple of 1,024; 0: it is chosen.
  int workers = 1;            // About as many as there will be.
  std::vector<std::string> plugin_folders;
  data::OpenBytes open = data::OpenFile;
};

struct PreparedPrediction {
  PreparedJob job;
  // Names the predictions: other models, other input or other parts have
  // another one.
  std::string identity;
  std::vector<std::string> doubts;   // About the model, for people.
  std::vector<std::string> remarks;  // About the input, likewise.
  int64_t left_out = 0;              // Bad examples.
  bool python = false;               // The model is computed by Python.
  // To compare with the labels what workers write. Absent without
  // PredictionWish.score.
  std::optional<PartScores> scores;
};

// Reads the model and the input, and makes the job. Blocks on the disk. The
// errors of worker::LoadExport and LoadToPredict. FailedPrecondition,
// InvalidArgument: such a model does not predict on workers, or has nothing to
// score.
absl::StatusOr<PreparedPrediction> PreparePrediction(
    const PredictionWish& wish);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_PREDICT_PREDICTION_JOB_H_
