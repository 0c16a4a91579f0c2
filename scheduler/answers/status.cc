#include "scheduler/answers/status.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "rpc/convert.h"
#include "scheduler/answers/job_progress.h"

namespace ebb::scheduler {

namespace {

v1::Unreached UnreachedStatus(const std::string& who, JobId job,
                              const UnreachedServer& server, absl::Time now) {
  v1::Unreached out;
  out.set_who(who);
  out.set_job(job.value());
  PeerTrouble trouble = server.trouble;
  trouble.lasts = std::max(absl::ZeroDuration(), now - server.since);
  *out.mutable_trouble() = rpc::ToProto(trouble);
  return out;
}

// How many workers are parked until this one, the slowest of its view, goes on.
// Looked for only where it is not heard of: of many workers that takes long.
int32_t AwaitedBy(const SchedulerShell::Picture& picture,
                  const WorkerInfo& worker) {
  constexpr absl::Duration kUnheard = absl::Seconds(1);
  int32_t parked = 0;
  if (picture.now - worker.last_heard < kUnheard) return parked;
  for (const auto& [id, job] : picture.core.jobs()) {
    if (!job->plan().clocked() || job->parts().tables.over() ||
        !job->parts().view.view().Contains(worker.session) ||
        job->parts().view.view().Slowest() != worker.session) {
      continue;
    }
    for (const auto& [session, other] : picture.core.cluster().workers) {
      if (other.parked && session != worker.session &&
          job->parts().view.view().Contains(session)) {
        ++parked;
      }
    }
  }
  return parked;
}

v1::Event::Kind ToProto(EventKind kind) {
  switch (kind) {
    case EventKind::kWorkerUp:
      return v1::Event::KIND_WORKER_UP;
    case EventKind::kWorkerLost:
      return v1::Event::KIND_WORKER_LOST;
    case EventKind::kWorkerLeft:
      return v1::Event::KIND_WORKER_LEFT;
    case EventKind::kWorkerSilent:
      return v1::Event::KIND_WORKER_SILENT;
    case EventKind::kServerUp:
      return v1::Event::KIND_SERVER_UP;
    case EventKind::kServerAway:
      return v1::Event::KIND_SERVER_AWAY;
    case EventKind::kServerLeft:
      return v1::Event::KIND_SERVER_LEFT;
    case EventKind::kMoved:
      return v1::Event::KIND_MOVED;
    case EventKind::kJobSubmitted:
      return v1::Event::KIND_JOB_SUBMITTED;
    case EventKind::kJobPaused:
      return v1::Event::KIND_JOB_PAUSED;
    case EventKind::kJobGoesOn:
      return v1::Event::KIND_JOB_GOES_ON;
    case EventKind::kJobScaled:
      return v1::Event::KIND_JOB_SCALED;
    case EventKind::kJobChanged:
      return v1::Event::KIND_JOB_CHANGED;
    case EventKind::kJobRolledBack:
      return v1::Event::KIND_JOB_ROLLED_BACK;
    case EventKind::kJobReopened:
      return v1::Event::KIND_JOB_REOPENED;
    case EventKind::kJobComplete:
      return v1::Event::KIND_JOB_COMPLETE;
    case EventKind::kJobCancelled:
      return v1::Event::KIND_JOB_CANCELLED;
    case EventKind::kJobForgotten:
      return v1::Event::KIND_JOB_FORGOTTEN;
    case EventKind::kQuarantine:
      return v1::Event::KIND_QUARANTINE;
    case EventKind::kSkip:
      return v1::Event::KIND_SKIP;
    case EventKind::kEvaluation:
      return v1::Event::KIND_EVALUATION;
    case EventKind::kLogOnly:
      break;
  }
  return v1::Event::KIND_UNSPECIFIED;
}

// How many examples, at most, because it came back with less.
int64_t ComputedAgainFor(const SchedulerShell::Picture& picture,
                         const ServerInfo& server) {
  int64_t examples = 0;
  for (const auto& [id, job] : picture.core.jobs()) {
    for (const Fallback& fallback : job->parts().registrar.fallbacks().told()) {
      if (fallback.session == server.session) examples += fallback.most_lost;
    }
  }
  return examples;
}

}  // namespace

int64_t UnixMs(absl::Time time) {
  return time == absl::InfinitePast() || time == absl::InfiniteFuture()
             ? 0
             : absl::ToUnixMillis(time);
}

void AddEvents(const SchedulerShell::Picture& picture, JobId job,
               v1::GetStatusResponse* response) {
  for (const PastEvent& past : picture.watch.events().all()) {
    if (job != JobId() && past.what.job != JobId() && past.what.job != job) {
      continue;
    }
    v1::Event* event = response->add_events();
    event->set_number(past.number);
    event->set_unix_ms(UnixMs(past.when));
    event->set_kind(ToProto(past.what.kind));
    event->set_job(past.what.job.value());
    event->set_subject(past.what.subject);
    event->set_text(past.what.text);
  }
}

v1::ServerStatus StatusOf(const SchedulerShell::Picture& picture,
                          const ServerInfo& server) {
  v1::ServerStatus status;
  status.set_server(server.id.value());
  status.set_session(server.session.value());
  status.set_address(server.address);
  status.set_process_id(server.process_id);
  status.set_connected(server.connected);
  status.set_leaving(server.leaving);
  status.set_lost_store(server.lost_store);
  status.set_since_unix_ms(UnixMs(server.since));
  for (const auto& [id, job] : picture.core.jobs()) {
    for (int32_t p = 0; p < job->plan().partitions; ++p) {
      const Ownership& one = job->placement().at(PartitionId(p));
      if (one.registered && one.owner == server.id) {
        status.set_partitions(status.partitions() + 1);
      }
    }
  }
  if (picture.now - server.refused_at < kPushesBack) {
    status.set_problem(server.refusal);
  }
  if (server.store_damage.any()) {
    *status.mutable_store_damage() = rpc::ToProto(server.store_damage);
    status.set_store_damage_cost(ComputedAgainFor(picture, server));
  }
  for (const auto& [id, report] : server.reports) {
    status.set_updates(status.updates() + report.updates);
    if (!report.problem.empty()) status.set_problem(report.problem);
    if (picture.now - report.refused_at < kPushesBack) {
      status.set_refused_pushes(status.refused_pushes() +
                                report.refused_pushes);
      status.set_refusal(report.refusal);
    }
  }
  for (const auto& [session, worker] : picture.core.cluster().workers) {
    for (const auto& [job, unreached] : worker.unreached) {
      for (const UnreachedServer& one : unreached) {
        if (one.trouble.server != server.id) continue;
        *status.add_unreached_by() =
            UnreachedStatus(worker.name, job, one, picture.now);
      }
    }
  }
  for (const auto& [id, job] : picture.core.jobs()) {
    for (const auto& [target, avoid] : job->parts().moves.avoid()) {
      if (!avoid.unreached) continue;
      const ServerId source = avoid.unreached->trouble.server;
      if (target != server.id && source != server.id) continue;
      *(target == server.id ? status.add_unreached()
                            : status.add_unreached_by()) =
          UnreachedStatus(absl::StrCat("ps-", target.value()), id,
                          *avoid.unreached, picture.now);
    }
  }
  return status;
}

v1::WorkerStatus StatusOf(const SchedulerShell::Picture& picture,
                          const WorkerInfo& worker) {
  v1::WorkerStatus status;
  status.set_session(worker.session.value());
  status.set_name(worker.name);
  status.set_process_id(worker.process_id);
  status.set_since_unix_ms(UnixMs(worker.since));
  status.set_clock(std::max<int64_t>(0, worker.clock));
  status.set_examples(worker.examples);
  status.set_job(worker.job.value());
  if (picture.hears()) {
    status.set_unheard_ms(std::max<int64_t>(
        0, absl::ToInt64Milliseconds(picture.now - worker.last_heard)));
    status.set_awaited_by(AwaitedBy(picture, worker));
  }
  for (const auto& [id, job] : picture.core.jobs()) {
    for (const int64_t ordinal : job->leases().HeldBy(worker.session)) {
      const LeaseTable::Held& held =
          *job->leases().Find(ordinal, worker.session);
      const ItemId item = job->plan().ItemAt(ordinal);
      v1::WorkerStatus::Item* out = status.add_items();
      out->set_job(id.value());
      *out->mutable_item() = rpc::ToProto(item);
      out->set_position(held.position);
      out->set_size(job->plan().ItemSize(item));
      out->set_backup(job->leases().backups().contains(ordinal));
      out->set_lease_left_ms(std::max<int64_t>(
          0, absl::ToInt64Milliseconds(held.expires - picture.now)));
    }
  }
  const bool evaluates = std::any_of(
      picture.core.jobs().begin(), picture.core.jobs().end(),
      [&](const auto& one) {
        return one.second->parts().evaluations.Evaluates(worker.session);
      });
  status.set_state(worker.draining ? v1::WorkerStatus::STATE_DRAINING
                   : evaluates     ? v1::WorkerStatus::STATE_EVALUATING
                   : worker.silent ? v1::WorkerStatus::STATE_SILENT
                   : !worker.cut_off.empty() && status.items().empty()
                       ? v1::WorkerStatus::STATE_CUT_OFF
                   : status.items().empty() ? v1::WorkerStatus::STATE_IDLE
                   : worker.parked          ? v1::WorkerStatus::STATE_PARKED
                                            : v1::WorkerStatus::STATE_WORKING);
  for (const auto& [job, servers] : worker.unreached) {
    for (const UnreachedServer& server : servers) {
      *status.add_unreached() =
          UnreachedStatus(worker.name, job, server, picture.now);
    }
  }
  const bool does_nothing = status.state() == v1::WorkerStatus::STATE_IDLE ||
                            status.state() == v1::WorkerStatus::STATE_CUT_OFF ||
                            status.state() == v1::WorkerStatus::STATE_SILENT;
  if (const WorkerWatch* watch = picture.watch.worker(worker.session);
      watch != nullptr && !does_nothing && picture.hears()) {
    status.set_examples_per_second(watch->examples.per_second());
  }
  return status;
}

}  // namespace ebb::scheduler
