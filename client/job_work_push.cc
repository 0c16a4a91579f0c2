// What is pushed, and what the servers' verdicts mean.
#include <algorithm>
#include <cstddef>
#include <optional>

#include "client/job_work.h"
#include "common/plant.h"

namespace ebb::client {

namespace {

// Whether the reply leaves a hole in the sequence, for which the server would
// hold or refuse all later pushes: it was refused for want of room, or as of
// another generation.
bool OutOfSequence(const PushReply& reply) {
  return std::any_of(reply.segments.begin(), reply.segments.end(),
                     [](const PushSegmentReply& segment) {
                       return segment.verdict == Verdict::kSuperseded ||
                              segment.verdict == Verdict::kBusy ||
                              segment.verdict == Verdict::kWrongGeneration;
                     });
}

}  // namespace

Pusher::Order JobWork::OrderFor(const LeasedItems::Run& run,
                                const ComputeResult& result,
                                const PulledValues* values, bool skip) const {
  return {*record_, generation_, stamp(), run,
          result,   values,      skip,    worker_->options.push_timeout};
}

bool JobWork::Push(LeasedItem* held, const LeasedItems::Run& run,
                   const ComputeResult& result, const PulledValues* values,
                   bool skip, ClientActions* out) {
  return pusher_.Send(OrderFor(run, result, values, skip), held, &routes_, out);
}

bool JobWork::PushSkipped(LeasedItem* held, int64_t begin, ClientActions* out) {
  const ItemId item = held->progress.item();
  const int64_t end = record_->plan.BatchEnd(item, begin);
  ComputeResult nothing;
  nothing.ledger = ExpectedRow(item, begin, end);
  return Push(held, {item, begin, end}, nothing, nullptr, true, out);
}

bool JobWork::OnPushReply(const PushId& id, const PushReply& reply,
                          absl::Time now, ClientActions* out) {
  const std::optional<Pusher::Push> push = pusher_.Take(id);
  if (!push) return false;
  items_.Advanced(now);
  if (GoesOn() && !routes_.server(id.server).answers) values_.reset();
  routes_.Answered(id.server);
  const int64_t clock_before = clock();
  Judge(*push, reply, now, out);
  if (OutOfSequence(reply) &&
      id.incarnation == routes_.server(id.server).incarnation) {
    StepBackServer(id.server);
  }
  if (reply.generation > generation_) {
    GoOver(reply.generation, out);
    AskForPlacement(now, out);
  }
  // Others may wait for this clock, and we for ourselves.
  if (clock() != clock_before && puller_.active()) SendClocks(now, out);
  return true;
}

void JobWork::Judge(const Pusher::Push& push, const PushReply& reply,
                    absl::Time now, ClientActions* out) {
  const LeasedItems::Run& run = push.batch->run;
  bool refused = false, failed = false;
  for (size_t i = 0; i < push.segments.size(); ++i) {
    const auto& [p, term] = push.segments[i];
    PushSegmentReply answer;
    answer.verdict = Verdict::kWrongPlacement;
    if (i < reply.segments.size() && reply.segments[i].partition == p) {
      answer = reply.segments[i];
    }
    pusher_.Settle(push.batch, answer.verdict != Verdict::kApplied &&
                                   answer.verdict != Verdict::kDuplicate);
    LeasedItem* held = items_.Find(run.item);
    // A reply of another term says nothing of the present one.
    if (held == nullptr || routes_.at(p).term != term) continue;
    const std::optional<LeaseEnd> end =
        JudgeSegment(held, p, term, answer, now, out);
    refused = refused || end == LeaseEnd::kRefused;
    failed = failed || end == LeaseEnd::kFailed;
  }
  if (push.batch->share) ShareJudged(push, reply, out);
  if (failed) {
    ComputeResult why;
    why.error = "a server found the push malformed";
    FailItem(run, why, out);
  } else if (refused) {
    EndItem(run.item, LeaseEnd::kRefused, out);
  }
}

std::optional<LeaseEnd> JobWork::JudgeSegment(LeasedItem* held, PartitionId p,
                                              Term term,
                                              const PushSegmentReply& answer,
                                              absl::Time now,
                                              ClientActions* out) {
  switch (answer.verdict) {
    case Verdict::kApplied:
    case Verdict::kDuplicate:
      held->Acknowledged(p, answer.mark);
      break;
    case Verdict::kGap:
    case Verdict::kOverlap:
      if (EBB_PLANTED(gap_never_lowers_the_mark)) break;
      worker_->local_steps.taken_back += held->Refused(p, answer.mark);
      break;
    case Verdict::kStale:
      values_.reset();  // As old as what was refused.
      if (computing() == nullptr) puller_.Cancel();
      held->progress.StepBack(p);
      held->shares.Drop(p);
      break;
    case Verdict::kBusy:
      held->progress.StepBack(p);
      routes_.Failed(routes_.at(p).server, now);
      break;
    case Verdict::kWrongPlacement:
    case Verdict::kWrongGeneration:
      held->progress.StepBack(p);
      if (answer.term != term) routes_.Forget(p);
      AskForPlacement(now, out);
      break;
    case Verdict::kSuperseded:
      held->progress.StepBack(p);
      break;
    case Verdict::kNotOpen:
    case Verdict::kClosed:
      return LeaseEnd::kRefused;
    case Verdict::kInvalid:
      return LeaseEnd::kFailed;
  }
  return std::nullopt;
}

bool JobWork::OnPushFailed(const PushId& id, absl::Time now,
                           ClientActions* out) {
  if (!pusher_.Awaits(id)) return false;
  if (EBB_PLANTED(timeout_is_no_broken_stream)) return true;
  BreakServer(id.server, now, out);
  return true;
}

void JobWork::StepBackServer(ServerId server) {
  pusher_.GiveUp(server);
  routes_.NewIncarnation(server);
  for (int32_t i = 0; i < record_->plan.partitions; ++i) {
    const PartitionId p(i);
    if (routes_.at(p).server == server) items_.StepBack(p);
  }
}

void JobWork::BreakServer(ServerId server, absl::Time now, ClientActions* out) {
  StepBackServer(server);
  routes_.Broke(server, now);
  AskForPlacement(now, out);
}

}  // namespace ebb::client
