// A model as JSON: all that a program without ebb needs to compute predictions
// from the exported tensors (docs/export.md).
#ifndef EBB_TOOLS_EBB_STORED_MODEL_JSON_H_
#define EBB_TOOLS_EBB_STORED_MODEL_JSON_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/scores/scores.h"
#include "ebb/v1/job.pb.h"
#include "models/model.h"
#include "tools/ebb/model/stored_model.h"
#include "tools/text/json.h"

namespace ebb::tools {

// One layer of a perceptron: function(inputs @ weights + bias).
struct Layer {
  std::string weights;  // The name of a tensor of (inputs, outputs).
  std::string bias;     // The name of a tensor of (outputs).
  int64_t inputs = 0;
  int64_t outputs = 0;
  std::string function;  // identity, relu, tanh, sigmoid or softmax.
};

// The layers from the first to the last. Empty for a model without layers, and
// for a model of a plugin, whose layers only the plugin knows.
std::vector<Layer> LayersOf(const v1::Job& job,
                            const models::ModelDescription& description);

// The steps on the numbers of an example before the first layer: each is
// multiplied by `scale`, loses its `origin`, and is then standardised. Also the
// steps on the output.
struct Scaling {
  // One number for all features, or one for each.
  std::vector<double> scale = {1};
  // It is subtracted from each feature after that, in double. Empty: nothing.
  std::vector<double> origin;
  // Replaces a missing value, after `origin`: one number for all features, or
  // one for each. Empty: a missing value is an error.
  std::vector<double> missing;
  // (x - mean) / deviation, and 0 where the deviation is 0. Both are empty
  // where features are not standardised.
  std::vector<double> mean;
  std::vector<double> deviation;
  // Units of predicted values.
  ValueUnits labels;

  // The number of `scale` or `missing` for this feature.
  static double At(const std::vector<double>& numbers, int64_t feature) {
    return numbers.size() == 1 ? numbers.front() : numbers[feature];
  }
  double OriginOf(int64_t feature) const {
    return origin.empty() ? 0 : origin[feature];
  }
};
Scaling ScalingOf(const StoredModel& stored);

// The content of model.json, but for the names of files.
Json DescribeModel(const StoredModel& stored,
                   const models::ModelDescription& description,
                   const Scaling& scaling);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STORED_MODEL_JSON_H_
