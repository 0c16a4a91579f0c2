#include "scheduler/job/lease_keeper.h"

#include <algorithm>
#include <utility>

#include "common/plant.h"

namespace ebb::scheduler {

// It joins the view only when it can begin, as its first pull shows: nobody
// waits for what it loads.
void LeaseKeeper::Begins(const WorkerInfo& worker, absl::Time now) {
  backups_.Begins(worker.session, worker.examples, now);
}

Lease LeaseKeeper::LeaseOf(SessionId worker, int64_t ordinal) {
  Lease lease;
  lease.record = job_.record;
  lease.generation = job_.state.generation;
  lease.item = job_.plan().ItemAt(ordinal);
  lease.ttl = job_.options.lease_ttl;
  lease.hints = job_.marks.Hints(lease.item);
  if (const auto it = returned_at_.find(ordinal); it != returned_at_.end()) {
    // Its last worker knew better than the servers' last reports.
    for (int64_t& hint : lease.hints) hint = std::max(hint, it->second);
    returned_at_.erase(it);
  }
  lease.rate_factor = job_.state.rollback.rate_factor;
  if (view_.view().Contains(worker)) {
    lease.joined = view_.view().member(worker).joined;
    lease.start_clock = view_.view().member(worker).start_clock;
  }
  for (const SkippedRange& range : job_.state.skipped) {
    if (range.item == lease.item) lease.skipped.push_back(range);
  }
  lease.careful = job_.leases.Careful(ordinal);
  lease.skips = static_cast<int64_t>(job_.state.skipped.size());
  if (job_.plan().grows) {
    lease.reached = job_.leases.ReachedSize(lease.item);
  }
  return lease;
}

void LeaseKeeper::Send(SessionId worker, int64_t ordinal, Context* context) {
  Lease lease = LeaseOf(worker, ordinal);
  if (lease.careful) job_.leases.AsksFromNowOn(worker);
  context->cluster->workers.IsLeased(worker, job_.id());
  context->ToWorker(worker, std::move(lease));
}

void LeaseKeeper::SendBegin(SessionId worker, LeaseTable::Place place,
                            Context* context) {
  job_.leases.Begins(worker, place);
  Lease lease = LeaseOf(worker, place.ordinal);
  lease.begins = true;
  lease.batch = place.batch;
  context->ToWorker(worker, std::move(lease));
}

void LeaseKeeper::Revoke(int64_t ordinal, SessionId worker, Context* context) {
  context->ToWorker(worker, LeaseLost{job_.id(), job_.state.generation,
                                      job_.plan().ItemAt(ordinal)});
  job_.leases.Release(ordinal, worker);
  if (job_.leases.CountHeldBy(worker) == 0) backups_.Ends(worker, context->now);
}

void LeaseKeeper::RevokeWhere(absl::FunctionRef<bool(ItemId item)> which,
                              Context* context) {
  for (const auto& [ordinal, lease] : std::map(job_.leases.held())) {
    if (!which(job_.plan().ItemAt(ordinal))) continue;
    for (const SessionId worker : job_.leases.HoldersOf(ordinal)) {
      Revoke(ordinal, worker, context);
    }
  }
}

void LeaseKeeper::EndAll(Context* context) {
  for (const auto& [session, worker] : context->cluster->workers) {
    context->ToWorker(session, LeaseLost{.job = job_.id(),
                                         .generation = job_.state.generation,
                                         .item = job_.plan().ItemAt(0),
                                         .all = true});
    for (const int64_t ordinal : job_.leases.HeldBy(session)) {
      job_.leases.Release(ordinal, session);
    }
    IfIdle(session, context);
  }
}

void LeaseKeeper::TakeBack(const std::vector<SessionId>& workers,
                           Context* context) {
  bool left = false;
  for (const SessionId worker : workers) {
    for (const int64_t ordinal : job_.leases.HeldBy(worker)) {
      Revoke(ordinal, worker, context);
    }
    left = view_.Remove(worker, context) || left;
  }
  if (left) view_.Broadcast(context);
}

// A worker that holds nothing here is in no view, and no time of its passes.
void LeaseKeeper::IfIdle(SessionId worker, Context* context) {
  if (job_.leases.CountHeldBy(worker) > 0) return;
  backups_.Ends(worker, context->now);
  if (job_.plan().grows && EBB_PLANTED(idle_worker_stays_in_view)) return;
  view_.Leave(worker, context);
}

void LeaseKeeper::BeginGeneration() {
  backups_.BeginGeneration();
  returned_at_.clear();
}

}  // namespace ebb::scheduler
