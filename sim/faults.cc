#include "sim/faults.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/status/status.h"

namespace ebb::sim {

namespace {

// From looking at what is stored to the servers' hearing of the decision.
constexpr absl::Duration kOperatorTakes = absl::Seconds(5);

}  // namespace

FaultPlan::FaultPlan(World* world, Rng rng)
    : world_(world),
      rng_(rng),
      aside_(rng_.Fork(1)),
      twin_(rng_.Fork(2)),
      operator_(rng_.Fork(3)),
      elastic_(rng_.Fork(4)) {}

absl::Duration FaultPlan::Outage() {
  return rng_.Chance(0.6)
             ? rng_.Between(absl::Milliseconds(1), absl::Milliseconds(150))
             : rng_.Between(absl::Milliseconds(100), absl::Milliseconds(2500));
}

void FaultPlan::Schedule() {
  const Scenario& s = world_->scenario();
  for (int i = 0; i < s.faults; ++i) {
    const absl::Duration at =
        s.first_fault + rng_.Between(absl::ZeroDuration(), s.fault_span);
    world_->queue().At(world_->now() + at, [this] { Happen(); });
  }
  if (s.twin) {
    const absl::Duration at =
        s.first_fault + twin_.Between(absl::ZeroDuration(), s.fault_span);
    world_->queue().At(world_->now() + at, [this] { StartTwin(); });
  }
  for (int i = 0; i < s.operations; ++i) {
    const absl::Duration at =
        s.first_fault + operator_.Between(absl::ZeroDuration(), s.fault_span);
    world_->queue().At(world_->now() + at, [this] { OperatorActs(); });
  }
  if (s.store_lost_after_rollback) AwaitRollback();
  ScheduleElasticity();
  // A restart from an older disk goes back to one of these.
  for (int i = 1; i < 4; ++i) {
    const absl::Duration at = s.first_fault + s.fault_span * i / 4;
    world_->queue().At(world_->now() + at, [this] {
      for (const auto& server : world_->servers()) server->RememberDisk();
      world_->scheduler().RememberDisk();
    });
  }
  world_->queue().At(world_->now() + s.first_fault + s.fault_span,
                     [this] { Calm(); });
}

// Servers that join, and an operator who wants more or fewer of them.
void FaultPlan::ScheduleElasticity() {
  const Scenario& s = world_->scenario();
  const auto some_time = [&] {
    return world_->now() + s.first_fault +
           elastic_.Between(absl::ZeroDuration(), s.fault_span);
  };
  for (int i = s.servers - s.late_servers; i < s.servers; ++i) {
    world_->queue().At(some_time(), [this, i] {
      world_->counts().Add(Fault::kServerJoined);
      world_->servers()[i]->Start();
    });
  }
  for (int i = 0; s.scales && i < 3; ++i) {
    const auto servers = static_cast<int32_t>(elastic_.Between(0, s.servers));
    world_->queue().At(some_time(), [this, servers] {
      if (!world_->scheduler().alive()) return;
      world_->counts().Add(Fault::kServersScaled);
      world_->scheduler().ScaleServers(servers);
    });
  }
}

void FaultPlan::Calm() {
  world_->calm = true;
  for (Node* a : world_->Nodes()) {
    world_->Heal(a, nullptr);
    for (Node* b : world_->Nodes()) world_->Heal(a, b);
    a->DieAfter(-1);
    a->slowness = 1;
    a->Resume();
  }
  for (const auto& server : world_->servers()) {
    server->disk().FailWrites(absl::OkStatus());
    server->Start();
  }
  world_->scheduler().DiskHealed();
  world_->scheduler().Start();
  // The operator who started it sees the mistake.
  if (world_->twin() != nullptr) world_->twin()->Kill();
  for (const auto& worker : world_->workers()) {
    if (!worker->retired) worker->Start();
  }
}

void FaultPlan::Happen() {
  if (world_->calm) return;
  const int64_t die = rng_.Below(100);
  if (die < 35) {
    HappenToServer(OneOf(world_->servers()));
  } else if (die < 55) {
    HappenToScheduler();
  } else if (die < 80) {
    HappenToWorker(OneOf(world_->workers()));
  } else {
    HappenToNetwork();
  }
}

// --- Servers -----------------------------------------------------------------

void FaultPlan::HappenToServer(ServerNode* server) {
  Counts& counts = world_->counts();
  switch (rng_.Below(9)) {
    case 0:
    case 1:
    case 2:
      return KillServer(server);
    case 3:
      server->DieAfter(static_cast<int>(rng_.Below(20)));
      return;
    case 4:
      return StopAndResume(server, Fault::kServerStopped);
    case 5:
      return SlowDown(server, Fault::kServerSlow);
    case 6:
      if (!server->alive()) return;
      counts.Add(Fault::kServerDrained);
      server->Drain();
      return;
    case 7: {
      counts.Add(Fault::kDiskFailed);
      server->disk().FailWrites(
          absl::ResourceExhaustedError("the disk is full"));
      world_->queue().At(world_->now() + Outage(), [server] {
        server->disk().FailWrites(absl::OkStatus());
      });
      return;
    }
    default:
      if (!world_->scenario().storage_damage) return KillServer(server);
      if (!DamageDisk(server)) return;
      if (rng_.Chance(0.7)) KillServer(server);
  }
}

void FaultPlan::KillServer(ServerNode* server) {
  if (!server->alive()) return;
  world_->counts().Add(Fault::kServerKilled);
  if (world_->scenario().storage_damage && rng_.Chance(0.25) &&
      !server->older_disks().empty()) {
    // It comes back with what it had stored some time ago.
    const auto& disks = server->older_disks();
    auto older = disks[rng_.Below(static_cast<int64_t>(disks.size()))];
    server->Kill();
    if (!older.Versions().empty()) {
      world_->counts().Add(Fault::kServerFromOlderDisk);
      server->ReplaceDisk(std::move(older));
      world_->checker().StorageDamaged(*server);
    }
    world_->queue().At(world_->now() + Outage(), [server] { server->Start(); });
    return;
  }
  server->Kill();
  world_->queue().At(world_->now() + Outage(), [server] { server->Start(); });
}

// Flips bytes in the newest versions of some partitions.
bool FaultPlan::DamageDisk(ServerNode* server) {
  const auto versions = server->disk().Versions();
  if (versions.empty()) return false;
  world_->checker().StorageDamaged(*server);
  const double share = rng_.Chance(0.2) ? 1.0 : 0.4;
  for (const VersionKey& key : versions) {
    if (!rng_.Chance(share) && key != versions.back()) continue;
    world_->counts().Add(Fault::kVersionDamaged);
    server->disk().DamageVersion(key);
  }
  return true;
}

void FaultPlan::DamageAfterCompletion() {
  ServerNode* server = OneOf(world_->servers());
  if (!DamageDisk(server)) return;
  server->Kill();
  world_->counts().Add(Fault::kServerKilled);
  world_->queue().At(world_->now() + absl::Milliseconds(50),
                     [server] { server->Start(); });
}

bool FaultPlan::AgeScheduler() {
  SchedulerNode& scheduler = world_->scheduler();
  if (!world_->scenario().scheduler_store_loss ||
      scheduler.older_disks().empty() || !ServersKnowTheJob()) {
    return false;
  }
  world_->counts().Add(Fault::kSchedulerKilled);
  world_->counts().Add(Fault::kSchedulerStoreOlder);
  scheduler.Kill();
  scheduler.ReplaceDisk(scheduler.older_disks().back());
  scheduler.DiskHealed();  // The disk may have been full then.
  scheduler.Start();
  return true;
}

// --- The scheduler -----------------------------------------------------------

void FaultPlan::HappenToScheduler() {
  SchedulerNode& scheduler = world_->scheduler();
  switch (rng_.Below(7)) {
    case 0:
    case 1:
    case 2:
      return KillScheduler();
    case 3:
      scheduler.DieAfter(static_cast<int>(rng_.Below(20)));
      return;
    case 4:
      return StopAndResume(&scheduler, Fault::kSchedulerStopped);
    case 5:
      world_->counts().Add(Fault::kSchedulerDiskFailed);
      scheduler.disk().FailCommits(
          absl::ResourceExhaustedError("the disk is full"));
      world_->queue().At(world_->now() + Outage(),
                         [&scheduler] { scheduler.DiskHealed(); });
      return;
    default:
      if (scheduler.alive()) {
        world_->counts().Add(Fault::kCheckpointDemanded);
        scheduler.DemandCheckpoint();
      }
  }
}

void FaultPlan::KillScheduler() {
  SchedulerNode& scheduler = world_->scheduler();
  if (!scheduler.alive()) return;
  world_->counts().Add(Fault::kSchedulerKilled);
  scheduler.Kill();
  if (world_->scenario().scheduler_store_loss) LoseSchedulerStore();
  world_->queue().At(world_->now() + Outage(),
                     [&scheduler] { scheduler.Start(); });
}

void FaultPlan::AwaitRollback() {
  constexpr absl::Duration kLooks = absl::Milliseconds(10);
  const bool rolled_back = world_->counts().of(Probe::kRolledBackByItself) > 0;
  const absl::Duration wait =
      rolled_back ? *world_->scenario().store_lost_after_rollback : kLooks;
  world_->queue().At(world_->now() + wait, [this, rolled_back] {
    if (world_->calm) return;
    if (!rolled_back) return AwaitRollback();
    SchedulerNode& scheduler = world_->scheduler();
    if (!scheduler.alive() || !ServersKnowTheJob()) return;
    world_->counts().Add(Fault::kSchedulerKilled);
    world_->counts().Add(Fault::kSchedulerStoreLost);
    scheduler.Kill();
    scheduler.ReplaceDisk({});
    scheduler.DiskHealed();
    scheduler.Start();
  });
}

// It is known as long as each server's disk has it.
bool FaultPlan::ServersKnowTheJob() const {
  return std::ranges::none_of(world_->servers(), [](const auto& server) {
    return server->disk().Versions().empty();
  });
}

bool FaultPlan::LoseSchedulerStore() {
  SchedulerNode& scheduler = world_->scheduler();
  if (!ServersKnowTheJob()) return false;
  if (rng_.Chance(0.4)) {
    world_->counts().Add(Fault::kSchedulerStoreLost);
    scheduler.ReplaceDisk({});
  } else if (rng_.Chance(0.6) && !scheduler.older_disks().empty()) {
    const auto& disks = scheduler.older_disks();
    world_->counts().Add(Fault::kSchedulerStoreOlder);
    scheduler.ReplaceDisk(
        disks[rng_.Below(static_cast<int64_t>(disks.size()))]);
  }
  return true;
}

// --- Workers -----------------------------------------------------------------

void FaultPlan::HappenToWorker(WorkerNode* worker) {
  Counts& counts = world_->counts();
  switch (rng_.Below(8)) {
    case 0:
    case 1:
      if (!worker->alive()) return;
      counts.Add(Fault::kWorkerKilled);
      world_->KillAndRestart(worker);
      return;
    case 2:
      worker->DieAfter(static_cast<int>(rng_.Below(20)));
      return;
    case 3:
      return StopAndResume(worker, Fault::kWorkerStopped);
    case 4:
      return SlowDown(worker, Fault::kWorkerSlow);
    case 5:
      counts.Add(Fault::kWorkerJoined);
      world_->AddWorker().Start();
      return;
    default:
      if (!worker->alive()) return;
      counts.Add(Fault::kWorkerDrained);
      // Most that it finds do nothing just then, so no run would be cut.
      if (world_->scenario().plan.algorithm.runs && rng_.Chance(0.5)) {
        return worker->DrainInAPush();
      }
      worker->Drain();
  }
}

// --- Any process, and the network --------------------------------------------

void FaultPlan::StopAndResume(Node* node, Fault fault) {
  if (!node->alive()) return;
  world_->counts().Add(fault);
  node->Stop();
  // A process that waits for it may give the connection up.
  if (rng_.Chance(0.4)) {
    auto* client = dynamic_cast<ClientNode*>(node);
    if (client != nullptr && client->stream() != nullptr) {
      world_->Break(client->stream());
    }
  }
  world_->queue().At(world_->now() + Outage(), [node, life = node->life()] {
    if (node->life() == life) node->Resume();
  });
}

void FaultPlan::SlowDown(Node* node, Fault fault) {
  world_->counts().Add(fault);
  node->slowness = static_cast<double>(rng_.Between(5, 40));
  world_->queue().At(world_->now() + Outage(), [node] { node->slowness = 1; });
}

void FaultPlan::HappenToNetwork() {
  const int64_t die = rng_.Below(4);
  if (die < 2) return SplitSomebody();
  if (die == 2) return CopyGrantLate();
  const bool server = rng_.Chance(0.5);
  ClientNode* client = server
                           ? static_cast<ClientNode*>(OneOf(world_->servers()))
                           : OneOf(world_->workers());
  if (client->stream() == nullptr) return;
  world_->counts().Add(Fault::kSessionBroken);
  world_->Break(client->stream());
}

void FaultPlan::SplitSomebody() {
  const std::vector<Node*> nodes = world_->Nodes();
  const Node* a = nodes[rng_.Below(static_cast<int64_t>(nodes.size()))];
  const Node* b = nodes[rng_.Below(static_cast<int64_t>(nodes.size()))];
  if (a == b) b = nullptr;  // Splits it from all others.
  world_->counts().Add(Fault::kSplit);
  world_->Split(a, b);
  world_->queue().At(world_->now() + Outage(),
                     [this, a, b] { world_->Heal(a, b); });
}

// A grant that comes a second time, much later: maybe to another life, which
// maybe has not been granted anything yet.
void FaultPlan::CopyGrantLate() {
  ServerNode* server = OneOf(world_->servers());
  absl::Duration late = Outage();
  if (server->alive() && aside_.Chance(0.5)) {
    world_->counts().Add(Fault::kServerKilled);
    server->Kill();
    world_->queue().At(world_->now() + late, [server] { server->Start(); });
    late += aside_.Between(absl::ZeroDuration(), absl::Milliseconds(4));
  }
  if (world_->scheduler().CopyLastGrant(*server, late)) {
    world_->counts().Add(Fault::kGrantCopiedLate);
  }
}

// Alone it is refused; beside a server that dies or is stopped it gets its
// place, and the server comes back to find it there.
void FaultPlan::StartTwin() {
  if (world_->calm) return;
  ServerNode* server =
      world_->servers()[twin_.Below(world_->scenario().servers)].get();
  world_->counts().Add(Fault::kTwinStarted);
  world_->AddTwin(server->id()).Start();
  const absl::Time soon =
      world_->now() +
      twin_.Between(absl::ZeroDuration(), absl::Milliseconds(100));
  const absl::Time later =
      soon + twin_.Between(absl::Milliseconds(100), absl::Milliseconds(2500));
  const int64_t die = twin_.Below(3);
  if (die == 0) {
    // A scheduler that knows little hears both.
    world_->queue().At(soon, [this] {
      if (!world_->calm) AgeScheduler();
    });
    return;
  }
  world_->queue().At(soon, [this, server, die] {
    if (world_->calm) return;
    world_->counts().Add(die == 1 ? Fault::kServerKilled
                                  : Fault::kServerStopped);
    die == 1 ? server->Kill() : server->Stop();
  });
  world_->queue().At(later, [server] {
    server->Resume();
    server->Start();
  });
}

// --- The operator ------------------------------------------------------------

void FaultPlan::OperatorActs() {
  SchedulerNode& scheduler = world_->scheduler();
  if (world_->calm || !scheduler.alive() || scheduler.stopped()) return;
  if (world_->scenario().growth && operator_.Chance(0.2)) return FinishJob();
  if (world_->scenario().first_epochs && operator_.Chance(0.5)) {
    return AddEpochs();
  }
  switch (operator_.Below(5)) {
    case 0:  // The operator resumes it.
      if (scheduler.PauseJob()) world_->counts().Add(Fault::kOperatorPaused);
      return;
    case 1: {
      const auto workers = static_cast<int32_t>(operator_.Below(3));
      if (scheduler.ScaleJob(workers)) {
        world_->counts().Add(Fault::kOperatorScaled);
      }
      return;
    }
    default:
      OperatorRollsBack();
  }
}

void FaultPlan::FinishJob() {
  const auto& growth = world_->scenario().growth;
  SchedulerNode& scheduler = world_->scheduler();
  if (!growth || !growth->finished_after ||
      world_->elapsed() < *growth->finished_after || !scheduler.alive() ||
      scheduler.stopped()) {
    return;
  }
  const scheduler::TrainingJob* job = scheduler.job();
  if (job == nullptr || !job->plan().endless()) return;
  // The operator asks for all that is there by now, or for less. The end is on
  // the grid of the checker's plan.
  const int64_t there = world_->DataThere();
  const int64_t asked =
      operator_.Chance(0.5) ? there : operator_.Below(there + 1);
  const JobPlan& plan = world_->scenario().plan;
  const auto epoch = static_cast<int32_t>(asked / plan.examples);
  const int64_t within = asked % plan.examples;
  const ItemId item{epoch, static_cast<int32_t>(within / plan.shard_size)};
  const int64_t begin = within % plan.shard_size;
  const int64_t end =
      asked == plan.AllExamples()
          ? asked
          : plan.PlaceOf(item, begin - begin % plan.BatchSize(item));
  if (scheduler.FinishJob(std::max(end, plan.BatchEnd({0, 0}, 0)))) {
    world_->counts().Add(Probe::kEndedByOperator);
  }
}

void FaultPlan::AddEpochs() {
  if (world_->scenario().growth) return;
  // It has fewer because its evaluations said so.
  if (world_->scenario().Judged()) return;
  SchedulerNode& scheduler = world_->scheduler();
  if (!scheduler.alive() || scheduler.stopped()) return;
  const scheduler::TrainingJob* job = scheduler.job();
  if (job == nullptr) return;
  const int32_t missing = world_->scenario().plan.epochs - job->plan().epochs;
  if (missing == 0) return;
  const StoredNow stored = WhatIsStored(*job);
  scheduler::RollbackOrder order;
  order.generation = job->state().generation;
  order.what = "to go on for longer";
  if (job->plan().rounds()) {
    order.record = scheduler::RollbackToRound(
                       stored.rounds, std::numeric_limits<int64_t>::max(),
                       scheduler::OfRound::kOpen)
                       .record;
  } else {
    auto record = scheduler::ChooseVersions(stored.kept, job->plan().partitions,
                                            {.versions_ago = 0});
    if (!record.ok()) return;
    order.record = *std::move(record);
  }
  scheduler.AddEpochs(static_cast<int32_t>(operator_.Between(1, missing)),
                      std::move(order));
}

FaultPlan::StoredNow FaultPlan::WhatIsStored(
    const scheduler::TrainingJob& job) {
  StoredNow stored;
  stored.rounds.resize(job.plan().partitions);
  for (const auto& server : world_->servers()) {
    for (const RoundVersion& version : server->KeepVersions(kOperatorTakes)) {
      const PartitionId p = version.key.partition;
      if (job.placement().at(p).owner != server->id()) continue;
      stored.rounds[p.value()].stored.push_back(version);
      stored.kept.push_back({version.key, 0});
    }
  }
  return stored;
}

void FaultPlan::OperatorRollsBack() {
  const scheduler::TrainingJob* job = world_->scheduler().job();
  if (job == nullptr) return;
  const JobPlan& plan = job->plan();
  const StoredNow stored = WhatIsStored(*job);
  scheduler::RollbackOrder order;
  order.generation = job->state().generation;
  order.what = "to see whether that is harmless";
  if (plan.rounds()) {
    const int64_t round = operator_.Below(job->marks().RoundsClosed() + 1);
    const RollbackRecord& now = job->state().rollback;
    order.record =
        scheduler::RollbackToRound(stored.rounds, round,
                                   scheduler::OfRoundAt(now.rate_factor, now))
            .record;
  } else {
    auto record = scheduler::ChooseVersions(
        stored.kept, plan.partitions, {.versions_ago = operator_.Below(3)});
    if (!record.ok()) return;
    order.record = *std::move(record);
  }
  if (world_->scheduler().RollBack(order)) {
    world_->counts().Add(Fault::kOperatorRolledBack);
  }
}

}  // namespace ebb::sim
