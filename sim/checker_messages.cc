// The oracle's knowledge from messages; see checker.h.
#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "sim/checker.h"
#include "sim/unpacked.h"
#include "sim/world.h"

namespace ebb::sim {

namespace {

constexpr int64_t kFarAhead = std::numeric_limits<int64_t>::max();  // No bound.

uint64_t DigestOf(const Payload& payload) {
  uint64_t digest = static_cast<uint64_t>(payload.size());
  for (const float value : Unpacked<float>(payload)) {
    digest = HashAppend(digest, std::bit_cast<uint32_t>(value));
  }
  return digest;
}

// The actions of one kind.
template <typename Message, typename Action, typename Actions>
bool Sends(const Actions& actions) {
  return std::any_of(actions.begin(), actions.end(), [](const auto& action) {
    const auto* send = std::get_if<Action>(&action);
    return send != nullptr && std::holds_alternative<Message>(send->message);
  });
}

}  // namespace

// --- What servers are told and answer ----------------------------------------

void Checker::BeforeSchedulerMessage(const ServerNode& server,
                                     const SchedulerToServer& message) {
  const auto* grant = std::get_if<Grant>(&message);
  if (grant == nullptr || !Watches(grant->record->id)) return;
  if (grant->session != server.session()) {
    world_->counts().Add(Probe::kGrantOfOtherLife);
    return;
  }
  const server::HostedJob* job = server.job();
  if (job == nullptr) return;
  for (const PartitionGrant& one : grant->partitions) {
    if (one.term <= job->term(one.partition)) {
      world_->counts().Add(Probe::kGrantOfOlderTerm);
    }
  }
}

void Checker::AfterSchedulerMessage(const ServerNode& server,
                                    const SchedulerToServer& message,
                                    const server::ServerActions& out) {
  LookAt(server);
  if (std::holds_alternative<ViewUpdate>(message)) {
    for (const server::ServerAction& action : out) {
      const auto* reply = std::get_if<server::ReplyPull>(&action);
      if (reply != nullptr && !reply->reply.segments.empty() &&
          reply->reply.segments[0].result == PullResult::kValues) {
        world_->counts().Add(Probe::kReleasedByView);
      }
    }
  }
  const bool operated =
      std::any_of(out.begin(), out.end(), [](const auto& action) {
        return std::holds_alternative<server::RunUpdate>(action);
      });
  if (std::holds_alternative<ApplyOperation>(message) && !operated) {
    world_->counts().Add(Probe::kOperationNotAwaited);
  }
  const auto* snapshot = std::get_if<TakeSnapshot>(&message);
  if (snapshot == nullptr || !Watches(snapshot->job) ||
      server.job() == nullptr || !world_->scenario().dense_values) {
    return;
  }
  for (int32_t i = 0; i < plan().partitions; ++i) {
    const auto* partition = server.job()->partition(PartitionId(i));
    if (partition == nullptr) continue;
    pinned_[{server.place(), server.life(), snapshot->snapshot,
             PartitionId(i)}] = {DigestOf(partition->Values()),
                                 shadows_[server.place()][i].content->rows};
  }
}

void Checker::PushAnswered(const ServerNode& server, const PushReply& reply) {
  if (!Watches(reply.job)) return;
  Counts& counts = world_->counts();
  for (const PushSegmentReply& one : reply.segments) {
    switch (one.verdict) {
      case Verdict::kApplied:
        break;
      case Verdict::kDuplicate: {
        const scheduler::TrainingJob* job = world_->scheduler().job();
        if (job == nullptr) break;
        if (job->leases().Find(plan().Ordinal(reply.item), reply.worker) ==
            nullptr) {
          counts.Add(Probe::kDuplicateOfZombie);
        }
        break;
      }
      case Verdict::kGap:
        counts.Add(Probe::kGapAnswered);
        break;
      case Verdict::kOverlap:
        counts.Add(Probe::kOverlapAnswered);
        if (plan().OnGrid(reply.item, 0, one.mark)) break;
        Violate(absl::StrCat(
            "I2: ", server.name(), " partition ", one.partition.value(),
            ": item ", ToString(reply.item), " has a mark inside of a batch"));
        break;
      case Verdict::kStale:
        counts.Add(Probe::kStaleAnswered);
        break;
      case Verdict::kNotOpen:
        counts.Add(plan().rounds() ? Probe::kNotOpenAnswered
                                   : Probe::kEpochAwaited);
        break;
      case Verdict::kClosed:
        counts.Add(Probe::kClosedPushAnswered);
        break;
      case Verdict::kWrongPlacement:
      case Verdict::kWrongGeneration:
        counts.Add(Probe::kWrongPlacementAnswered);
        break;
      case Verdict::kSuperseded:
        counts.Add(Probe::kSupersededAnswered);
        break;
      case Verdict::kBusy:
        counts.Add(Probe::kBusyAnswered);
        break;
      case Verdict::kInvalid:
        Violate(absl::StrCat(server.name(), " finds a push of item ",
                             ToString(reply.item), " malformed"));
        break;
    }
  }
}

void Checker::PullAnswered(const ServerNode& server, const PullRequest& request,
                           const PullReply& reply) {
  if (!Watches(request.job)) return;
  Counts& counts = world_->counts();
  bool values = false;
  for (const PullSegment& one : reply.segments) {
    switch (one.result) {
      case PullResult::kValues:
        values = true;
        CheckValues(server, request, one);
        break;
      case PullResult::kWait:
        counts.Add(Probe::kWaitAnswered);
        break;
      case PullResult::kClosed:
        counts.Add(Probe::kClosedPullAnswered);
        break;
      case PullResult::kNotInView:
        counts.Add(Probe::kNotInViewAnswered);
        break;
      case PullResult::kInvalid:
        Violate(absl::StrCat(server.name(), " finds a pull malformed"));
        break;
      default:
        counts.Add(Probe::kWrongPlacementAnswered);
    }
  }
  if (!values || request.snapshot != 0) return;
  CheckGate(server, request);
  int64_t clock = std::numeric_limits<int64_t>::max();
  for (const ViewMember& member : server.view().members) {
    clock = std::min(clock, TrueClock(member));
  }
  read_rows_.Answered(plan(), request, reply, clock);
}

int64_t Checker::TrueClock(const ViewMember& member) const {
  const auto it = clocks_.find({member.worker, member.joined});
  return std::max(member.start_clock,
                  it == clocks_.end() ? int64_t{0} : it->second);
}

// I9: every worker of the view that the server knows has really come so far,
// whatever of what was read has the narrowest bound.
void Checker::CheckGate(const ServerNode& server, const PullRequest& request) {
  const ConsistencyPlan& how = plan().consistency;
  const int64_t of_job =
      how.kind == ConsistencyKind::kSsp ? how.clock_bound : kFarAhead;
  int64_t bound = of_job;
  for (const PullSegmentRequest& segment : request.segments) {
    for (const PullRows& rows : segment.rows) {
      if (rows.keys.size() == 0) continue;
      const int64_t own = plan().sparse_tables[rows.table].clock_bound;
      if (own >= 0) bound = std::min(bound, own);
    }
  }
  if (bound == kFarAhead) {
    if (plan().clocked()) world_->counts().Add(Probe::kPullWithoutBound);
    return;
  }
  if (bound != of_job) world_->counts().Add(Probe::kPullOfATablesBound);
  for (const ViewMember& member : server.view().members) {
    const int64_t clock = TrueClock(member);
    if (clock >= request.target_clock - bound) continue;
    Violate(absl::StrCat("I9: ", server.name(), " answers a pull of session ",
                         request.stamp.worker.value(), " for clock ",
                         request.target_clock, ", but session ",
                         member.worker.value(), " of the view is at ", clock,
                         " and the bound is ", bound));
  }
}

void Checker::CheckValues(const ServerNode& server, const PullRequest& request,
                          const PullSegment& segment) {
  if (!world_->scenario().dense_values) return;
  const PartitionId p = segment.partition;
  const std::string where =
      absl::StrCat(server.name(), " partition ", p.value(), " as pulled");
  if (request.snapshot != 0) {
    const auto it =
        pinned_.find({server.place(), server.life(), request.snapshot, p});
    if (it == pinned_.end() || it->second.values != DigestOf(segment.values)) {
      return Violate(
          absl::StrCat("I1: ", where, ": not what the snapshot pinned"));
    }
    for (const PullSegmentRequest& wanted : request.segments) {
      if (wanted.partition != p) continue;
      CheckRows(where, wanted, segment, it->second.rows);
    }
    return;
  }
  const Shadow& shadow = shadows_[server.place()][p.value()];
  if (!shadow.content.has_value()) {
    return Violate(absl::StrCat("I1: ", where, ": it serves no values"));
  }
  const std::vector<float> values = Unpacked<float>(segment.values);
  if (!plan().rounds()) {
    for (const PullSegmentRequest& wanted : request.segments) {
      if (wanted.partition != p) continue;
      CheckRows(where, wanted, segment, shadow.content->rows);
    }
    return CompareWeights(where, p, values, *shadow.content);
  }
  const auto [first, last] = plan().ParameterRange(p);
  const auto expected = world_->arithmetic()
                            .RoundValues(request.round)
                            .subspan(first, last - first);
  if (!std::ranges::equal(values, expected)) {
    return Violate(absl::StrCat("I7: ", where, ": not the value that round ",
                                request.round - 1, " closed with"));
  }
  if (request.round < shadow.content->marks.first_open_round()) {
    world_->counts().Add(Probe::kKeptRoundValueUsed);
  }
}

// --- What servers say --------------------------------------------------------

void Checker::ServerSays(const ServerNode& server,
                         const ServerToScheduler& message) {
  if (const auto* all = std::get_if<RegisterServer>(&message)) {
    for (const JobRegistration& job : all->jobs) {
      SaysDurable(server, job);
      for (const PartitionRegistration& one : job.partitions) {
        world_->counts().Add(Probe::kOperationsRegistered,
                             one.operations.empty() ? 0 : 1);
      }
    }
  } else if (const auto* some = std::get_if<RegisterPartitions>(&message)) {
    SaysDurable(server, some->job);
  } else if (const auto* report = std::get_if<MarkReport>(&message)) {
    SaysDurable(server, *report);
  } else if (std::holds_alternative<ViewRequest>(message)) {
    world_->counts().Add(Probe::kViewRequested);
  }
}

void Checker::SaysDurable(const ServerNode& server,
                          const JobRegistration& job) {
  if (!Watches(job.record->id)) return;
  for (const PartitionRegistration& one : job.partitions) {
    if (one.durable_marks.empty()) continue;
    const auto durable = ReadMarks(job.generation, one.durable_marks);
    if (!durable.ok()) {
      return Violate(
          absl::StrCat("I5: ", server.name(), " registers unreadable marks"));
    }
    for (int64_t o = 0; o < plan().items(); ++o) {
      const ItemId item = plan().ItemAt(o);
      const int64_t mark = durable->mark(item);
      if (mark > 0) CheckDurable(server, one.partition, one.term, item, mark);
    }
  }
}

void Checker::SaysDurable(const ServerNode& server, const MarkReport& report) {
  if (!Watches(report.job)) return;
  for (const PartitionMarkReport& one : report.partitions) {
    for (const ItemMark& mark : one.durable) {
      CheckDurable(server, one.partition, one.term, mark.item, mark.mark);
    }
  }
}

// I5: durable marks are behind the marks, and stored in a version of the term.
void Checker::CheckDurable(const ServerNode& server, PartitionId p, Term term,
                           ItemId item, int64_t mark) {
  const Stored& stored = stored_[server.place()][p.value()];
  const Shadow& shadow = shadows_[server.place()][p.value()];
  const std::string what =
      absl::StrCat(server.name(), " says that ", mark, " examples of item ",
                   ToString(item), " are durable in partition ", p.value());
  if (!shadow.content.has_value() || shadow.term != term ||
      shadow.content->marks.mark(item) < mark) {
    return Violate(absl::StrCat("I5: ", what, ", but has not applied them"));
  }
  if (!stored.marks.has_value() || stored.key.term != term ||
      stored.marks->mark(item) < mark) {
    return Violate(absl::StrCat("I5: ", what,
                                ", but has stored no such version in the "
                                "present term"));
  }
  if (stored.damaged || twin_took_over_ ||
      server.job()->stored().generation < generation_) {
    return;
  }
  // A server that was replaced meanwhile may still say so; it is not believed.
  const auto& granted = granted_[p.value()];
  if (!granted.empty() && *granted.rbegin() > term) return;
  int64_t& floor = durable_floor_[p.value()][plan().Ordinal(item)];
  floor = std::max(floor, mark);
}

// --- Workers -----------------------------------------------------------------

void Checker::Stamped(const WorkerStamp& stamp) {
  if (stamp.joined == ViewNumber()) return;
  int64_t& clock = clocks_[{stamp.worker, stamp.joined}];
  clock = std::max(clock, stamp.clock);
}

void Checker::WorkerHears(const WorkerNode& worker,
                          const SchedulerToWorker& message) {
  Counts& counts = world_->counts();
  if (const auto* lost = std::get_if<LeaseLost>(&message)) {
    counts.Add(Probe::kLeaseLost);
    if (lost->all && !worker.core()->held(lost->job).empty()) {
      counts.Add(Probe::kSkipEndedLeases);
    }
  }
  if (const auto* lease = std::get_if<Lease>(&message)) {
    if (lease->careful && !lease->begins) counts.Add(Probe::kCarefulLease);
    if (lease->begins) counts.Add(Probe::kBatchAllowed);
  }
}

void Checker::PushHeard(const WorkerNode& worker, const PushReply& reply) {
  if (!Watches(reply.job) || !plan().algorithm.runs || plan().rounds()) return;
  for (const PushSegmentReply& one : reply.segments) {
    if (one.verdict != Verdict::kApplied) continue;
    const auto applied =
        applied_.find({one.partition, one.term, reply.item, one.mark});
    if (applied == applied_.end()) continue;  // In a term that ended since.
    own_runs_[{worker.session(), one.partition}] = {one.term, applied->second};
  }
}

void Checker::CheckBegin(const WorkerNode& worker,
                         const client::ComputeTask& task) {
  for (int32_t p = 0; p < plan().partitions; ++p) {
    const auto own = own_runs_.find({worker.session(), PartitionId(p)});
    if (own == own_runs_.end() || own->second.term != task.values->terms[p] ||
        own->second.updates <= task.values->updates[p]) {
      continue;
    }
    return Violate(absl::StrCat(
        "I11: ", worker.name(), " begins a run of item ", ToString(task.item),
        " at ", task.begin, " with values of partition ", p,
        " that lack its run before"));
  }
}

void Checker::Computes(const WorkerNode& worker,
                       const client::ComputeTask& task) {
  if (!Watches(task.record->id)) return;
  if (!plan().HasItem(task.item) ||
      !plan().OnGrid(task.item, task.begin, task.end)) {
    return Violate(absl::StrCat("I2: ", worker.name(), " computes [",
                                task.begin, ", ", task.end, ") of item ",
                                ToString(task.item),
                                ", which is not on the "
                                "grid"));
  }
  if (world_->scenario().growth &&
      plan().PlaceOf(task.item, task.end) > world_->DataThere()) {
    return Violate(absl::StrCat("G1: ", worker.name(), " computes [",
                                task.begin, ", ", task.end, ") of item ",
                                ToString(task.item), ", which is not there"));
  }
  if (const auto decided = decided_.find(task.generation);
      decided != decided_.end() &&
      decided->second.rate_factor != task.rate_factor) {
    return Violate(absl::StrCat("I4: ", worker.name(), " computes item ",
                                ToString(task.item), " with the rate factor ",
                                task.rate_factor, ", not ",
                                decided->second.rate_factor));
  }
  const int64_t used_again = read_rows_.used_again();
  const std::string why = read_rows_.Computes(worker.session(), task);
  if (!why.empty()) {
    return Violate(absl::StrCat("I9: ", worker.name(), " computes item ",
                                ToString(task.item), " ", why));
  }
  world_->counts().Add(Probe::kCachedRowUsed,
                       read_rows_.used_again() - used_again);
  if (!plan().rounds()) {
    const bool begins = plan().algorithm.runs && task.gathered == 0;
    return begins ? CheckBegin(worker, task) : void();
  }
  if (!world_->scenario().dense_values) return;
  const int64_t round = plan().RoundOf(task.item);
  const auto expected = world_->arithmetic().RoundValues(round);
  for (int32_t p = 0; p < plan().partitions; ++p) {
    const auto [first, last] = plan().ParameterRange(PartitionId(p));
    if (std::ranges::equal(Unpacked<float>(task.values->partitions[p]),
                           expected.subspan(first, last - first))) {
      continue;
    }
    return Violate(absl::StrCat("I7: ", worker.name(), " computes item ",
                                ToString(task.item), " of round ", round,
                                " from other values of partition ", p));
  }
}

void Checker::Gathered(const WorkerNode& worker,
                       const client::ComputeTask& task,
                       std::span<const int64_t> examples) {
  if (!Watches(task.record->id)) return;
  const int64_t first = task.item.shard * plan().shard_size + task.begin;
  for (size_t i = 0; i < examples.size(); ++i) {
    const int64_t expected = world_->order().ExampleAt(
        task.item.epoch, first + static_cast<int64_t>(i));
    if (examples[i] == expected) continue;
    return Violate(absl::StrCat(
        worker.name(), " computes item ", ToString(task.item), " from example ",
        examples[i], ", where the order has ", expected));
  }
}

void Checker::Evaluates(const WorkerNode& worker,
                        const client::EvaluateTask& task) {
  for (const Payload& values : task.values->partitions) {
    if (values.size() % static_cast<int64_t>(sizeof(float)) != 0) {
      Violate(absl::StrCat(worker.name(), " evaluates torn values"));
    }
  }
}

// --- The scheduler -----------------------------------------------------------

void Checker::BeforeServerMessage(const ServerToScheduler& message) {
  const scheduler::TrainingJob* job = world_->scheduler().job();
  // Each server of a simulation advertises its own address.
  const auto* move = std::get_if<MoveProgress>(&message);
  if (move != nullptr && move->unreached &&
      move->unreached->why.cause == CallCause::kWrongServer) {
    Violate(
        "the target of a move takes the server that answers for another "
        "one");
  }
  const auto* all = std::get_if<RegisterServer>(&message);
  if (all == nullptr) return;
  for (const JobRegistration& one : all->jobs) {
    if (!Watches(one.record->id)) continue;
    for (const PartitionRegistration& partition : one.partitions) {
      if (job != nullptr && partition.term != Term() &&
          partition.term > job->placement().at(partition.partition).drawn) {
        world_->counts().Add(Probe::kTermAboveStoreMet);
      }
    }
  }
}

void Checker::ServerAnswered(const WorkerNode& worker) {
  constexpr auto kWrong = static_cast<size_t>(CallCause::kWrongServer);
  if (worker.core()->failed_calls()[kWrong] > 0) {
    Violate(absl::StrCat(worker.name(),
                         " takes the server that answers for another one"));
  }
}

void Checker::AfterWorkerMessage(const WorkerToScheduler& message,
                                 const scheduler::SchedulerActions& out) {
  const bool leases = Sends<Lease, scheduler::SendWorker>(out);
  const auto* registers = std::get_if<RegisterWorker>(&message);
  if (registers != nullptr && !registers->held.empty() && leases) {
    world_->counts().Add(Probe::kLeaseAdopted);
  }
  const auto* end = std::get_if<ItemEnd>(&message);
  heard_nonfinite_ = end != nullptr && end->non_finite;
  const auto* progress = std::get_if<ebb::Progress>(&message);
  if (progress != nullptr && progress->not_in_view && leases) {
    world_->counts().Add(Probe::kRejoinedView);
  }
}

void Checker::CheckGrant(const Grant& grant) {
  if (!Watches(grant.record->id)) return;
  for (const PartitionGrant& one : grant.partitions) {
    auto& granted = granted_[one.partition.value()];
    if (!granted.insert(one.term).second || *granted.rbegin() != one.term) {
      Violate(absl::StrCat("I3: the term ", one.term.value(), " of partition ",
                           one.partition.value(),
                           " is not above all that were granted before"));
    }
  }
}

void Checker::NoteLog(const std::string& text) {
  Counts& counts = world_->counts();
  if (absl::StrContains(text, "lease ran out")) {
    counts.Add(Probe::kLeaseExpired);
  } else if (absl::StrContains(text, "is not in the store")) {
    counts.Add(Probe::kJobAdoptedFromServer);
  } else if (absl::StrContains(text, "it was decided before")) {
    counts.Add(Probe::kSkipAdoptedFromServer);
  } else if (absl::StrContains(text, " moved from server ")) {
    counts.Add(Probe::kPartitionMoved);
    ++progress_;
  } else if (absl::StrContains(text, "which load the copies")) {
    counts.Add(Probe::kTakenOver);
  } else if (absl::StrContains(text, " was given up: ")) {
    counts.Add(Probe::kMoveGivenUp);
  } else if (absl::StrContains(text, " goes from worker=")) {
    counts.Add(Probe::kItemMoved);
  } else if (absl::StrContains(text, " is leased to worker=")) {
    counts.Add(Probe::kBackupLeased);
  } else if (absl::StrContains(text, " was done first by its backup")) {
    counts.Add(Probe::kBackupWon);
  } else if (absl::StrContains(text, " was done before its backup")) {
    counts.Add(Probe::kBackupLost);
  }
}

void Checker::AfterSchedulerEvent(const scheduler::SchedulerActions& out) {
  bool drops = false, takes = false;
  for (const scheduler::SchedulerAction& action : out) {
    if (const auto* log = std::get_if<scheduler::LogEvent>(&action)) {
      NoteLog(log->text);
    }
    const auto* send = std::get_if<scheduler::SendServer>(&action);
    if (send == nullptr) continue;
    if (const auto* grant = std::get_if<Grant>(&send->message)) {
      CheckGrant(*grant);
    }
    if (const auto* moved = std::get_if<PartitionMoved>(&send->message)) {
      granted_[moved->partition.value()].insert(moved->term);
    }
    drops |= std::holds_alternative<DropSnapshot>(send->message);
    takes |= std::holds_alternative<TakeSnapshot>(send->message);
  }
  if (drops && takes) world_->counts().Add(Probe::kEvaluationRetried);
  CheckJob(world_->scheduler());
}

// Without its store it may not know what an absent server had, and goes on with
// what others had before (docs/protocol.md, "Known and accepted").
void Checker::BeginsToDecide(const SchedulerNode& scheduler) {
  const Counts& counts = world_->counts();
  const int64_t losses = counts.of(Fault::kSchedulerStoreLost) +
                         counts.of(Fault::kSchedulerStoreOlder);
  const bool lost = std::exchange(store_losses_, losses) < losses;
  const auto& known = scheduler.core()->cluster().servers;
  const bool without = std::ranges::any_of(world_->servers(), [&](auto& one) {
    const auto it = known.find(one->id());
    return it == known.end() || !it->second.connected;
  });
  if (!lost || !without) return;
  for (auto& floor : durable_floor_) std::ranges::fill(floor, 0);
}

void Checker::CheckJob(const SchedulerNode& scheduler) {
  const scheduler::TrainingJob* job = scheduler.job();
  if (scheduler_life_ != scheduler.life()) {
    scheduler_life_ = scheduler.life();
    ForgetLife(job);
  }
  if (was_gathering_ && !scheduler.core()->gathering()) {
    for (const auto& [id, server] : scheduler.core()->cluster().servers) {
      if (!server.connected) {
        world_->counts().Add(Probe::kGatheringTimedOut);
        break;
      }
    }
    BeginsToDecide(scheduler);
  }
  was_gathering_ = scheduler.core()->gathering();
  const bool nonfinite = std::exchange(heard_nonfinite_, false);
  if (job == nullptr) return;
  NoteRollback(*job, nonfinite);
  HasRollback(scheduler.name(), job->state().generation, job->state().rollback);
  CheckBlame(*job);
  NoteLeases(*job);
  NoteDecisions(job->state());
  CheckPhase(*job);
}

// A scheduler begins, with what its store says of the job, or servers do.
void Checker::ForgetLife(const scheduler::TrainingJob* job) {
  was_whole_ = was_complete_ = false;
  hinted_.clear();
  doubled_.clear();
  was_gathering_ = true;
  failures_ = 0;
  quarantined_ = evaluations_ = 0;
  if (job == nullptr) return;
  for (const auto& [ordinal, n] : job->state().failures) failures_ += n;
  quarantined_ = job->state().quarantined.size();
  evaluations_ = job->state().evaluations.size();
  was_complete_ = job->state().phase == scheduler::JobPhase::kCompleted;
}

// The job's policy, or an evaluation, wants a generation to begin.
void Checker::NoteRollback(const scheduler::TrainingJob& job, bool nonfinite) {
  const scheduler::JobState& state = job.state();
  if (nonfinite && plan().on_nonfinite == PoisonPolicy::kRollBack &&
      !decided_.contains(state.generation)) {
    wanted_[state.generation] = state.rollback;
    world_->counts().Add(Probe::kRolledBackByItself);
  }
  if (world_->scenario().Judged() && state.chosen_in == state.generation &&
      state.generation != Generation() &&
      !decided_.contains(state.generation)) {
    wanted_[state.generation] = state.rollback;
    world_->counts().Add(job.plan().epochs < plan().epochs
                             ? Probe::kEndedByEvaluation
                             : Probe::kBestVersionKept);
  }
}

void Checker::CheckBlame(const scheduler::TrainingJob& job) {
  const scheduler::JobState& state = job.state();
  const bool whole = job.placement().AllRegistered();
  int64_t failures = 0;
  for (const auto& [ordinal, n] : state.failures) failures += n;
  if (state.quarantined.size() > quarantined_) {
    world_->counts().Add(Probe::kQuarantined);
  }
  if ((failures > failures_ || state.quarantined.size() > quarantined_) &&
      !whole && !was_whole_) {
    Violate(
        "an item is blamed for a lease that ended while a server was "
        "away");
  }
  failures_ = failures;
  quarantined_ = state.quarantined.size();
  was_whole_ = whole;
}

// Counts the rare paths of leases.
void Checker::NoteLeases(const scheduler::TrainingJob& job) {
  if (job.parts().data.failed() != SessionId()) {
    world_->counts().Add(Probe::kLookLost);
  }
  const auto& hinted = job.leases().hinted();
  for (const int64_t ordinal : std::exchange(hinted_, {})) {
    if (!hinted.contains(ordinal) && !job.marks().FullEverywhere(ordinal)) {
      world_->counts().Add(Probe::kHintNotConfirmed);
    }
  }
  for (const auto& [ordinal, until] : hinted) hinted_.insert(ordinal);
  for (const int64_t ordinal : std::exchange(doubled_, {})) {
    if (!job.leases().backups().contains(ordinal) &&
        job.leases().held().contains(ordinal)) {
      world_->counts().Add(Probe::kBackupAlone);
    }
  }
  for (const auto& [ordinal, lease] : job.leases().backups()) {
    doubled_.insert(ordinal);
  }
}

void Checker::NoteDecisions(const scheduler::JobState& state) {
  for (const SkippedRange& range : state.skipped) {
    if (skips_decided_.insert({range.item, range.begin, range.end}).second) {
      const auto& poison = world_->scenario().poison;
      const bool known = plan().algorithm.runs && plan().rounds() && poison;
      if (range.end != plan().BatchEnd(range.item, range.begin) ||
          (known && range != poison->range)) {
        return Violate(absl::StrCat("I6: the scheduler leaves out [",
                                    range.begin, ", ", range.end, ") of item ",
                                    ToString(range.item),
                                    ", which is not the batch that fails"));
      }
      world_->counts().Add(Probe::kSkipDecided);
      ++progress_;
    }
  }
  if (state.evaluations.size() > evaluations_) {
    world_->counts().Add(Probe::kEvaluated);
    ++progress_;
  }
  evaluations_ = state.evaluations.size();
}

// I6: the job completes once, unless storage was damaged.
void Checker::CheckPhase(const scheduler::TrainingJob& job) {
  const scheduler::JobState& state = job.state();
  const bool complete = state.phase == scheduler::JobPhase::kCompleted;
  if (complete) completed_in_ = state.generation;
  if (complete && !was_complete_) {
    ++progress_;
    CheckCompletion(job);
  }
  if (!complete && was_complete_) {
    world_->counts().Add(Probe::kCompletedThenReopened);
    if (!any_damage_ && state.generation == completed_in_) {
      Violate(
          "I6: a complete job is open again, but no "
          "storage was damaged");
    }
  }
  was_complete_ = complete;
}

// I6: complete means full and durable, in the current terms.
void Checker::CheckCompletion(const scheduler::TrainingJob& job) {
  const auto& judged = world_->scenario().judged_epochs;
  if (judged && job.plan().epochs != *judged) {
    return Violate(absl::StrCat("end: the job is complete with ",
                                job.plan().epochs,
                                " epochs, but its evaluations say ", *judged));
  }
  if (job.plan().endless()) {
    return Violate("G2: a job without an end is complete");
  }
  const int64_t all = job.plan().AllExamples();
  if (job.plan().grows &&
      job.plan().last_epoch_examples % job.plan().shard_size != 0) {
    world_->counts().Add(Probe::kEndedBelowItsSize);
  }
  const auto is_whole = [&](const VersionKey& key) {
    const auto has = version_examples_.find(key);
    return has != version_examples_.end() && has->second == all;
  };
  for (int32_t i = 0; i < plan().partitions; ++i) {
    const scheduler::Ownership& owner = job.placement().at(PartitionId(i));
    const std::string where =
        absl::StrCat("I6: the job is complete, but partition ", i);
    if (!owner.registered || owner.owner == scheduler::Ownership::kNobody) {
      return Violate(absl::StrCat(where, " has no owner"));
    }
    const ServerNode& server = world_->ServerOf(owner);
    const Stored& stored = stored_[server.place()][i];
    if (stored.damaged) continue;
    if (!stored.marks.has_value() ||
        stored.marks->examples() != job.plan().AllExamples()) {
      return Violate(
          absl::StrCat(where, " is not stored whole on ", server.name()));
    }
    // A load takes the newest version, by term and sequence.
    auto versions = server.disk().Versions();
    for (const VersionKey& key : world_->SharedVersions()) {
      versions.push_back(key);
    }
    for (const VersionKey& key : versions) {
      // The copy of a move that was not committed is one that is whole, too.
      if (Watches(key.job) && key.partition == PartitionId(i) &&
          key > stored.key && !is_whole(key)) {
        return Violate(absl::StrCat(where,
                                    " would be loaded from another "
                                    "version than a complete one"));
      }
    }
  }
}

}  // namespace ebb::sim
