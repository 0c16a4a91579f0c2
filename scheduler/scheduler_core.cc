#include "scheduler/scheduler_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/plant.h"
#include "common/status_macros.h"
#include "protocol/plan_codec.h"
#include "scheduler/store_keys.h"

namespace ebb::scheduler {

namespace {

absl::Status Unreadable(absl::string_view key) {
  return absl::DataLossError(absl::StrCat(
      "the scheduler's store has an unreadable record ", key,
      ". Start with an empty state folder: the servers know the jobs."));
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
    } else if (absl::ConsumePrefix(&rest, kStorePrefix)) {
      int32_t id = 0;
      if (!absl::SimpleAtoi(rest, &id)) return Unreadable(key);
      // An older scheduler, which knew no names of stores, may have forgotten
      // the server. The keys of servers come before those of stores.
      const auto server = core->cluster_.servers.find(ServerId(id));
      if (server != core->cluster_.servers.end()) server->second.store = value;
    } else if (absl::ConsumePrefix(&rest, kFormerPrefix)) {
      int32_t id = 0;
      if (!absl::SimpleAtoi(rest, &id)) return Unreadable(key);
      core->former_.insert(ServerId(id));
    } else if (absl::ConsumePrefix(&rest, kForgottenPrefix)) {
      uint64_t id = 0;
      if (!absl::SimpleAtoi(rest, &id)) return Unreadable(key);
      core->forgotten_[JobId(id)] = value == kVersionsGo;
      core->numbers_.Remember(id);
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

// --- Time and ends of events ------------------------------------------------

// Every server that any daemon knows has reported, or the wait is over.
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

void SchedulerCore::OnTick(absl::Time now, SchedulerActions* out) {
  NoteTime(now);
  Context context = MakeContext(now, out);
  const size_t first = out->size();
  MaybeStart(&context);
  for (auto& [id, job] : jobs_) {
    for (const SessionId silent : job->Tick(&context)) {
      ForgetWorker(silent);
      WorkerInfo& worker = cluster_.workers.at(silent);
      worker.silent = true;
      worker.silent_in = id;
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
  // While another process wants a server's place, time is looked at often
  // enough to notice if it stood still.
  for (const auto& [id, server] : cluster_.servers) {
    if (server.connected && server.challenged_at != absl::InfiniteFuture()) {
      next = std::min(next, last_event_ + options_.server_ttl / 8);
    }
  }
  return next;
}

void SchedulerCore::Finish(Context* context, size_t first_action) {
  SettleUnreached(context);
  ShareWorkers(context);
  OfferEvaluations(context);
  OfferWork(context);
  SettleLeaving(context);
  std::vector<StoreWrite> writes = std::exchange(pending_writes_, {});
  for (auto& [id, job] : jobs_) {
    if (job->TakeNewRecord()) {
      writes.push_back({JobKey(id, "record"), EncodeJobRecord(*job->record())});
    }
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
