// The figures that suit a model.
#ifndef EBB_MODELS_MODEL_SCORES_H_
#define EBB_MODELS_MODEL_SCORES_H_

#include <cstdint>
#include <optional>

#include "common/scores/scores.h"
#include "models/model.h"

namespace ebb::models {

// Adds up what Model::Predict writes. Absent: the model, one of a plugin,
// writes other numbers than figures are made of: more than one for a value, or
// of classes not a probability of each. Or the model looks at no labels.
// `positive` as of Scores.
std::optional<Scores> ScoresOf(const ModelDescription& description,
                               ValueUnits units = {}, int64_t positive = 1);

}  // namespace ebb::models

#endif  // EBB_MODELS_MODEL_SCORES_H_
