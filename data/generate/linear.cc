#include "data/generate/linear.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/initializer.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/generate/decimal.h"
#include "data/generate/portable_math.h"

namespace ebb::data::generate {
namespace {

constexpr int64_t kMostColumns = 1'000'000;
constexpr int64_t kMostListedWeights = 1000;  // Weights in the truth.

}  // namespace

absl::Status LinearOptions::Validate() const {
  EBB_RETURN_IF_ERROR(
      CheckBetween("--features", features, int64_t{1},
                   libsvm ? internal::kMaxFeatures : kMostColumns));
  EBB_RETURN_IF_ERROR(CheckBetween("--density", density, 1e-9, 1.0));
  EBB_RETURN_IF_ERROR(CheckBetween("--density times --features",
                                   density * static_cast<double>(features), 0.0,
                                   static_cast<double>(kMostColumns)));
  EBB_RETURN_IF_ERROR(CheckBetween("--signal", signal, 0.0, 1e6));
  EBB_RETURN_IF_ERROR(CheckBetween("--intercept", intercept, -1e6, 1e6));
  return CheckBetween("--noise", noise, 0.0, 1e6);
}

Linear::Linear(const LinearOptions& options)
    : options_(options),
      weight_deviation_(
          options.signal /
          std::sqrt(options.density * static_cast<double>(options.features))),
      log_absent_(options.density < 1 ? Log(1 - options.density) : 0) {}

double Linear::Weight(int64_t feature) const {
  float number = 0;
  FillInitial(InitRule::Normal(1), options_.seed, "linear", feature,
              std::span(&number, 1));
  return weight_deviation_ * number;
}

std::vector<std::string> Linear::Suffixes() const {
  return {options_.libsvm ? ".libsvm" : ".csv"};
}

std::vector<Fact> Linear::Model() const {
  std::vector<Fact> facts = {{"intercept", options_.intercept},
                             {"weight_deviation", weight_deviation_}};
  if (!options_.logistic) facts.push_back({"sigma", options_.noise});
  if (options_.features <= kMostListedWeights) {
    std::vector<double> weights;
    for (int64_t feature = 1; feature <= options_.features; ++feature) {
      weights.push_back(Weight(feature));
    }
    facts.push_back({"weights", std::move(weights)});
  }
  return facts;
}

void Linear::Start(Part part, int64_t /*rows*/, std::span<std::string> files) {
  part_ = part;
  known_ = {};
  noise_ = {};
  if (options_.libsvm) return;
  for (int64_t feature = 1; feature <= options_.features; ++feature) {
    absl::StrAppend(&files[0], "x", feature, ",");
  }
  files[0].append("label\n");
}

// How many features are absent before the next is geometrically distributed.
int64_t Linear::Following(int64_t feature, Draws* draws) const {
  if (log_absent_ == 0) return feature + 1;
  const double gap = std::floor(Log(1 - draws->Uniform()) / log_absent_);
  const int64_t rest = options_.features - feature;
  return feature + 1 +
         static_cast<int64_t>(std::min(gap, static_cast<double>(rest)));
}

double Linear::DrawFeatures(Draws* draws) {
  text_.clear();
  double sum = options_.intercept;
  int64_t written = 0;
  const auto fill_to = [&](int64_t feature) {
    for (; !options_.libsvm && written + 1 < feature; ++written) {
      text_.append("0,");
    }
  };
  for (int64_t feature = Following(0, draws); feature <= options_.features;
       feature = Following(feature, draws)) {
    const double value = ToDecimal(draws->Normal());
    sum += Weight(feature) * value;
    if (options_.libsvm) {
      text_.push_back(' ');
      AppendInteger(feature, &text_);
      text_.push_back(':');
      AppendDecimal(value, &text_);
    } else {
      fill_to(feature);
      AppendDecimal(value, &text_);
      text_.push_back(',');
      ++written;
    }
  }
  fill_to(options_.features + 1);
  return sum;
}

void Linear::Append(int64_t row, std::span<std::string> files) {
  Draws draws(options_.seed, part_, row);
  const double expected = DrawFeatures(&draws);
  double label;
  if (options_.logistic) {
    label = draws.Uniform() < Sigmoid(expected) ? 1 : 0;
    known_.Add(expected, label == 1);
  } else {
    label = ToDecimal(expected + options_.noise * draws.Normal());
    noise_.Add(label - expected);
  }
  std::string* out = &files[0];
  if (!options_.libsvm) out->append(text_);
  AppendDecimal(label, out);
  if (options_.libsvm) out->append(text_);
  out->push_back('\n');
}

std::vector<Fact> Linear::Known() const {
  if (options_.logistic) return known_.Facts();
  return {{"rmse", std::sqrt(noise_.mean())}};
}

}  // namespace ebb::data::generate
