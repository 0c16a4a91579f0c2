#include "client/push_answers.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
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

bool PushAnswers::OnReply(const PushId& id, const PushReply& reply,
                          absl::Time now, ClientActions* out) {
  std::optional<Pusher::Push> push = job_.pusher.Take(id);
  if (!push) return false;
  job_.items.Advanced(now);
  const bool lacks_room = Has(reply, Verdict::kBusy);
  pulls_.ForgetOldValues(id.server);
  job_.routes.Answered(id.server);
  job_.routes.PushAnswered(id.server);
  if (lacks_room) {
    LacksRoom(id.server, now);
  } else {
    job_.routes.HadRoom(id.server);
  }
  if (LostItsPlace(reply) || !job_.SendsAgain(id.server)) push->kept.reset();
  const int64_t clock_before = job_.clock();
  Judge(&*push, reply, now, out);
  if (lacks_room && push->kept) {
    SendAgain(id, *std::move(push));
  } else if (lacks_room || LostItsPlace(reply)) {
    job_.StepBackServer(id.server);
    if (lacks_room) job_.routes.ShortOfRoom(id.server);
  }
  if (reply.generation > job_.generation) {
    leases_.GoOver(reply.generation, out);
    reach_.AskForPlacement(now, out);
  }
  if (job_.clock() != clock_before) pulls_.OnClockChanged(now, out);
  return true;
}

void PushAnswers::SendAgain(const PushId& id, Pusher::Push left) {
  const auto wanted = [&](const PushRequest& push, const PushSegment& segment) {
    const PartitionId p = segment.partition;
    LeasedItem* const held = job_.items.Find(push.item);
    // It is acknowledged, or was stepped back from.
    if (held == nullptr || held->progress.mark(p) >= push.end ||
        held->progress.sent(p) < push.end ||
        job_.routes.at(p).term != segment.term) {
      return false;
    }
    if (held->SkipsAny(push.begin, push.end) == push.skip) return true;
    // Decided since: it is made again, as it is to be.
    held->progress.StepBack(p);
    return false;
  };
  job_.pusher.SendAgain(id, std::move(left), job_.stamp(), wanted,
                        &job_.routes);
}

void PushAnswers::LacksRoom(ServerId server, absl::Time now) {
  pulls_.ForgetOldValues(server);
  job_.routes.LacksRoom(server, now);
}

void PushAnswers::Judge(Pusher::Push* push, const PushReply& reply,
                        absl::Time now, ClientActions* out) {
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
    job_.pusher.Settle(push->batch, answer.verdict != Verdict::kApplied &&
                                        answer.verdict != Verdict::kDuplicate);
    LeasedItem* held = job_.items.Find(run.item);
    // A reply of another term does not concern the present one.
    if (held == nullptr || job_.routes.at(p).term != term) continue;
    const std::optional<LeaseEnd> end =
        JudgeSegment(held, p, term, answer, now, out);
    refused = refused || end == LeaseEnd::kRefused;
    failed = failed || end == LeaseEnd::kFailed;
  }
  if (push->batch->share && left.empty()) shares_.Judged(*push, reply, out);
  if (push->kept) push->kept->request.segments = std::move(left);
  if (failed) {
    leases_.Fail(run, "a server found the push malformed", out);
  } else if (refused) {
    leases_.End(run.item, LeaseEnd::kRefused, out);
  }
}

std::optional<LeaseEnd> PushAnswers::JudgeSegment(
    LeasedItem* held, PartitionId p, Term term, const PushSegmentReply& answer,
    absl::Time now, ClientActions* out) {
  switch (answer.verdict) {
    case Verdict::kApplied:
    case Verdict::kDuplicate:
      held->Acknowledged(p, answer.mark);
      break;
    case Verdict::kGap:
    case Verdict::kOverlap:
      if (EBB_PLANTED(gap_never_lowers_the_mark)) break;
      job_.worker.local_steps.taken_back += held->Refused(p, answer.mark);
      break;
    case Verdict::kStale:
      pulls_.DropStale(p);
      held->progress.StepBack(p);
      held->shares.Drop(p);
      break;
    case Verdict::kWrongPlacement:
    case Verdict::kWrongGeneration:
      held->progress.StepBack(p);
      if (answer.term != term) job_.routes.Forget(p);
      reach_.AskForPlacement(now, out);
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

bool PushAnswers::OnFailed(const PushId& id, const CallFailure& why,
                           absl::Time now, ClientActions* out) {
  if (!job_.pusher.Awaits(id)) return false;
  if (EBB_PLANTED(timeout_is_no_broken_stream)) return true;
  job_.routes.PushFailed(id.server, job_.worker.options.push_timeout, now);
  // Its connections end when it is short of room, too; but what waits for one
  // that is away would keep the worker from going on without it.
  if (!job_.SendsAgain(id.server) || job_.GoesOn()) {
    reach_.BreakServer(id.server, why, now, out);
    return true;
  }
  reach_.Broke(id.server, why, now, out);
  SendAgain(id, *job_.pusher.Take(id));
  return true;
}

void PushAnswers::GiveUp(const PushId& id, const Pusher::Push& push) {
  for (size_t i = 0; i < push.segments.size(); ++i) {
    job_.pusher.Settle(push.batch, true);
  }
  job_.StepBackServer(id.server);
}

bool PushAnswers::OnRefused(const PushId& id, absl::Time now) {
  std::optional<Pusher::Push> push = job_.pusher.Take(id);
  if (!push) return false;
  job_.routes.PushAnswered(id.server);
  LacksRoom(id.server, now);
  if (push->kept && job_.SendsAgain(id.server)) {
    SendAgain(id, *std::move(push));
    return true;
  }
  GiveUp(id, *push);
  job_.routes.ShortOfRoom(id.server);
  return true;
}

bool PushAnswers::OnOverLimit(const PushId& id, const absl::Status& why,
                              ClientActions* out) {
  std::optional<Pusher::Push> push = job_.pusher.Take(id);
  if (!push) return false;
  GiveUp(id, *push);
  leases_.GiveUpAll("a push to", id.server, why, out);
  return true;
}

}  // namespace ebb::client
