#include "scheduler/worker_sessions.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

namespace ebb::scheduler {

const WorkerInfo* WorkerSessions::Of(LinkId link) const {
  const auto it = links_.find(link);
  if (it == links_.end()) return nullptr;
  const auto worker = state_.cluster.workers.find(it->second);
  return worker == state_.cluster.workers.end() ? nullptr : &worker->second;
}

void WorkerSessions::On(LinkId link, const WorkerToScheduler& message,
                        Context* context) {
  if (const WorkerInfo* worker = Of(link)) {
    const SessionId session = worker->session;
    if (state_.cluster.workers.Heard(session, context->now)) {
      shares_.LookAt(*worker);
    }
  }
  std::visit([&](const auto& typed) { Handle(link, typed, context); }, message);
}

// Sessions keep workers apart, so nothing breaks; people cannot.
void WorkerSessions::WarnOfNamesake(const RegisterWorker& message,
                                    Context* context) const {
  for (const auto& [session, other] : state_.cluster.workers) {
    if (session == message.session || other.name != message.name) continue;
    context->Log(absl::StrCat(
        "worker=", message.name, " pid=", message.process_id,
        " has the name of one that is connected, pid=", other.process_id,
        "; both work, and status counts them as one: give each its --name"));
    return;
  }
}

void WorkerSessions::Handle(LinkId link, const RegisterWorker& message,
                            Context* context) {
  if (message.session == SessionId()) return;
  const auto had = links_.find(link);
  if (had != links_.end() && had->second != message.session) {
    // One at a time: nobody would hear that the one before is gone.
    const SessionId before = had->second;
    links_.erase(had);
    Lose(before, context);
  }
  Workers& workers = state_.cluster.workers;
  if (const auto known = workers.find(message.session);
      known != workers.end()) {
    const LinkId before = known->second.link;
    links_.erase(before);
    if (before != link) context->out->push_back(CloseWorker{before});
  } else {
    WarnOfNamesake(message, context);
    context->Tell(EventKind::kWorkerUp, JobId(),
                  absl::StrCat("worker=", message.name,
                               " is up, pid=", message.process_id),
                  message.name);
  }
  const WorkerInfo& worker = workers.Register(message, link, context->now);
  links_[link] = message.session;
  shares_.LookAgainAt(worker);
  // A lease that was sent to its broken connection never arrived, nor did the
  // result of an evaluation.
  for (auto& [id, job] : state_.jobs) {
    job->ReleaseUnclaimed(worker, context);
    job->WorkerArrived(worker, context);
  }
  if (!state_.gathering) SettleClaims(worker, context);
}

void WorkerSessions::SettleAllClaims(Context* context) {
  for (auto& [session, worker] : state_.cluster.workers) {
    SettleClaims(worker, context);
  }
}

// A worker keeps what it holds since before this scheduler, unless somebody
// else has it.
void WorkerSessions::SettleClaims(const WorkerInfo& worker, Context* context) {
  for (const HeldItem& held :
       state_.cluster.workers.TakeClaims(worker.session)) {
    if (TrainingJob* job = state_.Find(held.job)) {
      shares_.MaybeKeep(worker, held.job);
      job->parts().held.Adopt(worker, held, worker.clock, context);
      if (worker.leased.contains(held.job)) {
        job->parts().owners.SendPlacement(worker.session, context);
      }
    } else {
      context->ToWorker(worker.session,
                        LeaseLost{held.job, held.generation, held.item});
    }
  }
}

void WorkerSessions::FellSilent(SessionId session, JobId job) {
  shares_.Forget(session);
  state_.cluster.workers.FallsSilent(session, job);
}

void WorkerSessions::Handle(LinkId link, const LeaseRequest& message,
                            Context* context) {
  if (const WorkerInfo* worker = Of(link)) {
    state_.cluster.workers.Asks(worker->session, message.items);
    if (worker->draining) {
      shares_.Forget(worker->session);
    } else {
      shares_.Wants(*worker);
    }
  }
}

void WorkerSessions::Handle(LinkId link, const Progress& message,
                            Context* context) {
  const WorkerInfo* worker = Of(link);
  TrainingJob* job = state_.Find(message.job);
  if (worker == nullptr || job == nullptr) return;
  state_.cluster.workers.Progressed(worker->session, message);
  // What it claims is settled when the servers have reported; until then it
  // goes on with it.
  if (!job->parts().tables.started) return;
  shares_.MaybeKeep(*worker, message.job);
  job->parts().held.Renewed(*worker, message, context);
}

void WorkerSessions::Handle(LinkId link, const ItemEnd& message,
                            Context* context) {
  const WorkerInfo* worker = Of(link);
  TrainingJob* job = state_.Find(message.job);
  if (worker == nullptr || job == nullptr ||
      !state_.cluster.workers.WorksOn(*worker, message.job)) {
    return;
  }
  job->parts().held.ItemEnded(*worker, message, context);
  if (message.end == LeaseEnd::kFailed) shares_.LookAt(*worker);
}

void WorkerSessions::Handle(LinkId link, const PlacementRequest& message,
                            Context* context) {
  const WorkerInfo* worker = Of(link);
  TrainingJob* job = state_.Find(message.job);
  if (worker == nullptr || job == nullptr) return;
  // A token goes with it. Who did not hear that its lease ran out must find
  // where to push to.
  if (!state_.cluster.workers.WorksOn(*worker, message.job)) return;
  reach_.Hear(message, *worker, context->now);
  job->parts().owners.SendPlacement(worker->session, context);
}

void WorkerSessions::Handle(LinkId link, const EvaluationResult& message,
                            Context* context) {
  const WorkerInfo* worker = Of(link);
  if (worker == nullptr) return;
  state_.cluster.workers.EndsEvaluation(worker->session);
  TrainingJob* job = state_.Find(message.job);
  if (job != nullptr && state_.cluster.workers.WorksOn(*worker, message.job)) {
    job->Evaluated(message, context);
  }
}

void WorkerSessions::Handle(LinkId link, const DataReached& message,
                            Context* context) {
  const WorkerInfo* worker = Of(link);
  TrainingJob* job = state_.Find(message.job);
  if (worker == nullptr || job == nullptr ||
      message.session != worker->session) {
    return;
  }
  job->Reached(message, context);
}

void WorkerSessions::Handle(LinkId link, const WorkerGoodbye& message,
                            Context* context) {
  const WorkerInfo* worker = Of(link);
  if (worker == nullptr) return;
  context->Tell(EventKind::kWorkerLeft, JobId(),
                absl::StrCat("worker=", worker->name, " left in good order"),
                worker->name);
  state_.cluster.workers.Leaves(worker->session);
  OnDisconnected(link, context->now, context->out);
}

void WorkerSessions::OnDisconnected(LinkId link, absl::Time now,
                                    SchedulerActions* out) {
  const auto it = links_.find(link);
  if (it == links_.end()) return;
  const SessionId session = it->second;
  links_.erase(it);
  Context context = state_.MakeContext(now, out);
  const size_t first = out->size();
  const auto worker = state_.cluster.workers.find(session);
  if (worker != state_.cluster.workers.end() && !worker->second.goodbye) {
    context.Tell(EventKind::kWorkerLost, JobId(),
                 absl::StrCat("worker=", worker->second.name,
                              " is lost (connection closed)"),
                 worker->second.name);
  }
  Lose(session, &context);
  finish_(&context, first);
}

void WorkerSessions::Lose(SessionId session, Context* context) {
  if (!state_.cluster.workers.contains(session)) return;
  shares_.Forget(session);
  const WorkerInfo worker = state_.cluster.workers.Remove(session);
  for (auto& [id, job] : state_.jobs) job->WorkerLost(worker, context);
}

}  // namespace ebb::scheduler
