// Exponential and logarithm that are the same to the bit on every machine:
// those of a library are not promised to be, and differ with the processor.
#ifndef EBB_DATA_GENERATE_PORTABLE_MATH_H_
#define EBB_DATA_GENERATE_PORTABLE_MATH_H_

namespace ebb::data::generate {

// Each is right to about 1e-15 of its value, and made of +, -, *, / and bits
// alone. Exp takes arguments beyond 700, on either side, as 700.
double Exp(double x);
// For a number above 0 that is not subnormal.
double Log(double x);

// log(1 + e^x): what a label costs whose probability has the logit -x.
double Softplus(double x);
// The probability that has this logit.
double Sigmoid(double logit);

}  // namespace ebb::data::generate

#endif  // EBB_DATA_GENERATE_PORTABLE_MATH_H_
