// A click log: categorical fields, numeric ones, and whether there was a click.
#ifndef EBB_DATA_GENERATE_CLICK_LOG_H_
#define EBB_DATA_GENERATE_CLICK_LOG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "data/generate/click_model.h"
#include "data/generate/generator.h"
#include "data/generate/known_loss.h"
#include "data/generate/zipf.h"

namespace ebb::data::generate {

enum class ClickFormat {
  kLibsvm,  // label id:value ...; ids from 1, ascending.
  kLibffm,  // label field:id:value ...; fields from 0.
  kCriteo,  // label, numeric values, categories in hex; tabs, no header.
  kCsv,     // The same with commas and a header.
};

struct ClickOptions {
  uint64_t seed = 1;
  ClickFormat format = ClickFormat::kLibsvm;
  int fields = 10;  // Categorical ones.
  int numeric = 0;
  // Sizes of the categorical fields; further fields begin with the first again.
  std::vector<int64_t> vocabulary = {10, 100, 1000, 10'000, 100'000};
  // Exponents of the Zipf distributions.
  std::vector<double> exponents = {1.1};
  // The same as in ClickModelOptions.
  int rank = 4;
  bool field_aware = false;
  double linear = 1;
  double interactions = 1;
  double rate = 0.25;  // The share of clicks; the bias follows from it.

  // kInvalidArgument, naming the flag.
  absl::Status Validate() const;
};

class ClickLog : public Generator {
 public:
  explicit ClickLog(const ClickOptions& options);  // They are valid.

  std::vector<std::string> Suffixes() const override;
  std::vector<Fact> Model() const override;
  void Start(Part part, int64_t rows, std::span<std::string> files) override;
  void Append(int64_t row, std::span<std::string> files) override;
  std::vector<Fact> Known() const override { return known_.Facts(); }

 private:
  // Fills row_ and returns its logit without the bias.
  double DrawRow(Draws* draws);
  // The bias with which the calibration rows have the rate asked for.
  double Calibrate();
  void AppendSparse(std::string* out) const;
  void AppendTable(std::string* out) const;
  void AppendHeader(std::string* out) const;

  const ClickOptions options_;
  ClickModel model_;
  std::vector<Zipf> values_;        // Values of the categorical fields.
  std::vector<int64_t> first_ids_;  // The ids of their first values.
  std::vector<uint32_t> hex_keys_;  // Distinguishes their hex.
  std::vector<ClickFeature> row_;
  double bias_ = 0;
  Part part_ = Part::kTrain;
  KnownLogLoss known_;
};

}  // namespace ebb::data::generate

#endif  // EBB_DATA_GENERATE_CLICK_LOG_H_
