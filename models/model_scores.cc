#include "models/model_scores.h"

namespace ebb::models {

std::optional<Scores> ScoresOf(const ModelDescription& description,
                               ValueUnits units, int64_t positive) {
  const int64_t outputs = description.outputs;
  switch (description.labels) {
    case LabelKind::kValue:
      if (outputs != 1) return std::nullopt;
      return Scores(Task::kValues, outputs, units);
    case LabelKind::kBinary:
      if (outputs != 1) return std::nullopt;
      return Scores(Task::kTwoClasses, outputs, units, positive);
    case LabelKind::kNone:
      return std::nullopt;
    case LabelKind::kClass:
      if (outputs != description.classes || outputs < 2) return std::nullopt;
      return Scores(outputs == 2 ? Task::kTwoClasses : Task::kClasses, outputs,
                    units, positive);
  }
  return std::nullopt;
}

}  // namespace ebb::models
