#include "scheduler/known_jobs.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "protocol/plan_codec.h"
#include "scheduler/check_job.h"
#include "scheduler/store_keys.h"

namespace ebb::scheduler {

void KnownJobs::Load(JobRecordPtr record, JobState state) {
  const JobId id = record->id;
  state_.numbers.Remember(id.value());
  state_.numbers.Remember(state.generation.value());
  Add(std::move(record), std::move(state))->TakeDirty();
}

TrainingJob* KnownJobs::Add(JobRecordPtr record, JobState state) {
  const JobId id = record->id;
  auto& job = state_.jobs[id];
  job = std::make_unique<TrainingJob>(state_.options, std::move(record),
                                      std::move(state));
  if (job->parts().tables.training_facts.only_programs) {
    state_.cluster.workers.LeaveToPrograms(id);
  }
  return job.get();
}

JobId KnownJobs::Submit(JobRecord record, Context* context) {
  record.id = JobId(state_.numbers.Draw(context->now));
  JobState state;
  state.generation = Generation(state_.numbers.Draw(context->now));
  state_.pending_writes.push_back(
      {JobKey(record.id, "record"), EncodeJobRecord(record)});
  const JobId id = record.id;
  context->Tell(EventKind::kJobSubmitted, id,
                absl::StrCat("job=", record.name, " id=", id.value(),
                             " submitted: ", record.plan.items(), " items, ",
                             record.plan.partitions, " partitions"));
  TrainingJob* job = Add(std::make_shared<const JobRecord>(std::move(record)),
                         std::move(state));
  if (!state_.gathering) job->Start(context);
  return id;
}

void KnownJobs::Forget(JobId id, bool versions, Context* context) {
  // A server that speaks of an older one is believed: it lists the job anew.
  constexpr size_t kMostForgotten = 4096;
  std::vector<StoreWrite>& writes = state_.pending_writes;
  writes.push_back({JobKey(id, "record"), std::nullopt});
  writes.push_back({JobKey(id, "state"), std::nullopt});
  writes.push_back(
      {ForgottenKey(id), std::string(versions ? kVersionsGo : kVersionsStay)});
  forgotten_[id] = versions;
  if (forgotten_.size() > kMostForgotten) {
    writes.push_back({ForgottenKey(forgotten_.begin()->first), std::nullopt});
    forgotten_.erase(forgotten_.begin());
  }
  state_.jobs.erase(id);
  late_.erase(id);
  state_.cluster.workers.ForgetJob(id);
  state_.cluster.servers.ForgetReports(id);
  for (const auto& [server_id, server] : state_.cluster.servers) {
    if (server.connected) TellForget(server, id, versions, context);
  }
}

bool KnownJobs::MayBelieve(const JobRegistration& registration, ServerId server,
                           Context* context) const {
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

void KnownJobs::LetForget(const ServerInfo& server,
                          const JobRegistration& registration,
                          Context* context) const {
  if (registration.record == nullptr) return;
  const auto forgotten = forgotten_.find(registration.record->id);
  if (forgotten == forgotten_.end()) return;
  TellForget(server, forgotten->first, forgotten->second, context);
}

// A server of a release that does not name its store deletes the versions, too.
// It goes on holding the job until it is a newer one that registers.
void KnownJobs::TellForget(const ServerInfo& server, JobId job, bool versions,
                           Context* context) const {
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
void KnownJobs::Adopt(const JobRegistration& registration, Context* context) {
  const JobId id = registration.record->id;
  if (state_.Find(id) != nullptr) return;
  context->numbers->Met(id.value());
  context->numbers->Met(registration.generation.value());
  JobState state;
  state.generation = registration.generation;
  state.rollback = registration.rollback;
  context->Log(absl::StrCat("job=", registration.record->name,
                            " is not in the store; a server remembers it"));
  state_.pending_writes.push_back(
      {JobKey(id, "record"), EncodeJobRecord(*registration.record)});
  Add(registration.record, std::move(state))->parts().evaluations.Lost();
  adopted_at_ = context->now;
  // The servers that it names may have what it has not.
  if (!state_.gathering)
    late_[id] = context->now + state_.options.takeover_after;
}

void KnownJobs::StartLate(bool ready, Context* context) {
  std::erase_if(late_, [&](const auto& late) {
    if (!ready && context->now < late.second) return false;
    if (TrainingJob* job = state_.Find(late.first)) job->Start(context);
    return true;
  });
}

absl::Time KnownJobs::NextTick(absl::Time last_event) const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [id, start] : late_) next = std::min(next, start);
  if (last_event < DoubtEnds() && (state_.gathering || !late_.empty())) {
    next = std::min(next, DoubtEnds());
  }
  return next;
}

}  // namespace ebb::scheduler
