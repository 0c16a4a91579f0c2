#include "server/pull_handler.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "common/plant.h"

namespace ebb::server {

namespace {

// Most bytes of rows in one answer: it must fit into a message, and a few bytes
// of keys may ask for many of rows.
constexpr int64_t kMostRowBytes = int64_t{448} << 20;

int64_t RowBytes(const JobPlan& plan, const PullRequest& pull) {
  const auto tables = static_cast<int32_t>(plan.sparse_tables.size());
  int64_t bytes = 0;
  for (const PullSegmentRequest& segment : pull.segments) {
    for (const PullRows& rows : segment.rows) {
      if (rows.table < 0 || rows.table >= tables) continue;  // Refused later.
      bytes += rows.keys.size() / static_cast<int64_t>(sizeof(uint64_t)) *
               plan.sparse_tables[rows.table].row_bytes();
    }
  }
  return bytes;
}

// What a pull reads may be of several bounds, and the smallest holds for all of
// it; nullopt: there is none.
std::optional<int64_t> BoundOf(const JobPlan& plan, const PullRequest& pull) {
  std::optional<int64_t> least;
  const auto read = [&](int64_t bound) {
    if (bound == SparseTablePlan::kNoBound) return;
    least = std::min(least.value_or(bound), bound);
  };
  if (plan.parameters > 0) read(plan.DenseClockBound());
  const auto tables = static_cast<int32_t>(plan.sparse_tables.size());
  for (const PullSegmentRequest& segment : pull.segments) {
    for (const PullRows& rows : segment.rows) {
      if (rows.table < 0 || rows.table >= tables) continue;  // Refused later.
      if (rows.keys.size() > 0) read(plan.ClockBoundOf(rows.table));
    }
  }
  return least;
}

}  // namespace

PullReply ReplyToAll(const ServerOptions& options, Generation generation,
                     const PullRequest& pull, PullResult result) {
  PullReply reply;
  reply.job = pull.job;
  reply.generation = generation;
  reply.server = options.id;
  reply.server_session = options.session;
  reply.worker = pull.stamp.worker;
  reply.request = pull.request;
  reply.segments.resize(pull.segments.size());
  for (size_t i = 0; i < pull.segments.size(); ++i) {
    reply.segments[i].partition = pull.segments[i].partition;
    reply.segments[i].result = result;
  }
  return reply;
}

void PullHandler::Learn(const WorkerStamp& stamp, absl::Time now,
                        ServerActions* out) {
  const int64_t before = gate_.min_clock();
  gate_.Learn(stamp);
  if (gate_.min_clock() != before) Release(now, out);
  parked_.ForEach([&](ParkedPull& parked) {
    if (parked.request.stamp.worker == stamp.worker) {
      NoteWait(stamp.clock, now, &parked);
    }
  });
}

void PullHandler::Pull(uint64_t token, PullRequest pull, absl::Time now,
                       ServerActions* out) {
  const int64_t before = gate_.min_clock();
  gate_.Learn(pull.stamp);
  // A worker has one pull at a time: its earlier one is not waited for.
  if (const auto earlier = parked_.TakeOf(pull.stamp.worker)) {
    ReplyWait(*earlier, now, out);
  }
  if (auto reply = Try(pull)) {
    Answer(token, pull, *std::move(reply), out);
  } else {
    if (pull.stamp.joined > gate_.view()) {
      AskForView(pull.stamp.joined, now, out);
    }
    ParkedPull parked{token, std::move(pull), now + job_.options.pull_park};
    NoteWait(parked.request.stamp.clock, now, &parked);
    parked_.Park(std::move(parked));
  }
  if (gate_.min_clock() != before) Release(now, out);
}

void PullHandler::Answer(uint64_t token, const PullRequest& pull,
                         PullReply reply, ServerActions* out) {
  const PullEncoding encoding(job_.plan(), pull);
  traffic_ += TrafficOf(encoding, reply);
  out->push_back(ReplyPull{token, std::move(reply), encoding});
}

// Once, however many pulls wait for it: each that still waits after
// `pull_park` comes again, and then it may be asked for again.
void PullHandler::AskForView(ViewNumber joined, absl::Time now,
                             ServerActions* out) {
  if (joined <= asked_view_ && now < ask_view_again_) return;
  asked_view_ = std::max(asked_view_, joined);
  ask_view_again_ = now + job_.options.pull_park;
  out->push_back(SendScheduler{ViewRequest{job_.stored.record->id}});
}

std::optional<PullReply> PullHandler::Try(const PullRequest& pull) {
  const auto same = [&](PullResult result) {
    return ReplyToAll(job_.options, job_.stored.generation, pull, result);
  };
  if (pull.generation != job_.stored.generation) {
    return same(PullResult::kWrongGeneration);
  }
  if (RowBytes(job_.plan(), pull) > kMostRowBytes) {
    return same(PullResult::kInvalid);
  }
  const std::optional<int64_t> bound =
      pull.snapshot == 0 ? BoundOf(job_.plan(), pull) : std::nullopt;
  bool open = true;
  if (bound) {
    switch (gate_.Ask(pull.stamp, pull.target_clock, *bound)) {
      case SspGate::Answer::kOpen:
        clock_lead_ =
            std::max(clock_lead_, pull.target_clock - gate_.min_clock());
        break;
      case SspGate::Answer::kClosed:
      case SspGate::Answer::kUnknownView:
        open = false;
        break;
      case SspGate::Answer::kNotInView: {
        // What the scheduler knows of clocks is older.
        PullReply reply = same(PullResult::kNotInView);
        reply.view_clock = gate_.min_clock();
        return reply;
      }
    }
  }
  // Null: not here, or under another term.
  const auto values_of = [&](const PullSegmentRequest& segment) {
    return job_.TermOf(segment.partition) == segment.term
               ? job_.Values(segment.partition)
               : nullptr;
  };
  // A server that lost its last partition hears of no view or round any more: a
  // worker that pulls from it must learn that, also while it waits for one.
  const bool misplaced = std::ranges::find(pull.segments, nullptr, values_of) !=
                         pull.segments.end();
  if (!open && !misplaced) return std::nullopt;
  PullReply reply = same(PullResult::kValues);
  // For how long workers may use the rows again.
  if (bound && open) reply.view_clock = gate_.min_clock();
  RowRoom room(static_cast<size_t>(RowBytes(job_.plan(), pull)) /
               sizeof(float));
  for (size_t i = 0; i < pull.segments.size(); ++i) {
    PullSegment& segment = reply.segments[i];
    segment.term = job_.TermOf(segment.partition);
    const Partition* values = values_of(pull.segments[i]);
    if (values == nullptr) {
      segment.result = PullResult::kWrongPlacement;
      continue;
    }
    segment.updates = values->tally().updates();
    if (open && Fill(pull, pull.segments[i], *values, &room, &segment))
      continue;
    if (!misplaced) return std::nullopt;
    segment.result = PullResult::kWait;
  }
  return reply;
}

// False: the partition does not have the round's value.
bool PullHandler::Fill(const PullRequest& pull,
                       const PullSegmentRequest& wanted,
                       const Partition& values, RowRoom* room,
                       PullSegment* segment) const {
  auto rows = values.Rows(wanted.rows, pull.snapshot, room);
  if (!rows.ok()) {
    segment->result = absl::IsNotFound(rows.status()) ? PullResult::kNoSnapshot
                                                      : PullResult::kInvalid;
    return true;
  }
  segment->rows = *std::move(rows);
  if (pull.snapshot != 0) {
    auto snapshot = values.SnapshotValues(pull.snapshot);
    segment->result = snapshot ? PullResult::kValues : PullResult::kNoSnapshot;
    if (snapshot) segment->values = *std::move(snapshot);
    return true;
  }
  if (!job_.plan().rounds()) {
    // Within a term values are named by the number of their updates. Those
    // that are frozen are the same after any number.
    const bool same =
        wanted.known_updates &&
        (wanted.known_updates == values.tally().updates() || !values.learns());
    if (same && wanted.rows.empty()) {
      segment->result = PullResult::kUnchanged;
    } else {
      segment->values = values.Values();
    }
    return true;
  }
  if (pull.round < 0 || pull.round >= job_.plan().RoundCount()) {
    segment->result = PullResult::kInvalid;
    return true;
  }
  if (pull.round < job_.rounds.closed_everywhere &&
      !EBB_PLANTED(pull_of_a_closed_round_parks)) {
    segment->result = PullResult::kClosed;
    return true;
  }
  auto held = values.RoundValues(pull.round);
  if (held) {
    segment->values = *std::move(held);
    return true;
  }
  // Not closed here yet; or the value is gone, and the job rolls back.
  return false;
}

void PullHandler::SetView(const ViewUpdate& view, absl::Time now,
                          ServerActions* out) {
  // A view that is not newer releases no pull. Each pull that still lacks one
  // would ask for it again, and the answers would multiply.
  if (!gate_.SetView(view)) return;
  Release(now, out);
  parked_.ForEach([&](ParkedPull& parked) {
    NoteWait(parked.request.stamp.clock, now, &parked);
  });
}

void PullHandler::NoteWait(int64_t clock, absl::Time now,
                           ParkedPull* parked) const {
  const PullRequest& pull = parked->request;
  if (parked->waits_since != absl::InfiniteFuture() ||
      clock < pull.target_clock || pull.snapshot != 0) {
    return;
  }
  const std::optional<int64_t> bound = BoundOf(job_.plan(), pull);
  if (bound && gate_.Ask(pull.stamp, pull.target_clock, *bound) ==
                   SspGate::Answer::kClosed) {
    parked->waits_since = now;
  }
}

void PullHandler::EndWait(const ParkedPull& parked, absl::Time now) {
  if (parked.waits_since < now) bound_wait_ += now - parked.waits_since;
}

void PullHandler::ReplyWait(const ParkedPull& parked, absl::Time now,
                            ServerActions* out) {
  EndWait(parked, now);
  out->push_back(ReplyPull{parked.token,
                           ReplyToAll(job_.options, job_.stored.generation,
                                      parked.request, PullResult::kWait),
                           {}});
}

void PullHandler::Release(absl::Time now, ServerActions* out) {
  parked_.TakeIf([&](const ParkedPull& parked) {
    auto reply = Try(parked.request);
    if (!reply) return false;
    EndWait(parked, now);
    Answer(parked.token, parked.request, *std::move(reply), out);
    return true;
  });
}

void PullHandler::Tick(absl::Time now, ServerActions* out) {
  parked_.TakeIf([&](const ParkedPull& parked) {
    if (parked.deadline > now) return false;
    ReplyWait(parked, now, out);
    return true;
  });
}

void PullHandler::Close(absl::Time now, ServerActions* out) {
  parked_.TakeIf([&](const ParkedPull& parked) {
    ReplyWait(parked, now, out);
    return true;
  });
}

}  // namespace ebb::server
