#include "sim/scheduler_node.h"

#include <ctime>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "sim/arithmetic.h"
#include "sim/world.h"

namespace ebb::sim {

using scheduler::SchedulerAction;
using scheduler::SchedulerActions;

namespace {

// Time of the processor, so that other work of the machine does not count.
absl::Duration ThreadTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return absl::DurationFromTimespec(time);
}

// With other epochs the specification is another, as in a real job.
JobRecord RecordOf(const JobPlan& plan) {
  JobRecord record;
  record.name = "simulated";
  record.plan = plan;
  record.specification =
      absl::StrCat(plan.epochs, " epochs, ", plan.last_epoch_examples);
  return record;
}

}  // namespace

// Runs `handle`, and measures how long it really takes.
template <typename Handle>
void SchedulerNode::Decide(Handle handle) {
  const absl::Duration begin = ThreadTime();
  handle();
  world_->meter().sums.scheduler_took += ThreadTime() - begin;
}

SchedulerNode::SchedulerNode(World* world) : Node(world, "scheduler") {}
SchedulerNode::~SchedulerNode() = default;

const scheduler::TrainingJob* SchedulerNode::job() const {
  if (core_ == nullptr) return nullptr;
  const auto it = core_->jobs().find(world_->job);
  return it == core_->jobs().end() ? nullptr : it->second.get();
}

void SchedulerNode::OnStart() {
  store_ = std::make_unique<scheduler::MemoryStore>(&disk_);
  scheduler::SchedulerOptions options = world_->scenario().scheduler;
  options.session = world_->NewSession();
  const Scenario& scenario = world_->scenario();
  const int64_t ends_after =
      scenario.epochs_beyond > 0 ? scenario.plan.RoundCount() : 0;
  options.coordinator = [ends_after](const JobRecord&) {
    return std::make_shared<const WholeNumberCoordinator>(ends_after);
  };
  options.shortened = [](const JobRecord& record, const JobEnd& end) {
    JobRecord shorter = record;
    shorter.plan.epochs = end.epochs;
    shorter.plan.last_epoch_examples = end.last_epoch_examples;
    shorter.specification = RecordOf(shorter.plan).specification;
    return shorter;
  };
  job::TrainingFacts facts;
  facts.epochs_in_order = scenario.contributions;
  if (scenario.leases_by_place) facts.window = scenario.window;
  if (scenario.keep_best) facts.keep_best = "loss";
  if (scenario.stop_after > 0) {
    facts.stop = job::StopRule{"loss", scenario.stop_after, scenario.min_delta};
  }
  options.training_facts = [facts](const JobRecord&) { return facts; };
  auto core =
      scheduler::SchedulerCore::Create(options, disk_.records(), world_->now());
  if (!core.ok()) {
    world_->Violate(
        absl::StrCat("the scheduler cannot start: ", core.status().message()));
    return;
  }
  core_ = *std::move(core);
  met_.clear();
  waits_for_disk_ = false;
}

void SchedulerNode::OnKilled() {
  core_.reset();
  store_.reset();
  for (const auto& [link, weak] : links_) {
    if (const StreamPtr stream = weak.lock()) world_->Break(stream);
  }
  links_.clear();
}

void SchedulerNode::OnTick() {
  SchedulerActions out;
  Decide([&] { core_->OnTick(world_->now(), &out); });
  Carry(std::move(out));
}

absl::Time SchedulerNode::NextTick() const { return core_->NextTick(); }

void SchedulerNode::FromServer(const Stream& stream,
                               const ServerToScheduler& message) {
  world_->Trace(*this, "<- ", stream.client->name(), ": ", message);
  world_->checker().BeforeServerMessage(message);
  SchedulerActions out;
  ++world_->meter().sums.messages_in;
  Decide([&] { core_->OnServer(stream.link, message, world_->now(), &out); });
  const auto& server = static_cast<const ServerNode&>(*stream.client);
  if (std::holds_alternative<RegisterServer>(message)) NoteWhoServes(server);
  if (Serves(server)) {
    heard_[server.id()] = world_->now();
    met_.insert(server.id());
  }
  Carry(std::move(out));
}

bool SchedulerNode::Serves(const ServerNode& server) const {
  const auto it = core_->cluster().servers.find(server.id());
  return it != core_->cluster().servers.end() && it->second.connected &&
         it->second.session == server.session();
}

