#include "server/hosted_job.h"

#include <algorithm>
#include <utility>

#include "common/plant.h"

namespace ebb::server {

HostedJob::HostedJob(const ServerOptions& options, StoredJob job,
                     const Inventory& inventory)
    : job_(options, std::move(job), inventory),
      loader_(&job_),
      pushes_(&job_),
      pulls_(&job_),
      checkpoints_(&job_),
      incoming_(&job_) {}

// --- Grants ------------------------------------------------------------------

void HostedJob::TakeGrant(const Grant& grant, absl::Time now,
                          ServerActions* out) {
  const bool other_life =
      grant.server != job_.options.id || grant.session != job_.options.session;
  if (other_life && !EBB_PLANTED(grants_not_tied_to_a_session)) return;
  // A copy that comes late names the servers that were known then.
  const bool late =
      !grant.partitions.empty() &&
      std::ranges::all_of(grant.partitions, [&](const PartitionGrant& one) {
        return Seen(one.partition, one.term);
      });
  if (!TakeGeneration(grant.record, grant.generation, grant.rollback, now,
                      out)) {
    return;
  }
  if (!late) KnowServers(grant.known_servers, out);
  if (!job_.EnsureResources(out)) return;
  checkpoints_.Begin(now);
  for (const PartitionGrant& one : grant.partitions) {
    if (one.partition.value() < 0 ||
        one.partition.value() >= job_.plan().partitions) {
      continue;
    }
    GrantOne(one, now, out);
  }
}

bool HostedJob::TakeGeneration(const JobRecordPtr& record,
                               Generation generation,
                               const RollbackRecord& rollback, absl::Time now,
                               ServerActions* out) {
  StoredJob& stored = job_.stored;
  if (generation < stored.generation) {
    out->push_back(SendScheduler{
        RegisterPartitions{job_.options.session, Registration()}});
    return false;
  }
  if (generation > stored.generation) {
    if (!EBB_PLANTED(server_keeps_the_plan_of_before)) stored.record = record;
    stored.generation = generation;
    stored.rollback = rollback;
    job_.rounds = {};  // The new generation may be behind it.
    pushes_.OnNewGeneration();
    for (const auto& [id, hosted] : job_.partitions) Disown(id, out);
    job_.resources.rule = nullptr;  // Its rates may have changed.
    job_.EnsureResources(out);
    out->push_back(SaveJob{stored});
    pulls_.Release(now, out);
  }
  return true;
}

void HostedJob::KnowServers(const std::vector<ServerId>& servers,
                            ServerActions* out) {
  StoredJob& stored = job_.stored;
  if (servers == stored.known_servers) return;
  stored.known_servers = servers;
  out->push_back(SaveJob{stored});
}

bool HostedJob::Seen(PartitionId id, Term term) const {
  const auto it = job_.partitions.find(id);
  return it != job_.partitions.end() && it->second.Seen(term);
}

void HostedJob::GrantOne(const PartitionGrant& grant, absl::Time now,
                         ServerActions* out) {
  HostedPartition& hosted = job_.partitions[grant.partition];
  if (hosted.Seen(grant.term)) {
    job_.Register({grant.partition}, out);
    return;
  }
  if (hosted.values != nullptr && hosted.term == grant.parent) {
    if (hosted.busy && !EBB_PLANTED(update_outlives_its_term)) {
      hosted.next_grant = grant;
      return;
    }
    GoOnUnder(grant, out);
    pushes_.RunQueue(&hosted, out);
    return;
  }
  hosted.BeginTerm(grant.term);
  DropPartition(grant.partition, out);
  hosted.parent = grant.parent;
  if (loader_.Begin(grant.partition, now, out)) pulls_.Release(now, out);
}

// No update runs: what is registered is all that was applied in terms before.
void HostedJob::GoOnUnder(const PartitionGrant& grant, ServerActions* out) {
  HostedPartition& hosted = job_.partitions[grant.partition];
  hosted.BeginTerm(grant.term);
  pushes_.DropHeld(&hosted);  // They belong to the term before.
  // A version of the new term must exist before anything is reported durable
  // under it: an abandoned term could else be loaded instead.
  hosted.base_durable = EBB_PLANTED(durable_before_a_version_of_the_term);
  hosted.cut_wanted = true;
  job_.Register({grant.partition}, out);
  hosted.outgoing.End(out);
}

void HostedJob::DropPartition(PartitionId id, ServerActions* out) {
  HostedPartition& hosted = job_.partitions[id];
  checkpoints_.OnDropped(id);
  hosted.outgoing.End(out);
  pushes_.OnDropped(&hosted, out);
  hosted.DropValues();
}

void HostedJob::Disown(PartitionId id, ServerActions* out) {
  DropPartition(id, out);
  job_.partitions[id].term = Term();
}

void HostedJob::Listed(PartitionId id,
                       absl::StatusOr<PartitionInventory> inventory,
                       absl::Time now, ServerActions* out) {
  if (loader_.Listed(id, std::move(inventory), now, out))
    pulls_.Release(now, out);
}

void HostedJob::Loaded(const VersionKey& key, absl::StatusOr<Cut> cut,
                       absl::Time now, ServerActions* out) {
  if (loader_.Loaded(key, std::move(cut), now, out)) pulls_.Release(now, out);
}

void HostedJob::InitialValues(PartitionId id, Term term,
                              absl::StatusOr<InitialPartition> values,
                              absl::Time now, ServerActions* out) {
  if (loader_.InitialValues(id, term, std::move(values), now, out)) {
    pulls_.Release(now, out);
  }
}

// --- Pushes and pulls --------------------------------------------------------

void HostedJob::Push(uint64_t token, PushRequest push, const absl::Status& room,
                     absl::Time now, ServerActions* out) {
  const WorkerStamp stamp = push.stamp;
  if (pushes_.Push(token, std::move(push), room, now, out)) {
    pulls_.Learn(stamp, now, out);
  }
}

void HostedJob::UpdateDone(UpdateTask task, absl::Time now,
                           ServerActions* out) {
  const PartitionId id = task.partition->id();
  const auto done = pushes_.UpdateDone(std::move(task), out);
  if (done == PushHandler::Done::kDropped) return;
  if (done == PushHandler::Done::kClosedRound) pulls_.Release(now, out);
  // Between two updates.
  HostedPartition& hosted = job_.partitions[id];
  if (const auto grant = std::exchange(hosted.next_grant, {})) {
    GoOnUnder(*grant, out);
  }
  hosted.outgoing.OnIdle(hosted.values.get(), out);
  checkpoints_.OnIdle(id, out);
  pushes_.RunQueue(&hosted, out);
}

void HostedJob::Clock(const ClockUpdate& clock, absl::Time now,
                      ServerActions* out) {
  if (clock.generation != stored().generation) return;
  pulls_.Learn(clock.stamp, now, out);
}

void HostedJob::SetView(const ViewUpdate& view, absl::Time now,
                        ServerActions* out) {
  if (view.generation != stored().generation) return;
  pulls_.SetView(view, now, out);
}

void HostedJob::SetRounds(const RoundStatus& rounds, absl::Time now,
                          ServerActions* out) {
  if (rounds.generation != stored().generation) return;
  job_.rounds = rounds;
  std::vector<PartitionId> too_late;
  for (auto& [id, hosted] : job_.partitions) {
    if (hosted.values == nullptr) continue;
    hosted.values->DropRoundValues(EBB_PLANTED(value_dropped_when_closed)
                                       ? rounds.closed_everywhere
                                       : rounds.durable_everywhere);
    if (hosted.values->rounds().held().oldest > rounds.closed_everywhere) {
      too_late.push_back(id);  // What is needed is gone: it must hear of it.
    }
  }
  if (!too_late.empty()) job_.Register(too_late, out);
  pulls_.Release(now, out);
}

void HostedJob::Operate(const ApplyOperation& message, ServerActions* out) {
  if (message.generation != stored().generation) return;
  for (auto& [id, hosted] : job_.partitions) {
    pushes_.Operate(&hosted, message.operation, out);
  }
}

void HostedJob::Snapshot(const TakeSnapshot& request, ServerActions* out) {
  if (request.generation != stored().generation) return;
  SnapshotReply reply;
  reply.job = stored().record->id;
  reply.generation = stored().generation;
  reply.snapshot = request.snapshot;
  for (auto& [id, hosted] : job_.partitions) {
    if (hosted.values == nullptr) continue;
    if (const absl::Status pinned =
            hosted.values->PinSnapshot(request.snapshot);
        !pinned.ok()) {
      // The asker is told that it is not there.
      out->push_back(LogEvent{
          absl::StrCat("partition ", id.value(),
                       " takes no part in an evaluation: ", pinned.message())});
      continue;
    }
    const int64_t examples = hosted.values->marks().examples();
    reply.examples = reply.partitions.empty()
                         ? examples
                         : std::min(reply.examples, examples);
    reply.partitions.emplace_back(id, hosted.term);
  }
  out->push_back(SendScheduler{std::move(reply)});
}

void HostedJob::DropSnapshot(int64_t snapshot) {
  for (auto& [id, hosted] : job_.partitions) {
    if (hosted.values != nullptr) hosted.values->DropSnapshot(snapshot);
  }
}

// --- Versions ----------------------------------------------------------------

void HostedJob::VersionWritten(const VersionKey& key,
                               const absl::Status& status, absl::Time now,
                               ServerActions* out) {
  if (incoming_.VersionWritten(key, status, now, out)) return;
  checkpoints_.VersionWritten(key, status, now, out);
}

bool HostedJob::AllDurable() const {
  for (const auto& [id, hosted] : job_.partitions) {
    if (hosted.values == nullptr) continue;
    if (!hosted.base_durable || !hosted.unsaved.empty() || hosted.busy) {
      return false;
    }
  }
  return !writing();
}

// --- Moves -------------------------------------------------------------------

void HostedJob::Fetch(uint64_t token, FetchRequest request,
                      ServerActions* out) {
  const auto it = job_.partitions.find(request.partition);
  const bool here = it != job_.partitions.end() && it->second.serving() &&
                    it->second.term == request.term &&
                    request.new_term > request.term &&
                    request.source == job_.options.session &&
                    request.generation == stored().generation;
  if (!here) {
    out->push_back(
        ReplyFetch{token, {.result = FetchResult::kNotHere, .key = {}}});
    return;
  }
  HostedPartition& hosted = it->second;
  hosted.outgoing.Fetch(token, std::move(request), hosted.busy,
                        hosted.values.get(), out);
}

void HostedJob::TakeMove(const MoveIn& order, absl::Time now,
                         ServerActions* out) {
  const bool late = Seen(order.partition, order.term);
  if (order.server != job_.options.id ||
      order.session != job_.options.session ||
      !TakeGeneration(order.record, order.generation, order.rollback, now,
                      out)) {
    return;
  }
  if (!late) KnowServers(order.known_servers, out);
  HostedPartition& hosted = job_.partitions[order.partition];
  if (order.term <= hosted.highest_seen) return;
  hosted.highest_seen = order.term;
  Disown(order.partition, out);  // Whatever it had.
  if (incoming_.Begin(order, now, out)) checkpoints_.Begin(now);
}

void HostedJob::Moved(const PartitionMoved& message, absl::Time now,
                      ServerActions* out) {
  if (message.generation < stored().generation) return;
  const auto it = job_.partitions.find(message.partition);
  if (it == job_.partitions.end()) return;
  HostedPartition& hosted = it->second;
  if (message.owner == job_.options.id) {
    if (auto served = incoming_.TakeOver(message, now)) {
      pulls_.Release(now, out);
      out->push_back(SendScheduler{*std::move(served)});
    }
    return;
  }
  if (hosted.term > message.term) return;  // It knows better.
  if (hosted.incoming != nullptr && hosted.incoming->term() > message.term) {
    return;
  }
  hosted.highest_seen = std::max(hosted.highest_seen, message.term);
  Disown(message.partition, out);
  // The values are dropped, so this server writes no other version of it.
  if (!hosted.versions.Clear().empty()) {
    out->push_back(
        ForgetPartition{stored().record->id, message.partition, message.term});
  }
}

bool HostedJob::OwnsNothing() const {
  return std::all_of(
      job_.partitions.begin(), job_.partitions.end(), [](const auto& one) {
        return one.second.term == Term() && one.second.incoming == nullptr;
      });
}

// --- Time --------------------------------------------------------------------

void HostedJob::Tick(absl::Time now, ServerActions* out) {
  pulls_.Tick(now, out);
  pushes_.Tick(now, out);
  for (const PartitionId id : loader_.TakeDue(now)) {
    if (loader_.TryAgain(id, now, out)) pulls_.Release(now, out);
  }
  incoming_.Tick(now, out);
  checkpoints_.Tick(now, out);
}

absl::Time HostedJob::NextTick() const {
  return std::min({checkpoints_.NextTick(), loader_.NextTick(),
                   incoming_.NextTick(), pushes_.NextTick(),
                   pulls_.NextTick()});
}

// --- Reports -----------------------------------------------------------------

void HostedJob::OnNewSession() {
  incoming_.Drop();
  for (auto& [id, hosted] : job_.partitions) hosted.ResetReport();
  pulls_.OnNewSession();
  pushes_.OnNewSession();
}

std::optional<MarkReport> HostedJob::TakeReport() {
  job_.report_at_once = false;
  MarkReport report;
  report.session = job_.options.session;
  report.job = stored().record->id;
  report.generation = stored().generation;
  for (auto& [id, hosted] : job_.partitions) {
    if (auto one = hosted.TakeReport(id, stored())) {
      report.partitions.push_back(*std::move(one));
    }
  }
  if (report.partitions.empty()) return std::nullopt;
  return report;
}

ServerStatistics HostedJob::TakeStatistics() {
  ServerStatistics statistics = pushes_.TakeStatistics();
  statistics.session = job_.options.session;
  statistics.job = stored().record->id;
  statistics.clock_lead = pulls_.clock_lead();
  statistics.traffic += pulls_.TakeTraffic();
  // A pull waits on every server: one of them counts.
  const absl::Duration bound_wait = pulls_.TakeBoundWait();
  if (job_.plan().clocked() && job_.Values(PartitionId(0)) != nullptr) {
    statistics.bound_wait = bound_wait;
  }
  if (job_.problem.empty()) {
    statistics.problem = checkpoints_.Late();
  } else {
    statistics.problem = job_.problem;
    statistics.problem_kind = job_.problem_kind;
  }
  return statistics;
}

bool HostedJob::CompleteButForStatistics() const {
  return pushes_.has_statistics() &&
         std::all_of(job_.partitions.begin(), job_.partitions.end(),
                     [](const auto& one) {
                       const HostedPartition& hosted = one.second;
                       return hosted.values == nullptr ||
                              hosted.values->marks().Complete();
                     });
}

void HostedJob::Close(absl::Time now, ServerActions* out) {
  for (const auto& [id, hosted] : job_.partitions) Disown(id, out);
  pushes_.Close(out);
  pulls_.Close(now, out);
}

std::weak_ptr<const Partition> HostedJob::WeakPartition(PartitionId id) const {
  const HostedPartition* hosted = job_.Find(id);
  if (hosted == nullptr) return {};
  return hosted->values;
}

}  // namespace ebb::server
