#include "client/job_work.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"

namespace ebb::client {

namespace {

constexpr absl::Duration kRejoinPause = absl::Milliseconds(50);
// The loader has tried for a minute already, each time.
constexpr absl::Duration kLoadPause = absl::Seconds(5);
constexpr int kMostLoads = 10;

ComputeResult Failure(absl::string_view why) {
  ComputeResult failed;
  failed.error = std::string(why);
  return failed;
}

}  // namespace

JobWork::JobWork(JobRecordPtr record, Generation generation,
                 WorkerState* worker)
    : first_record_(std::move(record)),
      record_(first_record_),
      worker_(worker),
      generation_(generation),
      routes_(record_->plan.partitions, worker->first_incarnation),
      puller_(first_record_->plan),
      pusher_(worker->options.push_bytes, worker->options.push_window_bytes),
      depth_(MostBatchesPerPull(worker->options, record_->plan)) {}

bool JobWork::idle() const {
  return items_.empty() && !preparing_ && !rows_.asking() && pusher_.idle() &&
         computing() == nullptr;
}

WorkerStamp JobWork::stamp() const {
  return {worker_->options.session, joined_, pusher_.clock()};
}

JobLimits JobWork::limits() const {
  return LimitsFor(worker_->options, record_->plan, worker_->held_bytes)
      .value_or(JobLimits());
}

const Computation::Batch* JobWork::computing() const {
  return worker_->computation.Of(record_->id, generation_);
}

int64_t JobWork::RoundOf(const LeasedItem* held) const {
  const JobPlan& plan = record_->plan;
  if (!plan.rounds() || held == nullptr) return -1;
  return plan.RoundOf(held->progress.item());
}

// --- The scheduler -----------------------------------------------------------

void JobWork::Begin(const JobRecordPtr& record, Generation generation,
                    ClientActions* out) {
  const bool changed =
      record != record_ && record->specification != record_->specification;
  if (changed) {
    record_ = record;
    ready_ = false;  // Its data stays, but the rest is prepared anew.
  }
  if (generation != generation_ || changed) GoOver(generation, out);
  if (ready_ || preparing_) return;
  Prepare(out);
}

void JobWork::Prepare(ClientActions* out) {
  load_again_ = absl::InfiniteFuture();
  preparing_ = true;
  prepared_ = record_;
  ++worker_->preparing;
  out->push_back(PrepareJob{record_});
}

void JobWork::Take(Lease lease, absl::Time now) {
  if (lease.joined != joined_) {
    joined_ = lease.joined;
    pusher_.set_clock(lease.start_clock);
    ForgetPulled();
  }
  pull_not_before_ = absl::InfinitePast();
  rate_factor_ = lease.rate_factor;
  items_.Take(record_->plan, std::move(lease), now);
}

void JobWork::Lose(const LeaseLost& lost) {
  if (lost.generation >= generation_) Drop(lost.item);
}

void JobWork::Place(const Placement& placement, ClientActions* out) {
  if (placement.generation != generation_) GoOver(placement.generation, out);
  const Routes::Changes changes = routes_.Update(placement);
  for (const ServerId server : changes.servers) StepBackServer(server);
  // It is back: what was pulled may be as old as the time it was away.
  if (GoesOn() && !changes.servers.empty()) DropValues();
  for (const PartitionId p : changes.partitions) items_.StepBack(p);
}

void JobWork::GoOver(Generation generation, ClientActions* out) {
  for (const ItemId item : items_.Ids()) {
    out->push_back(SendScheduler{EndOf(item, LeaseEnd::kReturned)});
  }
  items_.Clear();
  gathered_.reset();
  pusher_.Clear();
  ForgetPulled();
  generation_ = generation;
  // What was under way is not answered in sequence any more.
  for (const auto& [id, server] : routes_.servers()) {
    routes_.NewIncarnation(id);
  }
}

void JobWork::OnJobReady(absl::Status status, absl::Time now,
                         ClientActions* out) {
  preparing_ = false;
  --worker_->preparing;
  // The job was changed meanwhile: nothing is known of what it is now.
  if (prepared_ != record_) {
    if (wanted()) Prepare(out);
    return;
  }
  const bool fits =
      LimitsFor(worker_->options, record_->plan, worker_->held_bytes)
          .has_value();
  if (status.ok() && !fits) {
    status = absl::ResourceExhaustedError(
        WhyItDoesNotFit(worker_->options, record_->plan, worker_->held_bytes));
  }
  ready_ = status.ok();
  // The source of the data is away, or has too much to do. Neither lasts for
  // ever, and a worker that fails an item here is not asked again.
  const bool may_pass = absl::IsUnavailable(status);
  loads_failed_ = may_pass ? loads_failed_ + 1 : 0;
  if (ready_) return;
  if (may_pass && loads_failed_ < kMostLoads) {
    load_again_ = now + kLoadPause;
    out->push_back(LogEvent{
        absl::StrCat("job ", record_->name,
                     " is loaded again in a while: ", status.message())});
    return;
  }
  loads_failed_ = 0;
  out->push_back(LogEvent{absl::StrCat(
      "job ", record_->name, " cannot be computed here: ", status.message())});
  for (const ItemId item : items_.Ids()) {
    FailItem({item}, Failure(status.message()), out);
  }
}

// --- Going on ----------------------------------------------------------------

void JobWork::Advance(absl::Time now, ClientActions* out) {
  if (!ready_) {
    Probe(now, out);
    return TellReached(now, out);
  }
  // Before the next pull, which is to see it.
  pusher_.Pump(routes_, now, out);
  Proceed(now, out);
  pusher_.Pump(routes_, now, out);
}

void JobWork::Proceed(absl::Time now, ClientActions* out) {
  for (const ItemId item : items_.Done()) EndItem(item, LeaseEnd::kDone, out);
  EndPull(now, out);
  if (worker_->draining && !LeavesSomething()) {
    puller_.Cancel();
    return;
  }
  SendShares(false, now);
  bool goes_on = false;
  for (;;) {
    goes_on = StartBatches(now, out);
    MaybePull(now, out);
    puller_.Pump(&routes_, stamp(), worker_->options, now,
                 &worker_->next_request, out);
    // Where all servers are away it needs none.
    if (puller_.state() != Puller::State::kDone) break;
    EndPull(now, out);
  }
  if (puller_.state() == Puller::State::kNeedsPlacement ||
      (GoesOn() && !routes_.Complete())) {
    AskForPlacement(now, out);
  }
  if (!goes_on && !puller_.active()) SendShares(true, now);
  Probe(now, out);
  TellReached(now, out);
}

bool JobWork::StartBatches(absl::Time now, ClientActions* out) {
  const auto window =
      static_cast<size_t>(limits().batches_in_flight + depth_.batches() - 1);
  int64_t begin = 0;
  while (LeasedItem* held = items_.Next(&begin)) {
    if (worker_->computation.busy() || pusher_.batches() >= window) return true;
    if (!Reachable(*held, begin, now)) {
      if (!routes_.Complete()) AskForPlacement(now, out);
      return false;
    }
    if (!held->Skips(begin)) {
      Compute(*held, begin, now, out);
      return true;
    }
    if (!PushSkipped(held, begin)) {
      AskForPlacement(now, out);
      return false;
    }
  }
  return false;
}

// Whether the batch is worth computing: where a server refused or did not
// answer, the same batch would be computed again and again.
bool JobWork::Reachable(const LeasedItem& held, int64_t begin,
                        absl::Time now) const {
  for (int32_t i = 0; i < record_->plan.partitions; ++i) {
    const PartitionId p(i);
    if (held.Next(p) != begin || CanKeep(held, p, begin)) continue;
    // A share goes first; on its way to a server that does not answer it finds
    // out whether that does so again.
    if (held.SharePending(p)) return false;
    if (held.ShareUnderWay(p) && routes_.Away(p)) return false;
    const Routes::Route& route = routes_.at(p);
    if (!route.known || routes_.server(route.server).retry_at > now) {
      return false;
    }
  }
  return true;
}

int64_t JobWork::PushEnd(const LeasedItem& held, int64_t begin) const {
  int64_t end = record_->plan.PushEnd(held.progress.item(), begin);
  for (const SkippedRange& range : held.skipped) {
    if (range.begin >= begin) end = std::min(end, range.begin);
  }
  return end;
}

bool JobWork::GoesOnAt(ItemId item, int64_t from) const {
  return last_ && last_->run.item == item && last_->run.end == from &&
         !record_->plan.PullsAt(item, from);
}

void JobWork::Compute(const LeasedItem& held, int64_t begin, absl::Time now,
                      ClientActions* out) {
  const JobPlan& plan = record_->plan;
  const ItemId item = held.progress.item();
  const int64_t push_end = PushEnd(held, begin);
  int64_t from = begin;
  if (gathered_ && gathered_->run.item == item &&
      gathered_->run.begin == begin && gathered_->run.end < push_end) {
    from = gathered_->run.end;
  } else {
    gathered_.reset();
  }
  // Old ones only while newer are on their way.
  if (!puller_.active()) used_.reset();
  const bool goes_on = GoesOnAt(item, from);
  const PulledValuesPtr values = goes_on              ? last_->values
                                 : values_ != nullptr ? values_
                                                      : used_;
  if (values == nullptr || !Serves(*values, WantedFor(&held, from))) {
    DropValues();
    return;
  }
  const LeasedItems::Run run{item, from, plan.BatchEnd(item, from)};
  ComputeTask task{record_, generation_, item, run.begin, run.end, values, {}};
  // A worker that leaves pushes what there is; but a round's items are whole.
  const bool leaves = worker_->draining && !plan.rounds();
  task.push = run.end == push_end || leaves;
  task.whole = task.push && (run.end == plan.ItemSize(item) || leaves);
  task.gathered = from - begin;
  task.rate_factor = rate_factor_;
  if (plan.KeepsEffect()) {
    task.due.resize(plan.partitions);
    for (int32_t p = 0; p < plan.partitions; ++p) {
      task.due[p] = held.Next(PartitionId(p)) == begin;
    }
  }
  worker_->computation.Begin({record_->id, generation_, run, begin,
                              gathered_ ? gathered_->values : values, task.push,
                              now, worker_->preparing > 0});
  out->push_back(client::Compute{std::move(task)});
  if (plan.algorithm.has_local_rule()) last_ = Gathered{run, values};
  if (!plan.rounds() && !goes_on) Used(values);
}

void JobWork::Used(const PulledValuesPtr& values) {
  if (values == values_) {
    uses_left_ = depth_.batches();
    used_ = std::move(values_);
  }
  values_.reset();
  if (--uses_left_ <= 0) used_.reset();
}

void JobWork::OnComputed(const Computation::Batch& batch,
                         const ComputeResult& result, absl::Time now,
                         ClientActions* out) {
  if (batch.generation != generation_) return;
  items_.Advanced(now);
  if (!batch.after_load) depth_.Computed(now - batch.since);
  LeasedItem* held = items_.Find(batch.run.item);
  if (held == nullptr) return;
  gathered_.reset();
  const LeasedItems::Run run{batch.run.item, batch.push_begin, batch.run.end};
  // Decided while it was computed.
  if (held->SkipsAny(run.begin, run.end)) return;
  if (!result.error.empty()) return FailItem(batch.run, result, out);
  SendShares(held, false, now);
  held->left_over = result.leaves && !record_->plan.rounds();
  if (!batch.push) {
    gathered_ = Gathered{run, batch.values};
    return;
  }
  Keep(held, OrderFor(run, result, batch.values.get(), false), out);
  Push(held, run, result, batch.values.get(), false);
}

// --- Pulling -----------------------------------------------------------------

JobWork::Wanted JobWork::WantedFor(const LeasedItem* held,
                                   int64_t begin) const {
  Wanted wanted;
  wanted.round = RoundOf(held);
  const JobPlan& plan = record_->plan;
  if (held != nullptr && plan.trained_tables() > 0) {
    const ItemId item = held->progress.item();
    wanted.batch = {record_, generation_, item, begin,
                    plan.BatchEnd(item, begin)};
  }
  return wanted;
}

bool JobWork::Serves(const PulledValues& values, const Wanted& wanted) {
  if (values.round != wanted.round) return false;
  return !wanted.batch ||
         (values.rows != nullptr && values.rows->Are(*wanted.batch));
}

void JobWork::OnRowsFound(const FindRows& batch,
                          absl::StatusOr<BatchRowsPtr> rows, absl::Time now,
                          ClientActions* out) {
  items_.Advanced(now);
  rows_.Found(rows.ok() ? *rows : nullptr);
  if (!rows.ok() && batch.generation == generation_) {
    FailItem({batch.item, batch.begin, batch.end},
             Failure(rows.status().message()), out);
  }
}

// Begins the next pull when there will be something to compute with it.
void JobWork::MaybePull(absl::Time now, ClientActions* out) {
  const Computation::Batch* computing = this->computing();
  if (computing != nullptr && !limits().prefetch) return;
  // What is computed, or will be before the values are there.
  std::optional<LeasedItems::Run> computed;
  if (computing != nullptr) {
    computed = {computing->run.item, computing->push_begin, computing->run.end};
  } else if (gathered_) {
    computed = gathered_->run;
  }
  int64_t begin = 0;
  const LeasedItem* next =
      items_.NextAfter(computed ? &*computed : nullptr, &begin);
  if (next != nullptr && GoesOnAt(next->progress.item(), begin)) return;
  const Wanted wanted = WantedFor(next, begin);
  const int64_t target = clock() + static_cast<int64_t>(pusher_.batches()) +
                         (computing == nullptr ? 0 : 1);
  if (puller_.active()) {
    // A batch that was refused or given up counts no more: a pull for the one
    // after it would wait for this very worker.
    puller_.LowerTarget(target);
    // So would a pull of a later round than an item that was leased since.
    // Or one for the rows of another batch than the next.
    const PullSpec& spec = puller_.spec();
    const bool of_others = wanted.batch && !spec.rows->Are(*wanted.batch);
    if (next == nullptr || (spec.round == wanted.round && !of_others)) return;
    puller_.Cancel();
  }
  if (next == nullptr || now < pull_not_before_) return;
  if (worker_->evaluates_alone) return;
  if (values_ != nullptr && Serves(*values_, wanted)) return TellNext(out);
  PullSpec spec;
  if (wanted.batch) {
    spec.rows = rows_.Find(*wanted.batch, out);
    if (spec.rows == nullptr) return;
  }
  spec.job = record_->id;
  spec.generation = generation_;
  spec.target_clock = target;
  spec.round = wanted.round;
  spec.go_on = GoesOn();
  spec.encoding = EncodingOf(record_->plan.filters.pull);
  puller_.Start(spec);
  pull_since_ = now;
  next_clock_ = now + worker_->options.clock_interval;
}

// A local rule makes other values of them, which are not known before the batch
// under way is done.
void JobWork::TellNext(ClientActions* out) {
  if (record_->plan.algorithm.has_local_rule()) return;
  if (!std::exchange(told_, true)) out->push_back(Expect{values_});
}

void JobWork::EndPull(absl::Time now, ClientActions* out) {
  switch (puller_.state()) {
    case Puller::State::kIdle:
    case Puller::State::kPulling:
    case Puller::State::kNeedsPlacement:
    case Puller::State::kNoSnapshot:
      return;
    case Puller::State::kDone:
      values_ = puller_.TakeValues();
      told_ = false;
      worker_->cached_rows += puller_.TakeCachedRows();
      depth_.Pulled(now - pull_since_);
      return;
    case Puller::State::kClosed:
      return EndClosedRound(out);
    case Puller::State::kNotInView:
      pull_not_before_ = now + kRejoinPause;
      SendProgress(now, puller_.view_clock(), out);
      return puller_.Cancel();
    case Puller::State::kOtherGeneration:
      return EndPullOfOtherGeneration(now, out);
    case Puller::State::kInvalid:
      return EndInvalidPull(out);
  }
}

void JobWork::EndClosedRound(ClientActions* out) {
  const int64_t round = puller_.spec().round;
  puller_.Cancel();
  for (const ItemId item : items_.Ids()) {
    if (record_->plan.RoundOf(item) == round) {
      EndItem(item, LeaseEnd::kRefused, out);
    }
  }
}

void JobWork::EndPullOfOtherGeneration(absl::Time now, ClientActions* out) {
  const Generation theirs = puller_.generation();
  puller_.Cancel();
  pull_not_before_ = now + kPlacementPause;
  if (theirs > generation_) GoOver(theirs, out);
  AskForPlacement(now, out);
}

void JobWork::EndInvalidPull(ClientActions* out) {
  puller_.Cancel();
  if (items_.empty()) return;
  FailItem({items_.front().progress.item()},
           Failure("a server found the pull malformed"), out);
}

void JobWork::ForgetPulled() {
  puller_.Forget();
  rows_.Forget();
  DropValues();
}

void JobWork::OnPullReply(const PullId& id, PullReply reply, absl::Time now) {
  if (TakeProbe(id)) return OnProbeAnswered(id.server);
  const bool waits = std::any_of(
      reply.segments.begin(), reply.segments.end(),
      [](const auto& segment) { return segment.result == PullResult::kWait; });
  if (!puller_.Reply(id, std::move(reply), &routes_)) return;
  items_.Advanced(now);  // Waiting at a server is not this worker's fault.
  parked_ = waits;
}

void JobWork::OnPullFailed(const PullId& id, const CallFailure& why,
                           absl::Time now, ClientActions* out) {
  if (TakeProbe(id)) return OnProbeFailed(id.server, why, now, out);
  if (puller_.Failed(id)) BreakServer(id.server, why, now, out);
}

// --- Reports -----------------------------------------------------------------

void JobWork::SendClocks(absl::Time now, ClientActions* out) {
  next_clock_ = now + worker_->options.clock_interval;
  if (!record_->plan.clocked()) return;
  if (EBB_PLANTED(clocks_are_sent_once)) return;  // Only with pulls.
  for (const auto& [id, server] : routes_.servers()) {
    out->push_back(SendClock{server.address,
                             ClockUpdate{record_->id, generation_, stamp()}});
  }
}

void JobWork::SendProgress(absl::Time now, std::optional<int64_t> view_clock,
                           ClientActions* out) {
  items_.PlanRenewal(now);
  if (!worker_->connected || items_.empty()) return;
  const ItemProgress& first = items_.front().progress;
  Progress progress;
  progress.session = worker_->options.session;
  progress.job = record_->id;
  progress.generation = generation_;
  progress.item = first.item();
  progress.position = first.LowestMark();
  progress.clock = clock();
  progress.examples = worker_->computation.examples();
  progress.parked = parked_ && puller_.active();
  progress.not_in_view = view_clock.has_value();
  progress.view_clock = view_clock.value_or(0);
  out->push_back(SendScheduler{std::move(progress)});
}

ItemEnd JobWork::EndOf(ItemId item, LeaseEnd end) const {
  ItemEnd message;
  message.session = worker_->options.session;
  message.job = record_->id;
  message.generation = generation_;
  message.item = item;
  message.end = end;
  message.examples = worker_->computation.examples();
  return message;
}

void JobWork::EndItem(ItemId item, LeaseEnd end, ClientActions* out) {
  const LeasedItem* held = items_.Find(item);
  if (held == nullptr) return;
  ItemEnd message = EndOf(item, end);
  message.position = held->progress.LowestMark();
  out->push_back(SendScheduler{std::move(message)});
  Drop(item);
}

void JobWork::FailItem(const LeasedItems::Run& run, const ComputeResult& why,
                       ClientActions* out) {
  if (!Holds(run.item)) return;
  ItemEnd message = EndOf(run.item, LeaseEnd::kFailed);
  message.position = run.begin;
  message.failed_end = run.end;
  message.non_finite = why.non_finite;
  message.error = why.error;
  out->push_back(SendScheduler{std::move(message)});
  Drop(run.item);
}

void JobWork::Drop(ItemId item) {
  items_.Remove(item);
  if (gathered_ && gathered_->run.item == item) gathered_.reset();
  if (items_.empty()) ForgetPulled();
}

bool JobWork::LeavesSomething() const {
  return std::any_of(items_.begin(), items_.end(), [](const LeasedItem& held) {
    return held.left_over && held.Next() < held.progress.size();
  });
}

void JobWork::ReturnItems(ClientActions* out) {
  for (const ItemId item : items_.Ids()) {
    EndItem(item, LeaseEnd::kReturned, out);
  }
}

// --- Time --------------------------------------------------------------------

void JobWork::OnTick(absl::Time now, ClientActions* out) {
  if (puller_.active() && next_clock_ <= now) SendClocks(now, out);
  if (load_again_ <= now && wanted()) Prepare(out);
  if (items_.empty() || items_.next_renewal() > now) return;
  // A lease is renewed by progress, not by being alive: a batch that takes far
  // too long, or a server only we cannot reach, lets it run out.
  const Computation& computation = worker_->computation;
  const Computation::Batch* batch = computing();
  const bool computing_well =
      batch != nullptr &&
      now - batch->since < std::max(items_.ttl(), computation.patience());
  const bool loading = (worker_->preparing > 0 && !computation.BeforeLoads()) ||
                       load_again_ < absl::InfiniteFuture();
  if (computing_well || loading || computation.evaluating() ||
      items_.AdvancedLately(now)) {
    SendProgress(now, std::nullopt, out);
  } else {
    items_.PlanRenewal(now);
  }
}

absl::Time JobWork::NextTick(absl::Time last) const {
  absl::Time next = absl::InfiniteFuture();
  // What Advance looks at is not due again once it came after it.
  const auto later = [&](absl::Time time) {
    if (time > last) next = std::min(next, time);
  };
  if (!items_.empty()) {
    next = std::min(next, items_.next_renewal());
    later(pull_not_before_);
  }
  if (wanted()) next = std::min(next, load_again_);
  if (puller_.active() && record_->plan.clocked())
    next = std::min(next, next_clock_);
  later(next_placement_);
  return std::min(next, routes_.NextRetry(last));
}

}  // namespace ebb::client
