#include "server/hosted_job.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "common/status_macros.h"
#include "server/memory_budget.h"

namespace ebb::server {

namespace {

constexpr size_t kMaxStalenessBucket = 1024;
// More versions than these are not written between a server's registration and
// the grant of a rollback.
constexpr size_t kKeptForRollback = 8;
constexpr absl::Duration kLoadRetry = absl::Seconds(1);
// Every push goes to all partitions, so one of them knows all losses.
constexpr PartitionId kLossesAt(0);
// Enough for a mean that does not jump, few enough to be of now; and no more
// than an epoch.
constexpr int64_t kRecentBatches = 32;

// Memory, or the store, is wanting: says nothing of what is stored.
bool MayPass(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsUnavailable(status) ||
         absl::IsPermissionDenied(status);
}

// Of what keeps values from being made or loaded.
ServerProblem KindOf(const absl::Status& status) {
  return absl::IsResourceExhausted(status) ? ServerProblem::kMemory
                                           : ServerProblem::kOther;
}

}  // namespace

HostedJob::HostedJob(const ServerOptions& options, StoredJob job,
                     const Inventory& inventory)
    : options_(options),
      job_(std::move(job)),
      intake_(options.push_window, options.push_hold),
      gate_(plan().consistency.clock_bound) {
  for (const VersionKey& key : inventory.versions) {
    if (key.job != job_.record->id) continue;
    HostedPartition& hosted = partitions_[key.partition];
    const auto rounds = inventory.rounds.find(key);
    hosted.versions.Add(key, rounds == inventory.rounds.end()
                                 ? std::nullopt
                                 : std::optional(rounds->second));
    hosted.highest_seen = std::max(hosted.highest_seen, key.term);
  }
}

HostedJob::~HostedJob() = default;

const Partition* HostedJob::partition(PartitionId id) const {
  const auto it = partitions_.find(id);
  return it == partitions_.end() ? nullptr : it->second.values.get();
}

std::weak_ptr<const Partition> HostedJob::WeakPartition(PartitionId id) const {
  const auto it = partitions_.find(id);
  if (it == partitions_.end()) return {};
  return it->second.values;
}

Term HostedJob::term(PartitionId id) const {
  const auto it = partitions_.find(id);
  return it == partitions_.end() ? Term() : it->second.term;
}

// --- Grants ------------------------------------------------------------------

void HostedJob::Complain(std::string what, ServerProblem kind) {
  problem_ = std::move(what);
  problem_kind_ = kind;
}

bool HostedJob::EnsureResources(ServerActions* out) {
  if (resources_.rule != nullptr) return true;
  auto resources = options_.resources(*job_.record);
  if (!resources.ok()) {
    Complain(absl::StrCat("cannot serve job ", job_.record->name, ": ",
                          resources.status().message()),
             KindOf(resources.status()));
    out->push_back(LogEvent{problem_});
    return false;
  }
  // One pool for the job's whole life here: the store knows what it has stored
  // by content ids, which are unique in one pool only.
  if (resources_.pool != nullptr) resources->pool = resources_.pool;
  resources_ = *std::move(resources);
  return true;
}

void HostedJob::TakeGrant(const Grant& grant, absl::Time now,
                          ServerActions* out) {
  const bool other_life =
      grant.server != options_.id || grant.session != options_.session;
  if (other_life && !EBB_PLANTED(grants_not_tied_to_a_session)) return;
  if (grant.generation < job_.generation) {
    // An older scheduler: it adopts what we know.
    out->push_back(
        SendScheduler{RegisterPartitions{options_.session, Registration()}});
    return;
  }
  if (grant.generation > job_.generation) {
    AdoptGeneration(grant.record, grant.generation, grant.rollback, out);
  }
  KnowServers(grant.known_servers, out);
  if (!EnsureResources(out)) return;
  BeginCheckpoints(now);
  for (const PartitionGrant& one : grant.partitions) {
    if (one.partition.value() < 0 ||
        one.partition.value() >= plan().partitions) {
      continue;
    }
    GrantOne(one, now, out);
  }
}

void HostedJob::BeginCheckpoints(absl::Time now) {
  if (next_checkpoint_ != absl::InfiniteFuture()) return;
  next_checkpoint_ = now + absl::Milliseconds(plan().checkpoint_interval_ms);
}

void HostedJob::KnowServers(const std::vector<ServerId>& servers,
                            ServerActions* out) {
  if (servers == job_.known_servers) return;
  job_.known_servers = servers;
  out->push_back(SaveJob{job_});
}

void HostedJob::AdoptGeneration(const JobRecordPtr& record,
                                Generation generation,
                                const RollbackRecord& rollback,
                                ServerActions* out) {
  job_.record = record;
  job_.generation = generation;
  job_.rollback = rollback;
  rounds_ = {};  // The new generation may be behind it.
  for (auto& [id, hosted] : partitions_) {
    DropPartition(&hosted, out);
    hosted.term = Term();
  }
  resources_.rule = nullptr;  // The specification may have changed.
  EnsureResources(out);
  out->push_back(SaveJob{job_});
  ReleasePulls(out);
}

void HostedJob::DropPartition(HostedPartition* hosted, ServerActions* out) {
  if (writing_ && !writing_->cut_taken &&
      &partitions_[writing_->partition] == hosted) {
    writing_.reset();  // Nobody would take this cut any more.
  }
  // A running update ends by itself and finds other values here.
  hosted->values.reset();
  hosted->room = {};
  hosted->to_load.clear();
  hosted->listing = false;
  hosted->load_waits = false;
  hosted->incoming.reset();
  EndOutgoing(hosted, out);
  hosted->busy = false;
  if (hosted->running.push != nullptr) {
    hosted->running.push->Answer(hosted->running.segment,
                                 Verdict::kWrongPlacement, 0, Term(), out);
    hosted->running = {};
  }
  for (const HostedPartition::QueuedSegment& queued :
       std::exchange(hosted->queue, {})) {
    --pushes_admitted_;
    queued.push->Answer(queued.segment, Verdict::kWrongPlacement, 0, Term(),
                        out);
  }
  hosted->base_durable = false;
  hosted->cut_wanted = false;
  hosted->durable.reset();
  hosted->unsaved.clear();
  hosted->changed.clear();
  hosted->changed_durable.clear();
}

void HostedJob::GrantOne(const PartitionGrant& grant, absl::Time now,
                         ServerActions* out) {
  HostedPartition& hosted = partitions_[grant.partition];
  if (grant.term <= hosted.highest_seen) {
    Register({grant.partition}, out);
    return;
  }
  const bool continues =
      hosted.values != nullptr && hosted.term == grant.parent;
  hosted.highest_seen = grant.term;
  hosted.term = grant.term;
  hosted.next_sequence = 0;
  if (continues) {
    // A version of the new term must exist before anything is reported
    // durable under it: an abandoned term could else be loaded instead.
    hosted.base_durable = EBB_PLANTED(durable_before_a_version_of_the_term);
    hosted.cut_wanted = true;
    Register({grant.partition}, out);
    EndOutgoing(&hosted, out);
    RunQueue(grant.partition, &hosted, out);
    return;
  }
  DropPartition(&hosted, out);
  hosted.parent = grant.parent;
  if (options_.shared_folder.empty()) {
    return Load(grant.partition, &hosted, now, out);
  }
  ListShared(grant.partition, &hosted, out);
}

// Others may have written what is newest.
void HostedJob::ListShared(PartitionId id, HostedPartition* hosted,
                           ServerActions* out) {
  hosted->listing = true;
  out->push_back(ListVersions{job_.record->id, id});
}

void HostedJob::Listed(PartitionId id,
                       absl::StatusOr<PartitionInventory> inventory,
                       absl::Time now, ServerActions* out) {
  HostedPartition& hosted = partitions_[id];
  if (!hosted.listing || hosted.load_waits) return;  // Granted anew meanwhile.
  if (!inventory.ok()) {
    return LoadLater(&hosted, inventory.status(), now, out);
  }
  hosted.listing = false;
  for (const VersionKey& key : inventory->versions) {
    const auto rounds = inventory->rounds.find(key);
    hosted.versions.Found(key, rounds == inventory->rounds.end()
                                   ? std::nullopt
                                   : std::optional(rounds->second));
  }
  Load(id, &hosted, now, out);
}

void HostedJob::Load(PartitionId id, HostedPartition* hosted, absl::Time now,
                     ServerActions* out) {
  const auto keys = hosted->versions.ToLoad(id, job_.generation, job_.rollback);
  hosted->to_load.assign(keys.begin(), keys.end());
  if (keys.empty() && hosted->parent != Term()) {
    out->push_back(LogEvent{
        absl::StrCat("job=", job_.record->name, " partition ", id.value(),
                     " was served before, but has no version here to go on "
                     "from: it begins again from initial values, and its "
                     "examples are computed again"),
        true});
  }
  LoadNext(id, hosted, now, out);
}

absl::Status HostedJob::MakeRoom(PartitionId id, HostedPartition* hosted) {
  if (hosted->room) return absl::OkStatus();
  const int64_t copies = CopiesOfWeights(plan(), resources_.rule->SlotCount());
  const auto [first, last] = plan().ParameterRange(id);
  const int64_t blocks =
      (last - first + plan().block_floats - 1) / plan().block_floats;
  hosted->room = resources_.pool->Promise(copies * blocks);
  if (hosted->room) return absl::OkStatus();
  const BlockPoolStats stats = resources_.pool->Stats();
  const auto mib = [&](int64_t count) {
    return absl::StrCat((count * stats.block_bytes + (1 << 20) - 1) >> 20,
                        " MiB");
  };
  return absl::ResourceExhaustedError(absl::StrCat(
      "no room for another partition of job ", job_.record->name,
      ": in all its partitions it takes ", mib(copies * plan().Blocks()), " (",
      copies, " times its weights: they, ", resources_.rule->SlotCount(),
      " optimizer slots and what a step takes), "
      "and ",
      mib(stats.promised_blocks), " of the ", mib(stats.max_blocks),
      " that this server's --memory leaves for values are taken; raise "
      "--memory, or add servers"));
}

void HostedJob::LoadNext(PartitionId id, HostedPartition* hosted,
                         absl::Time now, ServerActions* out) {
  if (const absl::Status room = MakeRoom(id, hosted); !room.ok()) {
    return LoadLater(hosted, room, now, out);
  }
  if (!hosted->to_load.empty()) {
    out->push_back(LoadVersion{hosted->to_load.front(), resources_.pool});
    return;
  }
  auto values =
      Partition::Create(job_.record, id, resources_.rule, resources_.pool);
  if (!values.ok()) {
    if (MayPass(values.status())) {
      return LoadLater(hosted, values.status(), now, out);
    }
    Complain(
        absl::StrCat("partition ", id.value(), " of job ", job_.record->name,
                     " cannot be created: ", values.status().message()),
        KindOf(values.status()));
    out->push_back(LogEvent{problem_});
    return;
  }
  BeginServing(id, hosted, *std::move(values), out);
}

void HostedJob::LoadLater(HostedPartition* hosted, const absl::Status& why,
                          absl::Time now, ServerActions* out) {
  hosted->load_waits = true;
  retry_loads_at_ = std::min(retry_loads_at_, now + kLoadRetry);
  if (problem_ == why.message()) return;
  Complain(std::string(why.message()), KindOf(why));
  out->push_back(LogEvent{
      absl::StrCat("partitions of job ", job_.record->name,
                   " cannot be loaded now, trying again: ", problem_)});
}

void HostedJob::Loaded(const VersionKey& key, absl::StatusOr<Cut> cut,
                       absl::Time now, ServerActions* out) {
  HostedPartition& hosted = partitions_[key.partition];
  if (hosted.values != nullptr || hosted.to_load.empty() ||
      hosted.to_load.front() != key || hosted.load_waits) {
    return;  // Granted anew meanwhile.
  }
  const auto restore = [&]() -> absl::StatusOr<std::unique_ptr<Partition>> {
    EBB_RETURN_IF_ERROR(cut.status());
    return Partition::FromCut(job_.record, key.partition, resources_.rule,
                              resources_.pool, *std::move(cut));
  };
  auto values = restore();
  if (!values.ok()) {
    // An older version, or none, would be served, and outrank this one.
    if (MayPass(values.status())) {
      return LoadLater(&hosted, values.status(), now, out);
    }
    if (absl::IsNotFound(values.status()) && !options_.shared_folder.empty() &&
        key.generation == job_.generation) {
      // An owner of before, who does not know it yet, has a newer one.
      hosted.versions.Gone(key);
      hosted.to_load.clear();
      hosted.listing = true;
      return LoadLater(&hosted, values.status(), now, out);
    }
    Complain(absl::StrCat("partition ", key.partition.value(), ": version (",
                          key.term.value(), ", ", key.sequence,
                          ") cannot be used: ", values.status().message(),
                          "; falling back to the one before"),
             ServerProblem::kOther);
    out->push_back(LogEvent{problem_});
    hosted.versions.Damaged(key);
    hosted.changed_versions = true;
    hosted.to_load.pop_front();
    LoadNext(key.partition, &hosted, now, out);
    return;
  }
  out->push_back(LogEvent{absl::StrCat(
      "job=", job_.record->name, " partition ", key.partition.value(),
      " goes on from version (", key.term.value(), ", ", key.sequence,
      ") of generation ", key.generation.value(), ": ",
      (*values)->marks().examples(), " examples")});
  BeginServing(key.partition, &hosted, *std::move(values), out);
}

void HostedJob::BeginServing(PartitionId id, HostedPartition* hosted,
                             std::unique_ptr<Partition> values,
                             ServerActions* out) {
  hosted->to_load.clear();
  hosted->values = std::move(values);
  hosted->cut_wanted = true;  // The first version of this term.
  Register({id}, out);
  ReleasePulls(out);
}

JobRegistration HostedJob::Registration() const {
  JobRegistration registration;
  registration.record = job_.record;
  registration.generation = job_.generation;
  registration.rollback = job_.rollback;
  for (const auto& [id, hosted] : partitions_) {
    registration.partitions.push_back(hosted.Registration(id, job_));
  }
  return registration;
}

void HostedJob::Register(std::vector<PartitionId> partitions,
                         ServerActions* out) {
  RegisterPartitions message;
  message.session = options_.session;
  message.job.record = job_.record;
  message.job.generation = job_.generation;
  message.job.rollback = job_.rollback;
  for (const PartitionId id : partitions) {
    HostedPartition& hosted = partitions_[id];
    hosted.ResetReport();
    message.job.partitions.push_back(hosted.Registration(id, job_));
  }
  out->push_back(SendScheduler{std::move(message)});
}

// --- Pushes ------------------------------------------------------------------

void HostedJob::Push(uint64_t token, PushRequest push, absl::Time now,
                     ServerActions* out) {
  const auto pending = std::make_shared<PendingPush>(token, std::move(push),
                                                     job_.generation, options_);
  const PushRequest& request = pending->request();
  if (request.generation != job_.generation) {
    AnswerAll(pending, Verdict::kWrongGeneration, out);
    return;
  }
  if (request.server_session != options_.session) {
    AnswerAll(pending, Verdict::kWrongPlacement, out);
    return;
  }
  const int64_t min_before = gate_.min_clock();
  gate_.Learn(request.stamp);
  const auto outcome = intake_.Arrive(pending, now);
  for (const PendingPushPtr& old : outcome.superseded) {
    AnswerAll(old, Verdict::kSuperseded, out);
  }
  for (const PendingPushPtr& refused : outcome.refused) {
    PushRefused(absl::StrCat("a worker has more than ", options_.push_window,
                             " pushes under way, and the first is missing"));
    AnswerAll(refused, Verdict::kBusy, out);
  }
  for (const PendingPushPtr& ready : outcome.ready) Admit(ready, out);
  if (gate_.min_clock() != min_before) ReleasePulls(out);
}

void HostedJob::AnswerAll(const PendingPushPtr& push, Verdict verdict,
                          ServerActions* out) {
  const auto& segments = push->request().segments;
  if (segments.empty()) return push->Reply(out);
  for (size_t i = 0; i < segments.size(); ++i) {
    push->Answer(i, verdict, 0, term(segments[i].partition), out);
  }
}

void HostedJob::Admit(const PendingPushPtr& push, ServerActions* out) {
  const auto& segments = push->request().segments;
  if (segments.empty()) {
    AnswerAll(push, Verdict::kInvalid, out);
    return;
  }
  if (pushes_admitted_ >= options_.push_limit) {
    PushRefused(absl::StrCat(options_.push_limit,
                             " pushes wait already: updates are slower"));
    AnswerAll(push, Verdict::kBusy, out);
    return;
  }
  // Answering the last segment ends the push, so first all are queued.
  std::vector<std::pair<PartitionId, HostedPartition*>> touched;
  std::vector<size_t> misplaced;
  for (size_t i = 0; i < segments.size(); ++i) {
    const auto it = partitions_.find(segments[i].partition);
    if (it == partitions_.end() || it->second.values == nullptr ||
        it->second.term != segments[i].term) {
      misplaced.push_back(i);
      continue;
    }
    it->second.queue.push_back({push, i});
    ++pushes_admitted_;
    touched.emplace_back(it->first, &it->second);
  }
  for (const size_t i : misplaced) {
    push->Answer(i, Verdict::kWrongPlacement, 0, term(segments[i].partition),
                 out);
  }
  for (const auto& [id, hosted] : touched) RunQueue(id, hosted, out);
}

void HostedJob::RunQueue(PartitionId id, HostedPartition* hosted,
                         ServerActions* out) {
  while (!hosted->busy && hosted->values != nullptr) {
    if (writing_ && writing_->partition == id && !writing_->cut_taken) {
      TakeWantedCut(id, hosted, out);
    }
    if (hosted->queue.empty()) return;
    if (hosted->frozen && !EBB_PLANTED(frozen_source_goes_on)) return;
    const HostedPartition::QueuedSegment next =
        std::move(hosted->queue.front());
    hosted->queue.pop_front();
    --pushes_admitted_;
    hosted->busy = StartUpdate(hosted, next, out);
  }
}

// Judges the segment; returns true when its update runs now.
bool HostedJob::StartUpdate(HostedPartition* hosted,
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
      hosted->values->Judge(push, segment, rounds_.closed_everywhere);
  Verdict verdict = judgement.verdict;
  if (verdict == Verdict::kApplied) {
    auto update = hosted->values->Prepare(push, segment);
    if (update.ok()) {
      const int64_t staleness = std::clamp<int64_t>(
          hosted->values->updates() - segment.pulled_updates, 0,
          kMaxStalenessBucket - 1);
      auto& histogram = statistics_.staleness;
      if (histogram.size() <= static_cast<size_t>(staleness)) {
        histogram.resize(staleness + 1);
      }
      ++histogram[staleness];
      hosted->running = next;
      out->push_back(
          RunUpdate{{job_.record->id, hosted->values, *std::move(update)}});
      return true;
    }
    if (absl::IsInvalidArgument(update.status())) {
      verdict = Verdict::kInvalid;
      Complain(std::string(update.status().message()), ServerProblem::kOther);
    } else {
      verdict = Verdict::kBusy;
      PushRefused(std::string(update.status().message()));
    }
  }
  next.push->Answer(next.segment, verdict, judgement.mark, hosted->term, out);
  return false;
}

void HostedJob::UpdateDone(UpdateTask task, ServerActions* out) {
  const PartitionId id = task.partition->id();
  HostedPartition& hosted = partitions_[id];
  if (hosted.values != task.partition || !hosted.busy) {
    return;  // Dropped meanwhile; the push has been answered.
  }
  const HostedPartition::QueuedSegment running =
      std::exchange(hosted.running, {});
  const PushRequest& push = running.push->request();
  const int64_t round_before = hosted.values->open_round();
  const int64_t mark = hosted.values->Commit(std::move(task.update));
  hosted.busy = false;
  hosted.unsaved.insert(push.item);
  hosted.changed.insert(push.item);
  ++statistics_.updates;
  if (id == kLossesAt && !push.skip) {
    recent_loss_.Add(push.loss_sum, push.end - push.begin,
                     std::min(plan().examples,
                              kRecentBatches * plan().BatchSize(push.item)));
  }
  running.push->Answer(running.segment, Verdict::kApplied, mark,
                       push.segments[running.segment].term, out);
  if (hosted.values->open_round() != round_before) {
    report_at_once_ = true;
    ReleasePulls(out);
  }
  // A round waits for its last example, and the job for its last.
  if (plan().rounds() && hosted.values->marks().Full(push.item)) {
    report_at_once_ = true;
  }
  AnswerFetches(&hosted, out);
  RunQueue(id, &hosted, out);
}

// --- Pulls -------------------------------------------------------------------

void HostedJob::Clock(const ClockUpdate& clock, ServerActions* out) {
  if (clock.generation != job_.generation) return;
  const int64_t before = gate_.min_clock();
  gate_.Learn(clock.stamp);
  if (gate_.min_clock() != before) ReleasePulls(out);
}

void HostedJob::Pull(uint64_t token, PullRequest pull, absl::Time now,
                     ServerActions* out) {
  const int64_t before = gate_.min_clock();
  gate_.Learn(pull.stamp);
  // A worker has one pull at a time: its earlier one is not waited for.
  if (const auto earlier = parked_.TakeOf(pull.stamp.worker)) {
    ReplyWait(*earlier, out);
  }
  if (auto reply = TryPull(pull)) {
    out->push_back(ReplyPull{token, *std::move(reply)});
  } else {
    if (pull.stamp.joined > gate_.view()) {
      AskForView(pull.stamp.joined, now, out);
    }
    parked_.Park({token, std::move(pull), now + options_.pull_park});
  }
  if (gate_.min_clock() != before) ReleasePulls(out);
}

// Once, however many pulls wait for it: each that still waits after
// `pull_park` comes again, and then it may be asked for again.
void HostedJob::AskForView(ViewNumber joined, absl::Time now,
                           ServerActions* out) {
  if (joined <= asked_view_ && now < ask_view_again_) return;
  asked_view_ = std::max(asked_view_, joined);
  ask_view_again_ = now + options_.pull_park;
  out->push_back(SendScheduler{ViewRequest{job_.record->id}});
}

namespace {

PullReply EmptyReply(const ServerOptions& options, const StoredJob& job,
                     const PullRequest& pull) {
  PullReply reply;
  reply.job = pull.job;
  reply.generation = job.generation;
  reply.server = options.id;
  reply.server_session = options.session;
  reply.worker = pull.stamp.worker;
  reply.request = pull.request;
  reply.segments.resize(pull.segments.size());
  for (size_t i = 0; i < pull.segments.size(); ++i) {
    reply.segments[i].partition = pull.segments[i].partition;
  }
  return reply;
}

PullReply SameResult(PullReply reply, PullResult result) {
  for (PullSegment& segment : reply.segments) segment.result = result;
  return reply;
}

}  // namespace

std::optional<PullReply> HostedJob::TryPull(const PullRequest& pull) {
  PullReply reply = EmptyReply(options_, job_, pull);
  if (pull.generation != job_.generation) {
    return SameResult(std::move(reply), PullResult::kWrongGeneration);
  }
  const bool gated =
      plan().consistency.kind == ConsistencyKind::kSsp && pull.snapshot == 0;
  if (gated) {
    switch (gate_.Ask(pull.stamp, pull.target_clock)) {
      case SspGate::Answer::kOpen:
        clock_lead_ =
            std::max(clock_lead_, pull.target_clock - gate_.min_clock());
        break;
      case SspGate::Answer::kClosed:
        return std::nullopt;
      case SspGate::Answer::kUnknownView:
        return std::nullopt;
      case SspGate::Answer::kNotInView:
        return SameResult(std::move(reply), PullResult::kNotInView);
    }
  }
  for (size_t i = 0; i < pull.segments.size(); ++i) {
    PullSegment& segment = reply.segments[i];
    segment.term = term(segment.partition);
    const Partition* values = partition(segment.partition);
    if (values == nullptr || segment.term != pull.segments[i].term) {
      segment.result = PullResult::kWrongPlacement;
      continue;
    }
    segment.updates = values->updates();
    if (!FillPull(pull, &segment)) return std::nullopt;
  }
  return reply;
}

// False: the partition does not have the round's value.
bool HostedJob::FillPull(const PullRequest& pull, PullSegment* segment) const {
  const Partition& values = *partition(segment->partition);
  if (pull.snapshot != 0) {
    auto snapshot = values.SnapshotValues(pull.snapshot);
    segment->result = snapshot ? PullResult::kValues : PullResult::kNoSnapshot;
    if (snapshot) segment->values = *std::move(snapshot);
    return true;
  }
  if (!plan().rounds()) {
    segment->values = values.Values();
    return true;
  }
  if (pull.round < 0 || pull.round >= plan().RoundCount()) {
    segment->result = PullResult::kInvalid;
    return true;
  }
  if (pull.round < rounds_.closed_everywhere &&
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

void HostedJob::ReplyWait(const ParkedPull& parked, ServerActions* out) {
  out->push_back(ReplyPull{
      parked.token, SameResult(EmptyReply(options_, job_, parked.request),
                               PullResult::kWait)});
}

void HostedJob::ReleasePulls(ServerActions* out) {
  parked_.TakeIf([&](const ParkedPull& parked) {
    auto reply = TryPull(parked.request);
    if (!reply) return false;
    out->push_back(ReplyPull{parked.token, *std::move(reply)});
    return true;
  });
}

void HostedJob::SetView(const ViewUpdate& view, ServerActions* out) {
  if (view.generation != job_.generation) return;
  // A view that is not newer releases nobody; each pull that still lacks one
  // would ask for it again, and the answers would multiply.
  if (gate_.SetView(view)) ReleasePulls(out);
}

void HostedJob::SetRounds(const RoundStatus& rounds, ServerActions* out) {
  if (rounds.generation != job_.generation) return;
  rounds_ = rounds;
  std::vector<PartitionId> too_late;
  for (auto& [id, hosted] : partitions_) {
    if (hosted.values == nullptr) continue;
    hosted.values->DropRoundValues(EBB_PLANTED(value_dropped_when_closed)
                                       ? rounds.closed_everywhere
                                       : rounds.durable_everywhere);
    if (hosted.values->rounds().oldest > rounds.closed_everywhere) {
      too_late.push_back(id);  // What is needed is gone: it must hear of it.
    }
  }
  if (!too_late.empty()) Register(std::move(too_late), out);
  ReleasePulls(out);
}

// --- Snapshots ---------------------------------------------------------------

void HostedJob::Snapshot(const TakeSnapshot& request, ServerActions* out) {
  if (request.generation != job_.generation) return;
  SnapshotReply reply;
  reply.job = job_.record->id;
  reply.generation = job_.generation;
  reply.snapshot = request.snapshot;
  for (auto& [id, hosted] : partitions_) {
    if (hosted.values == nullptr) continue;
    hosted.values->PinSnapshot(request.snapshot);
    const int64_t examples = hosted.values->marks().examples();
    reply.examples = reply.partitions.empty()
                         ? examples
                         : std::min(reply.examples, examples);
    reply.partitions.emplace_back(id, hosted.term);
  }
  out->push_back(SendScheduler{std::move(reply)});
}

void HostedJob::DropSnapshot(int64_t snapshot) {
  for (auto& [id, hosted] : partitions_) {
    if (hosted.values != nullptr) hosted.values->DropSnapshot(snapshot);
  }
}

// --- Versions ----------------------------------------------------------------

void HostedJob::WantCheckpoint() {
  for (auto& [id, hosted] : partitions_) {
    if (hosted.values != nullptr && !hosted.unsaved.empty()) {
      hosted.cut_wanted = true;
    }
  }
}

std::vector<RoundVersion> HostedJob::KeepVersions(absl::Time until) {
  keep_versions_until_ = std::max(keep_versions_until_, until);
  std::vector<RoundVersion> kept;
  for (const auto& [id, hosted] : partitions_) {
    const auto usable =
        hosted.versions.OfTheLine(job_.generation, job_.rollback);
    kept.insert(kept.end(), usable.begin(), usable.end());
  }
  return kept;
}

bool HostedJob::StartWrite(absl::Time now, ServerActions* out) {
  if (writing() || now < retry_writes_at_) return false;
  // The partition that waits longest is the one with the fewest versions of
  // its term: a first version before a second.
  PartitionId best;
  HostedPartition* chosen = nullptr;
  for (auto& [id, hosted] : partitions_) {
    if (!hosted.cut_wanted || hosted.values == nullptr) continue;
    if (chosen == nullptr || hosted.next_sequence < chosen->next_sequence) {
      best = id;
      chosen = &hosted;
    }
  }
  if (chosen == nullptr) return false;
  writing_ = Writing{.partition = best};
  RunQueue(best, chosen, out);
  return true;
}

void HostedJob::TakeWantedCut(PartitionId id, HostedPartition* hosted,
                              ServerActions* out) {
  Writing& writing = *writing_;
  writing.cut_taken = true;
  writing.key = {job_.record->id, job_.generation, id, hosted->term,
                 hosted->next_sequence++};
  writing.marks = hosted->values->marks();
  if (plan().rounds()) writing.rounds = hosted->values->rounds();
  writing.items = std::exchange(hosted->unsaved, {});
  hosted->cut_wanted = false;
  if (EBB_PLANTED(retention_by_count)) {
    hosted->versions.Add(writing.key, {});  // Not stored yet, and counts.
    PruneVersions(hosted, absl::InfiniteFuture(), out);
  }
  Cut cut = hosted->values->TakeCut();
  if (EBB_PLANTED(values_copied_after_the_marks) && hosted->durable) {
    cut.marks = hosted->durable->Encode();
  }
  out->push_back(WriteVersion{writing.key, std::move(cut)});
}

void HostedJob::VersionWritten(const VersionKey& key,
                               const absl::Status& status, absl::Time now,
                               ServerActions* out) {
  if (MovedVersionWritten(key, status, now, out)) return;
  if (!writing_ || !writing_->cut_taken || writing_->key != key) {
    // The copy of a move that was given up while it was stored.
    if (status.ok()) out->push_back(DeleteVersions{{key}});
    return;
  }
  Writing written = *std::exchange(writing_, std::nullopt);
  HostedPartition& hosted = partitions_[key.partition];
  const bool current = hosted.values != nullptr && hosted.term == key.term &&
                       job_.generation == key.generation;
  if (!status.ok()) {
    if (problem_ != status.message()) {
      Complain(std::string(status.message()), ServerProblem::kDisk);
      out->push_back(LogEvent{absl::StrCat(
          "checkpoint of partition ", key.partition.value(), " failed: ",
          problem_, "; the version before is intact, trying again")});
    }
    if (hosted.values != nullptr) {
      hosted.unsaved.merge(written.items);
      hosted.cut_wanted = true;
    }
    retry_writes_at_ = now + absl::Seconds(1);
    return;
  }
  problem_.clear();
  if (hosted.OwnedElsewhere()) {
    out->push_back(ForgetPartition{key.job, key.partition, key.term});
    return;
  }
  hosted.versions.Add(key, written.rounds);
  hosted.changed_versions = true;
  if (!current) {
    if (hosted.values != nullptr) hosted.unsaved.merge(written.items);
    return;
  }
  hosted.durable = std::move(written.marks);
  PruneVersions(&hosted, now, out);
  if (!hosted.base_durable) {
    hosted.base_durable = true;
    Register({key.partition}, out);
  } else {
    hosted.changed_durable.merge(written.items);
    report_at_once_ =
        report_at_once_ || plan().rounds() || hosted.durable->Complete();
  }
}

void HostedJob::PruneVersions(HostedPartition* hosted, absl::Time now,
                              ServerActions* out) {
  if (now < keep_versions_until_) return;  // The next does it.
  auto keep = static_cast<size_t>(std::max(1, plan().checkpoint_keep));
  // Others are behind what is kept here: a rollback may be decided just now,
  // and may name any of these.
  if (plan().rounds() && hosted->values != nullptr &&
      hosted->values->rounds().oldest > rounds_.closed_everywhere) {
    keep += kKeptForRollback;
  }
  auto dropped = hosted->versions.Prune(keep, job_.generation, job_.rollback);
  if (!dropped.empty()) out->push_back(DeleteVersions{std::move(dropped)});
}

bool HostedJob::CompleteButForStatistics() const {
  return statistics_.updates > 0 &&
         std::all_of(partitions_.begin(), partitions_.end(),
                     [](const auto& one) {
                       const HostedPartition& hosted = one.second;
                       return hosted.values == nullptr ||
                              hosted.values->marks().Complete();
                     });
}

bool HostedJob::AllDurable() const {
  for (const auto& [id, hosted] : partitions_) {
    if (hosted.values == nullptr) continue;
    if (!hosted.base_durable || !hosted.unsaved.empty() || hosted.busy) {
      return false;
    }
  }
  return !writing_;
}

bool HostedJob::OwnsNothing() const {
  return std::all_of(
      partitions_.begin(), partitions_.end(), [](const auto& one) {
        return one.second.term == Term() && one.second.incoming == nullptr;
      });
}

// --- Time --------------------------------------------------------------------

void HostedJob::Tick(absl::Time now, ServerActions* out) {
  parked_.TakeIf([&](const ParkedPull& parked) {
    if (parked.deadline > now) return false;
    ReplyWait(parked, out);
    return true;
  });
  if (retry_writes_at_ <= now) retry_writes_at_ = absl::InfinitePast();
  for (const PendingPushPtr& push : intake_.GiveUp(now)) {
    AnswerAll(push, Verdict::kSuperseded, out);
  }
  if (retry_loads_at_ <= now) {
    retry_loads_at_ = absl::InfiniteFuture();
    for (auto& [id, hosted] : partitions_) {
      if (!std::exchange(hosted.load_waits, false)) continue;
      if (hosted.listing) {
        ListShared(id, &hosted, out);
      } else {
        LoadNext(id, &hosted, now, out);
      }
    }
  }
  TickMoves(now, out);
  if (next_checkpoint_ <= now) {
    next_checkpoint_ = now + absl::Milliseconds(plan().checkpoint_interval_ms);
    WantCheckpoint();
  }
}

absl::Time HostedJob::NextTick() const {
  absl::Time next = std::min({next_checkpoint_, retry_loads_at_, NextMoveTick(),
                              intake_.NextTick(), parked_.NextDeadline()});
  if (retry_writes_at_ != absl::InfinitePast()) {
    next = std::min(next, retry_writes_at_);
  }
  return next;
}

// --- Reports -----------------------------------------------------------------

std::optional<MarkReport> HostedJob::TakeReport() {
  report_at_once_ = false;
  MarkReport report;
  report.session = options_.session;
  report.job = job_.record->id;
  report.generation = job_.generation;
  for (auto& [id, hosted] : partitions_) {
    if (auto one = hosted.TakeReport(id, job_)) {
      report.partitions.push_back(*std::move(one));
    }
  }
  if (report.partitions.empty()) return std::nullopt;
  return report;
}

void HostedJob::ResetReport() {
  for (auto& [id, hosted] : partitions_) {
    hosted.ResetReport();
  }
  asked_view_ = ViewNumber();  // Nobody answers what was asked before.
  reported_losses_.clear();
}

void HostedJob::PushRefused(std::string why) {
  ++statistics_.refused_pushes;
  statistics_.refusal = std::move(why);
}

ServerStatistics HostedJob::TakeStatistics() {
  ServerStatistics statistics = std::exchange(statistics_, {});
  statistics.session = options_.session;
  statistics.job = job_.record->id;
  statistics.clock_lead = clock_lead_;
  statistics.problem = problem_;
  statistics.problem_kind = problem_kind_;
  statistics.loss_sum = recent_loss_.sum();
  statistics.loss_examples = recent_loss_.examples();
  const auto first = partitions_.find(kLossesAt);
  if (first != partitions_.end() && first->second.values != nullptr) {
    for (const auto& [epoch, loss] : first->second.values->loss()) {
      int64_t& reported = reported_losses_[epoch];
      if (reported == loss.examples) continue;
      reported = loss.examples;
      statistics.losses.push_back({epoch, loss.loss_sum, loss.examples});
    }
  }
  return statistics;
}

void HostedJob::Close(ServerActions* out) {
  for (auto& [id, hosted] : partitions_) {
    DropPartition(&hosted, out);
    hosted.term = Term();
  }
  for (const PendingPushPtr& push : intake_.Drain()) {
    AnswerAll(push, Verdict::kWrongPlacement, out);
  }
  parked_.TakeIf([&](const ParkedPull& parked) {
    ReplyWait(parked, out);
    return true;
  });
}

}  // namespace ebb::server
