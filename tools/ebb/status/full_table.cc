#include "tools/ebb/status/full_table.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/text/console.h"
#include "tools/text/progress_line.h"

namespace ebb::tools {

namespace {

std::vector<std::string> RefusingTables(const v1::Job& job) {
  std::vector<std::string> names;
  for (const auto& [name, table] : job.tables()) {
    const bool evicts = table.at_limit() == v1::Table::AT_LIMIT_EVICT;
    if (table.has_max_rows() && !evicts) names.push_back(name);
  }
  return names;
}

// True if a server refused a push just now for what the table may not have.
bool Refused(const v1::WaitReason& reason, const std::string& table) {
  return reason.kind() == v1::WaitReason::KIND_BACK_PRESSURE &&
         absl::StrContains(reason.text(), " refused ") &&
         absl::StrContains(reason.text(), absl::StrCat("table '", table, "':"));
}

// What is waited for may let rows expire.
bool ServerAway(const v1::JobStatus& job) {
  return std::ranges::any_of(job.waiting(), [](const v1::WaitReason& reason) {
    return reason.kind() == v1::WaitReason::KIND_SERVER_AWAY ||
           reason.kind() == v1::WaitReason::KIND_STARTING;
  });
}

}  // namespace

FullTable::FullTable(const v1::Job& job) : refusing_(RefusingTables(job)) {}

std::string FullTable::Update(const v1::JobStatus& job, absl::Time now) {
  if (job.examples_per_second() <= 0 && !ServerAway(job)) {
    for (const v1::WaitReason& reason : job.waiting()) {
      for (const std::string& table : refusing_) {
        if (!Refused(reason, table)) continue;
        since_ = std::min(since_, now);
        if (now - since_ < kPatience) return "";
        return absl::StrCat(
            "nothing went on for ", DurationText(kPatience), ": ",
            WithoutAdvice(reason.text()),
            ". A job keeps its limits: begin one anew with more tables.", table,
            ".max_rows, or with at_limit: evict");
      }
    }
  }
  since_ = absl::InfiniteFuture();
  return "";
}

}  // namespace ebb::tools
