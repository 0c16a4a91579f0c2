// Rejection-inversion (Hörmann and Derflinger 1996, "Rejection-inversion to
// generate variates from monotone discrete distributions").
#include "data/generate/zipf.h"

#include <algorithm>
#include <cmath>

#include "data/generate/portable_math.h"

namespace ebb::data::generate {
namespace {

// Below this the series are exact where the quotients would cancel.
constexpr double kSmall = 1e-3;

// (e^t - 1) / t.
double ExpQuotient(double t) {
  if (std::fabs(t) > kSmall) return (Exp(t) - 1) / t;
  return 1 + t / 2 * (1 + t / 3 * (1 + t / 4 * (1 + t / 5)));
}

// log(1 + t) / t.
double LogQuotient(double t) {
  if (std::fabs(t) > kSmall) return Log(1 + t) / t;
  return 1 - t * (1.0 / 2 - t * (1.0 / 3 - t * (1.0 / 4 - t / 5)));
}

}  // namespace

Zipf::Zipf(int64_t n, double exponent) : n_(n), exponent_(exponent) {
  first_ = Integral(1.5) - 1;
  last_ = Integral(static_cast<double>(n) + 0.5);
  sure_ = 2 - InverseIntegral(Integral(2.5) - Density(2));
}

double Zipf::Density(double x) const { return Exp(-exponent_ * Log(x)); }

double Zipf::Integral(double x) const {
  const double log = Log(x);
  return ExpQuotient((1 - exponent_) * log) * log;
}

double Zipf::InverseIntegral(double area) const {
  // Above -1, which rounding alone would reach.
  const double t = std::max(area * (1 - exponent_), -1 + 0x1p-50);
  return Exp(LogQuotient(t) * area);
}

int64_t Zipf::Draw(Draws* draws) const {
  for (;;) {
    const double area = last_ + draws->Uniform() * (first_ - last_);
    const double x = InverseIntegral(area);
    const double k =
        std::clamp(std::floor(x + 0.5), 1.0, static_cast<double>(n_));
    if (k - x <= sure_ || area >= Integral(k + 0.5) - Density(k)) {
      return static_cast<int64_t>(k) - 1;
    }
  }
}

}  // namespace ebb::data::generate
