// Applying a trained model to examples without labels.
#ifndef EBB_TOOLS_EBB_PREDICTIONS_H_
#define EBB_TOOLS_EBB_PREDICTIONS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "data/dataset.h"
#include "models/model.h"
#include "tools/ebb/stored_model.h"

namespace ebb::tools {

// The source at `path`, read as the job reads its training data but without
// labels. With `labelled` the file has labels, which are skipped.
absl::StatusOr<data::Dataset> LoadToPredict(const StoredModel& stored,
                                            const std::string& path,
                                            bool labelled);

// Writes CSV: a header, and a line for each example. "prediction" is the label
// as the training data has it, or the number; for classes the probability of
// each follows.
absl::Status WritePredictions(
    const StoredModel& stored, const data::Dataset& examples,
    models::Model* model, const std::function<void(absl::string_view)>& write);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_PREDICTIONS_H_
