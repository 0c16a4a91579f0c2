#include "models/outgoing_gradient.h"

#include <algorithm>

namespace ebb::models {

void OutgoingGradient::Leave(int64_t begin, int64_t end) {
  if (begin == end) return;
  complete_(begin, end);
  if (!early_) return;
  backend_->BeginCopyOut(gradient_ + begin,
                         (end - begin) * int64_t{sizeof(float)}, &host_[begin]);
}

void OutgoingGradient::Finished(int64_t begin, int64_t count) {
  if (!early_) return;
  Leave(begin, begin + count);
  left_.emplace_back(begin, begin + count);
}

void OutgoingGradient::CompleteRest() {
  std::sort(left_.begin(), left_.end());
  int64_t begin = 0;
  for (const auto& [left_begin, left_end] : left_) {
    Leave(begin, left_begin);
    begin = left_end;
  }
  Leave(begin, static_cast<int64_t>(host_.size()));
}

}  // namespace ebb::models
