// Applying a trained model to examples without labels.
#ifndef EBB_WORKER_PREDICT_PREDICTIONS_H_
#define EBB_WORKER_PREDICT_PREDICTIONS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/scores/scores.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "data/source.h"
#include "job/prediction.h"
#include "models/model.h"
#include "worker/predict/exported_model.h"

namespace ebb::worker {

// The source at `input.path` (a file, a folder or a pattern), read as the job
// reads its training data but without labels. If it is labelled, the labels are
// in the examples, to score by; IDX files have theirs elsewhere, so there
// `path` is then the front of both names. An error says so where the data would
// be read with labels. The column `input.id`, where columns have no names, is
// left out of the features.
absl::StatusOr<data::Dataset> LoadToPredict(
    const ExportedModel& stored, const job::PredictionInput& input,
    const data::OpenBytes& open = data::OpenFile);
// How that source is read.
data::SourceSpec SpecToPredict(const ExportedModel& stored,
                               const job::PredictionInput& input);
// Says to people what was left out of it. Empty: nothing was.
std::string LeftOutText(const data::Dataset& examples);

// The text of the column `input.id`, one for each example.
absl::StatusOr<std::vector<std::string>> ReadIds(
    const ExportedModel& stored, const job::PredictionInput& input,
    const data::OpenBytes& open = data::OpenFile);

// Examples with keys for which the model has no row: the training data did not
// have them, or their rows were not admitted or have vanished.
struct UnknownKeys {
  int64_t some = 0;  // At least one key of the example.
  int64_t all = 0;   // Every key of the example.
};

// Further inputs and results of predictions.
struct PredictionExtras {
  // The first column: its name, and the text of each example. Empty: none.
  std::string id_column;
  std::vector<std::string> ids;
  // Adds up labels and predictions; may be null. Not owned.
  Scores* scores = nullptr;
  // Adds up the examples with unknown keys; may be null. Not owned.
  UnknownKeys* unknown = nullptr;
  // The examples [first, last) alone; absent: to the end. What is predicted of
  // an example is the same to the bit for each range that begins at a multiple
  // of kPredictionBatch.
  int64_t first = 0;
  std::optional<int64_t> last;
  // Called after each batch.
  std::function<void()> step = [] {};
};

// The bytes of the header at the beginning of written predictions.
size_t HeaderLength(absl::string_view predictions);

// Appends to `outputs` what the model computed for each example of such a text:
// `each` numbers, as they are written. DataLoss: the text is not of this form.
absl::Status ReadPredictions(absl::string_view predictions, int64_t each,
                             std::vector<float>* outputs);

// Examples that a model predicts at once.
inline constexpr int64_t kPredictionBatch = 1024;

// Writes CSV: a header, and a line for each example. "prediction" is the label
// as the training data has it, or the number; for classes the probability of
// each follows.
absl::Status WritePredictions(
    const ExportedModel& stored, const data::Dataset& examples,
    models::Model* model, const std::function<void(absl::string_view)>& write,
    const PredictionExtras& extras = {});

}  // namespace ebb::worker

#endif  // EBB_WORKER_PREDICT_PREDICTIONS_H_
