#include "scheduler/job/lease_offers.h"

#include <optional>

#include "absl/strings/str_cat.h"

namespace ebb::scheduler {

LeaseOffers::LeaseOffers(const Uses& uses)
    : job_(*uses.job),
      owners_(*uses.owners),
      backups_(*uses.backups),
      keeper_(*uses.keeper),
      rounds_(*uses.rounds),
      demand_(*uses.demand),
      evaluations_(*uses.evaluations),
      best_(*uses.best),
      poison_(*uses.poison),
      places_(job_.plan(), job_.leases, job_.training_facts.window) {}

bool LeaseOffers::MayOffer() const {
  return job_.started && job_.placement.AllRegistered() && !job_.finishing() &&
         job_.state.phase == JobPhase::kRunning;
}

bool LeaseOffers::Offer(const WorkerInfo& worker, Context* context) {
  if (!MayOffer()) return false;
  const auto lowest = job_.leases.LowestOpen();
  // An epoch that waits for data does not drag on.
  if (lowest || !job_.plan().endless()) {
    tails_.Asked(
        job_.marks.EpochsFull(),
        lowest ? job_.plan().ItemAt(*lowest).epoch : job_.plan().epochs,
        context->now);
  }
  if (!lowest || !best_.MayLease(job_.plan().ItemAt(*lowest).epoch) ||
      !rounds_.MayLease(*lowest, context)) {
    return false;
  }
  if (HelpsEarlierEpoch(worker.session, job_.plan().ItemAt(*lowest).epoch,
                        context)) {
    return true;
  }
  const auto ordinal = places_.Choose(worker.session, *lowest);
  if (!ordinal) return false;
  const bool first = job_.leases.CountHeldBy(worker.session) == 0;
  demand_.Begin();
  context->cluster->workers.TakesItem(worker.session);
  job_.leases.Take(*ordinal, worker.session,
                   context->now + job_.options.lease_ttl);
  places_.Leased(worker.session, *ordinal);
  if (first) keeper_.Begins(worker, context->now);
  keeper_.Send(worker.session, *ordinal, context);
  // After the lease: a worker ignores the placement of a job it has not met.
  if (first) owners_.SendPlacement(worker.session, context);
  return true;
}

bool LeaseOffers::OfferBackups(const std::set<SessionId>& waiting,
                               Context* context) {
  if (!MayOffer() || job_.leases.held().empty() ||
      !backups_.Due(context->now)) {
    return false;
  }
  std::vector<SessionId> idle;
  for (const SessionId worker : waiting) {
    if (job_.leases.CountHeldBy(worker) == 0 &&
        !evaluations_.Evaluates(worker)) {
      idle.push_back(worker);
    }
  }
  if (idle.empty()) return false;
  const auto helps = LookForHelp(idle, job_.plan().items());
  for (const Backups::Help& help : helps) Help(help, context);
  return !helps.empty();
}

bool LeaseOffers::HelpsEarlierEpoch(SessionId worker, int32_t epoch,
                                    Context* context) {
  const int64_t begin = job_.plan().Ordinal({epoch, 0});
  if (job_.leases.held().empty() ||
      job_.leases.held().begin()->first >= begin ||
      !backups_.Due(context->now)) {
    return false;
  }
  const auto helps = LookForHelp({worker}, begin);
  for (const Backups::Help& help : helps) Help(help, context);
  return !helps.empty();
}

std::vector<Backups::Help> LeaseOffers::LookForHelp(
    const std::vector<SessionId>& helpers, int64_t end) const {
  // If a batch failed, two that compute it might end differently.
  return backups_.Look(helpers, end, [this](int64_t ordinal) {
    return poison_.QuarantinedAt(ordinal).has_value();
  });
}

// Under SSP a worker that goes on with what another does better would hold all
// back, so what it has begun is taken from it, too.
void LeaseOffers::Help(const Backups::Help& help, Context* context) {
  Workers& workers = context->cluster->workers;
  const WorkerInfo& to = workers.at(help.to);
  const WorkerInfo& from = workers.at(help.from);
  const absl::Time expires = context->now + job_.options.lease_ttl;
  const ItemId item = job_.plan().ItemAt(help.ordinal);
  const bool moves = !help.begun || job_.plan().clocked();
  context->Log(
      absl::StrCat("job=", job_.name(), " item=", ToString(item),
                   moves ? " goes from worker=" : " of worker=", from.name,
                   moves ? " to worker=" : " is leased to worker=", to.name,
                   moves ? "" : ", too", ": it will be done earlier"));
  workers.TakesItem(to.session);
  const bool first = job_.leases.CountHeldBy(to.session) == 0;
  if (moves) {
    keeper_.Revoke(help.ordinal, from.session, context);
    keeper_.IfIdle(from.session, context);
    job_.leases.TakeMoved(help.ordinal, to.session, expires);
    backups_.Moved();
  } else {
    job_.leases.TakeBackup(help.ordinal, to.session, expires);
    backups_.Leased(help.ordinal, from.examples + to.examples);
  }
  if (first) keeper_.Begins(to, context->now);
  keeper_.Send(to.session, help.ordinal, context);
  if (first) owners_.SendPlacement(to.session, context);
}

void LeaseOffers::EpochsFull(int32_t full, absl::Time now) {
  if (!tails_.Ends(full)) return;
  const int64_t batch = job_.plan().BatchSize({full - 1, 0});
  tails_.Ended(full, backups_.SlowestPace() * batch, now);
}

}  // namespace ebb::scheduler
