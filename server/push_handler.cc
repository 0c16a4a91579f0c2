#include "server/push_handler.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/plant.h"

namespace ebb::server {

namespace {

constexpr size_t kMaxStalenessBucket = 1024;
// Every push goes to all partitions, so one of them knows all losses.
constexpr PartitionId kLossesAt(0);
// Enough for a mean that does not jump, few enough to be of now; and no more
// than an epoch.
constexpr int64_t kRecentBatches = 32;
// The wait if there was no memory for what an operation takes.
constexpr absl::Duration kOperateAgain = absl::Seconds(1);

}  // namespace

bool PushHandler::Push(uint64_t token, PushRequest push,
                       const absl::Status& room, absl::Time now,
                       ServerActions* out) {
  const auto pending = std::make_shared<PendingPush>(
      token, std::move(push), job_.stored.generation, job_.options);
  const PushRequest& request = pending->request();
  CountTraffic(request);
  if (request.generation != job_.stored.generation) {
    Refuse(pending, Verdict::kWrongGeneration, out);
    return false;
  }
  if (request.server_session != job_.options.session) {
    Refuse(pending, Verdict::kWrongPlacement, out);
    return false;
  }
  const auto outcome = intake_.Arrive(pending, now, room.ok());
  for (const PendingPushPtr& old : outcome.superseded) {
    Refuse(old, Verdict::kSuperseded, out);
  }
  for (const PendingPushPtr& refused : outcome.refused) {
    CountRefused(!room.ok() ? std::string(room.message())
                 : outcome.after_refusal
                     ? "one before it was refused"
                     : absl::StrCat("a worker has more than ",
                                    job_.options.push_window,
                                    " pushes under way, and the first is "
                                    "missing"));
    Refuse(refused, Verdict::kBusy, out);
  }
  for (const PendingPushPtr& ready : outcome.ready) Admit(ready, out);
  return true;
}

void PushHandler::Refuse(const PendingPushPtr& push, Verdict verdict,
                         ServerActions* out) {
  push->AnswerAll(
      verdict, [&](PartitionId id) { return job_.TermOf(id); }, out);
}

void PushHandler::Admit(const PendingPushPtr& push, ServerActions* out) {
  const auto& segments = push->request().segments;
  if (segments.empty()) return push->Reply(out);
  if (admitted_ >= job_.options.push_limit) {
    CountRefused(absl::StrCat(job_.options.push_limit,
                              " pushes wait already: updates are slower"));
    Refuse(push, Verdict::kBusy, out);
    return;
  }
  // Answering the last segment ends the push, so first all are queued.
  std::vector<HostedPartition*> touched;
  std::vector<size_t> misplaced;
  for (size_t i = 0; i < segments.size(); ++i) {
    const auto it = job_.partitions.find(segments[i].partition);
    if (it == job_.partitions.end() || it->second.values == nullptr ||
        it->second.term != segments[i].term) {
      misplaced.push_back(i);
      continue;
    }
    it->second.queue.push_back({push, i});
    ++admitted_;
    touched.push_back(&it->second);
  }
  for (const size_t i : misplaced) {
    push->Answer(i, Verdict::kWrongPlacement, 0,
                 job_.TermOf(segments[i].partition), out);
  }
  for (HostedPartition* hosted : touched) RunQueue(hosted, out);
}

void PushHandler::RunQueue(HostedPartition* hosted, ServerActions* out) {
  while (!hosted->busy && hosted->values != nullptr) {
    if (hosted->queue.empty()) return;
    if (hosted->outgoing.frozen() && !EBB_PLANTED(frozen_source_goes_on)) {
      return;
    }
    const HostedPartition::QueuedSegment next =
        std::move(hosted->queue.front());
    hosted->queue.pop_front();
    --admitted_;
    if (hosted->held) {
      JudgeBesideHeld(hosted, next, out);
    } else {
      hosted->busy = StartUpdate(hosted, next, out);
    }
  }
}

// The round has all its examples but those of the push that is held, which
// counts for all that is pushed as if it was applied.
void PushHandler::JudgeBesideHeld(HostedPartition* hosted,
                                  const HostedPartition::QueuedSegment& next,
                                  ServerActions* out) {
  const PushRequest& push = next.push->request();
  const PushSegment& segment = push.segments[next.segment];
  Judgement judgement{Verdict::kWrongPlacement, 0};
  if (segment.term == hosted->term) {
    judgement =
        hosted->values->Judge(push, segment, job_.rounds.closed_everywhere);
    const PushRequest& held = hosted->held->segment.push->request();
    const bool by_mark = judgement.verdict == Verdict::kApplied ||
                         judgement.verdict == Verdict::kGap ||
                         judgement.verdict == Verdict::kOverlap;
    // It ends its item.
    if (by_mark && push.item == held.item) {
      judgement = {Verdict::kDuplicate, held.end};
    }
  }
  next.push->Answer(next.segment, judgement.verdict, judgement.mark,
                    hosted->term, out);
}

void PushHandler::Operate(HostedPartition* hosted,
                          const RoundOperation& operation, ServerActions* out) {
  const bool asked_for = hosted->held && hosted->values != nullptr &&
                         operation.round == hosted->values->rounds().open();
  if (!asked_for || hosted->busy || hosted->outgoing.frozen()) return;
  HostedPartition::Held& held = *hosted->held;
  const absl::Status prepared =
      hosted->values->PrepareOperation(operation.operation, held.update.get());
  if (!prepared.ok()) {
    job_.Complain(absl::StrCat("the operation of round ", operation.round,
                               " cannot be applied: ", prepared.message()),
                  KindOf(prepared));
    held.operation = operation;
    return;
  }
  hosted->running = held.segment;
  hosted->busy = true;
  std::unique_ptr<Partition::Update> update = std::move(held.update);
  hosted->held.reset();
  out->push_back(
      RunUpdate{{job_.stored.record->id, hosted->values, std::move(update)}});
}

void PushHandler::DropHeld(HostedPartition* hosted) {
  hosted->held.reset();
  hosted->changed_figures = false;
}

// Judges the segment; returns true when its update runs now.
bool PushHandler::StartUpdate(HostedPartition* hosted,
                              const HostedPartition::QueuedSegment& next,
                              ServerActions* out) {
  const PushRequest& push = next.push->request();
  const PushSegment& segment = push.segments[next.segment];
  if (segment.term != hosted->term) {
    next.push->Answer(next.segment, Verdict::kWrongPlacement, 0, hosted->term,
                      out);
    return false;
  }
  const Judgement judgement =
      hosted->values->Judge(push, segment, job_.rounds.closed_everywhere);
  Verdict verdict = judgement.verdict;
  if (verdict == Verdict::kApplied) {
    auto update = hosted->values->Prepare(push, segment);
    if (update.ok()) {
      CountStaleness(hosted->values->StalenessOf(segment.pulled_updates));
      UpdateTask task{job_.stored.record->id, hosted->values,
                      *std::move(update)};
      if (AtOnce(task)) {
        const int64_t mark = task.partition->Apply(std::move(task.update));
        Applied(hosted, next, mark, out);
        return false;
      }
      hosted->running = next;
      out->push_back(RunUpdate{std::move(task)});
      return true;
    }
    if (absl::IsInvalidArgument(update.status())) {
      verdict = Verdict::kInvalid;
      job_.Complain(std::string(update.status().message()),
                    ServerProblem::kOther);
    } else {
      verdict = Verdict::kBusy;
      CountRefused(std::string(update.status().message()));
      // Rows only become more: a person has to know.
      if (!job_.plan().sparse_tables.empty()) {
        job_.Complain(std::string(update.status().message()),
                      ServerProblem::kMemory);
      }
    }
  }
  if (verdict == Verdict::kDuplicate && !push.skip) {
    const absl::Status same = hosted->values->CheckDuplicate(segment);
    if (!same.ok()) {
      verdict = Verdict::kInvalid;
      job_.Complain(std::string(same.message()), ServerProblem::kOther);
    }
  }
  next.push->Answer(next.segment, verdict, judgement.mark, hosted->term, out);
  return false;
}

// Updates that others wait for are left out: a worker waits for a round, or the
// round for an operation.
bool PushHandler::AtOnce(const UpdateTask& task) const {
  return job_.options.at_once != nullptr && !task.update->completes_round() &&
         job_.options.at_once(task);
}

PushHandler::Done PushHandler::UpdateDone(UpdateTask task, ServerActions* out) {
  const PartitionId id = task.partition->id();
  HostedPartition& hosted = job_.partitions[id];
  if (hosted.values != task.partition || !hosted.busy) return Done::kDropped;
  HostedPartition::QueuedSegment running = std::exchange(hosted.running, {});
  const PushRequest& push = running.push->request();
  hosted.busy = false;
  if (task.update->waits()) {
    // Its worker has others to push: what they need may be this answer. If it
    // is dropped, it is as if it was applied and lost: the marks say so.
    running.push->Answer(running.segment, Verdict::kApplied, push.end,
                         push.segments[running.segment].term, out);
    running.answered = true;
    hosted.held.emplace(
        HostedPartition::Held{running, std::move(task.update), {}});
    hosted.changed_figures = true;
    job_.report_at_once = true;
    return Done::kWaits;
  }
  const int64_t round_before = hosted.values->rounds().open();
  const int64_t mark = hosted.values->Commit(std::move(task.update));
  Applied(&hosted, running, mark, out);
  const bool closed_round = hosted.values->rounds().open() != round_before;
  if (!closed_round) return Done::kApplied;
  hosted.new_operation |= job_.plan().algorithm.operated;
  job_.report_at_once = true;
  return Done::kClosedRound;
}

void PushHandler::Applied(HostedPartition* hosted,
                          const HostedPartition::QueuedSegment& applied,
                          int64_t mark, ServerActions* out) {
  const PushRequest& push = applied.push->request();
  const PushSegment& segment = push.segments[applied.segment];
  hosted->unsaved.insert(push.item);
  hosted->changed.insert(push.item);
  ++statistics_.updates;
  statistics_.scaled += hosted->values->last_scaling();
  // The latest of several models does not say how they learn.
  const PushTally& tally = hosted->values->tally();
  if (segment.partition == kLossesAt && !push.skip && !tally.least_loss() &&
      tally.HasLoss(push.loss_sum)) {
    recent_loss_.Add(
        push.loss_sum, push.end - push.begin,
        std::min(job_.plan().examples,
                 kRecentBatches * job_.plan().BatchSize(push.item)));
  }
  if (!applied.answered) {
    applied.push->Answer(applied.segment, Verdict::kApplied, mark, segment.term,
                         out);
  }
  // A round waits for its last example, and the job for its last.
  if (job_.plan().rounds() && hosted->values->marks().Full(push.item)) {
    job_.report_at_once = true;
  }
}

void PushHandler::OnDropped(HostedPartition* hosted, ServerActions* out) {
  // A running update ends by itself and finds other values here.
  hosted->busy = false;
  const auto refuse = [&](const HostedPartition::QueuedSegment& queued) {
    if (queued.answered) return;
    queued.push->Answer(queued.segment, Verdict::kWrongPlacement, 0, Term(),
                        out);
  };
  const auto running = std::exchange(hosted->running, {});
  if (running.push != nullptr) refuse(running);
  DropHeld(hosted);
  for (const auto& queued : std::exchange(hosted->queue, {})) {
    --admitted_;
    refuse(queued);
  }
}

void PushHandler::Close(ServerActions* out) {
  for (const PendingPushPtr& push : intake_.Drain()) {
    Refuse(push, Verdict::kWrongPlacement, out);
  }
}

void PushHandler::Tick(absl::Time now, ServerActions* out) {
  for (const PendingPushPtr& push : intake_.GiveUp(now)) {
    Refuse(push, Verdict::kSuperseded, out);
  }
  if (!job_.plan().algorithm.operated) return;
  operate_again_ = absl::InfiniteFuture();
  for (auto& [id, hosted] : job_.partitions) {
    if (!hosted.held) continue;
    if (const auto operation = std::exchange(hosted.held->operation, {})) {
      Operate(&hosted, *operation, out);
      if (hosted.held && hosted.held->operation) {
        operate_again_ = now + kOperateAgain;
      }
    }
  }
}

absl::Time PushHandler::NextTick() const {
  absl::Time next = std::min(intake_.NextTick(), operate_again_);
  if (!job_.plan().algorithm.operated) return next;
  for (const auto& [id, hosted] : job_.partitions) {
    if (hosted.held && hosted.held->operation &&
        operate_again_ == absl::InfiniteFuture()) {
      return absl::InfinitePast();  // It came since the last tick.
    }
  }
  return next;
}

void PushHandler::CountRefused(std::string why) {
  ++statistics_.refused_pushes;
  statistics_.refusal = std::move(why);
}

void PushHandler::CountTraffic(const PushRequest& push) {
  const JobPlan& plan = job_.plan();
  for (const PushSegment& segment : push.segments) {
    for (const PushRows& rows : segment.rows) {
      const int64_t bytes = rows.keys.size() + rows.gradient.size();
      statistics_.traffic.pushed += bytes;
      statistics_.traffic.pushed_as_floats += bytes;
    }
    if (segment.gradient.empty() ||
        segment.partition.value() >= plan.partitions) {
      continue;
    }
    const TrainedRanges* const trained = job_.resources.rule == nullptr
                                             ? nullptr
                                             : job_.resources.rule->trained();
    statistics_.traffic.pushed += segment.gradient.size();
    statistics_.traffic.pushed_as_floats += EncodedBytes(
        Encoding::kFloat32, PushedRun(plan, trained, segment.partition).size());
  }
}

void PushHandler::CountStaleness(int64_t updates) {
  const auto bucket = static_cast<size_t>(
      std::clamp<int64_t>(updates, 0, kMaxStalenessBucket - 1));
  auto& histogram = statistics_.staleness;
  if (histogram.size() <= bucket) histogram.resize(bucket + 1);
  ++histogram[bucket];
}

ServerStatistics PushHandler::TakeStatistics() {
  ServerStatistics statistics = std::exchange(statistics_, {});
  const Partition* values = job_.Values(kLossesAt);
  if (values == nullptr) {
    recent_loss_ = {};  // Another server knows them now.
    return statistics;
  }
  statistics.loss_sum = recent_loss_.sum();
  statistics.loss_examples = recent_loss_.examples();
  for (const auto& [epoch, loss] : values->tally().loss()) {
    EpochLoss& reported = reported_losses_[epoch];
    // An unknown loss and 0 are equal numbers.
    if (reported == loss &&
        IsKnownLoss(reported.loss_sum) == IsKnownLoss(loss.loss_sum)) {
      continue;
    }
    reported = loss;
    statistics.losses.push_back({epoch, loss.loss_sum, loss.examples});
  }
  return statistics;
}

}  // namespace ebb::server
