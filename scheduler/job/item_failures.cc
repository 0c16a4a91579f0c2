#include "scheduler/job/item_failures.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/plant.h"

namespace ebb::scheduler {

ItemFailures::ItemFailures(JobTables* job, LeaseKeeper* keeper,
                           Granter* granter, JobPauses* pauses,
                           Rollbacks* rollbacks)
    : job_(*job),
      keeper_(*keeper),
      granter_(*granter),
      pauses_(*pauses),
      rollbacks_(*rollbacks),
      poison_(job->known, job->marks, &job->leases, &job->state),
      stalls_(job->options.lease_ttl) {}

void ItemFailures::Succeeded(int64_t ordinal) {
  poison_.Succeeded(ordinal);
  stalls_.Done(ordinal);
}

void ItemFailures::Failed(const WorkerInfo& worker, const ItemEnd& end,
                          Context* context) {
  context->Log(absl::StrCat("job=", job_.name(), " worker=", worker.name,
                            " item=", ToString(end.item), " failed at ",
                            end.position, ": ", end.error));
  const int64_t ordinal = job_.plan().Ordinal(end.item);
  if (end.failed_end <= end.position) {
    CouldNotBegin(worker, end, context);
  } else if (job_.leases.HoldersOf(ordinal).empty()) {
    // Else whoever has it, too, shows whether the batch is to blame.
    LeaseFailed({.ordinal = ordinal,
                 .position = end.position,
                 .non_finite = end.non_finite,
                 .policy = end.non_finite ? job_.plan().on_nonfinite
                                          : job_.plan().on_poison,
                 .why = end.error},
                context);
  }
}

// Marks stand still within a run, so the last report may be of its beginning.
std::optional<int64_t> ItemFailures::BatchInWork(int64_t ordinal,
                                                 std::optional<int64_t> batch) {
  if (!job_.plan().algorithm.runs) {
    return job_.marks.HighestMark(job_.plan().ItemAt(ordinal));
  }
  if (!batch) job_.leases.MakeCareful(ordinal);
  return batch;
}

void ItemFailures::RanOut(int64_t ordinal, std::optional<int64_t> batch,
                          const WorkerInfo& worker, Context* context) {
  constexpr int64_t kNowhere = -1;  // So no other acquits a batch of it.
  const auto in_work = BatchInWork(ordinal, batch);
  const int64_t position = in_work.value_or(kNowhere);
  const auto verdict =
      stalls_.RanOut(worker.session, {ordinal, position}, context->now);
  for (const Stalls::Place& other : verdict.acquitted) {
    poison_.Acquit(other.ordinal, other.position);
  }
  job_.dirty |= !verdict.acquitted.empty();
  if (!verdict.to_blame || !in_work) return;
  LeaseFailed(
      {.ordinal = ordinal,
       .position = position,
       .policy = job_.plan().on_poison,
       .why = absl::StrCat("its lease ran out, since worker ", worker.name,
                           " said nothing for ",
                           absl::FormatDuration(job_.options.lease_ttl),
                           ": it hangs there, or its machine is overloaded")},
      context);
}

void ItemFailures::Died(int64_t ordinal, std::optional<int64_t> batch,
                        const WorkerInfo& worker, Context* context) {
  const auto in_work = BatchInWork(ordinal, batch);
  if (!in_work) return;
  LeaseFailed({.ordinal = ordinal,
               .position = *in_work,
               .policy = job_.plan().on_poison,
               .why = absl::StrCat("worker ", worker.name, " died on it")},
              context);
}

// The worker says nothing of a batch, so no batch is blamed: it is asked no
// more, and the others go on.
void ItemFailures::CouldNotBegin(const WorkerInfo& worker, const ItemEnd& end,
                                 Context* context) {
  constexpr size_t kMostWhyBytes = 4096;  // Enough for people.
  context->cluster->workers.CannotBegin(
      worker.session, job_.id(),
      {end.error.substr(0, kMostWhyBytes), end.over_limit});
  could_not_begin_ = absl::StrCat("worker ", worker.name, ": ", end.error);
  PauseIfNobodyCan(context);
}

void ItemFailures::PauseIfNobodyCan(Context* context) {
  const Cluster& cluster = *context->cluster;
  const bool somebody_tried = std::any_of(
      cluster.workers.begin(), cluster.workers.end(), [this](const auto& one) {
        return one.second.unfit_for.contains(job_.id());
      });
  if (job_.state.phase != JobPhase::kRunning ||
      cluster.WorkersFor(job_.id()) > 0 || !somebody_tried) {
    return;
  }
  const auto ordinal = job_.leases.LowestOpen();
  if (!ordinal) return;
  job_.dirty = true;
  poison_.NobodyCan(
      *ordinal,
      absl::StrCat("no worker can begin it; the last that tried is ",
                   could_not_begin_),
      context);
}

// Only leases that ended by the worker's death or error while all partitions
// were there count: nobody is blamed for a server that was away.
void ItemFailures::LeaseFailed(Poison::Failure failure, Context* context) {
  if (!job_.placement.AllRegistered() &&
      !EBB_PLANTED(every_failed_lease_counts)) {
    return;
  }
  if (job_.over()) return;  // Nothing pauses what is over.
  if (failure.policy == PoisonPolicy::kRollBack) {
    if (rollbacks_.MayByItself()) {
      const ItemId item = job_.plan().ItemAt(failure.ordinal);
      return rollbacks_.RollBackByItself(
          "on_nonfinite", job_.plan().rounds() ? job_.plan().RoundOf(item) : 0,
          absl::StrCat("item ", ToString(item), " failed at ", failure.position,
                       ": ", failure.why),
          context);
    }
    absl::StrAppend(&failure.why, "; ", rollbacks_.RolledBackAlready());
  }
  job_.dirty = true;
  if (poison_.Failed(failure, context)) FenceSkip(failure.ordinal, context);
}

// Pushes of before are refused by the new terms. Who may work on the item
// still, since its lease ran out unheard, hears that it is lost before it hears
// of them. In rounds values of a later round may have the batch in them.
void ItemFailures::FenceSkip(int64_t ordinal, Context* context) {
  if (job_.RunsInRounds()) {
    keeper_.EndAll(context);
  } else {
    for (const auto& [session, worker] : context->cluster->workers) {
      context->ToWorker(session, LeaseLost{job_.id(), job_.state.generation,
                                           job_.plan().ItemAt(ordinal)});
    }
  }
  // Before the start, and while none is there, all are to get new terms anyway.
  if (job_.started && job_.placement.registered() > 0)
    granter_.GrantAll(context);
}

bool ItemFailures::WorkerArrived(const WorkerInfo& worker, Context* context) {
  if (job_.state.phase != JobPhase::kPaused || job_.state.paused_by_operator ||
      !context->cluster->workers.MayWorkOn(worker, job_.id()) ||
      poison_.BlamesABatch()) {
    return false;
  }
  context->Log(absl::StrCat("job=", job_.name(), " goes on: worker ",
                            worker.name, " is there, and may be able to"));
  for (const int64_t ordinal : std::vector(job_.state.quarantined)) {
    poison_.Resolve(ordinal);
  }
  return pauses_.MayGoOn();
}

bool ItemFailures::Resolve(int64_t ordinal, bool skip, Context* context) {
  const bool wanted = skip && poison_.WantSkip(ordinal);
  if (!wanted && !poison_.Resolve(ordinal)) return false;
  job_.dirty = true;
  context->cluster->workers.MayTryAgain(job_.id());
  if (!wanted) return pauses_.MayGoOn();
  FenceSkip(ordinal, context);
  return false;
}

bool ItemFailures::SettleSkips(Context* context) {
  if (!poison_.SettleSkips(context)) return false;
  job_.dirty = true;
  return pauses_.MayGoOn();
}

std::vector<SkippedRange> ItemFailures::Adopt(
    const std::vector<SkippedRange>& ranges, Context* context) {
  std::vector<SkippedRange> news = poison_.Adopt(ranges, context);
  job_.dirty = job_.dirty || !news.empty();
  return news;
}

void ItemFailures::BeginGeneration() {
  poison_.BeginGeneration();
  stalls_.BeginGeneration();
}

}  // namespace ebb::scheduler
