#include "tools/ebb/run/scale_plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/text/console.h"
#include "tools/text/daemon_names.h"

namespace ebb::tools {

namespace {

using Kind = ScaleStep::Kind;

// A server whose partitions no other takes is asked this often at most.
constexpr int kMostInVain = 3;

// Most workers that start at once: a machine may be too small for more.
constexpr int kMostStarting = 16;

bool Knows(const v1::GetStatusResponse& status, int worker) {
  return std::ranges::any_of(
      status.workers(),
      [name = WorkerName(worker)](const v1::WorkerStatus& one) {
        return one.name() == name;
      });
}

const v1::ServerStatus* Find(const v1::GetStatusResponse& status, int server) {
  for (const v1::ServerStatus& one : status.servers()) {
    if (one.server() == server) return &one;
  }
  return nullptr;
}

}  // namespace

ClusterSize ScalePlan::size() const {
  return {size_.servers + (server_leaving_ || server_left_ ? 1 : 0),
          size_.workers};
}

std::string ScalePlan::Why(bool servers) const {
  return absl::StrCat("the job is scaled to ",
                      servers ? Count(wished_.servers, "server")
                              : Count(wished_.workers, "worker"));
}

int ScalePlan::AtMost(const char* role, int wished, int most,
                      absl::string_view more,
                      std::vector<ScaleStep>* steps) const {
  if (wished > most) {
    ScaleStep& step = steps->emplace_back();
    step.text = absl::StrCat("the job is scaled to ", Count(wished, role),
                             ", but `ebb run` starts ", most,
                             " at most on this machine", more, ": so many run");
  }
  return std::min(wished, most);
}

void ScalePlan::Wish(const v1::JobStatus& job, std::vector<ScaleStep>* steps) {
  const int32_t workers =
      job.workers_scaled() && job.max_workers() > 0 ? job.max_workers() : -1;
  const int32_t servers = job.max_servers() > 0 ? job.max_servers() : -1;
  const bool before = std::exchange(first_, false) && !follow_before_;
  if (std::exchange(workers_said_, workers) != workers && !before) {
    wished_.workers = workers < 0 ? size_.workers
                                  : AtMost("worker", workers, most_.workers,
                                           " (more with its --workers)", steps);
  }
  if (std::exchange(servers_said_, servers) != servers) {
    in_vain_ = 0;
    wished_.servers = servers < 0
                          ? size().servers
                          : AtMost("server", servers, most_.servers, "", steps);
  }
}

std::vector<ScaleStep> ScalePlan::Next(
    const v1::GetStatusResponse& status,
    absl::FunctionRef<int64_t(const std::string&)> process_of) {
  std::vector<ScaleStep> steps;
  if (status.jobs().empty()) return steps;
  Wish(status.jobs(0), &steps);
  ScaleWorkers(status, &steps);
  JudgeLeft(status, &steps);
  ScaleServers(status, process_of, &steps);
  return steps;
}

void ScalePlan::ScaleWorkers(const v1::GetStatusResponse& status,
                             std::vector<ScaleStep>* steps) {
  for (; size_.workers > wished_.workers; --size_.workers) {
    const int number = size_.workers - 1;
    leaving_.insert(WorkerName(number));
    steps->push_back({Kind::kDrain, false, number, WorkerName(number), ""});
  }
  // New workers load the data, at the cost of those that work already.
  int starting = 0;
  for (int i = 0; i < size_.workers; ++i) starting += Knows(status, i) ? 0 : 1;
  // A name that is still leaving is not yet free.
  for (; size_.workers < wished_.workers && starting < kMostStarting &&
         !leaving_.contains(WorkerName(size_.workers));
       ++size_.workers, ++starting) {
    const std::string name = WorkerName(size_.workers);
    steps->push_back({Kind::kStart, false, size_.workers, name,
                      absl::StrCat(name, " starts: ", Why(false))});
  }
}

// A server that the scheduler still knows has not handed everything over: the
// scheduler was away just then, or no other server could take it. As long as
// that server is down, its partitions stand still.
void ScalePlan::JudgeLeft(const v1::GetStatusResponse& status,
                          std::vector<ScaleStep>* steps) {
  if (!server_left_) return;
  const int number = size_.servers;
  const v1::ServerStatus* known = Find(status, number);
  // It is connected in its former life.
  if (known != nullptr && known->connected()) return;
  server_left_ = false;
  if (known == nullptr) {
    in_vain_ = 0;
    return;
  }
  ++size_.servers;
  const std::string name = ServerName(number);
  const bool stays = ++in_vain_ == kMostInVain;
  if (stays) wished_.servers = size_.servers;
  steps->push_back(
      {Kind::kStart, true, number, name,
       absl::StrCat(name, " starts again: not all that it has was taken over",
                    stays ? ", so it stays; see the scheduler's log" : "")});
}

void ScalePlan::ScaleServers(
    const v1::GetStatusResponse& status,
    absl::FunctionRef<int64_t(const std::string&)> process_of,
    std::vector<ScaleStep>* steps) {
  if (server_leaving_ || server_left_) return;
  for (; size_.servers < wished_.servers; ++size_.servers) {
    const std::string name = ServerName(size_.servers);
    steps->push_back({Kind::kStart, true, size_.servers, name,
                      absl::StrCat(name, " starts: ", Why(true))});
  }
  if (size_.servers <= wished_.servers) return;
  // Only a life that the scheduler hears can hand over what it has.
  const int number = size_.servers - 1;
  const std::string name = ServerName(number);
  const v1::ServerStatus* known = Find(status, number);
  if (known == nullptr || !known->connected() ||
      known->process_id() != process_of(name)) {
    return;
  }
  server_leaving_ = true;
  --size_.servers;
  leaving_.insert(name);
  steps->push_back({Kind::kDrain, true, number, name, ""});
}

std::optional<std::string> ScalePlan::Ended(const std::string& daemon,
                                            bool as_told) {
  if (leaving_.erase(daemon) == 0) return std::nullopt;
  const bool server = daemon == ServerName(size_.servers) && server_leaving_;
  if (server) {
    server_leaving_ = false;
    server_left_ = true;
  }
  if (!as_told) return std::nullopt;
  return absl::StrCat(daemon, " has left: ", Why(server));
}

}  // namespace ebb::tools
