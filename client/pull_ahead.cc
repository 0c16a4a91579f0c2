#include "client/pull_ahead.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "client/job_limits.h"
#include "common/plant.h"

namespace ebb::client {

namespace {

// After a pull that the servers refused: the scheduler is told, or asked.
constexpr absl::Duration kRefusedPause = absl::Milliseconds(50);

}  // namespace

PullAhead::PullAhead(JobState* job)
    : job_(*job),
      puller_(job_.first_record->plan),
      depth_(MostBatchesPerPull(job_.worker.options, job_.plan())),
      start_(job_.worker.options.assembles_next) {}

// --- Pulling -----------------------------------------------------------------

PullAhead::Wanted PullAhead::WantedFor(const LeasedItem* held,
                                       int64_t begin) const {
  Wanted wanted;
  if (held == nullptr) return wanted;
  const JobPlan& plan = job_.plan();
  const ItemId item = held->progress.item();
  if (plan.rounds()) wanted.round = plan.RoundOf(item);
  if (plan.trained_tables() > 0) {
    wanted.batch = {job_.record, job_.generation, item, begin,
                    plan.BatchEnd(item, begin)};
  }
  return wanted;
}

bool PullAhead::Serves(const PulledValues& values, const Wanted& wanted) {
  if (values.round != wanted.round) return false;
  return !wanted.batch ||
         (values.rows != nullptr && values.rows->Are(*wanted.batch));
}

// Values of a round stay the same. Where something is wrong already, the pull
// finds it out, and has it mended meanwhile.
absl::Time PullAhead::StartDuring(const Computation::Batch* computing) const {
  if (computing == nullptr || job_.plan().rounds() || !job_.in_view() ||
      !job_.routes.Complete() || !job_.routes.Broken().empty()) {
    return absl::InfinitePast();
  }
  if (!pushes_answered_ && start_.AfterPushes()) return absl::InfiniteFuture();
  return computing->since + start_.After();
}

bool PullAhead::PullsAfterPushes() const {
  const JobPlan& plan = job_.plan();
  if (plan.rounds()) return false;
  // A run has the worker's last one in its values.
  if (plan.algorithm.runs) return true;
  return !job_.worker.options.prefetch && !plan.algorithm.has_local_rule();
}

// Values that are to have all that this worker did have it only once the
// servers said so.
bool PullAhead::WaitsForPushes(bool computes) const {
  if (!PullsAfterPushes()) return false;
  return job_.pusher.batches() > 0 || (computes && job_.plan().algorithm.runs);
}

void PullAhead::PullNext(absl::Time now, ClientActions* out) {
  const std::optional<absl::Time> due = std::exchange(due_, std::nullopt);
  const Computation::Batch* computing = job_.computing();
  if (computing != nullptr && !job_.limits().prefetch) return;
  if (computing != nullptr && !pushes_answered_ && job_.pusher.batches() == 0) {
    pushes_answered_ = true;
    start_.Pushed(now - computing->since);
  }
  // The run that is computed, or will be before the values are there.
  std::optional<LeasedItems::Run> computed;
  if (computing != nullptr) {
    computed = {computing->run.item, computing->push_begin, computing->run.end};
  } else if (const auto& gathered = job_.items.gathered()) {
    computed = gathered->run;
  }
  int64_t begin = 0;
  const LeasedItem* next =
      job_.items.NextAfter(computed ? &*computed : nullptr, &begin);
  if (next != nullptr && GoesOnAt(next->progress.item(), begin)) return;
  const Wanted wanted = WantedFor(next, begin);
  const int64_t target = job_.clock() +
                         static_cast<int64_t>(job_.pusher.batches()) +
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
  if (next == nullptr || now < not_before_) return;
  if (job_.worker.evaluates_alone) return;
  if (values_ != nullptr && Serves(*values_, wanted)) return TellNext(out);
  PullSpec spec;
  if (wanted.batch) {
    spec.rows = rows_.Find(*wanted.batch, out);
    if (spec.rows == nullptr) return;
  }
  if (WaitsForPushes(computed.has_value())) return;
  if (const absl::Time start = StartDuring(computing); now < start) {
    due_ = start;
    return;
  }
  spec.job = job_.record->id;
  spec.generation = job_.generation;
  spec.target_clock = target;
  spec.round = wanted.round;
  spec.during_batch = computing != nullptr;
  spec.go_on = job_.GoesOn();
  spec.encoding = EncodingOf(job_.plan().filters.pull);
  puller_.Start(spec);
  // What a tick was late is a part of the time that a pull takes.
  since_ = std::min(now, due.value_or(now));
  next_clock_ = now + job_.worker.options.clock_interval;
}

// A local rule makes other values of them, which are not known before the batch
// under way is done.
void PullAhead::TellNext(ClientActions* out) {
  if (job_.plan().algorithm.has_local_rule()) return;
  if (!std::exchange(told_, true)) out->push_back(Expect{values_});
}

void PullAhead::Pump(absl::Time now, ClientActions* out) {
  puller_.Pump(&job_.routes, job_.stamp(), job_.worker.options, now,
               &job_.worker.next_request, out);
}

Puller::State PullAhead::End(absl::Time now) {
  const Puller::State state = puller_.state();
  switch (state) {
    case Puller::State::kIdle:
    case Puller::State::kPulling:
    case Puller::State::kNeedsPlacement:
    case Puller::State::kNoSnapshot:
      break;
    case Puller::State::kDone:
      values_ = puller_.TakeValues();
      told_ = false;
      job_.worker.cached_rows += puller_.TakeCachedRows();
      depth_.Pulled(now - since_);
      start_.Pulled(now - since_);
      break;
    case Puller::State::kNotInView:
    case Puller::State::kOtherGeneration:
      not_before_ = now + kRefusedPause;
      puller_.Cancel();
      break;
    case Puller::State::kClosed:
    case Puller::State::kInvalid:
      puller_.Cancel();
      break;
  }
  return state;
}

void PullAhead::OnReply(const PullId& id, PullReply reply, absl::Time now) {
  const bool waits = std::any_of(
      reply.segments.begin(), reply.segments.end(),
      [](const auto& segment) { return segment.result == PullResult::kWait; });
  if (!puller_.Reply(id, std::move(reply), &job_.routes)) return;
  job_.items.Advanced(now);  // The server holds it up, not this worker.
  parked_ = waits;
}

// --- Values ------------------------------------------------------------------

bool PullAhead::GoesOnAt(ItemId item, int64_t from) const {
  return last_ && last_->run.item == item && last_->run.end == from &&
         !job_.plan().PullsAt(item, from);
}

PulledValuesPtr PullAhead::ValuesFor(const LeasedItem& held, int64_t begin) {
  // Old ones only while newer are on their way.
  if (!puller_.active()) used_.reset();
  // A run that begins takes none of those before it.
  const bool goes_on =
      !job_.plan().algorithm.runs && GoesOnAt(held.progress.item(), begin);
  PulledValuesPtr values = goes_on              ? last_->values
                           : values_ != nullptr ? values_
                                                : used_;
  if (values == nullptr || !Serves(*values, WantedFor(&held, begin))) {
    DropValues();
    return nullptr;
  }
  return values;
}

void PullAhead::Computed(absl::Duration took) {
  depth_.Computed(took);
  start_.Computed(took);
  if (!pushes_answered_) start_.Pushed(took);
}

void PullAhead::Begun(const LeasedItems::Run& run,
                      const PulledValuesPtr& values) {
  pushes_answered_ = false;
  const JobPlan& plan = job_.plan();
  const bool goes_on = GoesOnAt(run.item, run.begin);
  if (plan.algorithm.has_local_rule()) last_ = Last{run, values};
  if (!plan.rounds() && !goes_on) Used(values);
}

void PullAhead::Used(const PulledValuesPtr& values) {
  if (values == values_) {
    uses_left_ = depth_.batches();
    used_ = std::move(values_);
  }
  values_.reset();
  if (--uses_left_ <= 0) used_.reset();
}

void PullAhead::DropValues() {
  values_.reset();
  used_.reset();
  last_.reset();
}

void PullAhead::DropStale(PartitionId p) {
  DropValues();  // They are as old as what was refused.
  puller_.DropRows(p);
  // It may have taken rows that were there.
  if (job_.computing() == nullptr || puller_.keeps_rows()) puller_.Cancel();
}

void PullAhead::ForgetOldValues(ServerId server) {
  if (job_.GoesOn() && !job_.routes.server(server).answers) DropValues();
}

void PullAhead::Forget() {
  puller_.Forget();
  rows_.Forget();
  DropValues();
  due_.reset();
}

// --- The clock ---------------------------------------------------------------

void PullAhead::SendClocks(absl::Time now, ClientActions* out) {
  next_clock_ = now + job_.worker.options.clock_interval;
  if (!job_.plan().clocked()) return;
  if (EBB_PLANTED(clocks_are_sent_once)) return;  // Only with pulls.
  for (const auto& [id, server] : job_.routes.servers()) {
    out->push_back(
        SendClock{server.address,
                  ClockUpdate{job_.record->id, job_.generation, job_.stamp()}});
  }
}

void PullAhead::OnClockChanged(absl::Time now, ClientActions* out) {
  // Others may wait for this clock, and we for ourselves.
  // A worker that keeps rows may not pull for a while, and so not say it; nor
  // does one whose next pull is not due.
  if (puller_.active() || puller_.keeps_rows() || due_) SendClocks(now, out);
}

void PullAhead::OnTick(absl::Time now, ClientActions* out) {
  if (puller_.active() && next_clock_ <= now) SendClocks(now, out);
}

absl::Time PullAhead::NextTick(absl::Time last) const {
  absl::Time next = absl::InfiniteFuture();
  if (puller_.active() && job_.plan().clocked()) next = next_clock_;
  if (!job_.items.empty() && not_before_ > last) {
    next = std::min(next, not_before_);
  }
  if (due_ && *due_ > last) next = std::min(next, *due_);
  return next;
}

}  // namespace ebb::client
