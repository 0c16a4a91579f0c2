#include "scheduler/job/registrar.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "protocol/marks.h"

namespace ebb::scheduler {

Registrar::Registrar(const Uses& uses)
    : job_(*uses.job),
      owners_(*uses.owners),
      keeper_(*uses.keeper),
      rounds_(*uses.rounds),
      granter_(*uses.granter),
      evaluations_(*uses.evaluations),
      failures_(*uses.failures) {}

std::vector<bool> Registrar::HearAll(const ServerInfo& server,
                                     const JobRegistration& registration,
                                     bool same_generation, Context* context) {
  std::vector<bool> believed(job_.placement.size());
  for (const PartitionRegistration& one : registration.partitions) {
    if (!IsPartition(one.partition)) continue;
    Ownership& known = job_.placement.at(one.partition);
    if (!same_generation) {
      // A rollback may lead back to what it has, even if our store is of
      // before it got that.
      const VersionKey* from = job_.state.rollback.Find(one.partition);
      if (from != nullptr && ClaimedTerm(one) == from->term) {
        owners_.HearClaim(server, one);
      }
      known.kept = known.kept ||
                   (known.owner == server.id && ClaimedTerm(one) != Term());
      continue;
    }
    owners_.HearClaim(server, one);
    if (known.owner != server.id) {
      if (ClaimedTerm(one) != Term()) {
        owners_.HasStale(one.partition, server.id);
      }
      continue;
    }
    known.kept = true;
    // What it serves of before others had it is no parent of anything.
    if (one.serving && one.term >= known.parent &&
        one.term >= job_.state.moved[one.partition.value()]) {
      known.parent = one.term;
    }
    believed[one.partition.value()] =
        job_.started && Believe(server, one, context);
  }
  return believed;
}

void Registrar::ServerRegistered(const ServerInfo& server,
                                 const JobRegistration* registration,
                                 bool same_generation, Context* context) {
  std::vector<bool> believed(job_.placement.size());
  if (registration != nullptr) {
    believed = HearAll(server, *registration, same_generation, context);
  }
  // What was asked of the server before it was away may be lost.
  rounds_.ServerBack();
  if (!job_.started) return;
  owners_.Assign(context);
  std::vector<PartitionId> anew;
  for (int32_t p = 0; p < job_.placement.size(); ++p) {
    const Ownership& one = job_.placement.at(PartitionId(p));
    if (one.owner == server.id && !believed[p]) {
      anew.emplace_back(p);
    } else if (!one.registered && one.session == SessionId()) {
      anew.emplace_back(p);  // Assigned just now, maybe to another server.
    }
  }
  granter_.Grant(anew, context);
  if (std::ranges::find(believed, true) != believed.end()) {
    granter_.TellMissed(server, context);
  }
  TellFallbacks(context);
}

bool Registrar::PartitionsRegistered(const ServerInfo& server,
                                     const JobRegistration& registration,
                                     Context* context) {
  bool changed = false;
  std::vector<PartitionId> anew;
  for (const PartitionRegistration& one : registration.partitions) {
    if (!IsPartition(one.partition)) continue;
    context->numbers->Met(one.term.value());
    // It may have been loading what it was granted before this scheduler.
    if (!job_.started) owners_.HearClaim(server, one);
    const Ownership& known = job_.placement.at(one.partition);
    if (known.owner != server.id) {
      if (ClaimedTerm(one) != Term()) {
        owners_.HasStale(one.partition, server.id);
      }
    } else if (one.term > known.drawn) {
      // It has seen a later one; who was granted that may be yet to come.
      anew.push_back(one.partition);
      continue;
    }
    changed = Believe(server, one, context) || changed;
    owners_.TellStale(one.partition, context);
  }
  if (job_.started) granter_.Grant(anew, context);
  if (changed) TellFallbacks(context);
  return changed;
}

bool Registrar::Believe(const ServerInfo& server,
                        const PartitionRegistration& one, Context* context) {
  const Ownership& known = job_.placement.at(one.partition);
  if (!one.serving || one.term != known.drawn || known.owner != server.id ||
      known.session != server.session) {
    return false;
  }
  auto marks = MarkSet::Decode(job_.plan(), one.marks);
  auto durable = one.durable_marks.empty()
                     ? absl::StatusOr<MarkSet>(MarkSet(job_.plan()))
                     : MarkSet::Decode(job_.plan(), one.durable_marks);
  if (!marks.ok() || !durable.ok()) {
    context->Log(absl::StrCat(
        "job=", job_.name(), " server=", server.id.value(),
        " sent unusable marks: ",
        (marks.ok() ? durable.status() : marks.status()).message()));
    return false;
  }
  const bool was_whole = job_.placement.AllRegistered();
  job_.placement.Registered(one.partition);
  job_.placement.at(one.partition).durable = !one.durable_marks.empty();
  if (!one.durable_marks.empty()) {
    owners_.SetDurable(one.partition, server.shared_folder, one.term);
  } else if (one.stored_term == Term()) {
    // It began with initial values: what was durable is of no use any more.
    owners_.SetDurable(one.partition,
                       job_.state.durable_in[one.partition.value()], Term());
  }
  if (!was_whole && job_.placement.AllRegistered()) {
    // No worker could advance while a server was away.
    job_.leases.RenewAll(context->now + job_.options.lease_ttl);
    evaluations_.ServersBack(context);
  }
  fallbacks_.CameBack(server.id, server.session, one.partition,
                      job_.marks.marks(one.partition), *marks);
  job_.marks.Replace(
      one.partition, *std::move(marks), *std::move(durable),
      [&](int64_t ordinal) { job_.leases.FullChanged(ordinal); });
  rounds_.Registered(one);
  const auto skips = failures_.Adopt(one.skipped, context);
  if (!skips.empty() && job_.RunsInRounds()) keeper_.EndAll(context);
  for (const SkippedRange& range : skips) {
    // Whoever works on the item has a lease that says nothing of it.
    const int64_t ordinal = job_.plan().Ordinal(range.item);
    for (const SessionId worker : job_.leases.HoldersOf(ordinal)) {
      keeper_.Send(worker, ordinal, context);
    }
  }
  return true;
}

void Registrar::TellFallbacks(Context* context) {
  if (!job_.placement.AllRegistered()) return;
  for (const std::string& line : fallbacks_.Tell(job_.marks)) {
    context->Log(absl::StrCat("job=", job_.name(), " ", line));
  }
}

bool Registrar::Marks(const ServerInfo& server, const MarkReport& report) {
  if (report.generation != job_.state.generation) return false;
  for (const PartitionMarkReport& one : report.partitions) {
    if (!IsPartition(one.partition)) continue;
    const Ownership& known = job_.placement.at(one.partition);
    if (!known.registered || known.owner != server.id ||
        known.session != server.session || known.drawn != one.term) {
      continue;  // Of a term that is no longer, or not yet, believed.
    }
    job_.marks.Raise(
        one.partition, one.marks, one.durable,
        [&](int64_t ordinal) { job_.leases.FullChanged(ordinal); });
    rounds_.Reported(one);
  }
  return true;
}

}  // namespace ebb::scheduler
