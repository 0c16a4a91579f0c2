#include "tools/chaos/goodput.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace ebb::chaos {

std::string Goodput::Doubt() const {
  constexpr double kMost = 1.1;  // The measured rate may err so much.
  if (value() <= kMost) return "";
  return absl::StrFormat(
      "goodput is above 1, so its base is wrong: the machine was busy while "
      "the rate of one undisturbed worker was measured (%.0f examples/s). Run "
      "it again on a machine with nothing else to do",
      rate);
}

void WorkerSpans::Seen(absl::string_view worker, uint64_t life,
                       absl::Duration since) {
  Worker& entry = workers_[std::string(worker)];
  for (const Span& span : entry.spans) {
    if (span.life == life) return;
  }
  Span span{life, since};
  // It was over before its start was known.
  if (since <= entry.last_end) span.end = entry.last_end;
  entry.spans.push_back(span);
}

void WorkerSpans::Ended(absl::string_view worker, absl::Duration at) {
  Worker& entry = workers_[std::string(worker)];
  entry.last_end = at;
  for (Span& span : entry.spans) span.end = std::min(span.end, at);
}

absl::Duration WorkerSpans::Sum(absl::Duration begin,
                                absl::Duration end) const {
  absl::Duration sum;
  for (const auto& [name, worker] : workers_) {
    for (const Span& span : worker.spans) {
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
