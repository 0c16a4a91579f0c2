#include "tools/chaos/check_names.h"

#include <cstdint>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "tools/text/daemon_names.h"

namespace ebb::chaos {

namespace {

std::string SizeText(const ClusterSize& size) {
  return absl::StrCat(size.servers, size.servers == 1 ? " server" : " servers",
                      " and ", size.workers,
                      size.workers == 1 ? " worker" : " workers");
}

}  // namespace

absl::Status CheckNames(const std::vector<ChaosEvent>& events,
                        const ClusterSize& start, const ClusterSize& most) {
  if (start.servers > most.servers || start.workers > most.workers) {
    return absl::InvalidArgumentError(
        absl::StrCat(SizeText(start), ": at most ", most.servers, " and ",
                     most.workers, " run here"));
  }
  std::set<std::string> known = {tools::kSchedulerName, "ps", "worker", "all"};
  for (int i = 0; i < start.servers; ++i) known.insert(tools::ServerName(i));
  for (int i = 0; i < start.workers; ++i) known.insert(tools::WorkerName(i));
  int64_t added = 0;
  for (const ChaosEvent& event : events) {
    if (event.op != Op::kAdd) continue;
    known.insert(event.target);
    known.insert(tools::WorkerName(start.workers + static_cast<int>(added++)));
  }
  if (start.workers + added > most.workers) {
    return absl::InvalidArgumentError(absl::StrCat(
        "with those that are added there may be ", start.workers + added,
        " workers; at most ", most.workers, " run here"));
  }
  for (const ChaosEvent& event : events) {
    const std::vector<std::string> names =
        event.target.empty() ? std::vector{event.link.a, event.link.b}
                             : std::vector{event.target};
    for (const std::string& name : names) {
      if (known.contains(name)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("the scenario names ", name,
                       ", which is not there: it has ", SizeText(start)));
    }
  }
  return absl::OkStatus();
}

}  // namespace ebb::chaos
