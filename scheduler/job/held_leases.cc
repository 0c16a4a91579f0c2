#include "scheduler/job/held_leases.h"

#include <algorithm>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace ebb::scheduler {

void HeldLeases::Adopt(const WorkerInfo& worker, const HeldItem& held,
                       int64_t clock, Context* context) {
  // In a round that is not open, nobody could advance it, and it would keep the
  // worker from what is.
  const auto may_be_held = [&] {
    return !job_.plan().rounds() || !job_.placement.AllRegistered() ||
           job_.plan().RoundOf(held.item) <= job_.marks.RoundsClosed();
  };
  // What it pulled before a skip may have in it what is left out.
  const auto before_a_skip = [&] {
    return job_.RunsInRounds() &&
           (failures_.poison().WantsSkips() ||
            held.skips != static_cast<int64_t>(job_.state.skipped.size()));
  };
  const bool first = job_.leases.CountHeldBy(worker.session) == 0;
  const bool ours =
      job_.started && job_.state.phase == JobPhase::kRunning &&
      !job_.finishing() && worker.job == job_.id() &&
      held.generation == job_.state.generation &&
      job_.plan().HasItem(held.item) && may_be_held() && !before_a_skip() &&
      job_.leases.Adopt(job_.plan().Ordinal(held.item), worker.session,
                        context->now + job_.options.lease_ttl);
  if (!ours) {
    context->ToWorker(worker.session,
                      LeaseLost{held.job, held.generation, held.item});
    // It may have held it until now, and goes on with it no more.
    if (held.generation == job_.state.generation &&
        job_.plan().HasItem(held.item)) {
      job_.leases.Release(job_.plan().Ordinal(held.item), worker.session);
      keeper_.IfIdle(worker.session, context);
    }
    return;
  }
  if (first) keeper_.Begins(worker, context->now);
  view_.Join(worker.session, clock, context);
  keeper_.Send(worker.session, job_.plan().Ordinal(held.item), context);
}

void HeldLeases::Computed(const WorkerInfo& worker, int64_t examples,
                          Context* context) {
  backups_.Heard(worker.session, std::max(examples, worker.examples),
                 worker.parked, context->now);
  const int64_t news =
      context->cluster->workers.Computed(worker.session, examples);
  if (news > 0) examples_by_worker_[worker.name] += news;
}

void HeldLeases::Renewed(const WorkerInfo& worker, const Progress& progress,
                         Context* context) {
  if (!job_.plan().HasItem(progress.item)) return;
  Computed(worker, progress.examples, context);
  const int64_t ordinal = job_.plan().Ordinal(progress.item);
  const auto held = job_.leases.HeldBy(worker.session);
  const bool joins =
      progress.not_in_view && !view_.view().Contains(worker.session);
  if (!progress.not_in_view) view_.Learn(worker.session, progress.clock);
  if (std::find(held.begin(), held.end(), ordinal) == held.end() || joins) {
    // Its lease ran out meanwhile: it may have it back if nobody else has it.
    Adopt(worker,
          {job_.id(), progress.generation, progress.item, progress.skips},
          joins ? view_.view().StartClock(progress.view_clock) : -1, context);
    return;
  }
  if (progress.not_in_view) keeper_.Send(worker.session, ordinal, context);
  // Whatever it says, a batch begins nowhere else.
  const bool begins = job_.plan().algorithm.runs &&
                      job_.plan().OnGrid(progress.item, progress.batch,
                                         job_.plan().ItemSize(progress.item));
  job_.leases.SetPosition(ordinal, worker.session, progress.position,
                          begins ? progress.batch : 0);
  job_.leases.Renew(worker.session, context->now + job_.options.lease_ttl);
  if (progress.awaits && begins &&
      progress.generation == job_.state.generation) {
    keeper_.SendBegin(worker.session, {ordinal, progress.batch}, context);
  }
}

void HeldLeases::ItemEnded(const WorkerInfo& worker, const ItemEnd& end,
                           Context* context) {
  Computed(worker, end.examples, context);
  if (end.generation != job_.state.generation || !job_.plan().HasItem(end.item))
    return;
  const int64_t ordinal = job_.plan().Ordinal(end.item);
  switch (end.end) {
    case LeaseEnd::kDone:
      EndBackup(ordinal, worker, context);
      job_.leases.Done(ordinal, worker.session,
                       context->now + job_.options.confirm_timeout);
      failures_.Succeeded(ordinal);
      break;
    case LeaseEnd::kReturned:
      keeper_.Returned(ordinal, end.position);
      job_.leases.Returned(ordinal, end.position,
                           context->now + job_.options.confirm_timeout);
      [[fallthrough]];
    case LeaseEnd::kRefused:
      job_.leases.Release(ordinal, worker.session);
      break;
    case LeaseEnd::kFailed:
      job_.leases.Release(ordinal, worker.session);
      failures_.Failed(worker, end, context);
      break;
  }
  keeper_.IfIdle(worker.session, context);
}

