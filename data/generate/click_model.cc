#include "data/generate/click_model.h"

#include <cmath>

#include "common/initializer.h"

namespace ebb::data::generate {

// A pair adds the product of two vectors of `rank` numbers of deviation s: a
// variance of rank * s^4, and there are fields * (fields - 1) / 2 pairs.
ClickModel::ClickModel(const ClickModelOptions& options) : options_(options) {
  const double fields = options.fields;
  weight_deviation_ = options.linear / std::sqrt(fields);
  const double pairs = fields * (fields - 1) / 2;
  if (options.rank > 0 && pairs > 0) {
    latent_deviation_ =
        std::sqrt(options.interactions / std::sqrt(pairs * options.rank));
  }
  width_ = 1 + static_cast<size_t>(options.rank) *
                   (options.field_aware ? options.fields : 1);
  numbers_.resize(width_ * options.fields);
}

double ClickModel::Logit(std::span<const ClickFeature> row) {
  double linear = 0;
  for (size_t field = 0; field < row.size(); ++field) {
    const std::span<float> numbers(&numbers_[field * width_], width_);
    FillInitialRow(InitRule::Normal(1), options_.seed, "clicks",
                   static_cast<uint64_t>(row[field].id), numbers);
    linear += numbers[0] * row[field].value;
  }
  const double products = options_.field_aware ? FieldAware(row) : Plain(row);
  return weight_deviation_ * linear +
         latent_deviation_ * latent_deviation_ * products;
}

// The products of all pairs, in linear time (Rendle 2010, lemma 3.1).
double ClickModel::Plain(std::span<const ClickFeature> row) const {
  double products = 0;
  for (size_t k = 0; k + 1 < width_; ++k) {
    double sum = 0;
    double squares = 0;
    for (size_t field = 0; field < row.size(); ++field) {
      const double x = Latent(field, k) * row[field].value;
      sum += x;
      squares += x * x;
    }
    products += (sum * sum - squares) / 2;
  }
  return products;
}

// Each feature has a vector for each field that it meets.
double ClickModel::FieldAware(std::span<const ClickFeature> row) const {
  const auto rank = static_cast<size_t>(options_.rank);
  double products = 0;
  for (size_t a = 0; a < row.size(); ++a) {
    for (size_t b = a + 1; b < row.size(); ++b) {
      double product = 0;
      for (size_t k = 0; k < rank; ++k) {
        product += Latent(a, b * rank + k) * Latent(b, a * rank + k);
      }
      products += product * row[a].value * row[b].value;
    }
  }
  return products;
}

}  // namespace ebb::data::generate
