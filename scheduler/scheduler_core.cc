#include "scheduler/scheduler_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/plant.h"
#include "common/protocol/plan_codec.h"
#include "common/status_macros.h"

namespace ebb::scheduler {

// Keys of the store: "numbers" (the last drawn), "server/ID", "job/ID/record"
// and "job/ID/state".
namespace {

constexpr absl::string_view kNumbersKey = "numbers";
constexpr absl::string_view kServerPrefix = "server/";
constexpr absl::string_view kJobPrefix = "job/";

// Each costs the scheduler and the servers some bytes for as long as the job
// is there.
constexpr int64_t kMostItems = int64_t{1} << 24;

// Of those that left or were given up, and own nothing.
constexpr absl::string_view kFormerPrefix = "former/";
constexpr size_t kMostFormer = 1024;

std::string FormerKey(ServerId id) {
  return absl::StrCat(kFormerPrefix, id.value());
}

std::string ServerKey(ServerId id) {
  return absl::StrCat(kServerPrefix, id.value());
}
std::string JobKey(JobId id, absl::string_view part) {
  return absl::StrCat(kJobPrefix, id.value(), "/", part);
}

absl::Status Unreadable(absl::string_view key) {
  return absl::DataLossError(absl::StrCat(
      "the scheduler's store has an unreadable record ", key,
      ". Start with an empty state folder: the servers know the jobs."));
}

// InvalidArgument: it contradicts itself, or is too large to be kept.
absl::Status CheckPlan(const JobRecord& record) {
  EBB_RETURN_IF_ERROR(record.plan.Validate());
  if (record.plan.items() > kMostItems) {
    return absl::InvalidArgumentError(absl::StrCat(
        "job ", record.name, " has ", record.plan.items(), " items (",
        record.plan.epochs, " epochs of ", record.plan.shards(), "); at most ",
        kMostItems,
        " fit in the memory of scheduler and servers: make items larger "
        "(train.item_examples) or train fewer epochs"));
  }
  return absl::OkStatus();
}

std::string ProcessAt(int64_t id, const std::string& address) {
  return absl::StrCat("process ", id, " at ", address);
}

}  // namespace

SchedulerCore::SchedulerCore(SchedulerOptions options, absl::Time now)
    : options_(std::move(options)),
      started_(now),
      gather_until_(now + options_.takeover_after) {}

absl::StatusOr<std::unique_ptr<SchedulerCore>> SchedulerCore::Create(
    SchedulerOptions options, const std::map<std::string, std::string>& stored,
    absl::Time now) {
  std::unique_ptr<SchedulerCore> core(
      new SchedulerCore(std::move(options), now));
  for (const auto& [key, value] : stored) {
    absl::string_view rest = key;
    if (rest == kNumbersKey) {
      if (!absl::SimpleAtoi(value, &core->stored_number_)) {
        return Unreadable(key);
      }
      core->numbers_.Remember(core->stored_number_);
    } else if (absl::ConsumePrefix(&rest, kServerPrefix)) {
      int32_t id = 0;
      if (!absl::SimpleAtoi(rest, &id)) return Unreadable(key);
      ServerInfo& server = core->cluster_.servers[ServerId(id)];
      server.id = ServerId(id);
      server.shared_folder = value;
      server.since = now;
    } else if (absl::ConsumePrefix(&rest, kFormerPrefix)) {
      int32_t id = 0;
      if (!absl::SimpleAtoi(rest, &id)) return Unreadable(key);
      core->former_.insert(ServerId(id));
    } else if (absl::ConsumePrefix(&rest, kJobPrefix) &&
               absl::ConsumeSuffix(&rest, "/record")) {
      EBB_ASSIGN_OR_RETURN(JobRecordPtr record, DecodeJobRecord(value));
      const auto state = stored.find(JobKey(record->id, "state"));
      if (state == stored.end()) return Unreadable(key);
      EBB_ASSIGN_OR_RETURN(JobState decoded, JobState::Decode(state->second));
      const JobId id = record->id;
      core->numbers_.Remember(id.value());
      core->numbers_.Remember(decoded.generation.value());
      core->jobs_[id] = std::make_unique<TrainingJob>(
          core->options_, std::move(record), std::move(decoded));
      core->jobs_[id]->TakeDirty();
    }
  }
  return core;
}

ServerInfo* SchedulerCore::ServerOf(LinkId link) {
  const auto it = server_links_.find(link);
  return it == server_links_.end() ? nullptr : &cluster_.servers.at(it->second);
}

WorkerInfo* SchedulerCore::WorkerOf(LinkId link) {
  const auto it = worker_links_.find(link);
  if (it == worker_links_.end()) return nullptr;
  const auto worker = cluster_.workers.find(it->second);
  return worker == cluster_.workers.end() ? nullptr : &worker->second;
}

// After a while without any event, this process may have stood still, and what
// a server said meanwhile may come only now.
void SchedulerCore::NoteTime(absl::Time now) {
  if (now - last_event_ >= options_.server_ttl / 2) {
    for (auto& [id, server] : cluster_.servers) {
      if (server.challenged_at < now) server.challenged_at = now;
    }
  }
  last_event_ = now;
}

TrainingJob* SchedulerCore::Find(JobId job) {
  const auto it = jobs_.find(job);
  return it == jobs_.end() ? nullptr : it->second.get();
}

void SchedulerCore::OnServer(LinkId link, const ServerToScheduler& message,
                             absl::Time now, SchedulerActions* out) {
  NoteTime(now);
  Context context = MakeContext(now, out);
  const size_t first = out->size();
  if (ServerInfo* server = ServerOf(link)) server->Heard(now);
  std::visit([&](const auto& typed) { Handle(link, typed, &context); },
             message);
  Finish(&context, first);
}

void SchedulerCore::OnWorker(LinkId link, const WorkerToScheduler& message,
                             absl::Time now, SchedulerActions* out) {
  NoteTime(now);
  Context context = MakeContext(now, out);
  const size_t first = out->size();
  if (WorkerInfo* worker = WorkerOf(link)) {
    worker->last_heard = now;
    if (std::exchange(worker->silent, false)) LookAt(worker);
  }
  std::visit([&](const auto& typed) { Handle(link, typed, &context); },
             message);
  Finish(&context, first);
}

// --- Servers
// --------------------------------------------------------------------

namespace {

// What a server says of a job is its word against the scheduler's memory: a
// number that cannot have been drawn, or a job that could not have been
// submitted, is not taken over from it.
absl::Status CheckRegistration(const JobRegistration& registration) {
  if (registration.record == nullptr) {
    return absl::InvalidArgumentError("it names no job");
  }
  const JobRecord& record = *registration.record;
  uint64_t highest =
      std::max(record.id.value(), registration.generation.value());
  for (const PartitionRegistration& one : registration.partitions) {
    highest = std::max({highest, one.term.value(), one.stored_term.value()});
  }
  if (!NumberSource::Plausible(highest)) {
    return absl::DataLossError(absl::StrCat(
        "the number ", highest, " was never drawn, its storage is damaged"));
  }
  return CheckPlan(record);
}

// It has something of a job that it could go on from.
bool HasData(const RegisterServer& message) {
  return std::ranges::any_of(message.jobs, [](const JobRegistration& job) {
    return std::ranges::any_of(job.partitions,
                               [](const PartitionRegistration& one) {
                                 return ClaimedTerm(one) != Term();
                               }) &&
           CheckRegistration(job).ok();
  });
}

}  // namespace

// One id is one process: two would take the partitions from each other. A
// living one keeps its place; a process that died and came back before its
// broken connection was noticed has to wait for that, or for the silence.
bool SchedulerCore::MayRegister(LinkId link, const RegisterServer& message,
                                Context* context) {
  const auto it = cluster_.servers.find(message.server);
  if (it == cluster_.servers.end() || it->second.session == message.session ||
      EBB_PLANTED(second_process_is_let_in)) {
    return true;
  }
  ServerInfo& server = it->second;
  if (!server.connected) return MayReplace(link, message, &server, context);
  const bool owns = std::ranges::any_of(jobs_, [&](const auto& job) {
    return job.second->Owned(message.server) > 0;
  });
  if (server.empty && !owns && HasData(message)) {
    // A scheduler without its store could not know whose the place is.
    const std::string why = absl::StrCat(
        ProcessAt(message.process_id, message.address),
        " has the data of server ", message.server.value(),
        ", and this process has nothing; only one process may have its id");
    context->ToServer(server, RefuseServer{true, why});
    context->Log(absl::StrCat("server=", message.server.value(), ": ", why));
    return true;
  }
  const absl::Duration silent = context->now - server.last_heard;
  const std::string here = ProcessAt(server.process_id, server.address);
  const std::string other = ProcessAt(message.process_id, message.address);
  const std::string name = absl::StrCat("server ", message.server.value());
  server.challenged_at = std::min(server.challenged_at, context->now);
  if (silent >= options_.server_ttl &&
      context->now - server.challenged_at >= options_.last_word) {
    context->ToServer(
        server,
        RefuseServer{true, absl::StrCat(other, " has taken the place of ", name,
                                        ", which said nothing for ",
                                        absl::FormatDuration(silent),
                                        "; only one process may have its id")});
    context->Log(absl::StrCat(
        "server=", message.server.value(), ": ", here, " said nothing for ",
        absl::FormatDuration(silent), "; ", other, " takes its place"));
    return true;
  }
  server.refused_at = context->now;
  server.refusal = absl::StrCat(other, " has its id, too, and is refused");
  Refuse(link, message, &server,
         absl::StrCat(" is ", here, "; ", server.refusal,
                      ": stop one of the two, or start it with another --id"),
         absl::StrCat(name, " is there already: ", here,
                      ". Stop one of the two, or start this one with another "
                      "--id and --state-dir"),
         context);
  return false;
}

// A broken connection is no dead server. For as long as a living one may take
// to come back, its place is not for a process that has nothing of it: what
// that would begin anew outranks what the other has stored.
bool SchedulerCore::MayReplace(LinkId link, const RegisterServer& message,
                               ServerInfo* server, Context* context) {
  const absl::Time free_at =
      std::max(server->since, started_) + options_.server_ttl;
  if (context->now >= free_at || !LacksWhatItsIdHad(message)) return true;
  Refuse(link, message, server,
         absl::StrCat(" is away, and ",
                      ProcessAt(message.process_id, message.address),
                      " has its id but not its data; it is taken in ",
                      absl::FormatDuration(free_at - context->now),
                      " unless the other is back"),
         absl::StrCat("server ", message.server.value(),
                      " had partitions of which this process has nothing, and "
                      "may only have lost its connection; if its storage was "
                      "lost, wait for ",
                      absl::FormatDuration(options_.server_ttl)),
         context);
  return false;
}

// Without it, it would begin anew what others can go on from.
bool SchedulerCore::HasItsFolder(LinkId link, const RegisterServer& message,
                                 Context* context) {
  if (EBB_PLANTED(server_without_its_folder_is_let_in)) return true;
  for (const auto& [id, job] : jobs_) {
    const std::string lacks = job->LacksFolder(message);
    if (lacks.empty()) continue;
    Refuse(link, message, &cluster_.servers[message.server],
           absl::StrCat(" is refused: ", lacks),
           absl::StrCat(lacks,
                        "; start it with them, or wait until others "
                        "that have them take over what it owns"),
           context);
    return false;
  }
  return true;
}

// Said in the log once for each process, which comes again and again.
void SchedulerCore::Refuse(LinkId link, const RegisterServer& message,
                           ServerInfo* server, absl::string_view log,
                           std::string reason, Context* context) {
  if (std::exchange(server->refused, message.session) != message.session) {
    context->Log(absl::StrCat("server=", message.server.value(), log));
  }
  context->out->push_back(
      SendServer{link, RefuseServer{false, std::move(reason)}});
}

bool SchedulerCore::LacksWhatItsIdHad(const RegisterServer& message) const {
  return std::ranges::any_of(jobs_, [&](const auto& job) {
    return job.second->LacksWhatItsIdHad(message, gathering_);
  });
}

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
    context->Log(absl::StrCat("server=", message.server.value(), " is ",
                              known ? "back" : "up", " at ", message.address,
                              " pid=", message.process_id));
    pending_writes_.push_back(
        {ServerKey(message.server), message.shared_folder});
  }
  server.id = message.server;
  if (message.session != server.session) server.reports.clear();
  server.session = message.session;
  server.address = message.address;
  server.process_id = message.process_id;
  server.link = link;
  server.connected = true;
  server.shared_folder = message.shared_folder;
  server.empty = !HasData(message);
  server.leaving = message.leaving;
  server.told_to_leave = false;
  server.since = context->now;
  server.Heard(context->now);
  server_links_[link] = message.server;
  if (former_.erase(message.server) > 0) {
    pending_writes_.push_back({FormerKey(message.server), std::nullopt});
  }
  named_.insert(message.known_servers.begin(), message.known_servers.end());
  std::map<JobId, const JobRegistration*> registered;
  for (const JobRegistration& registration : message.jobs) {
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
    for (auto& [id, job] : jobs_) job->TellServers(context);
  }
  for (auto& [id, job] : jobs_) {
    const auto mine = registered.find(id);
    job->ServerRegistered(
        server, mine == registered.end() ? nullptr : mine->second, context);
  }
  MaybeStart(context);
}

