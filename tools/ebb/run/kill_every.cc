#include "tools/ebb/run/kill_every.h"

#include <utility>

#include "client/client_shell.h"
#include "scheduler/scheduler_shell.h"
#include "server/server_shell.h"
#include "tools/ebb/status/joined.h"
#include "tools/process/parent_process.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::tools {

namespace {

template <typename Points>
std::vector<std::string> Texts(const Points& points) {
  return {points.begin(), points.end()};
}

}  // namespace

absl::Status KillEvery::Prepare(const v1::Job& job,
                                LocalClusterOptions* cluster) {
  const v1::AlgorithmTraits& traits = workloads::AlgorithmTraitsOf(job);
  const bool operated = traits.line_search() || traits.statistics();
  KillPointsByRole points{Texts(scheduler::SchedulerKillPoints(operated)),
                          Texts(server::ServerKillPoints(operated)),
                          Texts(client::ClientKillPoints())};
  // A program has no --kill-at.
  if (cluster->program) points.workers.clear();
  plan_.emplace(every_, seed_.value_or(job.seed()), cluster->servers,
                cluster->workers, std::move(points));
  return absl::OkStatus();
}

bool KillEvery::VictimIsBack(const v1::GetStatusResponse& status,
                             const LocalCluster& cluster) const {
  if (!cluster.Keeps(victim_)) return true;
  const pid_t pid = cluster.Pid(victim_);
  return pid != 0 && pid != killed_ &&
         HasJoined(status, pid, [](int64_t process) -> int64_t {
           return ParentOf(static_cast<pid_t>(process));
         });
}

std::vector<std::string> KillEvery::Act(const RunMoment& moment,
                                        LocalCluster* cluster,
                                        RunReport* report) {
  if (!moment.status.jobs().empty()) {
    const v1::JobStatus& job = moment.status.jobs(0);
    pace_.See(VictimIsBack(moment.status, *cluster), job.summary().job(),
              job.applied_min());
  }
  while (!cluster->Keeps(plan_->next().daemon)) plan_->Advance();
  const Kill& next = plan_->next();
  if (!pace_.Due(next.after, moment.elapsed)) return {};
  const pid_t pid = cluster->Pid(next.daemon);
  // One that is just coming back is killed as soon as it is there.
  if (!cluster->Kill(next.daemon, next.then_at)) return {};
  victim_ = next.daemon;
  killed_ = pid;
  pace_.Killed(next.after, moment.elapsed);
  report->kills.push_back(next.daemon);
  plan_->Advance();
  return {};
}

}  // namespace ebb::tools
