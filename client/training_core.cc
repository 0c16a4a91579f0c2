#include "client/training_core.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <variant>

namespace ebb::client {

namespace {

// A daemon may live through thousands of jobs; few are worked on at a time.
constexpr size_t kMostJobs = 16;

}  // namespace

TrainingCore::TrainingCore(ClientOptions options)
    : worker_{.options = std::move(options)}, evaluation_(&worker_) {}

JobWork* TrainingCore::Find(JobId job) {
  const auto it = works_.find(job);
  return it == works_.end() ? nullptr : &it->second;
}

int64_t TrainingCore::clock(JobId job) const {
  const auto it = works_.find(job);
  return it == works_.end() ? 0 : it->second.state().clock();
}

bool TrainingCore::Awaits(const PushId& id) const {
  const auto it = works_.find(id.job);
  return it != works_.end() && it->second.state().pusher.Awaits(id);
}

std::vector<ItemId> TrainingCore::held(JobId job) const {
  const auto it = works_.find(job);
  if (it == works_.end()) return {};
  return it->second.state().items.Ids();
}

std::vector<LeasedItems::Run> TrainingCore::Ahead(JobId job,
                                                  size_t most) const {
  const auto it = works_.find(job);
  if (it == works_.end()) return {};
  const JobState& state = it->second.state();
  const Computation::Batch* batch = state.computing();
  return state.items.Ahead(state.plan(),
                           batch == nullptr ? nullptr : &batch->run, most);
}

// --- The scheduler -----------------------------------------------------------

void TrainingCore::OnSchedulerConnected(absl::Time now, ClientActions* out) {
  worker_.connected = true;
  for (auto& [id, work] : works_) work.Connected();
  asked_for_ = 0;
  evaluation_.Lose(out);
  RegisterWorker message;
  message.session = worker_.options.session;
  message.name = worker_.options.name;
  message.process_id = worker_.options.process_id;
  message.only_job = worker_.options.only_job;
  message.no_evaluations = worker_.options.no_evaluations;
  message.examples = worker_.computation.examples();
  message.clock = -1;
  for (auto& [id, work] : works_) {
    const JobState& job = work.state();
    if (job.in_view()) message.clock = std::max(message.clock, job.clock());
    for (const ItemId item : job.items.Ids()) {
      message.held.push_back({id, job.generation, item, job.skips});
    }
  }
  out->push_back(SendScheduler{std::move(message)});
  if (worker_.draining) SayLeaving(out);
  Advance(now, out);
}

void TrainingCore::OnSchedulerDisconnected() { worker_.connected = false; }

void TrainingCore::OnScheduler(SchedulerToWorker message, absl::Time now,
                               ClientActions* out) {
  std::visit([&](auto& typed) { Handle(std::move(typed), now, out); }, message);
  Advance(now, out);
}

JobWork& TrainingCore::WorkFor(const JobRecordPtr& record,
                               Generation generation, ClientActions* out) {
  if (!works_.contains(record->id)) ForgetJobs(out);
  JobWork& work = works_.try_emplace(record->id, record, generation, &worker_)
                      .first->second;
  work.Begin(record, generation, out);
  return work;
}

void TrainingCore::ForgetJobs(ClientActions* out) {
  for (auto it = works_.begin();
       it != works_.end() && works_.size() >= kMostJobs;) {
    JobWork& work = it->second;
    if (!work.idle() || evaluation_.job() == it->first) {
      ++it;
      continue;
    }
    worker_.first_incarnation = std::max(
        worker_.first_incarnation, work.state().routes.unused_incarnation());
    work.reach().SayForgotten(out);
    it = works_.erase(it);
  }
}

void TrainingCore::Handle(Lease lease, absl::Time now, ClientActions* out) {
  JobWork& work = WorkFor(lease.record, lease.generation, out);
  if (!work.state().items.Holds(lease.item) && !lease.begins)
    asked_for_ = std::max(0, asked_for_ - 1);
  if (worker_.draining && !lease.begins) {
    // A run may wait for an answer about an item that had run out, and that the
    // scheduler gives back instead.
    if (work.state().plan().algorithm.runs) {
      work.Lose({lease.record->id, lease.generation, lease.item});
    }
    out->push_back(SendScheduler{ItemEnd{worker_.options.session,
                                         lease.record->id, lease.generation,
                                         lease.item, LeaseEnd::kReturned}});
    return;
  }
  work.Take(std::move(lease), now);
}

void TrainingCore::Handle(EvaluationLease lease, absl::Time /*now*/,
                          ClientActions* out) {
  WorkFor(lease.record, lease.generation, out);
  evaluation_.Take(std::move(lease), out);
}

void TrainingCore::Handle(WatchData watch, absl::Time /*now*/,
                          ClientActions* out) {
  out->push_back(LookForData{std::move(watch.record), watch.known});
}

void TrainingCore::Handle(const LeaseLost& lost, absl::Time /*now*/,
                          ClientActions* /*out*/) {
  if (JobWork* work = Find(lost.job)) work->Lose(lost);
}

void TrainingCore::Handle(const Placement& placement, absl::Time now,
                          ClientActions* out) {
  if (JobWork* work = Find(placement.job)) work->Place(placement, now, out);
}

int64_t TrainingCore::UnreachedServers(absl::Time now) const {
  std::set<ServerId> servers;
  for (const auto& [id, work] : works_) {
    for (const PeerTrouble& trouble : work.reach().Unreached(now)) {
      servers.insert(trouble.server);
    }
  }
  return static_cast<int64_t>(servers.size());
}

// --- Choosing what is next ---------------------------------------------------

void TrainingCore::Advance(absl::Time now, ClientActions* out) {
  last_event_ = now;
  if (drained_) return;
  for (auto& [id, work] : works_) work.Advance(now, out);
  if (const std::optional<JobId> job = evaluation_.job()) {
    evaluation_.Advance(Find(*job), now, out);
  }
  if (worker_.draining) {
    FinishDrain(out);
  } else {
    AskForLeases(out);
  }
}

bool TrainingCore::HoldsTooFewBatches(int32_t items) const {
  // Tiny items would fill a worker with leases.
  constexpr int32_t kMostItems = 64;
  const auto wanted = static_cast<size_t>(worker_.options.held_batches);
  if (wanted == 0 || items >= kMostItems) return false;
  size_t batches = 0;
  for (const auto& [id, work] : works_) {
    const JobState& state = work.state();
    if (state.plan().rounds()) return false;
    batches += state.items.Ahead(state.plan(), nullptr, wanted).size();
  }
  return batches < wanted;
}

void TrainingCore::AskForLeases(ClientActions* out) {
  int32_t have = 0, most = worker_.options.held_items;
  for (const auto& [id, work] : works_) {
    const auto held = static_cast<int32_t>(work.state().items.size());
    have += held;
    // It may lease of another job that it knows.
    if (held > 0 || works_.size() == 1) {
      most = std::max(most, work.ItemsToHold(most));
    }
  }
  int32_t want = std::max(0, most - have);
  if (want == 0 && HoldsTooFewBatches(have)) want = 1;
  if (!worker_.connected || want == 0 || want == asked_for_) return;
  asked_for_ = want;
  out->push_back(SendScheduler{LeaseRequest{worker_.options.session, want}});
}

// --- Answers -----------------------------------------------------------------

void TrainingCore::OnPushReply(const PushId& id, const PushReply& reply,
                               absl::Time now, ClientActions* out) {
  JobWork* work = Find(id.job);
  if (work == nullptr || reply.worker != worker_.options.session) return;
  if (const auto why = work->reach().WhyNotFrom(id.server, reply.server,
                                                reply.server_session, now)) {
    return OnPushFailed(id, *why, now, out);
  }
  if (work->push_answers().OnReply(id, reply, now, out)) Advance(now, out);
}

void TrainingCore::OnPushFailed(const PushId& id, const CallFailure& why,
                                absl::Time now, ClientActions* out) {
  JobWork* work = Find(id.job);
  if (work == nullptr) return;
  if (work->push_answers().OnFailed(id, why, now, out)) Advance(now, out);
}

void TrainingCore::OnPushRefused(const PushId& id, absl::Time now,
                                 ClientActions* out) {
  JobWork* work = Find(id.job);
  if (work == nullptr) return;
  if (work->push_answers().OnRefused(id, now)) Advance(now, out);
}

void TrainingCore::OnPushOverLimit(const PushId& id, const absl::Status& why,
                                   absl::Time now, ClientActions* out) {
  JobWork* work = Find(id.job);
  if (work == nullptr) return;
  if (work->push_answers().OnOverLimit(id, why, out)) Advance(now, out);
}

void TrainingCore::OnPullOverLimit(const PullId& id, const absl::Status& why,
                                   absl::Time now, ClientActions* out) {
  JobWork* work = Find(id.job);
  if (work == nullptr) return;
  if (!evaluation_.OnPullOverLimit(id, why, out)) {
    work->OnPullOverLimit(id, why, out);
  }
  Advance(now, out);
}

void TrainingCore::OnPullReply(const PullId& id, PullReply reply,
                               absl::Time now, ClientActions* out) {
  JobWork* work = Find(id.job);
  if (work == nullptr || reply.worker != worker_.options.session) return;
  if (const auto why = work->reach().WhyNotFrom(id.server, reply.server,
                                                reply.server_session, now)) {
    return OnPullFailed(id, *why, now, out);
  }
  if (!evaluation_.OnPullReply(id, reply, work)) {
    work->OnPullReply(id, std::move(reply), now);
  }
  Advance(now, out);
}

void TrainingCore::OnPullFailed(const PullId& id, const CallFailure& why,
                                absl::Time now, ClientActions* out) {
  JobWork* work = Find(id.job);
  if (work == nullptr) return;
  if (evaluation_.OnPullFailed(id)) {
    work->reach().BreakServer(id.server, why, now, out);
  } else {
    work->OnPullFailed(id, why, now, out);
  }
  Advance(now, out);
}

void TrainingCore::OnPullRefused(const PullId& id, absl::Time now,
                                 ClientActions* out) {
  JobWork* work = Find(id.job);
  if (work == nullptr) return;
  if (evaluation_.OnPullFailed(id) || work->OnPullRefused(id)) {
    work->push_answers().LacksRoom(id.server, now);
  }
  Advance(now, out);
}

void TrainingCore::OnJobReady(JobId job, const absl::Status& status,
                              absl::Time now, ClientActions* out) {
  JobWork* work = Find(job);
  if (work == nullptr) return;
  work->OnJobReady(status, now, out);
  ComputerIsFree(now);
  Advance(now, out);
}

void TrainingCore::OnRowsFound(const FindRows& batch,
                               absl::StatusOr<BatchRowsPtr> rows,
                               absl::Time now, ClientActions* out) {
  if (batch.test) {
    evaluation_.OnRowsFound(batch, rows, out);
  } else if (JobWork* work = Find(batch.record->id)) {
    work->OnRowsFound(batch, std::move(rows), now, out);
  }
  Advance(now, out);
}

// While it was not, no job could advance.
void TrainingCore::ComputerIsFree(absl::Time now) {
  for (auto& [id, work] : works_) work.Advanced(now);
}

void TrainingCore::OnComputed(ComputeResult result, absl::Time now,
                              ClientActions* out) {
  const std::optional<Computation::Batch> batch = worker_.computation.End();
  if (!batch) return;
  JobWork* const work = Find(batch->job);
  if (!result.cancelled) {
    worker_.computation.Count(*batch, now);
    if (work != nullptr) work->OnComputed(*batch, result, now, out);
  } else if (work != nullptr) {
    work->OnCancelled();
  }
  Advance(now, out);
}

void TrainingCore::OnEvaluated(const std::optional<EvaluationResult>& result,
                               absl::Time now, ClientActions* out) {
  evaluation_.OnEvaluated(result, out);
  ComputerIsFree(now);
  Advance(now, out);
}

void TrainingCore::OnDataReached(JobId job, int64_t examples, bool ended,
                                 ClientActions* out) const {
  if (!worker_.connected) return;
  out->push_back(SendScheduler{
      DataReached{worker_.options.session, job, examples, ended}});
}

// --- Time and leaving --------------------------------------------------------

void TrainingCore::OnTick(absl::Time now, ClientActions* out) {
  for (auto& [id, work] : works_) work.OnTick(now, out);
  Advance(now, out);
}

absl::Time TrainingCore::NextTick() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [id, work] : works_) {
    next = std::min(next, work.NextTick(last_event_));
  }
  return next;
}

void TrainingCore::Drain(absl::Time now, ClientActions* out) {
  if (!worker_.draining) {
    worker_.draining = true;
    SayLeaving(out);
  }
  Advance(now, out);
}

// So that nothing more is leased to it, and people see it.
void TrainingCore::SayLeaving(ClientActions* out) {
  if (!worker_.connected) return;
  out->push_back(SendScheduler{LeaseRequest{worker_.options.session, 0}});
}

// An evaluation leaves nothing to deliver, and may take long.
void TrainingCore::FinishDrain(ClientActions* out) {
  if (drained_ || worker_.computation.computes_batch()) return;
  for (const auto& [id, work] : works_) {
    // An evaluation is not waited for, nor what would come after it.
    const bool leaves = work.state().items.LeavesSomething() &&
                        !worker_.computation.evaluating();
    if (!work.state().pusher.idle() || leaves) return;
  }
  for (auto& [id, work] : works_) work.ReturnItems(out);
  out->push_back(SendScheduler{WorkerGoodbye{worker_.options.session}});
  drained_ = true;
}

}  // namespace ebb::client
