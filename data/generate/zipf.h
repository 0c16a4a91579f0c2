// Random numbers: few of them are frequent and many are rare.
#ifndef EBB_DATA_GENERATE_ZIPF_H_
#define EBB_DATA_GENERATE_ZIPF_H_

#include <cstdint>

#include "data/generate/draws.h"

namespace ebb::data::generate {

// Draws k from [0, n) with a probability in proportion to (k + 1)^-exponent, in
// constant time and memory whatever n is. Immutable.
class Zipf {
 public:
  // n >= 1, exponent >= 0 (0: all are equally frequent).
  Zipf(int64_t n, double exponent);
  int64_t Draw(Draws* draws) const;

 private:
  // The density x^-exponent, its integral from 1, and the inverse of that.
  double Density(double x) const;
  double Integral(double x) const;
  double InverseIntegral(double area) const;

  int64_t n_;
  double exponent_;
  double first_;  // The integral's range over which areas are drawn ...
  double last_;   // ... and its other end.
  double sure_;   // Drawn this near below its number: taken at once.
};

}  // namespace ebb::data::generate

#endif  // EBB_DATA_GENERATE_ZIPF_H_
