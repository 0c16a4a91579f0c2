// A model as JSON: all that a program without ebb needs to compute predictions
// from the exported tensors (docs/export.md).
#ifndef EBB_TOOLS_EBB_MODEL_MODEL_JSON_H_
#define EBB_TOOLS_EBB_MODEL_MODEL_JSON_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
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

// The parts of model.json, from which workloads make it (docs/export.md).
//
// Says what the model is called and how far it is trained: it comes first.
Json DescribeHead(const StoredModel& stored, const Scaling& scaling);
// How the data's numbers, words or records become features.
Json FeaturesJson(const StoredModel& stored, const Scaling& scaling);
Json TablesJson(const StoredModel& stored);  // The sparse ones.
Json LayersJson(const std::vector<Layer>& layers);
Json LabelsJson(const StoredModel& stored, const Scaling& scaling);
// Tells how to make the model of PyTorch, of which the tensors are the state.
Json ModuleJson(const v1::Job& job);

// The function from the score of an example to the output.
std::string OutputFunction(models::LabelKind labels);
absl::string_view OutputMeaning(models::LabelKind labels);

template <typename T>
Json ListOf(const std::vector<T>& values) {
  Json list = Json::List();
  for (const T& value : values) list.Add(value);
  return list;
}

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_MODEL_JSON_H_