void HeldLeases::EndBackup(int64_t ordinal, const WorkerInfo& first,
                           Context* context) {
  const auto backup = job_.leases.backups().find(ordinal);
  if (backup == job_.leases.backups().end() ||
      job_.leases.Find(ordinal, first.session) == nullptr) {
    return;
  }
  const bool backup_first = backup->second.worker == first.session;
  const SessionId other = backup_first ? job_.leases.held().at(ordinal).worker
                                       : backup->second.worker;
  backups_.Done(ordinal, backup_first,
                first.examples + context->cluster->workers.at(other).examples);
  context->Log(absl::StrCat(
      "job=", job_.name(), " item=", ToString(job_.plan().ItemAt(ordinal)),
      backup_first ? " was done first by its backup, worker="
                   : " was done before its backup, by worker=",
      first.name));
  keeper_.Revoke(ordinal, other, context);
  keeper_.IfIdle(other, context);
}

void HeldLeases::ReleaseUnclaimed(const WorkerInfo& worker, Context* context) {
  for (const int64_t ordinal : job_.leases.HeldBy(worker.session)) {
    const bool claimed = std::any_of(
        worker.claims.begin(), worker.claims.end(), [&](const HeldItem& held) {
          return held.job == job_.id() &&
                 held.item == job_.plan().ItemAt(ordinal);
        });
    if (!claimed) job_.leases.Release(ordinal, worker.session);
  }
  keeper_.IfIdle(worker.session, context);
}

HeldLeases::InWork HeldLeases::WorkOf(SessionId worker) const {
  if (const auto place = job_.leases.PlaceOf(worker)) {
    return {place->ordinal, place->batch};
  }
  return {job_.leases.HeldBy(worker).front(), std::nullopt};
}

std::vector<SessionId> HeldLeases::RunOut(Context* context) {
  std::vector<SessionId> silent;
  absl::flat_hash_map<SessionId, InWork> work;
  for (const auto& [ordinal, session] : job_.leases.Expired(context->now)) {
    // Another that ran out may have ended it, too.
    if (job_.leases.Find(ordinal, session) == nullptr) continue;
    const ItemId item = job_.plan().ItemAt(ordinal);
    const WorkerInfo& worker = context->cluster->workers.at(session);
    // The next of its items it only held, whenever their leases run out.
    const InWork& at = work.try_emplace(session, WorkOf(session)).first->second;
    const bool first = ordinal == at.ordinal && !worker.silent;
    // A worker that says why it does not advance is not silent, and no batch is
    // to blame.
    const bool unreached = worker.unreached.contains(job_.id());
    job_.leases.Release(ordinal, session);
    if (!unreached) silent.push_back(session);
    const std::string text =
        absl::StrCat("job=", job_.name(), " worker=", worker.name,
                     " item=", ToString(item), " lease ran out");
    if (first && !unreached) {
      ++silent_workers_;
      context->Tell(EventKind::kWorkerSilent, job_.id(), text, worker.name);
    } else {
      context->Log(text);
    }
    if (first && !unreached && job_.leases.HoldersOf(ordinal).empty()) {
      failures_.RanOut(ordinal, at.batch, worker, context);
    }
    keeper_.IfIdle(session, context);
  }
  return silent;
}

void HeldLeases::WorkerLost(const WorkerInfo& worker, Context* context) {
  const auto held = job_.leases.HeldBy(worker.session);
  std::optional<InWork> work;
  if (!held.empty()) work = WorkOf(worker.session);
  for (const int64_t ordinal : held) {
    job_.leases.Release(ordinal, worker.session);
  }
  // A silent one worked on one whose lease ran out. One that said goodbye has
  // given back all that it knew of: a lease that it still holds was on its way
  // to it.
  if (work && !worker.silent && !worker.goodbye &&
      job_.leases.HoldersOf(work->ordinal).empty()) {
    failures_.Died(work->ordinal, work->batch, worker, context);
  }
  keeper_.IfIdle(worker.session, context);
  backups_.Gone(worker.session);
}

}  // namespace ebb::scheduler
