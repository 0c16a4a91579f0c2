#include "server/server_core.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/pending_push.h"
#include "server/pull_handler.h"

namespace ebb::server {

namespace {

constexpr absl::Duration kSayRefusedAgain = absl::Seconds(30);

}  // namespace

ServerCore::ServerCore(ServerOptions options, const Inventory& inventory)
    : options_(std::move(options)),
      store_(inventory.name),
      pace_(options_.checkpoint_rate) {
  for (const StoredJob& job : inventory.jobs) {
    jobs_.try_emplace(job.record->id, options_, job, inventory);
  }
}

std::vector<RoundVersion> ServerCore::KeepVersions(JobId id, absl::Time until) {
  HostedJob* job = Find(id);
  if (job == nullptr) return {};
  return job->KeepVersions(until);
}

HostedJob* ServerCore::Find(JobId job) {
  const auto it = jobs_.find(job);
  return it == jobs_.end() ? nullptr : &it->second;
}

void ServerCore::OnSchedulerConnected(absl::Time now, ServerActions* out) {
  connected_ = true;
  RegisterServer message;
  message.server = options_.id;
  message.session = options_.session;
  message.address = options_.address;
  message.process_id = options_.process_id;
  message.shared_folder = options_.shared_folder;
  message.leaving = leaving_;
  message.store_damage = store_damage();
  message.store = store_;
  std::set<ServerId> servers;
  for (auto& [id, job] : jobs_) {
    servers.insert(job.stored().known_servers.begin(),
                   job.stored().known_servers.end());
    message.jobs.push_back(job.Registration());
    job.OnNewSession();
  }
  message.known_servers.assign(servers.begin(), servers.end());
  out->push_back(SendScheduler{std::move(message)});
  next_report_ = now + options_.report_interval;
  next_statistics_ = now + options_.statistics_interval;
}

void ServerCore::OnSchedulerDisconnected() { connected_ = false; }

void ServerCore::OnScheduler(const SchedulerToServer& message, absl::Time now,
                             ServerActions* out) {
  std::visit([&](const auto& typed) { Handle(typed, now, out); }, message);
  Advance(now, out);
}

HostedJob* ServerCore::Host(const JobRecordPtr& record, Generation generation,
                            const RollbackRecord& rollback,
                            const std::vector<ServerId>& known_servers,
                            ServerActions* out) {
  if (HostedJob* job = Find(record->id)) return job;
  StoredJob stored{record, generation, rollback, known_servers};
  out->push_back(SaveJob{stored});
  return &jobs_
              .try_emplace(record->id, options_, std::move(stored), Inventory{})
              .first->second;
}

void ServerCore::Handle(const Grant& grant, absl::Time now,
                        ServerActions* out) {
  Host(grant.record, grant.generation, grant.rollback, grant.known_servers, out)
      ->TakeGrant(grant, now, out);
}

void ServerCore::Handle(const ViewUpdate& view, absl::Time now,
                        ServerActions* out) {
  if (HostedJob* job = Find(view.job)) job->SetView(view, now, out);
}

void ServerCore::Handle(const RoundStatus& rounds, absl::Time now,
                        ServerActions* out) {
  if (HostedJob* job = Find(rounds.job)) job->SetRounds(rounds, now, out);
}

void ServerCore::Handle(const CheckpointNow& request, absl::Time now,
                        ServerActions* out) {
  if (HostedJob* job = Find(request.job)) job->WantCheckpoint(now);
}

void ServerCore::Handle(const TakeSnapshot& request, absl::Time now,
                        ServerActions* out) {
  if (HostedJob* job = Find(request.job)) job->Snapshot(request, out);
}

void ServerCore::Handle(const DropSnapshot& request, absl::Time now,
                        ServerActions* out) {
  if (HostedJob* job = Find(request.job)) job->DropSnapshot(request.snapshot);
}

void ServerCore::Handle(const JobCompleted& completed, absl::Time now,
                        ServerActions* out) {
  // The newest durable version of each partition is never pruned, and nothing
  // newer will be written: completion pins it by itself. The values stay in
  // memory: audits and late pulls read them, and any item can reopen. ForgetJob
  // frees them.
}

void ServerCore::Handle(const ForgetJob& forget, absl::Time now,
                        ServerActions* out) {
  HostedJob* job = Find(forget.job);
  if (job == nullptr) return;
  job->Close(now, out);
  jobs_.erase(forget.job);
  if (!forget.keep_versions) out->push_back(DeleteJob{forget.job});
}

void ServerCore::Handle(const RefuseServer& refusal, absl::Time now,
                        ServerActions* out) {
  connected_ = false;
  if (refusal.displaced) {
    out->push_back(EndProcess{refusal.reason});
    return;
  }
  if (refused_ != refusal.reason || say_refused_again_ <= now) {
    refused_ = refusal.reason;
    say_refused_again_ = now + kSayRefusedAgain;
    out->push_back(LogEvent{absl::StrCat("the scheduler refuses this process: ",
                                         refusal.reason, ". Trying again"),
                            true});
  }
  out->push_back(RetrySession{});
}

void ServerCore::Handle(const MoveIn& order, absl::Time now,
                        ServerActions* out) {
  if (draining_) return;
  Host(order.record, order.generation, order.rollback, order.known_servers, out)
      ->TakeMove(order, now, out);
}

void ServerCore::Handle(const PartitionMoved& moved, absl::Time now,
                        ServerActions* out) {
  if (HostedJob* job = Find(moved.job)) job->Moved(moved, now, out);
}

void ServerCore::Handle(const LeaveNow& leave, absl::Time now,
                        ServerActions* out) {
  if (leave.session == options_.session) may_leave_ = true;
}

void ServerCore::Handle(const ApplyOperation& message, absl::Time now,
                        ServerActions* out) {
  if (HostedJob* job = Find(message.job)) job->Operate(message, out);
}

void ServerCore::OnPush(uint64_t token, PushRequest push, absl::Time now,
                        ServerActions* out) {
  OnPush(token, std::move(push), absl::OkStatus(), now, out);
}

void ServerCore::OnPush(uint64_t token, PushRequest push,
                        const absl::Status& room, absl::Time now,
                        ServerActions* out) {
  HostedJob* job = Find(push.job);
  if (job == nullptr || draining_) {  // The last cut must be the last.
    const Generation generation = push.generation;
    PendingPush(token, std::move(push), generation, options_)
        .AnswerAll(
            Verdict::kWrongPlacement, [](PartitionId) { return Term(); }, out);
    return;
  }
  job->Push(token, std::move(push), room, now, out);
  Advance(now, out);
}

void ServerCore::OnPull(uint64_t token, PullRequest pull, absl::Time now,
                        ServerActions* out) {
  HostedJob* job = Find(pull.job);
  if (job == nullptr) {
    out->push_back(ReplyPull{token,
                             ReplyToAll(options_, pull.generation, pull,
                                        PullResult::kWrongPlacement),
                             {}});
    return;
  }
  job->Pull(token, std::move(pull), now, out);
}

void ServerCore::OnFetch(uint64_t token, FetchRequest request, absl::Time now,
                         ServerActions* out) {
  HostedJob* job = Find(request.job);
  if (job == nullptr) {
    out->push_back(
        ReplyFetch{token, {.result = FetchResult::kNotHere, .key = {}}});
    return;
  }
  job->Fetch(token, std::move(request), out);
}

void ServerCore::OnFetched(const FetchRequest& request,
                           absl::StatusOr<Fetched> fetched, absl::Time now,
                           ServerActions* out) {
  if (HostedJob* job = Find(request.job)) {
    job->Fetched(request, std::move(fetched), now, out);
  }
  Advance(now, out);
}

void ServerCore::OnListed(JobId id, PartitionId partition,
                          absl::StatusOr<PartitionInventory> inventory,
                          absl::Time now, ServerActions* out) {
  if (HostedJob* job = Find(id)) {
    job->Listed(partition, std::move(inventory), now, out);
  }
  Advance(now, out);
}

void ServerCore::OnInitialValues(JobId id, PartitionId partition, Term term,
                                 absl::StatusOr<InitialPartition> values,
                                 absl::Time now, ServerActions* out) {
  if (HostedJob* job = Find(id)) {
    job->InitialValues(partition, term, std::move(values), now, out);
  }
  Advance(now, out);
}

void ServerCore::OnClock(const ClockUpdate& clock, absl::Time now,
                         ServerActions* out) {
  if (HostedJob* job = Find(clock.job)) job->Clock(clock, now, out);
}

// Looks among all partitions for the next one to write: once, not for each that
// a push went to.
void ServerCore::OnUpdatesDone(std::span<UpdateTask> tasks, absl::Time now,
                               ServerActions* out) {
  for (UpdateTask& task : tasks) {
    if (HostedJob* job = Find(task.job))
      job->UpdateDone(std::move(task), now, out);
  }
  Advance(now, out);
}

void ServerCore::OnVersionWritten(const VersionKey& key,
                                  const absl::Status& status, int64_t bytes,
                                  absl::Time now, ServerActions* out) {
  pace_.Wrote(bytes, now);
  HostedJob* const job = Find(key.job);
  const bool writing = job != nullptr && job->writing();
  if (job != nullptr) job->VersionWritten(key, status, now, out);
  if (writing && !job->writing()) {  // It is not the copy of a move.
    WritePace::Waiting waiting;
    for (const auto& [id, other] : jobs_) other.AddWaiting(&waiting);
    pace_.End(waiting, now);
  }
  Advance(now, out);
}

void ServerCore::OnLoaded(const VersionKey& key, absl::StatusOr<Cut> cut,
                          absl::Time now, ServerActions* out) {
  if (HostedJob* job = Find(key.job))
    job->Loaded(key, std::move(cut), now, out);
  Advance(now, out);
}

void ServerCore::OnTick(absl::Time now, ServerActions* out) {
  for (auto& [id, job] : jobs_) job.Tick(now, out);
  if (connected_ && next_report_ <= now) {
    next_report_ = now + options_.report_interval;
    Report(out);
  }
  if (connected_ && next_statistics_ <= now) {
    next_statistics_ = now + options_.statistics_interval;
    for (auto& [id, job] : jobs_) {
      out->push_back(SendScheduler{StatisticsOf(&job)});
    }
    if (jobs_.empty()) {
      out->push_back(SendScheduler{ServerAlive{options_.session}});
    }
  }
  Advance(now, out);
}

ServerStatistics ServerCore::StatisticsOf(HostedJob* job) const {
  ServerStatistics statistics = job->TakeStatistics();
  statistics.store_damage = store_damage();
  return statistics;
}

StoreDamage ServerCore::store_damage() const {
  constexpr size_t kMostText = 1024;  // Enough for people.
  StoreDamage damage = damage_;
  for (const auto& [id, job] : jobs_) {
    if (job.lost_versions().count == 0) continue;
    damage.versions_lost += job.lost_versions().count;
    damage.last_lost = job.lost_versions().last;
  }
  for (std::string* text :
       {&damage.found, &damage.set_aside, &damage.last_lost}) {
    if (text->size() > kMostText) text->resize(kMostText);
  }
  return damage;
}

absl::Time ServerCore::NextTick() const {
  absl::Time next = absl::InfiniteFuture();
  if (connected_) next = std::min(next_report_, next_statistics_);
  if (write_waits_) next = std::min(next, pace_.next());
  for (const auto& [id, job] : jobs_) next = std::min(next, job.NextTick());
  return next;
}

void ServerCore::Report(ServerActions* out) {
  for (auto& [id, job] : jobs_) Report(&job, out);
}

void ServerCore::Report(HostedJob* job, ServerActions* out) {
  auto report = job->TakeReport();
  if (!report) return;
  // A client that sees a job complete sees its figures whole.
  if (job->CompleteButForStatistics()) {
    out->push_back(SendScheduler{StatisticsOf(job)});
  }
  out->push_back(SendScheduler{*std::move(report)});
}

// One write at a time over all jobs bounds the bytes that cuts pin.
void ServerCore::StartWrite(absl::Time now, ServerActions* out) {
  write_waits_ = false;
  HostedJob* chosen = nullptr;
  std::optional<Checkpointer::Turn> best;
  for (auto& [id, job] : jobs_) {
    if (job.writing()) return;
    const auto turn = job.NextWrite(now, /*hold_back=*/now < pace_.next());
    if (!turn || (best && *best < *turn)) continue;
    chosen = &job;
    best = turn;
  }
  if (chosen != nullptr) {
    pace_.Begin(now);
    return chosen->StartWrite(*best, out);
  }
  write_waits_ = std::ranges::any_of(
      jobs_, [](const auto& job) { return job.second.holds_back(); });
}

void ServerCore::Advance(absl::Time now, ServerActions* out) {
  if (draining_) {
    for (auto& [id, job] : jobs_) job.WantCheckpoint(now);
  }
  StartWrite(now, out);
  if (connected_) {
    for (auto& [id, job] : jobs_) {
      if (job.report_at_once()) Report(&job, out);
    }
  }
  if (draining_ && !said_goodbye_ &&
      std::all_of(jobs_.begin(), jobs_.end(),
                  [](const auto& job) { return job.second.AllDurable(); })) {
    Report(out);
    out->push_back(SendScheduler{ServerGoodbye{options_.session}});
    said_goodbye_ = true;
  }
}

void ServerCore::Leave(absl::Time now, ServerActions* out) {
  leaving_ = true;
  if (connected_) {
    out->push_back(SendScheduler{ServerLeaving{options_.session}});
  }
}

bool ServerCore::HandedOver() const {
  return may_leave_ || !connected_ ||
         std::all_of(jobs_.begin(), jobs_.end(),
                     [](const auto& job) { return job.second.OwnsNothing(); });
}

void ServerCore::Drain(absl::Time now, ServerActions* out) {
  draining_ = true;
  Advance(now, out);
}

}  // namespace ebb::server
