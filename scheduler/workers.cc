#include "scheduler/workers.h"

#include <algorithm>
#include <utility>

namespace ebb::scheduler {

const WorkerInfo& Workers::Register(const RegisterWorker& message, LinkId link,
                                    absl::Time now) {
  const auto [it, is_new] = workers_.try_emplace(message.session);
  WorkerInfo& worker = it->second;
  // What it did under another scheduler is no work of this one's life.
  if (is_new) worker.examples = message.examples;
  worker.session = message.session;
  worker.name = message.name;
  worker.process_id = message.process_id;
  worker.only_job = message.only_job;
  worker.no_evaluations = message.no_evaluations;
  worker.link = link;
  worker.since = now;
  worker.last_heard = now;
  worker.clock = message.clock;
  worker.wants = 0;
  worker.evaluates = false;
  worker.draining = false;
  worker.claims = message.held;
  worker.unreached.clear();
  worker.cut_off.clear();
  return worker;
}

WorkerInfo Workers::Remove(SessionId worker) {
  const auto it = workers_.find(worker);
  WorkerInfo removed = std::move(it->second);
  workers_.erase(it);
  return removed;
}

bool Workers::Heard(SessionId worker, absl::Time now) {
  WorkerInfo& info = workers_.at(worker);
  info.last_heard = now;
  return std::exchange(info.silent, false);
}

void Workers::Asks(SessionId worker, int32_t items) {
  WorkerInfo& info = workers_.at(worker);
  info.wants = std::clamp(items, 0, 1024);
  info.draining = items == 0;
}

void Workers::Progressed(SessionId worker, const Progress& progress) {
  WorkerInfo& info = workers_.at(worker);
  info.parked = progress.parked;
  info.clock = progress.clock;
}

int64_t Workers::Computed(SessionId worker, int64_t examples) {
  WorkerInfo& info = workers_.at(worker);
  if (examples <= info.examples) return 0;
  return examples - std::exchange(info.examples, examples);
}

void Workers::CannotBegin(SessionId worker, JobId job, WorkerInfo::Unfit why) {
  workers_.at(worker).unfit_for[job] = std::move(why);
}

void Workers::DoesNotReach(SessionId worker, JobId job,
                           std::vector<UnreachedServer> servers) {
  auto& unreached = workers_.at(worker).unreached;
  if (servers.empty()) {
    unreached.erase(job);
  } else {
    unreached[job] = std::move(servers);
  }
}

bool Workers::NoneEvaluates(JobId job) const {
  bool any = false;
  for (const auto& [session, worker] : workers_) {
    if (!MayWorkOn(worker, job)) continue;
    if (!worker.no_evaluations) return false;
    any = true;
  }
  return any;
}

void Workers::BeginsEvaluation(SessionId worker, JobId job) {
  workers_.at(worker).evaluates = true;
  IsLeased(worker, job);
}

std::vector<HeldItem> Workers::TakeClaims(SessionId worker) {
  return std::exchange(workers_.at(worker).claims, {});
}

void Workers::FallsSilent(SessionId worker, JobId job) {
  WorkerInfo& info = workers_.at(worker);
  info.silent = true;
  info.silent_in = job;
}

void Workers::MayTryAgain(JobId job) {
  for (auto& [session, worker] : workers_) worker.unfit_for.erase(job);
}

void Workers::ForgetJob(JobId job) {
  for_programs_.erase(job);
  for (auto& [session, worker] : workers_) worker.unreached.erase(job);
}

}  // namespace ebb::scheduler
