#include "tools/chaos/goodput.h"

#include <algorithm>

namespace ebb::chaos {

void WorkerSpans::Seen(absl::string_view worker, uint64_t life,
                       absl::Duration since) {
  std::vector<Span>& spans = spans_[std::string(worker)];
  for (const Span& span : spans) {
    if (span.life == life) return;
  }
  spans.push_back({life, since});
}

void WorkerSpans::Ended(absl::string_view worker, absl::Duration at) {
  const auto it = spans_.find(worker);
  if (it == spans_.end()) return;
  for (Span& span : it->second) span.end = std::min(span.end, at);
}

absl::Duration WorkerSpans::Sum(absl::Duration begin,
                                absl::Duration end) const {
  absl::Duration sum;
  for (const auto& [worker, spans] : spans_) {
    for (const Span& span : spans) {
      sum += std::max(absl::ZeroDuration(),
                      std::min(span.end, end) - std::max(span.begin, begin));
    }
  }
  return sum;
}

void RateMeter::Add(absl::Duration at, int64_t counted) {
  if (counted <= latest_) return;
  latest_ = counted;
  last_ = {at, counted};
  if (!first_) first_ = last_;
}

std::optional<double> RateMeter::rate() const {
  if (!first_ || last_.first <= first_->first) return std::nullopt;
  return static_cast<double>(last_.second - first_->second) /
         absl::ToDoubleSeconds(last_.first - first_->first);
}

}  // namespace ebb::chaos
