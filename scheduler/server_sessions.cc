#include "scheduler/server_sessions.h"

#include <algorithm>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "scheduler/check_job.h"
#include "scheduler/store_keys.h"

namespace ebb::scheduler {

namespace {

// So many servers that left or were given up are remembered.
constexpr size_t kMostFormer = 1024;

}  // namespace

const ServerInfo* ServerSessions::Of(LinkId link) {
  const auto it = links_.find(link);
  return it == links_.end() ? nullptr : &state_.cluster.servers.at(it->second);
}

bool ServerSessions::On(LinkId link, const ServerToScheduler& message,
                        Context* context) {
  if (const ServerInfo* server = Of(link)) {
    state_.cluster.servers.Heard(server->id, context->now);
  }
  return std::visit(
      [&](const auto& typed) { return Handle(link, typed, context); }, message);
}

// --- Coming and going --------------------------------------------------------

bool ServerSessions::Handle(LinkId link, const RegisterServer& message,
                            Context* context) {
  if (!admission_.MayRegister(link, message, context) ||
      !admission_.HasItsFolder(link, message, context)) {
    return false;
  }
  const auto before = state_.cluster.servers.find(message.server);
  const bool listed = before != state_.cluster.servers.end();
  if (listed && before->second.connected &&
      before->second.session == message.session && link < before->second.link) {
    return false;  // Said before it connected anew, and heard only now.
  }
  const bool known = listed && before->second.session.value() != 0;
  const ServerInfo& server = TakeIn(link, message, known, context);
  const auto registered = HearJobs(server, message, context);
  TakeInNamed(context);
  // A scheduler without its store must hear of it before it owns anything.
  if (!known && !state_.gathering) {
    for (auto& [id, job] : state_.jobs) {
      job->parts().granter.TellServers(context);
    }
  }
  for (auto& [id, job] : state_.jobs) {
    const auto mine = registered.find(id);
    job->ServerRegistered(
        server, mine == registered.end() ? nullptr : mine->second, context);
  }
  return true;
}

bool ServerSessions::LostStore(const ServerInfo& before,
                               const RegisterServer& message) const {
  const bool had = !before.empty || state_.OwnsAnything(message.server);
  return had && !HasData(message) && !before.store.empty() &&
         message.store != before.store;
}

const ServerInfo& ServerSessions::TakeIn(LinkId link,
                                         const RegisterServer& message,
                                         bool known, Context* context) {
  Servers& servers = state_.cluster.servers;
  const auto before = servers.find(message.server);
  if (before != servers.end() && before->second.connected) {
    // A newer life, or a newer connection of the same: it replaces the old.
    links_.erase(before->second.link);
    Lose(before->second, context);
  }
  const bool other_life = !known || message.session != before->second.session;
  const bool lost_store = known && LostStore(before->second, message);
  if (other_life) {
    context->Tell(
        EventKind::kServerUp, JobId(),
        absl::StrCat("server=", message.server.value(), " is ",
                     known ? "back" : "up", " at ", message.address,
                     " pid=", message.process_id,
                     lost_store ? " with an empty folder: what its store "
                                  "had is not there"
                                : ""),
        NameOf(message.server));
    state_.pending_writes.push_back(
        {ServerKey(message.server), message.shared_folder});
    state_.pending_writes.push_back({StoreKey(message.server), message.store});
  }
  const ServerInfo& server = servers.Register(message, link, context->now);
  if (other_life) servers.CameBack(message.server, lost_store);
  FoundDamage(message.store_damage, server, context);
  links_[link] = message.server;
  if (former_.erase(message.server) > 0) {
    state_.pending_writes.push_back({FormerKey(message.server), std::nullopt});
  }
  return server;
}

std::map<JobId, const JobRegistration*> ServerSessions::HearJobs(
    const ServerInfo& server, const RegisterServer& message, Context* context) {
  named_.insert(message.known_servers.begin(), message.known_servers.end());
  std::map<JobId, const JobRegistration*> registered;
  for (const JobRegistration& registration : message.jobs) {
    jobs_.LetForget(server, registration, context);
    if (!jobs_.MayBelieve(registration, message.server, context)) continue;
    registered[registration.record->id] = &registration;
    jobs_.Adopt(registration, context);
    for (const PartitionRegistration& one : registration.partitions) {
      state_.numbers.Met(std::max(one.term, one.stored_term).value());
    }
  }
  return registered;
}

void ServerSessions::FoundDamage(const StoreDamage& damage,
                                 const ServerInfo& server, Context* context) {
  const StoreDamage& known = server.store_damage;
  const std::string name = absl::StrCat("server=", server.id.value());
  if (damage.rescues > known.rescues) {
    context->Log(absl::StrCat(name, " found its store damaged: ", damage.found,
                              "; ", damage.versions_kept,
                              " versions in it were sound; the damaged files "
                              "are in ",
                              damage.set_aside));
  }
  if (damage.versions_lost > known.versions_lost) {
    context->Log(absl::StrCat(name, " cannot use ", damage.versions_lost,
                              " stored versions: ", damage.last_lost));
  }
  state_.cluster.servers.FoundDamage(server.id, damage);
}

// A server that was not there when another left still names that. What we know
// of its leaving counts, unless numbers are met that we do not remember: then
// it may have come back since, and own something.
void ServerSessions::TakeInNamed(Context* context) {
  std::erase_if(named_, [&](ServerId other) {
    if (former_.contains(other) && !state_.numbers.surprised()) return false;
    state_.cluster.servers.Named(other, context->now);
    return true;
  });
}

bool ServerSessions::Handle(LinkId link, const ServerGoodbye& message,
                            Context* context) {
  const ServerInfo* server = Of(link);
  if (server == nullptr) return false;
  const ServerId id = server->id;
  context->Tell(EventKind::kServerLeft, JobId(),
                absl::StrCat("server=", id.value(), " left in good order"),
                NameOf(id));
  state_.cluster.servers.Leaves(id);
  OnDisconnected(link, context->now, context->out);
  if (state_.gathering || state_.OwnsAnything(id)) return false;
  Forget(id, context);
  return false;
}

// It has nothing of any job: nobody needs to wait for it.
void ServerSessions::Forget(ServerId server, Context* context) {
  if (former_.size() >= kMostFormer) {
    state_.pending_writes.push_back(
        {FormerKey(*former_.begin()), std::nullopt});
    former_.erase(former_.begin());
  }
  former_.insert(server);
  state_.pending_writes.push_back({FormerKey(server), ""});
  state_.cluster.servers.Remove(server);
  state_.pending_writes.push_back({ServerKey(server), std::nullopt});
  state_.pending_writes.push_back({StoreKey(server), std::nullopt});
  for (auto& [id, job] : state_.jobs) job->parts().granter.TellServers(context);
}

void ServerSessions::ForgetGone(Context* context) {
  std::vector<ServerId> gone;
  for (const auto& [id, server] : state_.cluster.servers) {
    if (!server.connected &&
        server.since + state_.options.takeover_after <= context->now &&
        !state_.OwnsAnything(id)) {
      gone.push_back(id);
    }
  }
  for (const ServerId id : gone) {
    context->Log(
        absl::StrCat("server=", id.value(), " is away for ",
                     absl::FormatDuration(state_.options.takeover_after),
                     " and owns nothing: it is forgotten"));
    Forget(id, context);
  }
}

bool ServerSessions::Handle(LinkId link, const ServerLeaving& message,
                            Context* context) {
  const ServerInfo* server = Of(link);
  if (server == nullptr || message.session != server->session) return false;
  if (!server->leaving) {
    context->Log(absl::StrCat("server=", server->id.value(),
                              " is leaving; its partitions go to others"));
  }
  state_.cluster.servers.WantsToLeave(server->id);
  for (auto& [id, job] : state_.jobs) job->parts().mover.MoveOn(context);
  return false;
}

void ServerSessions::SettleLeaving(Context* context) {
  if (state_.gathering) return;
  for (const auto& [id, server] : state_.cluster.servers) {
    if (!server.connected || !server.leaving || server.told_to_leave) continue;
    const bool more = std::any_of(state_.jobs.begin(), state_.jobs.end(),
                                  [&, one = &server](const auto& job) {
                                    return job.second->parts().mover.TakesFrom(
                                        *one, *context);
                                  });
    if (more) continue;
    state_.cluster.servers.ToldToLeave(id);
    context->ToServer(server, LeaveNow{server.session});
  }
}

void ServerSessions::Lose(const ServerInfo& server, Context* context) {
  state_.cluster.servers.Lost(server.id, context->now);
  for (auto& [id, job] : state_.jobs) job->ServerLost(server, context);
}

void ServerSessions::OnDisconnected(LinkId link, absl::Time now,
                                    SchedulerActions* out) {
  const ServerInfo* server = Of(link);
  if (server == nullptr) return;
  links_.erase(link);
  Context context = state_.MakeContext(now, out);
  const size_t first = out->size();
  if (!server->goodbye) {
    context.Tell(EventKind::kServerAway, JobId(),
                 absl::StrCat("server=", server->id.value(),
                              " is away (connection closed); its partitions "
                              "wait for it"),
                 NameOf(server->id));
  }
  Lose(*server, &context);
  finish_(&context, first);
}

// --- What they say of jobs ---------------------------------------------------

bool ServerSessions::Handle(LinkId link, const RegisterPartitions& message,
                            Context* context) {
  const ServerInfo* server = Of(link);
  if (server == nullptr || message.session != server->session ||
      !jobs_.MayBelieve(message.job, server->id, context)) {
    return false;
  }
  context->numbers->Met(message.job.generation.value());
  if (TrainingJob* job = state_.Find(message.job.record->id)) {
    job->PartitionsRegistered(*server, message.job, context);
  }
  return false;
}

bool ServerSessions::Handle(LinkId link, const MarkReport& message,
                            Context* context) {
  const ServerInfo* server = Of(link);
  TrainingJob* job = state_.Find(message.job);
  if (server != nullptr && job != nullptr) {
    job->Marks(*server, message, context);
  }
  return false;
}

bool ServerSessions::Handle(LinkId link, const ViewRequest& message,
                            Context* context) {
  const ServerInfo* server = Of(link);
  TrainingJob* job = state_.Find(message.job);
  if (server != nullptr && job != nullptr)
    job->parts().view.Send(*server, context);
  return false;
}

bool ServerSessions::Handle(LinkId link, const SnapshotReply& message,
                            Context* context) {
  const ServerInfo* server = Of(link);
  TrainingJob* job = state_.Find(message.job);
  if (server != nullptr && job != nullptr) {
    job->parts().evaluations.SnapshotTaken(*server, message);
  }
  return false;
}

bool ServerSessions::Handle(LinkId link, const ServerStatistics& message,
                            Context* context) {
  const ServerInfo* server = Of(link);
  TrainingJob* job = state_.Find(message.job);
  if (server == nullptr || job == nullptr) return false;
  state_.cluster.servers.Reports(server->id, message, context->now);
  FoundDamage(message.store_damage, *server, context);
  job->parts().losses.Heard(message, context);
  return false;
}

bool ServerSessions::Handle(LinkId link, const MoveProgress& message,
                            Context* context) {
  const ServerInfo* server = Of(link);
  TrainingJob* job = state_.Find(message.job);
  if (server == nullptr || job == nullptr ||
      message.session != server->session) {
    return false;
  }
  job->parts().mover.Progressed(*server, message, context);
  return false;
}

bool ServerSessions::Handle(LinkId link, const MovedIn& message,
                            Context* context) {
  const ServerInfo* server = Of(link);
  if (server == nullptr || message.session != server->session ||
      !jobs_.MayBelieve(message.job, server->id, context)) {
    return false;
  }
  if (TrainingJob* job = state_.Find(message.job.record->id)) {
    job->PartitionMovedIn(*server, message.job, context);
  }
  return false;
}

}  // namespace ebb::scheduler