void SchedulerNode::NoteWhoServes(const ServerNode& server) {
  if (!Serves(server)) return;  // It is refused.
  const auto [known, first] = served_by_.try_emplace(server.id(), &server);
  const ServerNode& before = *std::exchange(known->second, &server);
  if (&before == &server) return;
  world_->counts().Add(Probe::kTwinTookOver);
  const auto heard = heard_.find(server.id());
  const bool gone =
      !before.alive() || before.stopped() || heard == heard_.end() ||
      world_->now() - heard->second >= world_->scenario().scheduler.server_ttl;
  world_->checker().TwinTookOver(server, gone ? nullptr : &before,
                                 met_.contains(server.id()));
}

void SchedulerNode::FromWorker(const Stream& stream,
                               const WorkerToScheduler& message) {
  world_->Trace(*this, "<- ", stream.client->name(), ": ", message);
  SchedulerActions out;
  ++world_->meter().sums.messages_in;
  Decide([&] { core_->OnWorker(stream.link, message, world_->now(), &out); });
  if (const auto* request = std::get_if<PlacementRequest>(&message);
      request != nullptr && !request->unreached.empty()) {
    const auto worker = core_->cluster().workers.find(request->session);
    if (worker != core_->cluster().workers.end() &&
        !worker->second.cut_off.empty()) {
      world_->counts().Add(Probe::kCutOff);
    }
  }
  world_->checker().AfterWorkerMessage(message, out);
  Carry(std::move(out));
}

void SchedulerNode::LinkDown(const Stream& stream) {
  world_->Trace(*this, "session with ", stream.client->name(), " is down");
  links_.erase(stream.link);
  SchedulerActions out;
  if (stream.from_server) {
    core_->OnServerDisconnected(stream.link, world_->now(), &out);
  } else {
    core_->OnWorkerDisconnected(stream.link, world_->now(), &out);
  }
  Carry(std::move(out));
}

// --- The operator ------------------------------------------------------------

void SchedulerNode::Submit() {
  Run([this] {
    JobPlan plan = world_->scenario().plan;
    plan.epochs = world_->scenario().first_epochs.value_or(plan.epochs) +
                  world_->scenario().epochs_beyond;
    if (world_->scenario().growth) {
      plan.epochs = JobPlan::kEndlessEpochs;
      plan.last_epoch_examples = plan.examples;
    }
    SchedulerActions out;
    auto job = core_->Submit(RecordOf(plan), world_->now(), &out);
    if (!job.ok()) {
      world_->Violate(absl::StrCat("submit: ", job.status().message()));
      return;
    }
    world_->job = *job;
    Carry(std::move(out));
  });
}

JobId SchedulerNode::SubmitBeside(JobPlan plan) {
  JobRecord record;
  record.name = "beside";
  record.plan = std::move(plan);
  SchedulerActions out;
  const auto job = core_->Submit(std::move(record), world_->now(), &out);
  if (!job.ok()) {
    world_->Violate(absl::StrCat("submit: ", job.status().message()));
    return JobId();
  }
  Carry(std::move(out));
  return *job;
}

void SchedulerNode::ResumeJob(bool skip) {
  Run([this, skip] {
    SchedulerActions out;
    if (!core_->Resume(world_->job, skip, world_->now(), &out).ok()) return;
    world_->Trace(*this, "an operator resumes the job, skip=", skip);
    world_->counts().Add(Probe::kResumed);
    Carry(std::move(out));
  });
}

bool SchedulerNode::FinishJob(int64_t examples) {
  SchedulerActions out;
  const bool ok =
      core_->FinishJob(world_->job, examples, world_->now(), &out).ok();
  world_->Trace(*this, "an operator finishes the job after ", examples,
                " examples: ", ok);
  Carry(std::move(out));
  return ok;
}

void SchedulerNode::DemandCheckpoint() {
  Run([this] {
    SchedulerActions out;
    core_->Checkpoint(world_->job, world_->now(), &out).IgnoreError();
    Carry(std::move(out));
  });
}

bool SchedulerNode::PauseJob() {
  SchedulerActions out;
  const bool ok = core_->Pause(world_->job, world_->now(), &out).ok();
  world_->Trace(*this, "an operator pauses the job: ", ok);
  Carry(std::move(out));
  return ok;
}

bool SchedulerNode::ScaleJob(int32_t workers) {
  SchedulerActions out;
  const bool ok =
      core_->ScaleJob(world_->job, {.workers = workers}, world_->now(), &out)
          .ok();
  world_->Trace(*this, "an operator scales the job to ", workers, ": ", ok);
  Carry(std::move(out));
  return ok;
}

bool SchedulerNode::RollBack(const scheduler::RollbackOrder& order) {
  SchedulerActions out;
  const bool ok = core_->Rollback(world_->job, order, world_->now(), &out).ok();
  world_->Trace(*this, "an operator rolls the job back: ", ok);
  if (ok) world_->checker().OperatorRollsBack(*job(), order);
  Carry(std::move(out));
  return ok;
}

