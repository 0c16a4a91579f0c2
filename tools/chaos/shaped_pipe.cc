#include "tools/chaos/shaped_pipe.h"

#include <utility>

namespace ebb::chaos {

namespace {

constexpr int64_t kPlainCapacity = 256 << 10;
constexpr int64_t kDelayCapacity = 4 << 20;
constexpr int64_t kLeastCapacity = 16 << 10;
constexpr int64_t kItemCost = 64;
constexpr absl::Duration kBurst = absl::Milliseconds(50);
constexpr absl::Duration kQueue = absl::Milliseconds(100);

}  // namespace

absl::Time TokenBucket::Reserve(int64_t bytes, absl::Time now) {
  const double rate = static_cast<double>(bytes_per_second_);
  const auto takes = [rate](int64_t n) {
    return absl::Seconds(static_cast<double>(n) / rate);
  };
  all_gone_ = std::max(all_gone_, now) + takes(bytes);
  return std::max(now, all_gone_ - std::max(kBurst, takes(quantum())));
}

void LinkWay::Set(const LinkState& state) {
  if (state == state_) return;
  if (state.bytes_per_second != state_.bytes_per_second) {
    bucket_ = TokenBucket(std::max<int64_t>(state.bytes_per_second, 1));
    ++epoch_;
  }
  state_ = state;
}

int64_t LinkWay::capacity() const {
  const bool delayed = state_.delay > absl::ZeroDuration();
  if (state_.bytes_per_second <= 0) {
    return delayed ? kDelayCapacity : kPlainCapacity;
  }
  const absl::Duration queue =
      kQueue + std::max(state_.delay, absl::ZeroDuration());
  const double bytes = absl::ToDoubleSeconds(queue) *
                       static_cast<double>(state_.bytes_per_second);
  return static_cast<int64_t>(
      std::clamp<double>(bytes, kLeastCapacity, kDelayCapacity));
}

void ShapedPipe::Move(LinkWay* way) {
  if (way == way_) return;
  way_ = way;
  granted_ = 0;
}

void ShapedPipe::Put(absl::string_view bytes, absl::Time now) {
  if (bytes.empty()) return;
  items_.push_back({.bytes = std::string(bytes), .arrived = now});
  cost_ += static_cast<int64_t>(bytes.size()) + kItemCost;
}

void ShapedPipe::PutEnd(End end, absl::Time now) {
  items_.push_back({.end = end, .arrived = now});
  cost_ += kItemCost;
}

void ShapedPipe::Clear() {
  items_.clear();
  taken_ = 0;
  cost_ = 0;
  granted_ = 0;
}

ShapedPipe::Out ShapedPipe::Ready(absl::Time now) {
  const LinkState& state = way_->state_;
  if (items_.empty() || state.split) return {};
  const Item& first = items_.front();
  const absl::Time due =
      first.arrived + std::max(state.delay, absl::ZeroDuration());
  if (due > now) return {.again = due};
  if (first.end != End::kNone) return {.end = first.end};
  const absl::string_view bytes =
      absl::string_view(first.bytes).substr(static_cast<size_t>(taken_));
  if (state.bytes_per_second <= 0) return {.bytes = bytes};
  if (granted_ == 0 || granted_epoch_ != way_->epoch_) {
    granted_ = std::min<int64_t>(static_cast<int64_t>(bytes.size()),
                                 way_->bucket_.quantum());
    granted_at_ = way_->bucket_.Reserve(granted_, now);
    granted_epoch_ = way_->epoch_;
  }
  if (granted_at_ > now) return {.again = granted_at_};
  return {.bytes = bytes.substr(0, static_cast<size_t>(granted_))};
}

void ShapedPipe::Take(int64_t bytes) {
  way_->carried_ += bytes;
  granted_ = std::max<int64_t>(granted_ - bytes, 0);
  taken_ += bytes;
  if (taken_ == static_cast<int64_t>(items_.front().bytes.size())) PopFront();
}

void ShapedPipe::TakeEnd() { PopFront(); }

void ShapedPipe::PopFront() {
  cost_ -= static_cast<int64_t>(items_.front().bytes.size()) + kItemCost;
  items_.pop_front();
  taken_ = 0;
}

}  // namespace ebb::chaos
