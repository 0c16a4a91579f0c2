#include "scheduler/job/partition_owners.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "scheduler/job/balance.h"

namespace ebb::scheduler {

namespace {

// Null: the server does not name the job.
const JobRegistration* Of(JobId job, const RegisterServer& message) {
  const auto mine = std::ranges::find_if(
      message.jobs, [&](const JobRegistration& registration) {
        return registration.record != nullptr && registration.record->id == job;
      });
  return mine == message.jobs.end() ? nullptr : &*mine;
}

// Null: it does not name the partition.
const PartitionRegistration* Of(PartitionId p,
                                const JobRegistration* registration) {
  if (registration == nullptr) return nullptr;
  const auto one = std::ranges::find(registration->partitions, p,
                                     &PartitionRegistration::partition);
  return one == registration->partitions.end() ? nullptr : &*one;
}

// 0: nothing.
Term ClaimedOf(PartitionId p, const JobRegistration* registration) {
  const PartitionRegistration* one = Of(p, registration);
  return one == nullptr ? Term() : ClaimedTerm(*one);
}

}  // namespace

void PartitionOwners::Assign(Context* context) {
  const std::set<ServerId> takers =
      Takers(*context->cluster, job_.placement, job_.state.servers);
  const auto connected = std::count_if(
      context->cluster->servers.begin(), context->cluster->servers.end(),
      [](const auto& one) { return one.second.connected; });
  if (takers.empty() || connected < job_.options.min_servers) return;
  std::optional<PartitionCounts> of_all_jobs;
  for (int32_t p = 0; p < job_.placement.size(); ++p) {
    if (job_.placement.at(PartitionId(p)).owner != Ownership::kNobody) continue;
    if (!of_all_jobs) of_all_jobs = context->partitions_of_all_jobs();
    const ServerId owner = Emptiest(job_.placement, takers, *of_all_jobs);
    ++(*of_all_jobs)[owner];
    SetOwner(PartitionId(p), owner);
    SetDurable(PartitionId(p),
               context->cluster->servers.at(owner).shared_folder, Term());
  }
}

void PartitionOwners::SetOwner(PartitionId p, ServerId owner) {
  job_.placement.SetOwner(p, owner);
  job_.state.owners[p.value()] = owner;
  job_.state.owned_since[p.value()] = Term();
  job_.dirty = true;
}

void PartitionOwners::SetDurable(PartitionId p, const std::string& folder,
                                 Term term) {
  std::string& known = job_.state.durable_in[p.value()];
  job_.dirty = job_.dirty || known != folder ||
               job_.state.durable_term[p.value()] != term;
  known = folder;
  job_.state.durable_term[p.value()] = term;
}

void PartitionOwners::Draw(PartitionId p, ServerId owner, SessionId session,
                           Term term) {
  job_.placement.Drawn(p, owner, session, term);
  RememberDrawn(p);
}

// A later scheduler must not believe a server that claims it with an older
// term: the copy of a move that was given up, or an owner of before.
void PartitionOwners::RememberDrawn(PartitionId p) {
  job_.state.owned_since[p.value()] = job_.placement.at(p).drawn;
  job_.dirty = true;
}

void PartitionOwners::NoteMoved(PartitionId p) {
  job_.state.moved[p.value()] = job_.placement.at(p).drawn;
}

int64_t PartitionOwners::Owned(ServerId server) const {
  int64_t owned = 0;
  for (int32_t p = 0; p < job_.placement.size(); ++p) {
    owned += job_.placement.at(PartitionId(p)).owner == server ? 1 : 0;
  }
  return owned;
}

void PartitionOwners::RegistersAnew(ServerId server) {
  for (int32_t p = 0; p < job_.placement.size(); ++p) {
    Ownership& one = job_.placement.at(PartitionId(p));
    if (one.owner == server) one.kept = false;
  }
}

void PartitionOwners::Away(ServerId server) {
  for (int32_t p = 0; p < job_.placement.size(); ++p) {
    if (job_.placement.at(PartitionId(p)).owner == server) {
      job_.placement.Unregistered(PartitionId(p));
    }
  }
}

// A server that claims more than was known got it, by a grant or a move, from a
// scheduler that we do not remember.
void PartitionOwners::HearClaim(const ServerInfo& server,
                                const PartitionRegistration& one) {
  Ownership& known = job_.placement.at(one.partition);
  const Term claim = ClaimedTerm(one);
  if (claim <= known.drawn) return;
  if (known.owner != server.id) {
    if (known.owner != Ownership::kNobody) {
      stale_[one.partition].insert(known.owner);
    }
    SetOwner(one.partition, server.id);
  }
  SetDurable(one.partition, "", Term());  // Maybe it has it alone.
  known.drawn = claim;
  job_.state.owned_since[one.partition.value()] = claim;
  job_.dirty = true;
}

// Until it has one of its own, what it took over is in the folder only: also
// what nobody heard of, which became durable while the scheduler was away.
std::string PartitionOwners::LacksFolder(const RegisterServer& message) const {
  if (job_.state.phase == JobPhase::kCancelled) return "";
  const JobRegistration* mine = Of(job_.id(), message);
  for (int32_t p = 0; p < job_.placement.size(); ++p) {
    const std::string& folder = job_.state.durable_in[p];
    if (job_.placement.at(PartitionId(p)).owner == message.server &&
        !folder.empty() && folder != message.shared_folder &&
        ClaimedOf(PartitionId(p), mine) <
            std::max(job_.state.durable_term[p], job_.state.moved[p])) {
      return absl::StrCat(
          "the newest checkpoint of partition ", p, " of job ", job_.name(),
          " is in --shared-checkpoints that this process was not started with");
    }
  }
  return "";
}

bool PartitionOwners::LacksWhatItsIdHad(const RegisterServer& message,
                                        bool same_store, bool gathering) const {
  if (job_.state.phase == JobPhase::kCancelled) return false;
  const JobRegistration* mine = Of(job_.id(), message);
  const bool may_lack_all = mine == nullptr && !same_store;
  // What was adopted from servers since is not in the scheduler's store.
  if (may_lack_all && gathering) return true;
  for (int32_t p = 0; p < job_.placement.size(); ++p) {
    const Ownership& one = job_.placement.at(PartitionId(p));
    if (one.owner != message.server || !one.kept) continue;
    if (may_lack_all) return true;
    const Term claimed = ClaimedOf(PartitionId(p), mine);
    // It may not have stored it before it died, or since it got it. Of what was
    // durable before a rollback, a server that came back needs only what that
    // led to; the terms of a generation are drawn after its own number.
    const Term stored = job_.state.durable_term[p];
    if (stored == Term() || stored < job_.state.moved[p]) continue;
    // It moved away since, which an older store of the scheduler's forgot.
    const PartitionRegistration* said = Of(PartitionId(p), mine);
    if (said != nullptr && said->term > stored) continue;
    const bool of_generation = stored.value() > job_.state.generation.value();
    const VersionKey* from = job_.state.rollback.Find(PartitionId(p));
    const Term wanted = of_generation     ? stored
                        : from != nullptr ? from->term
                                          : Term();
    if (claimed == Term() || claimed < wanted) return true;
  }
  return false;
}

void PartitionOwners::TellOwner(PartitionId p, const ServerInfo& server,
                                Context* context) {
  const Ownership& one = job_.placement.at(p);
  context->ToServer(server, PartitionMoved{job_.id(), job_.state.generation, p,
                                           one.drawn, one.owner});
}

// Only when the owner has something durable: until then it may be the others'
// that counts.
void PartitionOwners::TellStale(PartitionId p, Context* context) {
  const Ownership& one = job_.placement.at(p);
  if (!one.registered || !one.durable) return;
  const auto it = stale_.find(p);
  if (it == stale_.end()) return;
  for (const ServerId id : it->second) {
    const auto server = context->cluster->servers.find(id);
    if (id != one.owner && server != context->cluster->servers.end()) {
      TellOwner(p, server->second, context);
    }
  }
  stale_.erase(it);
}

void PartitionOwners::TellStaleOfAll(Context* context) {
  for (int32_t p = 0; p < job_.placement.size(); ++p) {
    TellStale(PartitionId(p), context);
  }
}

void PartitionOwners::SendPlacement(SessionId worker, Context* context) {
  Placement message;
  message.job = job_.id();
  message.generation = job_.state.generation;
  std::set<ServerId> servers;
  for (int32_t p = 0; p < job_.placement.size(); ++p) {
    const Ownership& one = job_.placement.at(PartitionId(p));
    if (!one.registered) continue;
    message.partitions.push_back(
        {PartitionId(p), one.owner, one.session, one.drawn});
    servers.insert(one.owner);
  }
  for (const ServerId server : servers) {
    message.servers.push_back(
        {server, context->cluster->servers.at(server).address});
  }
  context->ToWorker(worker, std::move(message));
}

void PartitionOwners::RequestCheckpoint(Context* context) {
  context->ToOwners(job_.placement, CheckpointNow{job_.id()});
}

}  // namespace ebb::scheduler
