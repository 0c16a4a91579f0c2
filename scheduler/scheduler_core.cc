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
    : state_(std::move(options), now),
      gather_until_(now + state_.options.takeover_after),
      jobs_(&state_),
      admission_(&state_),
      shares_(&state_),
      reach_(&state_, &shares_),
      servers_(&state_, &jobs_, &admission_, Finisher()),
      workers_(&state_, &shares_, &reach_, Finisher()),
      orders_(&state_, &jobs_, &shares_, Finisher()) {}

FinishEvent SchedulerCore::Finisher() {
  return [this](Context* context, size_t first_action) {
    Finish(context, first_action);
  };
}

absl::StatusOr<std::unique_ptr<SchedulerCore>> SchedulerCore::Create(
    SchedulerOptions options, const std::map<std::string, std::string>& stored,
    absl::Time now) {
  std::unique_ptr<SchedulerCore> core(
      new SchedulerCore(std::move(options), now));
  for (const auto& [key, value] : stored) {
    EBB_RETURN_IF_ERROR(core->Load(key, value, stored));
  }
  return core;
}

absl::Status SchedulerCore::Load(
    const std::string& key, const std::string& value,
    const std::map<std::string, std::string>& stored) {
  absl::string_view rest = key;
  if (rest == kNumbersKey) {
    if (!absl::SimpleAtoi(value, &stored_number_)) return Unreadable(key);
    state_.numbers.Remember(stored_number_);
  } else if (absl::ConsumePrefix(&rest, kServerPrefix)) {
    int32_t id = 0;
    if (!absl::SimpleAtoi(rest, &id)) return Unreadable(key);
    state_.cluster.servers.Load(ServerId(id), value, state_.started);
  } else if (absl::ConsumePrefix(&rest, kStorePrefix)) {
    int32_t id = 0;
    if (!absl::SimpleAtoi(rest, &id)) return Unreadable(key);
    // An older scheduler, which knew no names of stores, may have forgotten
    // the server. The keys of servers come before those of stores.
    state_.cluster.servers.LoadStore(ServerId(id), value);
  } else if (absl::ConsumePrefix(&rest, kFormerPrefix)) {
    int32_t id = 0;
    if (!absl::SimpleAtoi(rest, &id)) return Unreadable(key);
    servers_.LoadFormer(ServerId(id));
  } else if (absl::ConsumePrefix(&rest, kForgottenPrefix)) {
    uint64_t id = 0;
    if (!absl::SimpleAtoi(rest, &id)) return Unreadable(key);
    jobs_.LoadForgotten(JobId(id), value == kVersionsGo);
    state_.numbers.Remember(id);
  } else if (absl::ConsumePrefix(&rest, kJobPrefix) &&
             absl::ConsumeSuffix(&rest, "/record")) {
    EBB_ASSIGN_OR_RETURN(JobRecordPtr record, DecodeJobRecord(value));
    const auto state = stored.find(JobKey(record->id, "state"));
    if (state == stored.end()) return Unreadable(key);
    EBB_ASSIGN_OR_RETURN(JobState decoded, JobState::Decode(state->second));
    jobs_.Load(std::move(record), std::move(decoded));
  }
  return absl::OkStatus();
}

void SchedulerCore::OnServer(LinkId link, const ServerToScheduler& message,
                             absl::Time now, SchedulerActions* out) {
  admission_.NoteTime(now);
  Context context = state_.MakeContext(now, out);
  const size_t first = out->size();
  if (servers_.On(link, message, &context)) MaybeStart(&context);
  Finish(&context, first);
}

void SchedulerCore::OnWorker(LinkId link, const WorkerToScheduler& message,
                             absl::Time now, SchedulerActions* out) {
  admission_.NoteTime(now);
  Context context = state_.MakeContext(now, out);
  const size_t first = out->size();
  workers_.On(link, message, &context);
  Finish(&context, first);
}

// Every server that anybody knows has reported, or the wait is over.
void SchedulerCore::MaybeStart(Context* context) {
  if (!state_.gathering && !jobs_.any_late()) return;
  const auto& servers = state_.cluster.servers;
  const bool in_doubt = jobs_.InDoubt(context->now);
  const bool all =
      !servers.empty() &&
      std::all_of(servers.begin(), servers.end(), [&](const auto& s) {
        // One with the data may be on its way to the place of one without.
        return s.second.connected && !(s.second.empty && in_doubt);
      });
  const bool enough =
      static_cast<int64_t>(servers.size()) >= state_.options.min_servers;
  const bool believes_its_store = EBB_PLANTED(older_store_believed);
  const bool ready = (all && enough) || believes_its_store;
  jobs_.StartLate(ready, context);
  if (!state_.gathering || (!ready && context->now < gather_until_)) return;
  state_.gathering = false;
  for (auto& [id, job] : state_.jobs) job->Start(context);
  workers_.SettleAllClaims(context);
}

void SchedulerCore::OnTick(absl::Time now, SchedulerActions* out) {
  admission_.NoteTime(now);
  Context context = state_.MakeContext(now, out);
  const size_t first = out->size();
  MaybeStart(&context);
  for (auto& [id, job] : state_.jobs) {
    for (const SessionId silent : job->Tick(&context)) {
      workers_.FellSilent(silent, id);
    }
  }
  if (!state_.gathering) servers_.ForgetGone(&context);
  Finish(&context, first);
}

absl::Time SchedulerCore::NextTick() const {
  absl::Time next = state_.gathering ? gather_until_ : absl::InfiniteFuture();
  next = std::min(next, jobs_.NextTick(admission_.last_event()));
  for (const auto& [id, job] : state_.jobs) {
    next = std::min(next, job->NextTick());
  }
  return std::min(next, admission_.NextTick());
}

void SchedulerCore::Finish(Context* context, size_t first_action) {
  reach_.Settle(context);
  shares_.Settle(context);
  servers_.SettleLeaving(context);
  std::vector<StoreWrite> writes = std::exchange(state_.pending_writes, {});
  for (auto& [id, job] : state_.jobs) {
    if (job->TakeNewRecord()) {
      writes.push_back({JobKey(id, "record"), EncodeJobRecord(*job->record())});
    }
    if (job->TakeDirty()) {
      writes.push_back({JobKey(id, "state"), job->state().Encode()});
    }
  }
  if (state_.numbers.last() != stored_number_) {
    stored_number_ = state_.numbers.last();
    writes.push_back({std::string(kNumbersKey), absl::StrCat(stored_number_)});
  }
  if (writes.empty()) return;
  context->out->insert(
      context->out->begin() + static_cast<int64_t>(first_action),
      Persist{std::move(writes)});
}

}  // namespace ebb::scheduler
