// What operators ask; see scheduler_core.h.
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "protocol/plan_codec.h"
#include "scheduler/check_job.h"
#include "scheduler/scheduler_core.h"
#include "scheduler/store_keys.h"

namespace ebb::scheduler {

absl::StatusOr<JobId> SchedulerCore::Submit(JobRecord record, absl::Time now,
                                            SchedulerActions* out) {
  EBB_RETURN_IF_ERROR(CheckPlan(record));
  Context context = MakeContext(now, out);
  const size_t first = out->size();
  record.id = JobId(numbers_.Draw(now));
  JobState state;
  state.generation = Generation(numbers_.Draw(now));
  pending_writes_.push_back(
      {JobKey(record.id, "record"), EncodeJobRecord(record)});
  const JobId id = record.id;
  context.Tell(EventKind::kJobSubmitted, id,
               absl::StrCat("job=", record.name, " id=", id.value(),
                            " submitted: ", record.plan.items(), " items, ",
                            record.plan.partitions, " partitions"));
  auto& job = jobs_[id];
  job = std::make_unique<TrainingJob>(
      options_, std::make_shared<const JobRecord>(std::move(record)),
      std::move(state));
  if (!gathering_) job->Start(&context);
  Finish(&context, first);
  return id;
}

namespace {

absl::Status NoSuchJob(JobId job) {
  return absl::NotFoundError(
      absl::StrCat("there is no job with id ", job.value()));
}

}  // namespace

absl::Status SchedulerCore::Checkpoint(JobId id, absl::Time now,
                                       SchedulerActions* out) {
  TrainingJob* job = Find(id);
  if (job == nullptr) return NoSuchJob(id);
  Context context = MakeContext(now, out);
  job->parts().owners.RequestCheckpoint(&context);
  return absl::OkStatus();
}

absl::Status SchedulerCore::Cancel(JobId id, absl::Time now,
                                   SchedulerActions* out) {
  TrainingJob* job = Find(id);
  if (job == nullptr) return NoSuchJob(id);
  Context context = MakeContext(now, out);
  const size_t first = out->size();
  job->Cancel(&context);
  Finish(&context, first);
  return absl::OkStatus();
}

absl::Status SchedulerCore::Forget(JobId id, bool versions, absl::Time now,
                                   SchedulerActions* out) {
  // A server that speaks of an older one is believed: it lists the job anew.
  constexpr size_t kMostForgotten = 4096;
  const TrainingJob* job = Find(id);
  if (job == nullptr) return NoSuchJob(id);
  const std::string& name = job->record()->name;
  if (!job->parts().tables.over()) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", name, " is ", JobPhaseName(job->state().phase),
                     ", and only what is over can be forgotten: wait for it, "
                     "or cancel it first"));
  }
  if (gathering_) {
    return absl::UnavailableError(
        "the scheduler has just started and waits for its servers; try again");
  }
  Context context = MakeContext(now, out);
  const size_t first = out->size();
  context.Tell(
      EventKind::kJobForgotten, id,
      absl::StrCat("job=", name, " id=", id.value(), " is forgotten",
                   versions ? ", with its versions" : "; its versions stay"));
  pending_writes_.push_back({JobKey(id, "record"), std::nullopt});
  pending_writes_.push_back({JobKey(id, "state"), std::nullopt});
  pending_writes_.push_back(
      {ForgottenKey(id), std::string(versions ? kVersionsGo : kVersionsStay)});
  forgotten_[id] = versions;
  if (forgotten_.size() > kMostForgotten) {
    pending_writes_.push_back(
        {ForgottenKey(forgotten_.begin()->first), std::nullopt});
    forgotten_.erase(forgotten_.begin());
  }
  jobs_.erase(id);
  late_.erase(id);
  waiting_.erase(id);
  // They say no more of it.
  for (auto& [session, worker] : cluster_.workers) worker.unreached.erase(id);
  for (auto& [server_id, server] : cluster_.servers) {
    server.reports.erase(id);
    if (server.connected) TellForget(server, id, versions, &context);
  }
  Finish(&context, first);
  return absl::OkStatus();
}

