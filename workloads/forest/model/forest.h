// A forest that predicts: the mean of what its trees say.
#ifndef EBB_WORKLOADS_FOREST_MODEL_FOREST_H_
#define EBB_WORKLOADS_FOREST_MODEL_FOREST_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "models/config.h"
#include "models/model.h"
#include "workloads/forest/model/tree.h"

namespace ebb::workloads::forest {

// Thread-compatible; any number of threads may read it.
class Forest {
 public:
  // `classes` is 0 for values.
  Forest(int64_t features, int64_t classes)
      : features_(features), classes_(classes) {}

  // Adds the tree with this number. Numbers ascend. The errors of DecodeTree,
  // which then name the tree.
  absl::Status Add(int64_t number, absl::string_view bytes);
  void Add(int64_t number, Tree tree);

  int64_t features() const { return features_; }
  int64_t classes() const { return classes_; }
  // Numbers of a prediction: the probability of each class, or the value.
  int64_t outputs() const { return classes_ > 0 ? classes_ : 1; }
  const std::vector<Tree>& trees() const { return trees_; }
  const std::vector<int64_t>& numbers() const { return numbers_; }

  // Writes the prediction for an example to `out`, (outputs).
  void Predict(const float* example, std::span<float> out) const;
  // Adds what one tree says to `out`, (outputs).
  void AddTree(const Tree& tree, const float* example,
               std::span<double> out) const;

  // Returns for each feature the mean over the trees of its share of all gains
  // of a tree. They add up to 1, or are 0 if no tree has a split.
  std::vector<double> Importances() const;

 private:
  const int64_t features_;
  const int64_t classes_;
  std::vector<Tree> trees_;
  std::vector<int64_t> numbers_;
};

// A model that predicts by this forest, whatever its parameters are.
// InvalidArgument: the configuration is not one of a forest.
absl::StatusOr<std::unique_ptr<models::Model>> MakeForestModel(
    const models::ModelConfig& config, std::shared_ptr<const Forest> forest);

}  // namespace ebb::workloads::forest

#endif  // EBB_WORKLOADS_FOREST_MODEL_FOREST_H_
