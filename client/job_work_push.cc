// What is pushed, and what the servers' verdicts mean.
#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/job_work.h"
#include "common/plant.h"

namespace ebb::client {

namespace {

bool Has(const PushReply& reply, Verdict verdict) {
  return std::any_of(reply.segments.begin(), reply.segments.end(),
                     [&](const PushSegmentReply& segment) {
                       return segment.verdict == verdict;
                     });
}

// A hole in the sequence, for which the server would hold or refuse all later
// pushes, and not for want of room.
bool LostItsPlace(const PushReply& reply) {
  return Has(reply, Verdict::kSuperseded) ||
         Has(reply, Verdict::kWrongGeneration);
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
                   bool skip) {
  return pusher_.Send(OrderFor(run, result, values, skip), held, &routes_);
}

bool JobWork::PushSkipped(LeasedItem* held, int64_t begin) {
  const ItemId item = held->progress.item();
  const int64_t end = record_->plan.BatchEnd(item, begin);
  ComputeResult nothing;
  nothing.ledger = ExpectedRow(item, begin, end);
  return Push(held, {item, begin, end}, nothing, nullptr, true);
}

bool JobWork::OnPushReply(const PushId& id, const PushReply& reply,
                          absl::Time now, ClientActions* out) {
  std::optional<Pusher::Push> push = pusher_.Take(id);
  if (!push) return false;
  items_.Advanced(now);
  const bool lacks_room = Has(reply, Verdict::kBusy);
  ForgetOldValues(id.server);
  routes_.Answered(id.server);
  routes_.PushAnswered(id.server);
  if (lacks_room) {
    LacksRoom(id.server, now);
  } else {
    routes_.HadRoom(id.server);
  }
  if (LostItsPlace(reply) || !SendsAgain(id.server)) push->kept.reset();
  const int64_t clock_before = clock();
  Judge(&*push, reply, now, out);
  if (lacks_room && push->kept) {
    SendAgain(id, *std::move(push));
  } else if (lacks_room || LostItsPlace(reply)) {
    StepBackServer(id.server);
    if (lacks_room) routes_.ShortOfRoom(id.server);
  }
  if (reply.generation > generation_) {
    GoOver(reply.generation, out);
    AskForPlacement(now, out);
  }
  // Others may wait for this clock, and we for ourselves.
  // A worker with kept rows may not pull, and so not report its clock for a
  // while.
  if (clock() != clock_before && (puller_.active() || puller_.keeps_rows())) {
    SendClocks(now, out);
  }
  return true;
}

void JobWork::SendAgain(const PushId& id, Pusher::Push left) {
  const auto wanted = [&](const PushRequest& push, const PushSegment& segment) {
    const PartitionId p = segment.partition;
    LeasedItem* const held = items_.Find(push.item);
    // It is acknowledged, or was stepped back from.
    if (held == nullptr || held->progress.mark(p) >= push.end ||
        held->progress.sent(p) < push.end ||
        routes_.at(p).term != segment.term) {
      return false;
    }
    if (held->SkipsAny(push.begin, push.end) == push.skip) return true;
    // Decided since: it is made again, as it is to be.
    held->progress.StepBack(p);
    return false;
  };
  pusher_.SendAgain(id, std::move(left), stamp(), wanted, &routes_);
}

void JobWork::ForgetOldValues(ServerId server) {
  if (GoesOn() && !routes_.server(server).answers) DropValues();
}

void JobWork::LacksRoom(ServerId server, absl::Time now) {
  ForgetOldValues(server);
  routes_.LacksRoom(server, now);
}

void JobWork::Judge(Pusher::Push* push, const PushReply& reply, absl::Time now,
                    ClientActions* out) {
  const LeasedItems::Run& run = push->batch->run;
  bool refused = false, failed = false;
  std::vector<PushSegment> left;
  for (size_t i = 0; i < push->segments.size(); ++i) {
    const auto& [p, term] = push->segments[i];
    PushSegmentReply answer;
    answer.verdict = Verdict::kWrongPlacement;
    if (i < reply.segments.size() && reply.segments[i].partition == p) {
      answer = reply.segments[i];
    }
    if (answer.verdict == Verdict::kBusy && push->kept) {
      left.push_back(std::move(push->kept->request.segments[i]));
      continue;
    }
    pusher_.Settle(push->batch, answer.verdict != Verdict::kApplied &&
                                    answer.verdict != Verdict::kDuplicate);
    LeasedItem* held = items_.Find(run.item);
    // A reply of another term has no meaning for the present one.
    if (held == nullptr || routes_.at(p).term != term) continue;
    const std::optional<LeaseEnd> end =
        JudgeSegment(held, p, term, answer, now, out);
    refused = refused || end == LeaseEnd::kRefused;
    failed = failed || end == LeaseEnd::kFailed;
  }
  if (push->batch->share && left.empty()) ShareJudged(*push, reply, out);
  if (push->kept) push->kept->request.segments = std::move(left);
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
      DropValues();  // As old as what was refused.
      puller_.DropRows(p);
      // It may have taken rows that were there.
      if (computing() == nullptr || puller_.keeps_rows()) puller_.Cancel();
      held->progress.StepBack(p);
      held->shares.Drop(p);
      break;
    case Verdict::kWrongPlacement:
    case Verdict::kWrongGeneration:
      held->progress.StepBack(p);
      if (answer.term != term) routes_.Forget(p);
      AskForPlacement(now, out);
      break;
    case Verdict::kSuperseded:
    case Verdict::kBusy:
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

bool JobWork::OnPushFailed(const PushId& id, const CallFailure& why,
                           absl::Time now, ClientActions* out) {
  if (!pusher_.Awaits(id)) return false;
  if (EBB_PLANTED(timeout_is_no_broken_stream)) return true;
  routes_.PushFailed(id.server, worker_->options.push_timeout, now);
  // Its connections end when it is short of room, too; but what waits for one
  // that is away would keep the worker from going on without it.
  if (!SendsAgain(id.server) || GoesOn()) {
    BreakServer(id.server, why, now, out);
    return true;
  }
  Broke(id.server, why, now, out);
  SendAgain(id, *pusher_.Take(id));
  return true;
}

bool JobWork::OnPushRefused(const PushId& id, absl::Time now) {
  std::optional<Pusher::Push> push = pusher_.Take(id);
  if (!push) return false;
  routes_.PushAnswered(id.server);
  LacksRoom(id.server, now);
  if (push->kept && SendsAgain(id.server)) {
    SendAgain(id, *std::move(push));
    return true;
  }
  for (size_t i = 0; i < push->segments.size(); ++i) {
    pusher_.Settle(push->batch, true);
  }
  StepBackServer(id.server);
  routes_.ShortOfRoom(id.server);
  return true;
}

bool JobWork::OnPushOverLimit(const PushId& id, const absl::Status& why,
                              ClientActions* out) {
  std::optional<Pusher::Push> push = pusher_.Take(id);
  if (!push) return false;
  for (size_t i = 0; i < push->segments.size(); ++i) {
    pusher_.Settle(push->batch, true);
  }
  StepBackServer(id.server);
  CannotGoOn("a push to", id.server, why, out);
  return true;
}

void JobWork::OnPullOverLimit(const PullId& id, const absl::Status& why,
                              ClientActions* out) {
  if (TakeProbe(id)) return OnProbeAnswered(id.server);
  if (!puller_.Failed(id)) return;
  puller_.Cancel();
  CannotGoOn("a pull from", id.server, why, out);
}

void JobWork::CannotGoOn(absl::string_view what, ServerId server,
                         const absl::Status& why, ClientActions* out) {
  const std::string error =
      absl::StrCat(what, " ps ", server.value(), " at ",
                   routes_.server(server).address, ": ", why.message());
  for (const ItemId item : items_.Ids()) {
    ItemEnd end = EndOf(item, LeaseEnd::kFailed);
    end.error = error;
    end.over_limit = true;
    out->push_back(SendScheduler{std::move(end)});
    Drop(item);
  }
}

void JobWork::StepBackServer(ServerId server) {
  pusher_.GiveUp(server);
  routes_.NewIncarnation(server);
  for (int32_t i = 0; i < record_->plan.partitions; ++i) {
    const PartitionId p(i);
    if (routes_.at(p).server == server) items_.StepBack(p);
  }
}

void JobWork::BreakServer(ServerId server, const CallFailure& why,
                          absl::Time now, ClientActions* out) {
  // Else each push finds out by itself.
  if (!SendsAgain(server) || GoesOn()) StepBackServer(server);
  Broke(server, why, now, out);
}

}  // namespace ebb::client
