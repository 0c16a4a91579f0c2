#include "models/outgoing_gradient.h"

#include <algorithm>

namespace ebb::models {

void OutgoingGradient::Leave(int64_t begin, int64_t end) {
  backend_->BeginCopyOut(gradient_ + begin,
                         (end - begin) * int64_t{sizeof(float)}, &host_[begin]);
}

void OutgoingGradient::Finished(int64_t begin, int64_t count) {
  if (!early_ || count == 0) return;
  // Layers are finished from the last to the first. A table that is not a
  // neighbour stays for the end.
  if (waiting_begin_ != begin + count) waiting_end_ = begin + count;
  waiting_begin_ = begin;
  const int64_t bytes =
      (waiting_end_ - waiting_begin_) * int64_t{sizeof(float)};
  if (bytes < backend_->least_copy_bytes()) return;
  complete_(waiting_begin_, waiting_end_);
  Leave(waiting_begin_, waiting_end_);
  left_.emplace_back(waiting_begin_, waiting_end_);
  waiting_begin_ = waiting_end_ = 0;
}

void OutgoingGradient::ForEachRest(
    absl::FunctionRef<void(int64_t, int64_t)> f) {
  std::sort(left_.begin(), left_.end());
  int64_t begin = 0;
  for (const auto& [left_begin, left_end] : left_) {
    if (begin < left_begin) f(begin, left_begin);
    begin = std::max(begin, left_end);
  }
  const auto end = static_cast<int64_t>(host_.size());
  if (begin < end) f(begin, end);
}

void OutgoingGradient::CompleteRest() {
  ForEachRest([&](int64_t begin, int64_t end) { complete_(begin, end); });
}

void OutgoingGradient::LeaveRest() {
  ForEachRest([&](int64_t begin, int64_t end) { Leave(begin, end); });
}

}  // namespace ebb::models
