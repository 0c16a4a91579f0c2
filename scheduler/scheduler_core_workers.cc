// What workers say; see scheduler_core.h.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "scheduler/scheduler_core.h"

namespace ebb::scheduler {

// Sessions keep workers apart, so nothing breaks; people cannot.
void SchedulerCore::WarnOfNamesake(const RegisterWorker& message,
                                   Context* context) const {
  for (const auto& [session, other] : cluster_.workers) {
    if (session == message.session || other.name != message.name) continue;
    context->Log(absl::StrCat(
        "worker=", message.name, " pid=", message.process_id,
        " has the name of one that is connected, pid=", other.process_id,
        "; both work, and status counts them as one: give each its --name"));
    return;
  }
}

void SchedulerCore::Handle(LinkId link, const RegisterWorker& message,
                           Context* context) {
  if (message.session == SessionId()) return;
  const auto had = worker_links_.find(link);
  if (had != worker_links_.end() && had->second != message.session) {
    // One at a time: otherwise the loss of the one before would go unnoticed.
    const SessionId before = had->second;
    worker_links_.erase(had);
    LoseWorker(before, context);
  }
  WorkerInfo& worker = cluster_.workers[message.session];
  if (worker.session == message.session) {
    worker_links_.erase(worker.link);
    if (worker.link != link) context->out->push_back(CloseWorker{worker.link});
  } else {
    WarnOfNamesake(message, context);
    // Its work under another scheduler does not count in this one's life.
    worker.examples = message.examples;
    context->Tell(EventKind::kWorkerUp, JobId(),
                  absl::StrCat("worker=", message.name,
                               " is up, pid=", message.process_id),
                  message.name);
  }
  worker.session = message.session;
  worker.name = message.name;
  worker.process_id = message.process_id;
  worker.only_job = message.only_job;
  worker.no_evaluations = message.no_evaluations;
  worker.link = link;
  worker.since = context->now;
  worker.last_heard = context->now;
  worker.clock = message.clock;
  worker.wants = 0;
  worker.evaluates = false;
  worker.draining = false;
  worker_links_[link] = message.session;
  worker.claims = message.held;
  // It says anew what it does not reach.
  worker.unreached.clear();
  worker.cut_off.clear();
  if (allotment_.Knows(message.session)) LookAt(&worker);
  // A lease that was sent to its broken connection never arrived, nor did the
  // result of an evaluation.
  for (auto& [id, job] : jobs_) {
    job->ReleaseUnclaimed(worker, context);
    job->WorkerArrived(worker, context);
  }
  if (!gathering_) SettleClaims(&worker, context);
}

// A worker keeps its items from before this scheduler, unless another worker
// has them.
void SchedulerCore::SettleClaims(WorkerInfo* worker, Context* context) {
  for (const HeldItem& held : std::exchange(worker->claims, {})) {
    if (TrainingJob* job = Find(held.job)) {
      MaybeKeep(worker, held.job);
      job->parts().held.Adopt(*worker, held, worker->clock, context);
      if (worker->leased.contains(held.job)) {
        job->parts().owners.SendPlacement(worker->session, context);
      }
    } else {
      context->ToWorker(worker->session,
                        LeaseLost{held.job, held.generation, held.item});
    }
  }
}

void SchedulerCore::Handle(LinkId link, const LeaseRequest& message,
                           Context* context) {
  if (WorkerInfo* worker = WorkerOf(link)) {
    worker->wants = std::clamp(message.items, 0, 1024);
    worker->draining = message.items == 0;
    if (worker->draining) {
      ForgetWorker(worker->session);
    } else {
      if (!allotment_.Knows(worker->session)) LookAt(worker);
      waiting_[worker->job].insert(worker->session);
    }
  }
}

void SchedulerCore::Handle(LinkId link, const Progress& message,
                           Context* context) {
  WorkerInfo* worker = WorkerOf(link);
  TrainingJob* job = Find(message.job);
  if (worker == nullptr || job == nullptr) return;
  worker->parked = message.parked;
  worker->clock = message.clock;
  // What it claims is settled when the servers have reported; until then it
  // goes on with it.
  if (!job->parts().tables.started) return;
  MaybeKeep(worker, message.job);
  job->parts().held.Renewed(worker, message, context);
}

void SchedulerCore::Handle(LinkId link, const ItemEnd& message,
                           Context* context) {
  WorkerInfo* worker = WorkerOf(link);
  TrainingJob* job = Find(message.job);
  if (worker == nullptr || job == nullptr || !worker->WorksOn(message.job)) {
    return;
  }
  job->parts().held.ItemEnded(worker, message, context);
  if (message.end == LeaseEnd::kFailed) LookAt(worker);
}

void SchedulerCore::Handle(LinkId link, const PlacementRequest& message,
                           Context* context) {
  WorkerInfo* worker = WorkerOf(link);
  TrainingJob* job = Find(message.job);
  if (worker == nullptr || job == nullptr) return;
  // A token goes with it. A worker that did not hear that its lease ran out
  // must find where to push to.
  if (!worker->WorksOn(message.job)) return;
  HearUnreached(message, worker, context->now);
  job->parts().owners.SendPlacement(worker->session, context);
}

void SchedulerCore::Handle(LinkId link, const EvaluationResult& message,
                           Context* context) {
  WorkerInfo* worker = WorkerOf(link);
  if (worker == nullptr) return;
  worker->evaluates = false;
  TrainingJob* job = Find(message.job);
  if (job != nullptr && worker->WorksOn(message.job)) {
    job->Evaluated(message, context);
  }
}

void SchedulerCore::Handle(LinkId link, const WorkerGoodbye& message,
                           Context* context) {
  WorkerInfo* worker = WorkerOf(link);
  if (worker == nullptr) return;
  context->Tell(EventKind::kWorkerLeft, JobId(),
                absl::StrCat("worker=", worker->name, " left in good order"),
                worker->name);
  worker->goodbye = true;
  OnWorkerDisconnected(link, context->now, context->out);
}

void SchedulerCore::OnWorkerDisconnected(LinkId link, absl::Time now,
                                         SchedulerActions* out) {
  const auto it = worker_links_.find(link);
  if (it == worker_links_.end()) return;
  const SessionId session = it->second;
  worker_links_.erase(it);
  Context context = MakeContext(now, out);
  const size_t first = out->size();
  const auto worker = cluster_.workers.find(session);
  if (worker != cluster_.workers.end() && !worker->second.goodbye) {
    context.Tell(EventKind::kWorkerLost, JobId(),
                 absl::StrCat("worker=", worker->second.name,
                              " is lost (connection closed)"),
                 worker->second.name);
  }
  LoseWorker(session, &context);
  Finish(&context, first);
}

void SchedulerCore::LoseWorker(SessionId session, Context* context) {
  const auto it = cluster_.workers.find(session);
  if (it == cluster_.workers.end()) return;
  ForgetWorker(session);
  const WorkerInfo worker = it->second;
  cluster_.workers.erase(it);
  for (auto& [id, job] : jobs_) job->WorkerLost(worker, context);
}

}  // namespace ebb::scheduler