bool SchedulerCore::MayBelieve(const JobRegistration& registration,
                               ServerId server, Context* context) const {
  const absl::Status verdict = CheckRegistration(registration);
  if (verdict.ok()) return true;
  if (registration.record != nullptr) {
    context->Log(absl::StrCat(
        "job=", registration.record->name, " server=", server.value(),
        ": what it says of the job is left alone: ", verdict.message()));
  }
  return false;
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
  adopted_at_ = context->now;
  // Who it names may have what this server has not.
  if (!gathering_) late_[id] = context->now + options_.takeover_after;
}

// Every server that anybody knows has reported, or the wait is over.
void SchedulerCore::MaybeStart(Context* context) {
  if (!gathering_ && late_.empty()) return;
  const auto& servers = cluster_.servers;
  const bool all =
      !servers.empty() &&
      std::all_of(servers.begin(), servers.end(), [&](const auto& s) {
        // One with the data may be on its way to the place of one without.
        return s.second.connected &&
               !(s.second.empty &&
                 context->now < adopted_at_ + options_.server_ttl);
      });
  const bool enough =
      static_cast<int64_t>(servers.size()) >= options_.min_servers;
  const bool believes_its_store = EBB_PLANTED(older_store_believed);
  const bool ready = (all && enough) || believes_its_store;
  std::erase_if(late_, [&](const auto& late) {
    if (!ready && context->now < late.second) return false;
    if (TrainingJob* job = Find(late.first)) job->Start(context);
    return true;
  });
  if (!gathering_ || (!ready && context->now < gather_until_)) return;
  gathering_ = false;
  for (auto& [id, job] : jobs_) job->Start(context);
  for (auto& [session, worker] : cluster_.workers) {
    SettleClaims(&worker, context);
  }
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
  if (server != nullptr && job != nullptr) job->SendView(*server, context);
}

