#include "scheduler/job/fallbacks.h"

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

// How many of the examples below the marks of `had` are below those of `has`.
// What `has` beyond them makes up for none of them.
int64_t Again(const JobPlan& plan, const MarkSet& had, const MarkSet& has) {
  const bool fewer = has.first_open_epoch() < had.first_open_epoch();
  const MarkSet& less = fewer ? has : had;
  const MarkSet& more = fewer ? had : has;
  int64_t common = less.examples();
  // Not in the epochs that are full in both: few are open.
  const int64_t epoch = less.first_open_epoch();
  int64_t left = common - epoch * plan.examples;
  for (int64_t o = epoch * plan.shards(); left > 0 && o < plan.items(); ++o) {
    const ItemId item = plan.ItemAt(o);
    const int64_t mark = less.mark(item);
    left -= mark;
    common -= std::max<int64_t>(0, mark - more.mark(item));
  }
  return common;
}

}  // namespace

bool Fallback::MadeUpFor(const MarkTable& marks) const {
  return std::all_of(had.begin(), had.end(), [&](const auto& one) {
    const auto& [p, before] = one;
    return Again(marks.plan(), before, marks.marks(p)) == before.examples();
  });
}

std::string Fallback::Text(const MarkTable& marks) const {
  std::vector<int64_t> before, again;
  for (const auto& [p, marked] : had) {
    before.push_back(marked.examples());
    again.push_back(Again(marks.plan(), marked, marks.marks(p)));
  }
  return absl::StrCat("ps ", server.value(), " came back with ",
                      left == 0 ? "nothing stored of what its partitions had "
                                  "counted"
                                : "what was stored, less than its partitions "
                                  "had counted",
                      ": up to ", most_lost,
                      " examples are computed again; partition",
                      had.size() == 1 ? " " : "s ",
                      absl::StrJoin(had, ", ",
                                    [](std::string* out, const auto& one) {
                                      absl::StrAppend(out, one.first.value());
                                    }),
                      had.size() == 1 ? " has " : " have ", RangeText(again),
                      " of ", RangeText(before), " by now");
}

void Fallbacks::CameBack(ServerId server, SessionId session,
                         PartitionId partition, const MarkSet& had,
                         const MarkSet& has) {
  if (has.examples() >= had.examples()) return;
  // What came back again before all were there had more the first time.
  Untold& untold = untold_.try_emplace(partition, Untold{server, session, had})
                       .first->second;
  untold.server = server;
  untold.session = session;
}

std::vector<std::string> Fallbacks::Tell(const MarkTable& marks) {
  struct Lost {
    SessionId session;
    std::vector<std::pair<PartitionId, MarkSet>> partitions;
  };
  std::map<ServerId, Lost> by_server;
  for (auto& [p, untold] : std::exchange(untold_, {})) {
    const MarkSet& had = untold.had;
    // Else it came back once more, with all of it.
    if (Again(marks.plan(), had, marks.marks(p)) < had.examples()) {
      Lost& lost = by_server[untold.server];
      lost.session = untold.session;
      lost.partitions.emplace_back(p, std::move(untold.had));
    }
  }
  std::vector<std::string> lines;
  for (auto& [id, lost] : by_server) {
    Fallback& fallback = Of(id);
    fallback = {id, lost.session, std::move(lost.partitions)};
    for (const auto& [p, had] : fallback.had) {
      const int64_t again = Again(marks.plan(), had, marks.marks(p));
      fallback.most_lost = std::max(fallback.most_lost, had.examples() - again);
      fallback.left += again;
    }
    lines.push_back(fallback.Text(marks));
  }
  return lines;
}

Fallback& Fallbacks::Of(ServerId server) {
  for (Fallback& one : told_) {
    if (one.server == server) return one;
  }
  told_.push_back({server, {}, {}});
  return told_.back();
}

}  // namespace ebb::scheduler
