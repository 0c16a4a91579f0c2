#include "common/kill_point.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ebb {

absl::StatusOr<KillPoints> KillPoints::Parse(
    absl::string_view text, std::span<const absl::string_view> known) {
  KillPoints points;
  if (text.empty()) return points;
  const size_t colon = text.find(':');
  const absl::string_view name = text.substr(0, colon);
  int64_t times = 1;
  if (colon != absl::string_view::npos &&
      (!absl::SimpleAtoi(text.substr(colon + 1), &times) || times < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text,
                     "\": after the colon stands how often the "
                     "point is reached, a number of at least 1"));
  }
  if (std::find(known.begin(), known.end(), name) == known.end()) {
    return absl::InvalidArgumentError(absl::StrCat("there is no point \"", name,
                                                   "\" to be killed at; there "
                                                   "are ",
                                                   absl::StrJoin(known, ", ")));
  }
  points.point_ = std::string(name);
  points.left_ = std::make_shared<std::atomic<int64_t>>(times);
  return points;
}

void KillPoints::Reached(absl::string_view point) const {
  if (left_ == nullptr || point != point_) return;
  // Relaxed: a count, nothing is read because of it.
  if (left_->fetch_sub(1, std::memory_order_relaxed) == 1) {
    std::raise(SIGKILL);
  }
}

}  // namespace ebb
