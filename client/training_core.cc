#include "client/training_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"

namespace ebb::client {

namespace {

constexpr absl::Duration kPlacementPause = absl::Milliseconds(50);
constexpr absl::Duration kRejoinPause = absl::Milliseconds(50);
// A batch may take this many times the typical time before its worker counts
// as stuck.
constexpr int kSlowBatch = 5;

}  // namespace

TrainingCore::TrainingCore(ClientOptions options)
    : options_(std::move(options)) {}

TrainingCore::Work* TrainingCore::Find(JobId job) {
  const auto it = works_.find(job);
  return it == works_.end() ? nullptr : &it->second;
}

TrainingCore::Held* TrainingCore::FindHeld(Work* work, ItemId item) {
  for (Held& held : work->held) {
    if (held.progress.item() == item) return &held;
  }
  return nullptr;
}

int64_t TrainingCore::clock(JobId job) const {
  const auto it = works_.find(job);
  return it == works_.end() ? 0 : it->second.clock;
}

std::vector<ItemId> TrainingCore::held(JobId job) const {
  std::vector<ItemId> items;
  const auto it = works_.find(job);
  if (it == works_.end()) return items;
  for (const Held& held : it->second.held) {
    items.push_back(held.progress.item());
  }
  return items;
}

WorkerStamp TrainingCore::StampOf(const Work& work) const {
  return {options_.session, work.joined, work.clock};
}

bool TrainingCore::ComputingFor(const Work& work) const {
  return computing_ && computing_->job == work.record->id &&
         computing_->generation == work.generation;
}

// --- The scheduler
// ----------------------------------------------------------------

void TrainingCore::OnSchedulerConnected(absl::Time now, ClientActions* out) {
  connected_ = true;
  asked_for_ = 0;
  RegisterWorker message;
  message.session = options_.session;
  message.name = options_.name;
  message.process_id = options_.process_id;
  message.only_job = options_.only_job;
  message.no_evaluations = options_.no_evaluations;
  for (auto& [id, work] : works_) {
    message.clock = std::max(message.clock, work.clock);
    for (const Held& held : work.held) {
      message.held.push_back({id, work.generation, held.progress.item()});
    }
  }
  out->push_back(SendScheduler{std::move(message)});
  if (draining_) SayLeaving(out);
  Advance(now, out);
}

void TrainingCore::OnSchedulerDisconnected() { connected_ = false; }

void TrainingCore::OnScheduler(SchedulerToWorker message, absl::Time now,
                               ClientActions* out) {
  std::visit([&](auto& typed) { Handle(std::move(typed), now, out); }, message);
  Advance(now, out);
}

TrainingCore::Work& TrainingCore::WorkFor(const JobRecordPtr& record,
                                          Generation generation,
                                          ClientActions* out) {
  const auto [it, added] =
      works_.try_emplace(record->id, record, record->plan.partitions);
  Work& work = it->second;
  if (added) work.generation = generation;
  if (generation > work.generation) DropGeneration(&work, generation, out);
  if (!work.ready && !work.preparing) {
    work.preparing = true;
    out->push_back(PrepareJob{work.record});
  }
  return work;
}

void TrainingCore::Handle(Lease lease, absl::Time now, ClientActions* out) {
  const JobId job = lease.record->id;
  Work& work = WorkFor(lease.record, lease.generation, out);
  if (FindHeld(&work, lease.item) == nullptr) {
    asked_for_ = std::max(0, asked_for_ - 1);
  }
  if (draining_ || lease.generation < work.generation) {
    out->push_back(
        SendScheduler{ItemEnd{options_.session, job, lease.generation,
                              lease.item, LeaseEnd::kReturned}});
    return;
  }
  work.ttl = lease.ttl;
  work.advanced = now;
  if (lease.joined != work.joined) {
    work.joined = lease.joined;
    work.clock = lease.start_clock;
    ForgetPulled(&work);
  }
  work.pull_not_before = absl::InfinitePast();
  if (Held* held = FindHeld(&work, lease.item)) {
    held->skipped = std::move(lease.skipped);
    return;
  }
  if (work.held.empty()) work.next_progress = now + work.ttl / 5;
  const JobPlan& plan = work.record->plan;
  const auto after = std::find_if(
      work.held.begin(), work.held.end(),
      [&](const Held& held) { return lease.item < held.progress.item(); });
  work.held.insert(after, {ItemProgress(lease.item, plan.ItemSize(lease.item),
                                        lease.hints, plan.partitions),
                           std::move(lease.skipped)});
}

void TrainingCore::Handle(const LeaseLost& lost, absl::Time now,
                          ClientActions* out) {
  Work* work = Find(lost.job);
  if (work == nullptr || lost.generation < work->generation) return;
  work->held.remove_if(
      [&](const Held& held) { return held.progress.item() == lost.item; });
  if (work->held.empty()) ForgetPulled(work);
}

void TrainingCore::Handle(const Placement& placement, absl::Time now,
                          ClientActions* out) {
  Work* work = Find(placement.job);
  if (work == nullptr) return;
  if (placement.generation > work->generation) {
    DropGeneration(work, placement.generation, out);
  } else if (placement.generation < work->generation) {
    return;
  }
  const Routes::Changes changes = work->routes.Update(placement);
  for (const ServerId server : changes.servers) StepBackServer(work, server);
  for (const PartitionId p : changes.partitions) {
    for (Held& held : work->held) held.progress.StepBack(p);
  }
}

void TrainingCore::Handle(EvaluationLease lease, absl::Time now,
                          ClientActions* out) {
  WorkFor(lease.record, lease.generation, out);
  const int32_t partitions = lease.record->plan.partitions;
  evaluation_.emplace(
      PendingEvaluation{std::move(lease), Puller(partitions), false});
  PullSpec spec;
  spec.job = evaluation_->lease.record->id;
  spec.generation = evaluation_->lease.generation;
  spec.snapshot = evaluation_->lease.snapshot;
  evaluation_->puller.Start(spec);
}

// Whoever meets a newer generation drops what it holds of the older.
void TrainingCore::DropGeneration(Work* work, Generation generation,
                                  ClientActions* out) {
  for (const Held& held : work->held) {
    out->push_back(SendScheduler{ItemEnd{options_.session, work->record->id,
                                         work->generation, held.progress.item(),
                                         LeaseEnd::kReturned}});
  }
  work->held.clear();
  work->in_flight.clear();
  work->batches.clear();
  work->values.reset();
  work->puller.Cancel();
  work->generation = generation;
  // What was under way is not answered in sequence any more.
  for (const auto& [id, server] : work->routes.servers()) {
    work->routes.NewIncarnation(id);
  }
}

// --- Choosing what is next
// ----------------------------------------------------------

void TrainingCore::Advance(absl::Time now, ClientActions* out) {
  last_event_ = now;
  if (drained_) return;
  for (auto& [id, work] : works_) AdvanceWork(&work, now, out);
  AdvanceEvaluation(now, out);
  if (draining_) {
    FinishDrain(out);
  } else {
    AskForLeases(out);
  }
}

void TrainingCore::AskForLeases(ClientActions* out) {
  int32_t have = 0;
  for (const auto& [id, work] : works_) {
    have += static_cast<int32_t>(work.held.size());
  }
  const int32_t want = std::max(0, options_.held_items - have);
  if (!connected_ || want == 0 || want == asked_for_) return;
  asked_for_ = want;
  out->push_back(SendScheduler{LeaseRequest{options_.session, want}});
}

TrainingCore::Held* TrainingCore::NextBatch(Work* work, int64_t* begin) {
  for (Held& held : work->held) {
    *begin = held.progress.Next();
    if (*begin < held.progress.size()) return &held;
  }
  return nullptr;
}

void TrainingCore::AdvanceWork(Work* work, absl::Time now, ClientActions* out) {
  if (!work->ready) return;
  for (auto it = work->held.begin(); it != work->held.end();) {
    const ItemProgress& progress = (it++)->progress;
    if (progress.Done()) {
      EndItem(work, progress.item(), LeaseEnd::kDone, out);
    }
  }
  AfterPull(work, now, out);
  if (draining_) {
    work->puller.Cancel();
    return;
  }
  const auto window = static_cast<size_t>(options_.batches_in_flight);
  int64_t begin = 0;
  while (Held* held = NextBatch(work, &begin)) {
    if (computing() || work->batches.size() >= window) break;
    if (!Reachable(work, *held, begin, now)) {
      if (!work->routes.Complete()) AskForPlacement(work, now, out);
      break;
    }
    const auto skipped = std::find_if(
        held->skipped.begin(), held->skipped.end(), [&](const auto& range) {
          return range.begin <= begin && begin < range.end;
        });
    if (skipped != held->skipped.end()) {
      if (PushSkipped(work, held, begin, out)) continue;
      AskForPlacement(work, now, out);
      break;
    }
    const JobPlan& plan = work->record->plan;
    const int64_t round =
        plan.rounds() ? plan.RoundOf(held->progress.item()) : -1;
    if (work->values == nullptr || work->values->round != round) {
      work->values.reset();
      break;
    }
    StartCompute(work, held, begin, now, out);
    break;
  }
  MaybePull(work, now);
  work->puller.Pump(&work->routes, StampOf(*work), options_, now,
                    &next_request_, out);
  if (work->puller.state() == Puller::State::kNeedsPlacement) {
    AskForPlacement(work, now, out);
  }
}

// Whether the batch is worth computing: where a server refused or did not
// answer, the same batch would be computed again and again.
bool TrainingCore::Reachable(Work* work, const Held& held, int64_t begin,
                             absl::Time now) {
  for (int32_t i = 0; i < work->record->plan.partitions; ++i) {
    const PartitionId p(i);
    if (held.progress.sent(p) != begin) continue;
    const Routes::Route& route = work->routes.at(p);
    if (!route.known || work->routes.server(route.server).retry_at > now) {
      return false;
    }
  }
  return true;
}

// Begins the next pull when there will be something to compute with it.
void TrainingCore::MaybePull(Work* work, absl::Time now) {
  const bool computing_here = ComputingFor(*work);
  if (computing_here && !options_.prefetch) return;
  const JobPlan& plan = work->record->plan;
  // The first held item with a batch beside the one being computed.
  const Held* next = nullptr;
  for (const Held& held : work->held) {
    const ItemProgress& progress = held.progress;
    int64_t begin = progress.Next();
    if (computing_here && computing_->item == progress.item() &&
        computing_->begin == begin) {
      begin = computing_->end;
    }
    if (begin < progress.size()) {
      next = &held;
      break;
    }
  }
  const int64_t round = plan.rounds() && next != nullptr
                            ? plan.RoundOf(next->progress.item())
                            : -1;
  const int64_t target = work->clock +
                         static_cast<int64_t>(work->batches.size()) +
                         (computing_here ? 1 : 0);
  if (work->puller.active()) {
    // A batch that was refused or given up counts no more: a pull for the one
    // after it would wait for this very worker.
    work->puller.LowerTarget(target);
    // So would a pull of a later round than an item that was leased since.
    if (next == nullptr || work->puller.spec().round == round) return;
    work->puller.Cancel();
  }
  if (next == nullptr || now < work->pull_not_before) return;
  if (work->values != nullptr && work->values->round == round) return;
  PullSpec spec;
  spec.job = work->record->id;
  spec.generation = work->generation;
  spec.target_clock = target;
  spec.round = round;
  work->puller.Start(spec);
  work->next_clock = now + options_.clock_interval;
}

void TrainingCore::AfterPull(Work* work, absl::Time now, ClientActions* out) {
  switch (work->puller.state()) {
    case Puller::State::kIdle:
    case Puller::State::kPulling:
    case Puller::State::kNeedsPlacement:
    case Puller::State::kNoSnapshot:
      return;
    case Puller::State::kDone:
      work->values = work->puller.TakeValues();
      return;
    case Puller::State::kClosed: {
      const int64_t round = work->puller.spec().round;
      work->puller.Cancel();
      std::vector<ItemId> closed;
      for (const Held& held : work->held) {
        if (work->record->plan.RoundOf(held.progress.item()) == round) {
          closed.push_back(held.progress.item());
        }
      }
      for (const ItemId item : closed) {
        EndItem(work, item, LeaseEnd::kRefused, out);
      }
      return;
    }
    case Puller::State::kNotInView:
      work->puller.Cancel();
      work->pull_not_before = now + kRejoinPause;
      SendProgress(work, now, true, out);
      return;
    case Puller::State::kOtherGeneration: {
      const Generation theirs = work->puller.generation();
      work->puller.Cancel();
      work->pull_not_before = now + kPlacementPause;
      if (theirs > work->generation) DropGeneration(work, theirs, out);
      AskForPlacement(work, now, out);
      return;
    }
    case Puller::State::kInvalid: {
      work->puller.Cancel();
      if (work->held.empty()) return;
      ComputeResult failed;
      failed.error = "a server found the pull malformed";
      EndItem(work, work->held.front().progress.item(), LeaseEnd::kFailed, out,
              &failed);
      return;
    }
  }
}

void TrainingCore::AskForPlacement(Work* work, absl::Time now,
                                   ClientActions* out) {
  if (!connected_ || now < work->next_placement) return;
  work->next_placement = now + kPlacementPause;
  out->push_back(
      SendScheduler{PlacementRequest{options_.session, work->record->id}});
}

// --- Computing and pushing
// ----------------------------------------------------------

void TrainingCore::StartCompute(Work* work, Held* held, int64_t begin,
                                absl::Time now, ClientActions* out) {
  const JobPlan& plan = work->record->plan;
  const ItemId item = held->progress.item();
  computing_ = {work->record->id,           work->generation, item, begin,
                plan.BatchEnd(item, begin), work->values,     now};
  if (!plan.rounds()) work->values.reset();
  out->push_back(Compute{{work->record, work->generation, item, begin,
                          computing_->end, computing_->values}});
}

void TrainingCore::OnJobReady(JobId job, const absl::Status& status,
                              absl::Time now, ClientActions* out) {
  Work* work = Find(job);
  if (work == nullptr) return;
  work->preparing = false;
  work->advanced = now;
  work->ready = status.ok();
  if (!status.ok()) {
    out->push_back(
        LogEvent{absl::StrCat("job ", work->record->name,
                              " cannot be computed here: ", status.message())});
    ComputeResult failed;
    failed.error = std::string(status.message());
    while (!work->held.empty()) {
      EndItem(work, work->held.front().progress.item(), LeaseEnd::kFailed, out,
              &failed);
    }
  }
  Advance(now, out);
}

void TrainingCore::OnComputed(ComputeResult result, absl::Time now,
                              ClientActions* out) {
  if (!computing_) return;
  const Computing done = *std::exchange(computing_, std::nullopt);
  if (result.cancelled) return Advance(now, out);
  const absl::Duration took = now - done.since;
  typical_batch_ = typical_batch_ == absl::ZeroDuration()
                       ? took
                       : typical_batch_ * 0.9 + took * 0.1;
  ++batches_computed_;
  examples_computed_ += done.end - done.begin;
  Work* work = Find(done.job);
  if (work != nullptr && work->generation == done.generation) {
    work->advanced = now;
    Held* held = FindHeld(work, done.item);
    if (held != nullptr && !result.error.empty()) {
      EndItem(work, done.item, LeaseEnd::kFailed, out, &result, done.begin,
              done.end);
    } else if (held != nullptr) {
      PushBatch(work, held, done.begin, done.end, result, done.values.get(),
                false, out);
    }
  }
  Advance(now, out);
}

bool TrainingCore::PushSkipped(Work* work, Held* held, int64_t begin,
                               ClientActions* out) {
  const ItemId item = held->progress.item();
  const int64_t end = work->record->plan.BatchEnd(item, begin);
  ComputeResult nothing;
  nothing.ledger = ExpectedRow(item, begin, end);
  return PushBatch(work, held, begin, end, nothing, nullptr, true, out);
}

bool TrainingCore::PushBatch(Work* work, Held* held, int64_t begin, int64_t end,
                             const ComputeResult& result,
                             const PulledValues* values, bool skip,
                             ClientActions* out) {
  const JobPlan& plan = work->record->plan;
  const ItemId item = held->progress.item();
  auto batch = std::make_shared<Batch>();
  batch->item = item;
  batch->begin = begin;
  batch->end = end;
  std::map<ServerId, PushRequest> requests;
  for (int32_t i = 0; i < plan.partitions; ++i) {
    const PartitionId p(i);
    const Routes::Route& route = work->routes.at(p);
    if (held->progress.sent(p) != begin || route.term == Term()) continue;
    PushSegment segment;
    segment.partition = p;
    segment.term = route.term;
    if (values != nullptr) segment.pulled_updates = values->updates[i];
    if (!result.gradient.empty()) {
      const auto [first, last] = plan.ParameterRange(p);
      segment.gradient = result.gradient.Sub(first * 4, (last - first) * 4);
    }
    if (!skip && plan.oracle_width > 0) {
      const int64_t bytes = plan.oracle_width * int64_t{8};
      segment.oracle = result.oracle.Sub(i * bytes, bytes);
    }
    requests[route.server].segments.push_back(std::move(segment));
    held->progress.Sent(p, end);
    ++batch->unanswered;
  }
  if (requests.empty()) return false;
  work->batches.push_back(batch);
  for (auto& [server, request] : requests) {
    Routes::Server& route = work->routes.server(server);
    request.job = work->record->id;
    request.generation = work->generation;
    request.stamp = StampOf(*work);
    request.incarnation = route.incarnation;
    request.sequence = route.next_sequence++;
    request.server_session = route.session;
    request.layout_hash = plan.layout_hash;
    request.item = item;
    request.begin = begin;
    request.end = end;
    request.ledger = result.ledger;
    request.loss_sum = result.loss_sum;
    request.skip = skip;
    InFlight& flight = work->in_flight[{work->record->id, server,
                                        request.incarnation, request.sequence}];
    flight.batch = batch;
    for (const PushSegment& segment : request.segments) {
      flight.segments.emplace_back(segment.partition, segment.term);
    }
    out->push_back(SendPush{
        {work->record->id, server, request.incarnation, request.sequence},
        route.address,
        std::move(request),
        options_.push_timeout});
  }
  return true;
}

// --- Answers
// ----------------------------------------------------------------------

void TrainingCore::Settle(Work* work, const BatchPtr& batch, bool refused) {
  batch->refused = batch->refused || refused;
  if (--batch->unanswered > 0) return;
  work->batches.remove(batch);
  if (!batch->refused) ++work->clock;
}

void TrainingCore::OnPushReply(const PushId& id, const PushReply& reply,
                               absl::Time now, ClientActions* out) {
  Work* work = Find(id.job);
  if (work == nullptr || reply.worker != options_.session) return;
  const auto it = work->in_flight.find(id);
  if (it == work->in_flight.end()) return;
  const InFlight push = std::move(it->second);
  work->in_flight.erase(it);
  work->advanced = now;
  work->routes.Answered(id.server);
  const int64_t clock = work->clock;
  Judge(work, push, reply, now, out);
  // A push that was refused for want of room, or as of another generation, may
  // leave a hole in the sequence, for which the server would hold or refuse all
  // later ones.
  const bool out_of_sequence = std::any_of(
      reply.segments.begin(), reply.segments.end(), [](const auto& segment) {
        return segment.verdict == Verdict::kSuperseded ||
               segment.verdict == Verdict::kBusy ||
               segment.verdict == Verdict::kWrongGeneration;
      });
  if (out_of_sequence &&
      id.incarnation == work->routes.server(id.server).incarnation) {
    StepBackServer(work, id.server);
  }
  if (reply.generation > work->generation) {
    DropGeneration(work, reply.generation, out);
    AskForPlacement(work, now, out);
  }
  // Others may wait for this clock, and we for ourselves.
  if (work->clock != clock && work->puller.active()) SendClocks(work, now, out);
  Advance(now, out);
}

void TrainingCore::Judge(Work* work, const InFlight& push,
                         const PushReply& reply, absl::Time now,
                         ClientActions* out) {
  bool ended = false, invalid = false;
  for (size_t i = 0; i < push.segments.size(); ++i) {
    const auto [p, term] = push.segments[i];
    PushSegmentReply answer;
    answer.verdict = Verdict::kWrongPlacement;
    if (i < reply.segments.size() && reply.segments[i].partition == p) {
      answer = reply.segments[i];
    }
    const bool good = answer.verdict == Verdict::kApplied ||
                      answer.verdict == Verdict::kDuplicate;
    Held* held = FindHeld(work, push.batch->item);
    Settle(work, push.batch, !good);
    // A reply of another term says nothing of the present one.
    if (held == nullptr || work->routes.at(p).term != term) continue;
    switch (answer.verdict) {
      case Verdict::kApplied:
      case Verdict::kDuplicate:
        held->progress.Acknowledged(p, answer.mark);
        break;
      case Verdict::kGap:
      case Verdict::kOverlap:
        if (EBB_PLANTED(gap_never_lowers_the_mark)) break;
        held->progress.Refused(p, answer.mark);
        break;
      case Verdict::kStale:
        work->values.reset();  // As old as what was refused.
        if (!ComputingFor(*work)) work->puller.Cancel();
        held->progress.StepBack(p);
        break;
      case Verdict::kBusy:
        held->progress.StepBack(p);
        work->routes.Failed(work->routes.at(p).server, now);
        break;
      case Verdict::kWrongPlacement:
      case Verdict::kWrongGeneration:
        held->progress.StepBack(p);
        if (answer.term != term) work->routes.Forget(p);
        AskForPlacement(work, now, out);
        break;
      case Verdict::kSuperseded:
        held->progress.StepBack(p);
        break;
      case Verdict::kNotOpen:
      case Verdict::kClosed:
        ended = true;
        break;
      case Verdict::kInvalid:
        invalid = true;
        break;
    }
  }
  if (FindHeld(work, push.batch->item) == nullptr) return;
  if (invalid) {
    ComputeResult failed;
    failed.error = "a server found the push malformed";
    EndItem(work, push.batch->item, LeaseEnd::kFailed, out, &failed,
            push.batch->begin, push.batch->end);
  } else if (ended) {
    EndItem(work, push.batch->item, LeaseEnd::kRefused, out);
  }
}

void TrainingCore::OnPushFailed(const PushId& id, absl::Time now,
                                ClientActions* out) {
  Work* work = Find(id.job);
  if (work == nullptr || !work->in_flight.contains(id)) return;
  if (EBB_PLANTED(timeout_is_no_broken_stream)) return Advance(now, out);
  BreakServer(work, id.server, now, out);
  Advance(now, out);
}

void TrainingCore::StepBackServer(Work* work, ServerId server) {
  for (auto it = work->in_flight.begin(); it != work->in_flight.end();) {
    if (it->first.server != server) {
      ++it;
      continue;
    }
    for (size_t i = 0; i < it->second.segments.size(); ++i) {
      Settle(work, it->second.batch, true);
    }
    it = work->in_flight.erase(it);
  }
  work->routes.NewIncarnation(server);
  for (int32_t i = 0; i < work->record->plan.partitions; ++i) {
    const PartitionId p(i);
    if (work->routes.at(p).server != server) continue;
    for (Held& held : work->held) held.progress.StepBack(p);
  }
}

void TrainingCore::BreakServer(Work* work, ServerId server, absl::Time now,
                               ClientActions* out) {
  StepBackServer(work, server);
  work->routes.Failed(server, now);
  AskForPlacement(work, now, out);
}

void TrainingCore::OnPullReply(const PullId& id, PullReply reply,
                               absl::Time now, ClientActions* out) {
  Work* work = Find(id.job);
  if (work == nullptr || reply.worker != options_.session) return;
  if (evaluation_ && evaluation_->lease.record->id == id.job &&
      evaluation_->puller.Reply(id, reply, &work->routes)) {
    Advance(now, out);
    return;
  }
  const bool waits = std::any_of(
      reply.segments.begin(), reply.segments.end(),
      [](const auto& segment) { return segment.result == PullResult::kWait; });
  if (work->puller.Reply(id, std::move(reply), &work->routes)) {
    work->advanced = now;  // Waiting at a server is no fault of ours.
    work->parked = waits;
  }
  Advance(now, out);
}

void TrainingCore::OnPullFailed(const PullId& id, absl::Time now,
                                ClientActions* out) {
  Work* work = Find(id.job);
  if (work == nullptr) return;
  const bool training = work->puller.Failed(id);
  const bool evaluation = evaluation_ && evaluation_->puller.Failed(id);
  // The stream to this server broke: what was pushed on it may be lost too.
  if (training || evaluation) BreakServer(work, id.server, now, out);
  Advance(now, out);
}

void TrainingCore::EndItem(Work* work, ItemId item, LeaseEnd end,
                           ClientActions* out, const ComputeResult* failed,
                           int64_t begin, int64_t stop) {
  Held* held = FindHeld(work, item);
  if (held == nullptr) return;
  ItemEnd message;
  message.session = options_.session;
  message.job = work->record->id;
  message.generation = work->generation;
  message.item = item;
  message.end = end;
  message.position = held->progress.LowestMark();
  if (failed != nullptr) {
    message.position = begin;
    message.failed_end = stop;
    message.non_finite = failed->non_finite;
    message.error = failed->error;
  }
  out->push_back(SendScheduler{std::move(message)});
  work->held.remove_if(
      [&](const Held& one) { return one.progress.item() == item; });
  if (work->held.empty()) ForgetPulled(work);
}

void TrainingCore::ForgetPulled(Work* work) {
  work->puller.Cancel();
  work->values.reset();
}

// --- Evaluation
// -------------------------------------------------------------------

void TrainingCore::AdvanceEvaluation(absl::Time now, ClientActions* out) {
  if (!evaluation_) return;
  PendingEvaluation& pending = *evaluation_;
  Work* work = Find(pending.lease.record->id);
  const auto fail = [&](std::string why) {
    EvaluationResult result;
    result.session = options_.session;
    result.job = pending.lease.record->id;
    result.generation = pending.lease.generation;
    result.snapshot = pending.lease.snapshot;
    result.error = std::move(why);
    out->push_back(SendScheduler{std::move(result)});
    evaluation_.reset();
  };
  if (pending.computing || work == nullptr || work->preparing) return;
  if (!work->ready) return fail("the job cannot be computed here");
  if (draining_) return fail("the worker is leaving");
  if (pending.lease.generation != work->generation) {
    return fail("the job has a newer generation");
  }
  switch (pending.puller.state()) {
    case Puller::State::kPulling:
    case Puller::State::kNeedsPlacement:
      pending.puller.Pump(&work->routes, StampOf(*work), options_, now,
                          &next_request_, out);
      if (pending.puller.state() == Puller::State::kNeedsPlacement) {
        AskForPlacement(work, now, out);
      }
      return;
    case Puller::State::kDone:
      // After the batch, or the evaluation that this one replaced: its result
      // must not be taken for this one's.
      if (computing()) return;
      pending.computing = true;
      evaluating_ = true;
      out->push_back(Evaluate{
          {work->record, pending.lease.snapshot, pending.puller.TakeValues()}});
      return;
    default:
      return fail("the snapshot is gone");
  }
}

void TrainingCore::OnEvaluated(const EvaluationResult& result, absl::Time now,
                               ClientActions* out) {
  evaluating_ = false;
  if (evaluation_ && evaluation_->computing) {
    EvaluationResult message = result;
    message.session = options_.session;
    message.job = evaluation_->lease.record->id;
    message.generation = evaluation_->lease.generation;
    message.snapshot = evaluation_->lease.snapshot;
    out->push_back(SendScheduler{std::move(message)});
    evaluation_.reset();
  }
  for (auto& [id, work] : works_) work.advanced = now;
  Advance(now, out);
}

// --- Time and leaving
// ---------------------------------------------------------------

void TrainingCore::SendClocks(Work* work, absl::Time now, ClientActions* out) {
  work->next_clock = now + options_.clock_interval;
  if (work->record->plan.consistency.kind != ConsistencyKind::kSsp) return;
  if (EBB_PLANTED(clocks_are_sent_once)) return;  // Only with pulls.
  for (const auto& [id, server] : work->routes.servers()) {
    out->push_back(SendClock{
        server.address,
        ClockUpdate{work->record->id, work->generation, StampOf(*work)}});
  }
}

void TrainingCore::SendProgress(Work* work, absl::Time now, bool not_in_view,
                                ClientActions* out) {
  work->next_progress = now + work->ttl / 5;
  if (!connected_ || work->held.empty()) return;
  Progress progress;
  progress.session = options_.session;
  progress.job = work->record->id;
  progress.generation = work->generation;
  progress.item = work->held.front().progress.item();
  progress.position = work->held.front().progress.LowestMark();
  progress.clock = work->clock;
  progress.examples = examples_computed_;
  progress.parked = work->parked && work->puller.active();
  progress.not_in_view = not_in_view;
  out->push_back(SendScheduler{std::move(progress)});
}

void TrainingCore::OnTick(absl::Time now, ClientActions* out) {
  for (auto& [id, work] : works_) {
    if (work.puller.active() && work.next_clock <= now) {
      SendClocks(&work, now, out);
    }
    if (work.held.empty() || work.next_progress > now) continue;
    // A lease is renewed by progress, not by being alive: a batch that takes
    // far too long, or a server only we cannot reach, lets it run out.
    const absl::Duration patience =
        std::max(work.ttl, typical_batch_ * kSlowBatch);
    const bool computing_well =
        ComputingFor(work) && now - computing_->since < patience;
    if (computing_well || work.preparing || evaluating_ ||
        now - work.advanced < work.ttl) {
      SendProgress(&work, now, false, out);
    } else {
      work.next_progress = now + work.ttl / 5;
    }
  }
  Advance(now, out);
}

absl::Time TrainingCore::NextTick() const {
  absl::Time next = absl::InfiniteFuture();
  // What every event looks at is not due again once an event came after it.
  const auto later = [&](absl::Time time) {
    if (time > last_event_) next = std::min(next, time);
  };
  for (const auto& [id, work] : works_) {
    if (!work.held.empty()) {
      next = std::min(next, work.next_progress);
      later(work.pull_not_before);
    }
    const bool clocked =
        work.record->plan.consistency.kind == ConsistencyKind::kSsp;
    if (work.puller.active() && clocked) {
      next = std::min(next, work.next_clock);
    }
    later(work.next_placement);
    for (const auto& [server, route] : work.routes.servers()) {
      later(route.retry_at);
    }
  }
  return next;
}

void TrainingCore::Drain(absl::Time now, ClientActions* out) {
  if (!draining_) {
    draining_ = true;
    SayLeaving(out);
  }
  Advance(now, out);
}

// So that nothing more is leased to it, and people see it.
void TrainingCore::SayLeaving(ClientActions* out) {
  if (connected_) {
    out->push_back(SendScheduler{LeaseRequest{options_.session, 0}});
  }
}

void TrainingCore::FinishDrain(ClientActions* out) {
  if (drained_ || computing()) return;
  for (auto& [id, work] : works_) {
    if (!work.in_flight.empty()) return;
  }
  for (auto& [id, work] : works_) {
    while (!work.held.empty()) {
      EndItem(&work, work.held.front().progress.item(), LeaseEnd::kReturned,
              out);
    }
  }
  out->push_back(SendScheduler{WorkerGoodbye{options_.session}});
  drained_ = true;
}

}  // namespace ebb::client
