#include "data/generate/portable_math.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace ebb::data::generate {
namespace {

// log(2) in two pieces: whole multiples below 2^11 of the first are exact.
constexpr double kLog2High = 0x1.62e42fefa38p-1;
constexpr double kLog2Low = 0x1.ef35793c7673p-45;
constexpr int kExponentBias = 1023;
constexpr int kMantissaBits = 52;

// 1/k! for k = 0 .. 13.
constexpr auto kInverseFactorials = [] {
  std::array<double, 14> inverse = {1};
  double factorial = 1;
  for (size_t k = 1; k < inverse.size(); ++k) {
    factorial *= static_cast<double>(k);
    inverse[k] = 1 / factorial;
  }
  return inverse;
}();

// 1/(2k + 1) for k = 0 .. 10.
constexpr auto kInverseOdds = [] {
  std::array<double, 11> inverse = {};
  for (size_t k = 0; k < inverse.size(); ++k) {
    inverse[k] = 1 / static_cast<double>(2 * k + 1);
  }
  return inverse;
}();

template <typename Coefficients>
double Polynomial(const Coefficients& coefficients, double x) {
  double sum = 0;
  for (size_t k = coefficients.size(); k-- > 0;)
    sum = sum * x + coefficients[k];
  return sum;
}

}  // namespace

// e^x = 2^n e^r with |r| <= log(2)/2, where fourteen terms of the series are
// enough: the next is below 5e-18.
double Exp(double x) {
  constexpr double kInverseLog2 = 0x1.71547652b82fep+0;
  x = std::clamp(x, -700.0, 700.0);
  const double n = std::floor(x * kInverseLog2 + 0.5);
  const double r = (x - n * kLog2High) - n * kLog2Low;
  const auto exponent =
      static_cast<uint64_t>(kExponentBias + static_cast<int64_t>(n));
  return Polynomial(kInverseFactorials, r) *
         std::bit_cast<double>(exponent << kMantissaBits);
}

// log(2^n m) with m in [sqrt(1/2), sqrt(2)); log(m) = 2 artanh(s) with
// s = (m - 1) / (m + 1), of which |s| < 0.172: eleven terms leave out 1e-18.
double Log(double x) {
  constexpr double kSqrt2 = 0x1.6a09e667f3bcdp+0;
  const auto bits = std::bit_cast<uint64_t>(x);
  auto n = static_cast<int64_t>(bits >> kMantissaBits) - kExponentBias;
  const uint64_t mantissa = bits & ((uint64_t{1} << kMantissaBits) - 1);
  double m = std::bit_cast<double>(
      mantissa | static_cast<uint64_t>(kExponentBias) << kMantissaBits);
  if (m >= kSqrt2) {
    m /= 2;
    ++n;
  }
  const double s = (m - 1) / (m + 1);
  const auto whole = static_cast<double>(n);
  return whole * kLog2High +
         (2 * s * Polynomial(kInverseOdds, s * s) + whole * kLog2Low);
}

double Softplus(double x) {
  return std::max(x, 0.0) + Log(1 + Exp(-std::fabs(x)));
}

double Sigmoid(double logit) { return 1 / (1 + Exp(-logit)); }

}  // namespace ebb::data::generate
