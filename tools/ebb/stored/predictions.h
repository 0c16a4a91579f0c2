// Applying a trained model to examples without labels.
#ifndef EBB_TOOLS_EBB_STORED_PREDICTIONS_H_
#define EBB_TOOLS_EBB_STORED_PREDICTIONS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/scores/scores.h"
#include "data/dataset.h"
#include "models/model.h"
#include "tools/ebb/stored/stored_model.h"

namespace ebb::tools {

// The source at `path` (a file, a folder or a pattern), read as the job reads
// its training data but without labels. With `labelled` it has labels. They are
// in the examples, to score by; IDX files have theirs elsewhere, so there
// `path` is then the front of both names. An error says so where the data would
// be read with labels. `id` is a column to carry, or empty: where columns have
// no names it is left out of the features.
absl::StatusOr<data::Dataset> LoadToPredict(const StoredModel& stored,
                                            const std::string& path,
                                            bool labelled,
                                            const std::string& id = "");

// The text of that column of the same table, one for each example.
absl::StatusOr<std::vector<std::string>> ReadIds(const StoredModel& stored,
                                                 const std::string& path,
                                                 bool labelled,
                                                 const std::string& id);

// Examples with keys for which the model has no row: the training data did not
// have them, or their rows were not admitted or have vanished.
struct UnknownKeys {
  int64_t some = 0;  // At least one key of the example.
  int64_t all = 0;   // Every key of the example.
};

// Says to people what `unknown` means for the predictions of `examples`
// examples, of ratings or of other data with keys. Empty: nothing to say.
std::string UnknownKeysText(const UnknownKeys& unknown, int64_t examples,
                            bool ratings);

// What else becomes of predictions.
struct PredictionExtras {
  // The first column: its name, and the text of each example. Empty: none.
  std::string id_column;
  std::vector<std::string> ids;
  // Adds up labels and predictions; may be null. Not owned.
  Scores* scores = nullptr;
  // Adds up the examples with unknown keys; may be null. Not owned.
  UnknownKeys* unknown = nullptr;
};

// Writes CSV: a header, and a line for each example. "prediction" is the label
// as the training data has it, or the number; for classes the probability of
// each follows.
absl::Status WritePredictions(
    const StoredModel& stored, const data::Dataset& examples,
    models::Model* model, const std::function<void(absl::string_view)>& write,
    const PredictionExtras& extras = {});

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STORED_PREDICTIONS_H_
