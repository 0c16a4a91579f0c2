#include "workloads/gradients/tools/fold_model.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "job/base/traits.h"

namespace ebb::tools {

namespace {

using Numbers = std::vector<double>;

// A feature of the number x of the data: x * factor + term.
struct Line {
  double factor = 1;
  double term = 0;
};

Line LineOf(const Scaling& scaling, int64_t feature) {
  const double scale = Scaling::At(scaling.scale, feature);
  const double origin = scaling.OriginOf(feature);
  if (scaling.deviation.empty()) return {scale, -origin};
  const double deviation = scaling.deviation[feature];
  if (deviation == 0) return {0, 0};
  return {scale / deviation, -(origin + scaling.mean[feature]) / deviation};
}

// The scaling that is left: none, and missing values in units of the data.
Scaling WhatIsLeft(const Scaling& scaling) {
  Scaling left;
  left.missing = scaling.missing;
  for (size_t i = 0; i < left.missing.size(); ++i) {
    const auto feature = static_cast<int64_t>(i);
    left.missing[i] += scaling.OriginOf(feature);
    left.missing[i] /= Scaling::At(scaling.scale, feature);
  }
  return left;
}

void ReplaceTensor(const std::string& name, Numbers values, ModelExport* all) {
  const auto tensor =
      std::ranges::find(all->tensors, name, &TensorStream::name);
  tensor->type = TensorType::kFloat64;
  const auto kept = std::make_shared<const Numbers>(std::move(values));
  tensor->write = [kept](std::ostream& out) {
    const auto bytes = std::as_bytes(std::span(*kept));
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    return absl::OkStatus();
  };
}

// A layer in doubles: weights (inputs, outputs) and bias (outputs).
class Folded {
 public:
  // Takes the layer from the front of `parameters`.
  Folded(const Layer& layer, std::span<const float>* parameters)
      : outputs_(layer.outputs) {
    const auto take = [&](int64_t size) {
      const auto taken = parameters->first(size);
      *parameters = parameters->subspan(size);
      return Numbers(taken.begin(), taken.end());
    };
    weights_ = take(layer.inputs * layer.outputs);
    bias_ = take(layer.outputs);
  }

  void TakeRawFeatures(const Scaling& scaling) {
    for (size_t at = 0; at < weights_.size(); ++at) {
      const Line line = LineOf(scaling, static_cast<int64_t>(at) / outputs_);
      bias_[at % outputs_] += weights_[at] * line.term;
      weights_[at] *= line.factor;
    }
  }
  void GiveRawLabels(const ValueUnits& label) {
    for (double& weight : weights_) weight *= label.unit;
    for (double& bias : bias_) bias = bias * label.unit + label.mean;
  }
  void Replace(const Layer& layer, ModelExport* all) {
    ReplaceTensor(layer.weights, std::move(weights_), all);
    ReplaceTensor(layer.bias, std::move(bias_), all);
  }

 private:
  const int64_t outputs_;
  Numbers weights_;
  Numbers bias_;
};

}  // namespace

absl::Status CheckFoldable(const StoredModel& stored) {
  const v1::Model& model = stored.job.model();
  if (job::IsOwn(model)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--fold: the layers of ", model.kind(),
        " are known to your own code alone; export without --fold, "
        "and model.json says how features are scaled"));
  }
  if (job::TraitsOf(model).program()) {
    return absl::InvalidArgumentError(
        "--fold: ebb scaled no features for the programs that trained the "
        "model; export without --fold");
  }
  if (job::TraitsOf(model).keyed()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--fold: ", model.kind(),
                     " learns from keys, which are not standardised; export "
                     "without --fold"));
  }
  if (!stored.slots.empty()) {
    return absl::InvalidArgumentError(
        "--fold and --with-slots: the optimizer's state belongs to the layers "
        "as they were trained; export once with each");
  }
  return absl::OkStatus();
}

Scaling FoldLayers(const StoredModel& stored, const std::vector<Layer>& layers,
                   ModelExport* all) {
  const Scaling scaling = ScalingOf(stored);
  std::span<const float> parameters(stored.parameters);
  for (size_t i = 0; i < layers.size(); ++i) {
    const bool first = i == 0;
    const ValueUnits& labels = scaling.labels;
    const bool last =
        i + 1 == layers.size() && (labels.unit != 1 || labels.mean != 0);
    Folded folded(layers[i], &parameters);
    if (first) folded.TakeRawFeatures(scaling);
    if (last) folded.GiveRawLabels(labels);
    if (first || last) folded.Replace(layers[i], all);
  }
  // What is read in words of 8 bytes lies at multiples of them.
  std::stable_partition(all->tensors.begin(), all->tensors.end(),
                        [](const TensorStream& tensor) {
                          return tensor.type == TensorType::kFloat64;
                        });
  return WhatIsLeft(scaling);
}

}  // namespace ebb::tools
