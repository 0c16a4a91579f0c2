#include "scheduler/fallbacks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ebb::scheduler {

namespace {

// "640", or "640 to 1280".
std::string RangeText(const std::vector<int64_t>& values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return *least == *most ? absl::StrCat(*least)
                         : absl::StrCat(*least, " to ", *most);
}

}  // namespace

bool Fallback::MadeUpFor(const MarkTable& marks) const {
  return std::all_of(examples.begin(), examples.end(), [&](const auto& one) {
    return marks.marks(one.first).examples() >= one.second;
  });
}

std::string Fallback::Text(const MarkTable& marks) const {
  std::vector<int64_t> had, has;
  for (const auto& [p, before] : examples) {
    had.push_back(before);
    has.push_back(marks.marks(p).examples());
  }
  return absl::StrCat("ps ", server.value(), " came back with ",
                      left == 0 ? "nothing stored of what its partitions had "
                                  "counted"
                                : "what was stored, less than its partitions "
                                  "had counted",
                      ": up to ", most_lost,
                      " examples are computed again; partition",
                      examples.size() == 1 ? " " : "s ",
                      absl::StrJoin(examples, ", ",
                                    [](std::string* out, const auto& one) {
                                      absl::StrAppend(out, one.first.value());
                                    }),
                      examples.size() == 1 ? " has " : " have ", RangeText(has),
                      " of ", RangeText(had), " by now");
}

std::vector<std::string> Fallbacks::Tell(const MarkTable& marks) {
  std::vector<std::string> lines;
  for (auto& [id, partitions] : std::exchange(untold_, {})) {
    std::sort(partitions.begin(), partitions.end());
    Fallback& fallback = Of(id);
    fallback = {id, std::move(partitions)};
    for (const auto& [p, had] : fallback.examples) {
      const int64_t has = marks.marks(p).examples();
      fallback.most_lost = std::max(fallback.most_lost, had - has);
      fallback.left += has;
    }
    lines.push_back(fallback.Text(marks));
  }
  return lines;
}

Fallback& Fallbacks::Of(ServerId server) {
  for (Fallback& one : told_) {
    if (one.server == server) return one;
  }
  told_.push_back({server, {}});
  return told_.back();
}

}  // namespace ebb::scheduler
