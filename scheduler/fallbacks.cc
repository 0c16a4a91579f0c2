#include "scheduler/fallbacks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace ebb::scheduler {

bool Fallback::MadeUpFor(const MarkTable& marks) const {
  return std::all_of(examples.begin(), examples.end(), [&](const auto& one) {
    return marks.marks(one.first).examples() >= one.second;
  });
}

std::vector<std::string> Fallbacks::Tell(const MarkTable& marks) {
  std::vector<std::string> lines;
  for (auto& [id, partitions] : std::exchange(untold_, {})) {
    int64_t most_lost = 0, all_left = 0;
    std::string list;
    std::sort(partitions.begin(), partitions.end());
    for (const auto& [p, had] : partitions) {
      const int64_t has = marks.marks(p).examples();
      most_lost = std::max(most_lost, had - has);
      all_left += has;
      absl::StrAppend(&list, list.empty() ? "" : ", ", p.value(), " (", has,
                      " of ", had, ")");
    }
    Fallback& fallback = Of(id);
    fallback.text = absl::StrCat(
        "ps ", id.value(), " came back with ",
        all_left == 0 ? "nothing of what its partitions had"
                      : "less than its partitions had",
        ": up to ", most_lost,
        " examples are computed again; partitions (examples now of before) ",
        list);
    fallback.examples = std::move(partitions);
    lines.push_back(fallback.text);
  }
  return lines;
}

Fallback& Fallbacks::Of(ServerId server) {
  for (Fallback& one : told_) {
    if (one.server == server) return one;
  }
  told_.push_back({server, "", {}});
  return told_.back();
}

}  // namespace ebb::scheduler
