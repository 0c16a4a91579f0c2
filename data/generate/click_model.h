// The model that says how probable a click is: a factorisation machine (Rendle
// 2010), field-aware if wanted (Juan et al. 2016), whose parameters are a
// function of (seed, feature), so vocabularies of any size take no memory.
#ifndef EBB_DATA_GENERATE_CLICK_MODEL_H_
#define EBB_DATA_GENERATE_CLICK_MODEL_H_

#include <cstdint>
#include <span>
#include <vector>

namespace ebb::data::generate {

// One feature of a row; its place in the row is its field.
struct ClickFeature {
  int64_t id = 0;  // Among all features, from 1.
  double value = 1;
};

struct ClickModelOptions {
  uint64_t seed = 1;
  int fields = 0;  // Numeric ones too.
  int rank = 0;    // 0: no interactions.
  bool field_aware = false;
  // Standard deviations, over rows, of the two parts of the logit.
  double linear = 0;
  double interactions = 0;
};

// Use it on one thread.
class ClickModel {
 public:
  explicit ClickModel(const ClickModelOptions& options);

  // Without a bias, of a row that has a feature for each field.
  double Logit(std::span<const ClickFeature> row);

  // Factor of a feature's numbers, which have variance 1.
  double weight_deviation() const { return weight_deviation_; }
  double latent_deviation() const { return latent_deviation_; }

 private:
  double Plain(std::span<const ClickFeature> row) const;
  double FieldAware(std::span<const ClickFeature> row) const;
  // Number k of the latent vector of the feature in `field`.
  double Latent(size_t field, size_t k) const {
    return numbers_[field * width_ + 1 + k];
  }

  ClickModelOptions options_;
  double weight_deviation_ = 0;
  double latent_deviation_ = 0;
  size_t width_;  // Numbers of one feature.
  // Numbers of the current row: a row for each field.
  std::vector<float> numbers_;
};

}  // namespace ebb::data::generate

#endif  // EBB_DATA_GENERATE_CLICK_MODEL_H_
