#include "tools/ebb/run/kill_every.h"

#include "client/client_shell.h"
#include "job/base/traits.h"
#include "scheduler/scheduler_shell.h"
#include "server/server_shell.h"

namespace ebb::tools {

namespace {

template <typename Points>
std::vector<std::string> Texts(const Points& points) {
  return {points.begin(), points.end()};
}

}  // namespace

absl::Status KillEvery::Prepare(const v1::Job& job,
                                LocalClusterOptions* cluster) {
  const v1::AlgorithmTraits& traits = job::AlgorithmTraitsOf(job);
  const bool operated = traits.line_search() || traits.statistics();
  plan_.emplace(
      every_, seed_.value_or(job.seed()), cluster->servers, cluster->workers,
      KillPointsByRole{Texts(scheduler::SchedulerKillPoints(operated)),
                       Texts(server::ServerKillPoints(operated)),
                       Texts(client::ClientKillPoints())});
  return absl::OkStatus();
}

std::vector<std::string> KillEvery::Act(const RunMoment& moment,
                                        LocalCluster* cluster,
                                        RunReport* report) {
  while (!cluster->Keeps(plan_->next().daemon)) plan_->Advance();
  const Kill& next = plan_->next();
  // One that is just coming back is killed as soon as it is there.
  if (moment.elapsed < next.after ||
      !cluster->Kill(next.daemon, next.then_at)) {
    return {};
  }
  report->kills.push_back(next.daemon);
  plan_->Advance();
  return {};
}

}  // namespace ebb::tools
