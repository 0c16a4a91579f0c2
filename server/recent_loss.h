// The training loss of the latest pushes, for people. It covers at least
// `enough` examples, and hardly more, however fast they come.
//
// Thread-compatible.
#ifndef EBB_SERVER_RECENT_LOSS_H_
#define EBB_SERVER_RECENT_LOSS_H_

#include <cstdint>
#include <deque>

namespace ebb::server {

class RecentLoss {
 public:
  // Adds the next push, and drops older ones while `enough` examples are left.
  void Add(double loss_sum, int64_t examples, int64_t enough) {
    pushes_.push_back({loss_sum, examples});
    examples_ += examples;
    while (examples_ - pushes_.front().examples >= enough) {
      examples_ -= pushes_.front().examples;
      pushes_.pop_front();
    }
  }

  // Added up anew, so that a loss that was huge leaves no rounding behind.
  double sum() const {
    double sum = 0;
    for (const Push& push : pushes_) sum += push.loss_sum;
    return sum;
  }
  int64_t examples() const { return examples_; }

 private:
  struct Push {
    double loss_sum = 0;
    int64_t examples = 0;
  };
  std::deque<Push> pushes_;
  int64_t examples_ = 0;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_RECENT_LOSS_H_
