// The loss of the true model itself on the written rows.
#ifndef EBB_DATA_GENERATE_KNOWN_LOSS_H_
#define EBB_DATA_GENERATE_KNOWN_LOSS_H_

#include <cstdint>
#include <vector>

#include "data/generate/generator.h"

namespace ebb::data::generate {

// The log loss of labels 0 and 1 that were drawn with known probabilities.
class KnownLogLoss {
 public:
  void Add(double logit, bool label);
  // log_loss of the true probabilities; entropy, which is what it is expected
  // to be; standard_error of their difference; positive_share of the labels,
  // and constant_log_loss of predicting just that share.
  std::vector<Fact> Facts() const;

 private:
  int64_t rows_ = 0;
  int64_t positive_ = 0;
  double log_loss_ = 0;
  double entropy_ = 0;
  double variance_ = 0;
};

// The squared error of numbers that are a known value and noise.
class KnownSquares {
 public:
  void Add(double error) {
    ++count_;
    squares_ += error * error;
  }
  int64_t count() const { return count_; }
  double mean() const {
    return count_ > 0 ? squares_ / static_cast<double>(count_) : 0;
  }

 private:
  int64_t count_ = 0;
  double squares_ = 0;
};

}  // namespace ebb::data::generate

#endif  // EBB_DATA_GENERATE_KNOWN_LOSS_H_