bool SchedulerNode::AddEpochs(int32_t epochs, scheduler::RollbackOrder order) {
  JobRecord record = *job()->record();
  record.plan.epochs += epochs;
  record.specification = RecordOf(record.plan).specification;
  order.change = std::make_shared<const JobRecord>(std::move(record));
  const bool was_complete =
      job()->state().phase == scheduler::JobPhase::kCompleted;
  if (!RollBack(order)) return false;
  world_->counts().Add(Fault::kEpochsAdded);
  if (was_complete) world_->counts().Add(Probe::kCompletedThenLonger);
  return true;
}

void SchedulerNode::ScaleServers(int32_t servers) {
  SchedulerActions out;
  core_
      ->ScaleJob(world_->job, {.workers = {}, .servers = servers},
                 world_->now(), &out)
      .IgnoreError();
  Carry(std::move(out));
}

bool SchedulerNode::CopyLastGrant(const ServerNode& server,
                                  absl::Duration delay) {
  const auto it = last_grants_.find(&server);
  if (it == last_grants_.end()) return false;
  auto* target = const_cast<ServerNode*>(it->first);
  world_->queue().At(world_->now() + delay, [target, grant = it->second] {
    if (!target->alive()) return;
    target->Run([target, grant] { target->FromScheduler(grant); });
  });
  return true;
}

// --- Actions -----------------------------------------------------------------

void SchedulerNode::Carry(SchedulerActions actions) {
  world_->checker().AfterSchedulerEvent(actions);
  CarryFrom(0, std::move(actions));
}

void SchedulerNode::CarryFrom(size_t first, SchedulerActions actions) {
  for (size_t i = first; i < actions.size(); ++i) {
    if (!Survives()) return;
    SchedulerAction& action = actions[i];
    if (auto* persist = std::get_if<scheduler::Persist>(&action)) {
      if (!store_->Commit(persist->writes).ok()) {
        // Nothing goes out before it is stored: everything waits.
        waits_for_disk_ = true;
        Stop();
        RunFirst([this, i, actions = std::move(actions)]() mutable {
          waits_for_disk_ = false;
          CarryFrom(i, std::move(actions));
        });
        return;
      }
    } else if (auto* to_server = std::get_if<scheduler::SendServer>(&action)) {
      Send(to_server->link, to_server->message);
    } else if (auto* to_worker = std::get_if<scheduler::SendWorker>(&action)) {
      if (auto* one = std::get_if<EvaluationLease>(&to_worker->message)) {
        world_->evaluated[one->snapshot] = one->epoch;
      }
      Send(to_worker->link, to_worker->message);
    } else if (auto* close = std::get_if<scheduler::CloseWorker>(&action)) {
      const auto it = links_.find(close->link);
      const StreamPtr stream = it == links_.end() ? nullptr : it->second.lock();
      if (stream != nullptr) world_->Break(stream);
    } else {
      world_->Trace(*this, std::get<scheduler::LogEvent>(action).text);
    }
  }
}

void SchedulerNode::DiskHealed() {
  disk_.FailCommits(absl::OkStatus());
  if (waits_for_disk_) Resume();
}

void SchedulerNode::Send(scheduler::LinkId link,
                         const SchedulerToServer& message) {
  const auto it = links_.find(link);
  const StreamPtr stream = it == links_.end() ? nullptr : it->second.lock();
  if (stream == nullptr) return;
  auto* server = static_cast<ServerNode*>(stream->client);
  if (const auto* grant = std::get_if<Grant>(&message)) {
    // One without partitions has no term by which a copy could be told.
    if (!grant->partitions.empty()) last_grants_[server] = *grant;
  }
  ++world_->meter().sums.messages_out;
  world_->Trace(*this, "-> ", server->name(), ": ", message);
  world_->SendDown(stream,
                   [server, message] { server->FromScheduler(message); });
}

void SchedulerNode::Send(scheduler::LinkId link,
                         const SchedulerToWorker& message) {
  const auto it = links_.find(link);
  const StreamPtr stream = it == links_.end() ? nullptr : it->second.lock();
  if (stream == nullptr) return;
  auto* worker = static_cast<WorkerNode*>(stream->client);
  ++world_->meter().sums.messages_out;
  if (std::holds_alternative<Lease>(message)) ++world_->meter().sums.leases;
  world_->Trace(*this, "-> ", worker->name(), ": ", message);
  world_->SendDown(stream,
                   [worker, message] { worker->FromScheduler(message); });
}

}  // namespace ebb::sim
