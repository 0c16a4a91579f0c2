#include "tools/ebb/run/daemon_record.h"

#include <algorithm>
#include <csignal>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/text/daemon_names.h"

namespace ebb::tools {

void DaemonRecord::See(const v1::GetStatusResponse& status) {
  seen_.insert(status.process_id());
  for (const auto& server : status.servers()) seen_.insert(server.process_id());
  for (const auto& worker : status.workers()) seen_.insert(worker.process_id());
}

std::string DaemonRecord::AddDeath(const DaemonEvent& event) {
  if (!event.place.empty()) {
    report_.kills.push_back(absl::StrCat(event.daemon, " at ", event.place));
  }
  if (!event.as_told) AddUnwantedEnd(event);
  return absl::StrCat(event.daemon, " ", event.end.ToString(),
                      event.as_told ? ", as planned" : "",
                      event.place.empty() ? "" : " at ", event.place,
                      seen_.contains(event.pid) ? "" : ", before it was seen");
}

void DaemonRecord::AddUnwantedEnd(const DaemonEvent& event) {
  const std::string text =
      absl::StrCat(event.daemon,
                   event.told ? " did not end as it was told to: it "
                              : " ended without being told to: it ",
                   event.end.ToString());
  if (event.end.signal == 0 && event.end.exit_code == RestartPolicy().no_room) {
    // Each start may say another thing, such as the name of a new file.
    if (!could_not_begin_.insert(event.daemon).second) return;
    report_.warnings.push_back(absl::StrCat(
        event.daemon, " could not begin, and was started again each second (",
        last_words_(event.daemon), ")"));
  } else if (event.end.by_others()) {
    report_.warnings.push_back(absl::StrCat(
        text, event.end.signal == SIGKILL ? ", by hand or for want of memory"
                                          : ", by somebody else"));
  } else {
    report_.problems.push_back(
        absl::StrCat(text, " (", last_words_(event.daemon), ")"));
  }
}

void DaemonRecord::AddRestart(absl::string_view daemon) {
  Restarts& restarts = report_.restarts;
  ++(daemon == kSchedulerName              ? restarts.scheduler
     : absl::StartsWith(daemon, "worker-") ? restarts.workers
                                           : restarts.servers);
}

void DaemonRecord::AddGivenUp(const DaemonEvent& event) {
  report_.problems.push_back(
      absl::StrCat(event.daemon, " is given up: ", event.reason, " (",
                   last_words_(event.daemon), "). Its log: ", folder_, "/logs/",
                   event.daemon, ".log"));
  any_given_up_ = true;
}

void DaemonRecord::AddStrayFiles(const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    if (!predictions_.empty() &&
        absl::StartsWith(file, absl::StrCat(predictions_, "/"))) {
      continue;
    }
    stray_.insert(file);
  }
}

void DaemonRecord::ReportStrayFiles() {
  for (const std::string& file : stray_) {
    report_.problems.push_back(
        absl::StrCat("a daemon wrote outside the run's folder: ", file));
  }
}

}  // namespace ebb::tools
