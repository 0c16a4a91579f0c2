// How much each feature says, by the gains of a model's splits.
#ifndef EBB_TOOLS_EBB_MODEL_IMPORTANCES_H_
#define EBB_TOOLS_EBB_MODEL_IMPORTANCES_H_

#include <optional>
#include <string>
#include <vector>

#include "tools/ebb/model/stored_model.h"
#include "tools/text/json.h"

namespace ebb::tools {

struct Importance {
  std::string feature;
  double share = 0;  // Its part of what all splits gain.
  // The cost of shuffling its values, where that was measured.
  std::optional<double> permutation;
};

// The features of the model with their shares, the largest first. `permutation`
// has a number for each feature, or none.
std::vector<Importance> ImportancesOf(const StoredModel& stored,
                                      const std::vector<double>& shares,
                                      const std::vector<double>& permutation);

// "petal width 44.1 %, petal length 41.3 %, …", of the first few.
std::string ImportancesText(const std::vector<Importance>& importances);
Json ImportancesJson(const std::vector<Importance>& importances);

// A warning about trees that have no split at all.
std::string NoSplitText();
// A warning about a model of which early stopping has kept no tree.
std::string NoTreeKeptText();

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_IMPORTANCES_H_