absl::Status SchedulerCore::Resume(JobId id, bool skip_quarantined,
                                   absl::Time now, SchedulerActions* out) {
  TrainingJob* job = Find(id);
  if (job == nullptr) return NoSuchJob(id);
  if (job->state().phase != JobPhase::kPaused) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", job->record()->name, " is not paused, it is ",
                     JobPhaseName(job->state().phase)));
  }
  Context context = MakeContext(now, out);
  const size_t first = out->size();
  for (const int64_t ordinal : std::vector(job->state().quarantined)) {
    job->Resolve(ordinal, skip_quarantined, &context);
  }
  allotment_.LookAgain();
  absl::Status ended = job->EndPause(&context);
  Finish(&context, first);
  return ended;
}

// One change of one job.
template <typename Change>
absl::Status SchedulerCore::ChangeJob(JobId id, absl::Time now,
                                      SchedulerActions* out, Change change) {
  TrainingJob* job = Find(id);
  if (job == nullptr) return NoSuchJob(id);
  Context context = MakeContext(now, out);
  const size_t first = out->size();
  absl::Status changed = change(job, &context);
  Finish(&context, first);
  return changed;
}

absl::Status SchedulerCore::Pause(JobId id, absl::Time now,
                                  SchedulerActions* out) {
  return ChangeJob(id, now, out, [](TrainingJob* job, Context* context) {
    return job->parts().pauses.Pause(context);
  });
}

absl::Status SchedulerCore::EndPause(JobId id, absl::Time now,
                                     SchedulerActions* out) {
  return ChangeJob(id, now, out, [](TrainingJob* job, Context* context) {
    return job->EndPause(context);
  });
}

absl::Status SchedulerCore::Rollback(JobId id, const RollbackOrder& order,
                                     absl::Time now, SchedulerActions* out) {
  return ChangeJob(id, now, out, [&](TrainingJob* job, Context* context) {
    return job->parts().rollbacks.RollBackTo(order, context);
  });
}

absl::Status SchedulerCore::ScaleJob(JobId id, const Scale& scale,
                                     absl::Time now, SchedulerActions* out) {
  return ChangeJob(id, now, out, [&](TrainingJob* job, Context* context) {
    absl::Status scaled;
    if (scale.servers)
      scaled = job->parts().mover.Scale(*scale.servers, context);
    if (scale.workers && scaled.ok()) {
      scaled = job->parts().demand.Scale(*scale.workers, context);
    }
    return scaled;
  });
}

absl::Status SchedulerCore::Resolve(JobId id, ItemId item, bool skip,
                                    absl::Time now, SchedulerActions* out) {
  TrainingJob* job = Find(id);
  if (job == nullptr) return NoSuchJob(id);
  const std::string name =
      absl::StrCat("item ", ToString(item), " of job ", job->record()->name);
  if (!job->plan().HasItem(item)) {
    return absl::NotFoundError(absl::StrCat("there is no ", name));
  }
  const int64_t ordinal = job->plan().Ordinal(item);
  if (!job->parts().failures.poison().Quarantined(ordinal)) {
    // Tried again already, since a worker came or another item was decided on.
    if (!skip && job->state().phase == JobPhase::kRunning) {
      return absl::OkStatus();
    }
    return absl::NotFoundError(absl::StrCat(name, " is not quarantined"));
  }
  if (skip && !job->parts().failures.poison().QuarantinedAt(ordinal)) {
    return absl::FailedPreconditionError(absl::StrCat(
        name, " has no failing batch to skip: ",
        job->parts().failures.poison().WhyQuarantined(ordinal).text,
        ". Start a worker that can, or mend the cause and resume without "
        "skipping"));
  }
  Context context = MakeContext(now, out);
  const size_t first = out->size();
  job->Resolve(ordinal, skip, &context);
  allotment_.LookAgain();
  Finish(&context, first);
  return absl::OkStatus();
}

}  // namespace ebb::scheduler
