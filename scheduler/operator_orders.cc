#include "scheduler/operator_orders.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "scheduler/check_job.h"

namespace ebb::scheduler {

namespace {

absl::Status NoSuchJob(JobId job) {
  return absl::NotFoundError(
      absl::StrCat("there is no job with id ", job.value()));
}

}  // namespace

absl::StatusOr<JobId> OperatorOrders::Submit(JobRecord record, absl::Time now,
                                             SchedulerActions* out) {
  EBB_RETURN_IF_ERROR(CheckPlan(record));
  Context context = state_.MakeContext(now, out);
  const size_t first = out->size();
  const JobId id = jobs_.Submit(std::move(record), &context);
  finish_(&context, first);
  return id;
}

absl::Status OperatorOrders::Checkpoint(JobId id, absl::Time now,
                                        SchedulerActions* out) {
  TrainingJob* job = state_.Find(id);
  if (job == nullptr) return NoSuchJob(id);
  Context context = state_.MakeContext(now, out);
  job->parts().owners.RequestCheckpoint(&context);
  return absl::OkStatus();
}

absl::Status OperatorOrders::Cancel(JobId id, absl::Time now,
                                    SchedulerActions* out) {
  TrainingJob* job = state_.Find(id);
  if (job == nullptr) return NoSuchJob(id);
  Context context = state_.MakeContext(now, out);
  const size_t first = out->size();
  job->Cancel(&context);
  finish_(&context, first);
  return absl::OkStatus();
}

absl::Status OperatorOrders::Forget(JobId id, bool versions, absl::Time now,
                                    SchedulerActions* out) {
  const TrainingJob* job = state_.Find(id);
  if (job == nullptr) return NoSuchJob(id);
  const std::string& name = job->record()->name;
  if (!job->parts().tables.over()) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", name, " is ", JobPhaseName(job->state().phase),
                     ", and only what is over can be forgotten: wait for it, "
                     "or cancel it first"));
  }
  if (state_.gathering) {
    return absl::UnavailableError(
        "the scheduler has just started and waits for its servers; try again");
  }
  Context context = state_.MakeContext(now, out);
  const size_t first = out->size();
  context.Tell(
      EventKind::kJobForgotten, id,
      absl::StrCat("job=", name, " id=", id.value(), " is forgotten",
                   versions ? ", with its versions" : "; its versions stay"));
  jobs_.Forget(id, versions, &context);
  shares_.ForgetJob(id);
  finish_(&context, first);
  return absl::OkStatus();
}

absl::Status OperatorOrders::Pause(JobId id, absl::Time now,
                                   SchedulerActions* out) {
  return ChangeJob(id, now, out, [](TrainingJob* job, Context* context) {
    return job->parts().pauses.Pause(context);
  });
}

absl::Status OperatorOrders::EndPause(JobId id, absl::Time now,
                                      SchedulerActions* out) {
  return ChangeJob(id, now, out, [](TrainingJob* job, Context* context) {
    return job->EndPause(context);
  });
}

absl::Status OperatorOrders::ScaleJob(JobId id, const Scale& scale,
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

absl::Status OperatorOrders::Rollback(JobId id, const RollbackOrder& order,
                                      absl::Time now, SchedulerActions* out) {
  return ChangeJob(id, now, out, [&](TrainingJob* job, Context* context) {
    return job->parts().rollbacks.RollBackTo(order, context);
  });
}

absl::Status OperatorOrders::Finish(JobId id, std::optional<int64_t> examples,
                                    absl::Time now, SchedulerActions* out) {
  return ChangeJob(id, now, out, [&](TrainingJob* job, Context* context) {
    return job->Finish(examples, context);
  });
}

absl::Status OperatorOrders::Resume(JobId id, bool skip_quarantined,
                                    absl::Time now, SchedulerActions* out) {
  TrainingJob* job = state_.Find(id);
  if (job == nullptr) return NoSuchJob(id);
  if (job->state().phase != JobPhase::kPaused) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", job->record()->name, " is not paused, it is ",
                     JobPhaseName(job->state().phase)));
  }
  Context context = state_.MakeContext(now, out);
  const size_t first = out->size();
  for (const int64_t ordinal : std::vector(job->state().quarantined)) {
    job->Resolve(ordinal, skip_quarantined, &context);
  }
  shares_.LookAgain();
  absl::Status ended = job->EndPause(&context);
  finish_(&context, first);
  return ended;
}

absl::Status OperatorOrders::Resolve(JobId id, ItemId item, bool skip,
                                     absl::Time now, SchedulerActions* out) {
  TrainingJob* job = state_.Find(id);
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
  Context context = state_.MakeContext(now, out);
  const size_t first = out->size();
  job->Resolve(ordinal, skip, &context);
  shares_.LookAgain();
  finish_(&context, first);
  return absl::OkStatus();
}

absl::Status OperatorOrders::ChangeJob(JobId id, absl::Time now,
                                       SchedulerActions* out, Change change) {
  TrainingJob* job = state_.Find(id);
  if (job == nullptr) return NoSuchJob(id);
  Context context = state_.MakeContext(now, out);
  const size_t first = out->size();
  absl::Status changed = change(job, &context);
  finish_(&context, first);
  return changed;
}

}  // namespace ebb::scheduler