void SchedulerCore::Handle(LinkId link, const SnapshotReply& message,
                           Context* context) {
  ServerInfo* server = ServerOf(link);
  TrainingJob* job = Find(message.job);
  if (server != nullptr && job != nullptr) {
    job->SnapshotTaken(*server, message);
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
  job->Statistics(message);
}

void SchedulerCore::Handle(LinkId link, const ServerGoodbye& message,
                           Context* context) {
  ServerInfo* server = ServerOf(link);
  if (server == nullptr) return;
  const ServerId id = server->id;
  context->Log(absl::StrCat("server=", id.value(), " left in good order"));
  OnServerDisconnected(link, context->now, context->out);
  if (gathering_ || OwnsAnything(id)) return;
  ForgetServer(id, context);
}

// Who was not there when a server left still names it. Our word for that it
// left counts, unless numbers are met that we do not remember: then it may have
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

// It has nothing of any job: nobody needs to wait for it.
void SchedulerCore::ForgetServer(ServerId server, Context* context) {
  if (former_.size() >= kMostFormer) {
    pending_writes_.push_back({FormerKey(*former_.begin()), std::nullopt});
    former_.erase(former_.begin());
  }
  former_.insert(server);
  pending_writes_.push_back({FormerKey(server), ""});
  cluster_.servers.erase(server);
  pending_writes_.push_back({ServerKey(server), std::nullopt});
  for (auto& [id, job] : jobs_) job->TellServers(context);
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
           job.second->Owned(server) > 0;
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
  for (auto& [id, job] : jobs_) job->MoveOn(context);
}

void SchedulerCore::SettleLeaving(Context* context) {
  if (gathering_) return;
  for (auto& [id, server] : cluster_.servers) {
    if (!server.connected || !server.leaving || server.told_to_leave) continue;
    const bool more = std::any_of(
        jobs_.begin(), jobs_.end(), [&, one = &server](const auto& job) {
          return job.second->TakesFrom(*one, *context);
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
  job->Progressed(*server, message, context);
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
  context.Log(absl::StrCat("server=", server->id.value(),
                           " is away (connection closed); its partitions wait "
                           "for it"));
  LoseServer(server, &context);
  Finish(&context, first);
}

// --- Workers
// --------------------------------------------------------------------

// Sessions keep workers apart, so nothing breaks; people cannot.
void SchedulerCore::WarnOfNamesake(const RegisterWorker& message,
                                   Context* context) const {
  for (const auto& [session, other] : cluster_.workers) {
    if (session == message.session || other.name != message.name) continue;
    context->Log(absl::StrCat(
        "worker=", message.name, " pid=", message.process_id,
        " has the name of one that is connected, pid=", other.process_id,
        "; both work, and status counts them as one: give each its --name"));
    return;
  }
}

void SchedulerCore::Handle(LinkId link, const RegisterWorker& message,
                           Context* context) {
  if (message.session == SessionId()) return;
  WorkerInfo& worker = cluster_.workers[message.session];
  if (worker.session == message.session) {
    worker_links_.erase(worker.link);
  } else {
    WarnOfNamesake(message, context);
    // What it did under another scheduler is no work of this one's life.
    worker.examples = message.examples;
  }
  worker.session = message.session;
  worker.name = message.name;
  worker.process_id = message.process_id;
  worker.only_job = message.only_job;
  worker.no_evaluations = message.no_evaluations;
  worker.link = link;
  worker.since = context->now;
  worker.last_heard = context->now;
  worker.clock = message.clock;
  worker.wants = 0;
  worker.evaluates = false;
  worker.draining = false;
  worker_links_[link] = message.session;
  worker.claims = message.held;
  if (allotment_.Knows(message.session)) LookAt(&worker);
  // A lease that was sent to its broken connection never arrived.
  for (auto& [id, job] : jobs_) {
    job->ReleaseUnclaimed(worker, context);
    job->WorkerArrived(worker, context);
  }
  if (!gathering_) SettleClaims(&worker, context);
}

// A worker keeps what it holds since before this scheduler, unless somebody
// else has it.
void SchedulerCore::SettleClaims(WorkerInfo* worker, Context* context) {
  for (const HeldItem& held : std::exchange(worker->claims, {})) {
    if (TrainingJob* job = Find(held.job)) {
      MaybeKeep(worker, held.job);
      job->AdoptLease(*worker, held, worker->clock, context);
      job->SendPlacement(worker->session, context);
    } else {
      context->ToWorker(worker->session,
                        LeaseLost{held.job, held.generation, held.item});
    }
  }
}

void SchedulerCore::Handle(LinkId link, const LeaseRequest& message,
                           Context* context) {
  if (WorkerInfo* worker = WorkerOf(link)) {
    worker->wants = std::clamp(message.items, 0, 1024);
    worker->draining = message.items == 0;
    if (worker->draining) {
      ForgetWorker(worker->session);
    } else {
      if (!allotment_.Knows(worker->session)) LookAt(worker);
      waiting_[worker->job].insert(worker->session);
    }
  }
}

void SchedulerCore::Handle(LinkId link, const Progress& message,
                           Context* context) {
  WorkerInfo* worker = WorkerOf(link);
  TrainingJob* job = Find(message.job);
  if (worker == nullptr || job == nullptr) return;
  worker->parked = message.parked;
  worker->clock = message.clock;
  // What it claims is settled when the servers have reported; until then it
  // goes on with it.
  if (!job->started()) return;
  MaybeKeep(worker, message.job);
  job->Renewed(worker, message, context);
}

void SchedulerCore::Handle(LinkId link, const ItemEnd& message,
                           Context* context) {
  WorkerInfo* worker = WorkerOf(link);
  TrainingJob* job = Find(message.job);
  if (worker != nullptr && job != nullptr) {
    job->ItemEnded(worker, message, context);
    if (message.end == LeaseEnd::kFailed) LookAt(worker);
  }
}

void SchedulerCore::Handle(LinkId link, const PlacementRequest& message,
                           Context* context) {
  WorkerInfo* worker = WorkerOf(link);
  TrainingJob* job = Find(message.job);
  if (worker != nullptr && job != nullptr) {
    job->SendPlacement(worker->session, context);
  }
}

void SchedulerCore::Handle(LinkId link, const EvaluationResult& message,
                           Context* context) {
  WorkerInfo* worker = WorkerOf(link);
  if (worker == nullptr) return;
  worker->evaluates = false;
  if (TrainingJob* job = Find(message.job)) job->Evaluated(message, context);
}

void SchedulerCore::Handle(LinkId link, const WorkerGoodbye& message,
                           Context* context) {
  const WorkerInfo* worker = WorkerOf(link);
  if (worker == nullptr) return;
  context->Log(absl::StrCat("worker=", worker->name, " left in good order"));
  OnWorkerDisconnected(link, context->now, context->out);
}

void SchedulerCore::OnWorkerDisconnected(LinkId link, absl::Time now,
                                         SchedulerActions* out) {
  const auto it = worker_links_.find(link);
  if (it == worker_links_.end()) return;
  const SessionId session = it->second;
  worker_links_.erase(it);
  Context context = MakeContext(now, out);
  const size_t first = out->size();
  LoseWorker(session, &context);
  Finish(&context, first);
}

void SchedulerCore::LoseWorker(SessionId session, Context* context) {
  const auto it = cluster_.workers.find(session);
  if (it == cluster_.workers.end()) return;
  ForgetWorker(session);
  const WorkerInfo worker = it->second;
  cluster_.workers.erase(it);
  for (auto& [id, job] : jobs_) job->WorkerLost(worker, context);
}

// --- Operators
// ------------------------------------------------------------------

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
  context.Log(absl::StrCat("job=", record.name, " id=", id.value(),
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
  job->RequestCheckpoint(&context);
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
    return job->Pause(context);
  });
}

absl::Status SchedulerCore::EndPause(JobId id, absl::Time now,
                                     SchedulerActions* out) {
  return ChangeJob(id, now, out, [](TrainingJob* job, Context* context) {
    return job->EndPause(context);
  });
}

absl::Status SchedulerCore::Rollback(JobId id,
                                     const TrainingJob::RollbackOrder& order,
                                     absl::Time now, SchedulerActions* out) {
  return ChangeJob(id, now, out, [&](TrainingJob* job, Context* context) {
    return job->RollBackTo(order, context);
  });
}

absl::Status SchedulerCore::ScaleJob(JobId id, const Scale& scale,
                                     absl::Time now, SchedulerActions* out) {
  return ChangeJob(id, now, out, [&](TrainingJob* job, Context* context) {
    absl::Status scaled;
    if (scale.servers) scaled = job->ScaleServers(*scale.servers, context);
    if (scale.workers && scaled.ok()) {
      scaled = job->ScaleWorkers(*scale.workers, context);
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
  if (!job->poison().Quarantined(ordinal)) {
    // Tried again already, since a worker came or another item was decided on.
    if (!skip && job->state().phase == JobPhase::kRunning) {
      return absl::OkStatus();
    }
    return absl::NotFoundError(absl::StrCat(name, " is not quarantined"));
  }
  if (skip && !job->poison().QuarantinedAt(ordinal)) {
    return absl::FailedPreconditionError(absl::StrCat(
        name, " has no failing batch to skip: ", job->state().reason,
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

// --- Time and ends of events
// ------------------------------------------------------

void SchedulerCore::OnTick(absl::Time now, SchedulerActions* out) {
  NoteTime(now);
  Context context = MakeContext(now, out);
  const size_t first = out->size();
  MaybeStart(&context);
  for (auto& [id, job] : jobs_) {
    for (const SessionId silent : job->Tick(&context)) {
      ForgetWorker(silent);
      cluster_.workers.at(silent).silent = true;
    }
  }
  if (!gathering_) ForgetGone(&context);
  Finish(&context, first);
}

absl::Time SchedulerCore::NextTick() const {
  absl::Time next = gathering_ ? gather_until_ : absl::InfiniteFuture();
  for (const auto& [id, start] : late_) next = std::min(next, start);
  const absl::Time no_doubt = adopted_at_ + options_.server_ttl;
  if (last_event_ < no_doubt && (gathering_ || !late_.empty())) {
    next = std::min(next, no_doubt);
  }
  for (const auto& [id, job] : jobs_) next = std::min(next, job->NextTick());
  // While somebody wants a server's place, time is looked at often enough to
  // notice if it stood still.
  for (const auto& [id, server] : cluster_.servers) {
    if (server.connected && server.challenged_at != absl::InfiniteFuture()) {
      next = std::min(next, last_event_ + options_.server_ttl / 8);
    }
  }
  return next;
}

void SchedulerCore::Finish(Context* context, size_t first_action) {
  ShareWorkers(context);
  OfferEvaluations(context);
  OfferWork(context);
  SettleLeaving(context);
  std::vector<StoreWrite> writes = std::exchange(pending_writes_, {});
  for (auto& [id, job] : jobs_) {
    if (job->TakeDirty()) {
      writes.push_back({JobKey(id, "state"), job->state().Encode()});
    }
  }
  if (numbers_.last() != stored_number_) {
    stored_number_ = numbers_.last();
    writes.push_back({std::string(kNumbersKey), absl::StrCat(stored_number_)});
  }
  if (writes.empty()) return;
  context->out->insert(
      context->out->begin() + static_cast<int64_t>(first_action),
      Persist{std::move(writes)});
}

}  // namespace ebb::scheduler
