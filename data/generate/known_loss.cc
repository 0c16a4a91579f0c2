#include "data/generate/known_loss.h"

#include <cmath>

#include "data/generate/portable_math.h"

namespace ebb::data::generate {

void KnownLogLoss::Add(double logit, bool label) {
  const double p = Sigmoid(logit);
  const double if_positive = Softplus(-logit);
  const double if_negative = Softplus(logit);
  ++rows_;
  positive_ += label ? 1 : 0;
  log_loss_ += label ? if_positive : if_negative;
  entropy_ += p * if_positive + (1 - p) * if_negative;
  variance_ += p * (1 - p) * logit * logit;
}

std::vector<Fact> KnownLogLoss::Facts() const {
  if (rows_ == 0) return {};
  const auto rows = static_cast<double>(rows_);
  const double share = static_cast<double>(positive_) / rows;
  const double constant =
      positive_ == 0 || positive_ == rows_
          ? 0
          : -share * Log(share) - (1 - share) * Log(1 - share);
  return {{"log_loss", log_loss_ / rows},
          {"entropy", entropy_ / rows},
          {"standard_error", std::sqrt(variance_) / rows},
          {"positive_share", share},
          {"constant_log_loss", constant}};
}

}  // namespace ebb::data::generate
