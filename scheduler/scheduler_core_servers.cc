// What servers say, and which of them are remembered; see scheduler_core.h.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "protocol/plan_codec.h"
#include "scheduler/check_job.h"
#include "scheduler/scheduler_core.h"
#include "scheduler/store_keys.h"

namespace ebb::scheduler {

namespace {

// Former servers that are remembered.
constexpr size_t kMostFormer = 1024;

}  // namespace

void SchedulerCore::Handle(LinkId link, const RegisterServer& message,
                           Context* context) {
  if (!MayRegister(link, message, context) ||
      !HasItsFolder(link, message, context)) {
    return;
  }
  ServerInfo& server = cluster_.servers[message.server];
  if (server.connected && server.session == message.session &&
      link < server.link) {
    return;  // Said before it connected anew, and heard only now.
  }
  const bool known = server.id == message.server && server.session.value() != 0;
  if (server.connected) {
    // A newer life, or a newer connection of the same: it replaces the old.
    server_links_.erase(server.link);
    LoseServer(&server, context);
  }
  if (!known || message.session != server.session) {
    context->Tell(EventKind::kServerUp, JobId(),
                  absl::StrCat("server=", message.server.value(), " is ",
                               known ? "back" : "up", " at ", message.address,
                               " pid=", message.process_id),
                  NameOf(message.server));
    pending_writes_.push_back(
        {ServerKey(message.server), message.shared_folder});
    pending_writes_.push_back({StoreKey(message.server), message.store});
  }
  server.id = message.server;
  if (message.session != server.session) {
    server.reports.clear();
    server.store_damage = {};
  }
  server.session = message.session;
  FoundDamage(message.store_damage, &server, context);
  server.address = message.address;
  server.process_id = message.process_id;
  server.link = link;
  server.connected = true;
  server.shared_folder = message.shared_folder;
  server.store = message.store;
  server.empty = !HasData(message);
  server.leaving = message.leaving;
  server.told_to_leave = false;
  server.goodbye = false;
  server.since = context->now;
  server.Heard(context->now);
  server_links_[link] = message.server;
  if (former_.erase(message.server) > 0) {
    pending_writes_.push_back({FormerKey(message.server), std::nullopt});
  }
  named_.insert(message.known_servers.begin(), message.known_servers.end());
  std::map<JobId, const JobRegistration*> registered;
  for (const JobRegistration& registration : message.jobs) {
    LetForget(server, registration, context);
    if (!MayBelieve(registration, message.server, context)) continue;
    const JobId job = registration.record->id;
    registered[job] = &registration;
    if (Find(job) == nullptr) AdoptJob(registration, context);
    for (const PartitionRegistration& one : registration.partitions) {
      numbers_.Met(std::max(one.term, one.stored_term).value());
    }
  }
  TakeInNamed(context);
  // A scheduler without its store must hear of it before it owns anything.
  if (!known && !gathering_) {
    for (auto& [id, job] : jobs_) job->parts().granter.TellServers(context);
  }
  for (auto& [id, job] : jobs_) {
    const auto mine = registered.find(id);
    job->ServerRegistered(
        server, mine == registered.end() ? nullptr : mine->second, context);
  }
  MaybeStart(context);
}

void SchedulerCore::FoundDamage(const StoreDamage& damage, ServerInfo* server,
                                Context* context) {
  const StoreDamage& known = server->store_damage;
  const std::string name = absl::StrCat("server=", server->id.value());
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
  server->store_damage = damage;
}

bool SchedulerCore::MayBelieve(const JobRegistration& registration,
                               ServerId server, Context* context) const {
  if (registration.record != nullptr &&
      forgotten_.contains(registration.record->id)) {
    return false;
  }
  const absl::Status verdict = CheckRegistration(registration);
  if (verdict.ok()) return true;
  if (registration.record != nullptr) {
    context->Log(absl::StrCat(
        "job=", registration.record->name, " server=", server.value(),
        ": what it says of the job is left alone: ", verdict.message()));
  }
  return false;
}

// It was away when the job was forgotten.
void SchedulerCore::LetForget(const ServerInfo& server,
                              const JobRegistration& registration,
                              Context* context) const {
  if (registration.record == nullptr) return;
  const auto forgotten = forgotten_.find(registration.record->id);
  if (forgotten == forgotten_.end()) return;
  TellForget(server, forgotten->first, forgotten->second, context);
}

// A server of a release that does not name its store deletes the versions, too.
// It goes on holding the job until it is a newer one that registers.
void SchedulerCore::TellForget(const ServerInfo& server, JobId job,
                               bool versions, Context* context) const {
  if (!versions && server.store.empty()) {
    context->Log(absl::StrCat("server=", server.id.value(),
                              " is of an older release, which would delete the "
                              "versions of job ",
                              job.value(),
                              ": it is told to forget it after its upgrade"));
    return;
  }
  context->ToServer(server, ForgetJob{job, !versions});
}

// The store was lost or is an older copy: the server remembers the job.
void SchedulerCore::AdoptJob(const JobRegistration& registration,
                             Context* context) {
  const JobId id = registration.record->id;
  context->numbers->Met(id.value());
  context->numbers->Met(registration.generation.value());
  JobState state;
  state.generation = registration.generation;
  state.rollback = registration.rollback;
  context->Log(absl::StrCat("job=", registration.record->name,
                            " is not in the store; a server remembers it"));
  pending_writes_.push_back(
      {JobKey(id, "record"), EncodeJobRecord(*registration.record)});
  jobs_[id] = std::make_unique<TrainingJob>(options_, registration.record,
                                            std::move(state));
  jobs_[id]->parts().evaluations.Lost();
  adopted_at_ = context->now;
  // A server that it names may have what this one has not.
  if (!gathering_) late_[id] = context->now + options_.takeover_after;
}

void SchedulerCore::Handle(LinkId link, const RegisterPartitions& message,
                           Context* context) {
  ServerInfo* server = ServerOf(link);
  if (server == nullptr || message.session != server->session ||
      !MayBelieve(message.job, server->id, context)) {
    return;
  }
  context->numbers->Met(message.job.generation.value());
  if (TrainingJob* job = Find(message.job.record->id)) {
    job->PartitionsRegistered(*server, message.job, context);
  }
}

void SchedulerCore::Handle(LinkId link, const MarkReport& message,
                           Context* context) {
  ServerInfo* server = ServerOf(link);
  TrainingJob* job = Find(message.job);
  if (server != nullptr && job != nullptr) {
    job->Marks(*server, message, context);
  }
}

void SchedulerCore::Handle(LinkId link, const ViewRequest& message,
                           Context* context) {
  ServerInfo* server = ServerOf(link);
  TrainingJob* job = Find(message.job);
  if (server != nullptr && job != nullptr)
    job->parts().view.Send(*server, context);
}

void SchedulerCore::Handle(LinkId link, const SnapshotReply& message,
                           Context* context) {
  ServerInfo* server = ServerOf(link);
  TrainingJob* job = Find(message.job);
  if (server != nullptr && job != nullptr) {
    job->parts().evaluations.SnapshotTaken(*server, message);
  }
}

void SchedulerCore::Handle(LinkId link, const ServerStatistics& message,
                           Context* context) {
  ServerInfo* server = ServerOf(link);
  TrainingJob* job = Find(message.job);
  if (server == nullptr || job == nullptr) return;
  ServerReport& report = server->reports[message.job];
  report.updates += message.updates;
  report.problem = message.problem;
  report.problem_kind = message.problem_kind;
  if (message.refused_pushes > 0) {
    report.refused_pushes = message.refused_pushes;
    report.refusal = message.refusal;
    report.refused_at = context->now;
  }
  FoundDamage(message.store_damage, server, context);
  job->parts().losses.Heard(message, context);
}

void SchedulerCore::Handle(LinkId link, const ServerGoodbye& message,
                           Context* context) {
  ServerInfo* server = ServerOf(link);
  if (server == nullptr) return;
  const ServerId id = server->id;
  context->Tell(EventKind::kServerLeft, JobId(),
                absl::StrCat("server=", id.value(), " left in good order"),
                NameOf(id));
  server->goodbye = true;
  OnServerDisconnected(link, context->now, context->out);
  if (gathering_ || OwnsAnything(id)) return;
  ForgetServer(id, context);
}

// A server that was away when another left still names it. Our record that it
// left counts, unless we meet numbers that we do not remember: then it may have
// come back since, and own something.
void SchedulerCore::TakeInNamed(Context* context) {
  std::erase_if(named_, [&](ServerId other) {
    if (former_.contains(other) && !numbers_.surprised()) return false;
    const auto [it, heard_of_now] = cluster_.servers.try_emplace(other);
    it->second.id = other;
    if (heard_of_now) it->second.since = context->now;
    return true;
  });
}

// It has no part of any job: no start needs to wait for it.
void SchedulerCore::ForgetServer(ServerId server, Context* context) {
  if (former_.size() >= kMostFormer) {
    pending_writes_.push_back({FormerKey(*former_.begin()), std::nullopt});
    former_.erase(former_.begin());
  }
  former_.insert(server);
  pending_writes_.push_back({FormerKey(server), ""});
  cluster_.servers.erase(server);
  pending_writes_.push_back({ServerKey(server), std::nullopt});
  pending_writes_.push_back({StoreKey(server), std::nullopt});
  for (auto& [id, job] : jobs_) job->parts().granter.TellServers(context);
}

// Those that are away for so long that others took what they had.
void SchedulerCore::ForgetGone(Context* context) {
  std::vector<ServerId> gone;
  for (const auto& [id, server] : cluster_.servers) {
    if (!server.connected &&
        server.since + options_.takeover_after <= context->now &&
        !OwnsAnything(id)) {
      gone.push_back(id);
    }
  }
  for (const ServerId id : gone) {
    context->Log(absl::StrCat("server=", id.value(), " is away for ",
                              absl::FormatDuration(options_.takeover_after),
                              " and owns nothing: it is forgotten"));
    ForgetServer(id, context);
  }
}

bool SchedulerCore::OwnsAnything(ServerId server) const {
  return std::any_of(jobs_.begin(), jobs_.end(), [&](const auto& job) {
    return job.second->state().phase != JobPhase::kCancelled &&
           job.second->parts().owners.Owned(server) > 0;
  });
}

void SchedulerCore::Handle(LinkId link, const ServerLeaving& message,
                           Context* context) {
  ServerInfo* server = ServerOf(link);
  if (server == nullptr || message.session != server->session) return;
  if (!server->leaving) {
    context->Log(absl::StrCat("server=", server->id.value(),
                              " is leaving; its partitions go to others"));
  }
  server->leaving = true;
  server->told_to_leave = false;
  for (auto& [id, job] : jobs_) job->parts().mover.MoveOn(context);
}

void SchedulerCore::SettleLeaving(Context* context) {
  if (gathering_) return;
  for (auto& [id, server] : cluster_.servers) {
    if (!server.connected || !server.leaving || server.told_to_leave) continue;
    const bool more = std::any_of(
        jobs_.begin(), jobs_.end(), [&, one = &server](const auto& job) {
          return job.second->parts().mover.TakesFrom(*one, *context);
        });
    if (more) continue;
    server.told_to_leave = true;
    context->ToServer(server, LeaveNow{server.session});
  }
}

void SchedulerCore::Handle(LinkId link, const MoveProgress& message,
                           Context* context) {
  ServerInfo* server = ServerOf(link);
  TrainingJob* job = Find(message.job);
  if (server == nullptr || job == nullptr ||
      message.session != server->session) {
    return;
  }
  job->parts().mover.Progressed(*server, message, context);
}

void SchedulerCore::Handle(LinkId link, const MovedIn& message,
                           Context* context) {
  ServerInfo* server = ServerOf(link);
  if (server == nullptr || message.session != server->session ||
      !MayBelieve(message.job, server->id, context)) {
    return;
  }
  if (TrainingJob* job = Find(message.job.record->id)) {
    job->PartitionMovedIn(*server, message.job, context);
  }
}

void SchedulerCore::LoseServer(ServerInfo* server, Context* context) {
  server->connected = false;
  server->since = context->now;
  for (auto& [id, job] : jobs_) job->ServerLost(*server, context);
}

void SchedulerCore::OnServerDisconnected(LinkId link, absl::Time now,
                                         SchedulerActions* out) {
  ServerInfo* server = ServerOf(link);
  if (server == nullptr) return;
  server_links_.erase(link);
  Context context = MakeContext(now, out);
  const size_t first = out->size();
  if (!server->goodbye) {
    context.Tell(EventKind::kServerAway, JobId(),
                 absl::StrCat("server=", server->id.value(),
                              " is away (connection closed); its partitions "
                              "wait for it"),
                 NameOf(server->id));
  }
  LoseServer(server, &context);
  Finish(&context, first);
}

}  // namespace ebb::scheduler
