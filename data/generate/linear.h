// Rows whose label is a known linear function of their features: with noise
// (regression), or as the odds of two classes (logistic).
#ifndef EBB_DATA_GENERATE_LINEAR_H_
#define EBB_DATA_GENERATE_LINEAR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "data/generate/generator.h"
#include "data/generate/known_loss.h"

namespace ebb::data::generate {

struct LinearOptions {
  uint64_t seed = 1;
  bool logistic = false;
  bool libsvm = false;  // Else CSV with a header, the label last.
  int64_t features = 20;
  double density = 1;  // The share of features that are not 0 in a row.
  double signal = 1;   // Standard deviation of the function, over rows.
  double intercept = 0;
  double noise = 0.1;  // Standard deviation; of regression.

  // kInvalidArgument, naming the flag.
  absl::Status Validate() const;
};

class Linear : public Generator {
 public:
  explicit Linear(const LinearOptions& options);  // They are valid.

  std::vector<std::string> Suffixes() const override;
  std::vector<Fact> Model() const override;
  void Start(Part part, int64_t rows, std::span<std::string> files) override;
  void Append(int64_t row, std::span<std::string> files) override;
  std::vector<Fact> Known() const override;

 private:
  double Weight(int64_t feature) const;  // From 1.
  // The first feature after `feature` that the row has.
  int64_t Following(int64_t feature, Draws* draws) const;
  // Sets text_ to the features of the row; their function.
  double DrawFeatures(Draws* draws);

  const LinearOptions options_;
  const double weight_deviation_;
  const double log_absent_;  // log(1 - density); unused where that is 1.
  std::string text_;
  Part part_ = Part::kTrain;
  KnownLogLoss known_;
  KnownSquares noise_;
};

}  // namespace ebb::data::generate

#endif  // EBB_DATA_GENERATE_LINEAR_H_
