#include "sim/worker_node.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/pulled_values.h"
#include "sim/run_steps.h"
#include "sim/world.h"

namespace ebb::sim {

WorkerNode::WorkerNode(World* world, int index)
    : ClientNode(world, absl::StrCat("worker-", index)),
      slow_(index == 0 && world->scenario().slow_worker) {}
WorkerNode::~WorkerNode() = default;

void WorkerNode::OnStart() {
  world_->meter().WorkerStarts(world_->now());
  session_ = world_->NewSession();
  drains_in_a_push_ = false;
  client::ClientOptions options = world_->scenario().client;
  options.session = session_;
  options.name = name();
  local_training_ = std::make_unique<client::LocalTraining>(
      [algorithm = world_->algorithm(), trained = world_->scenario().trained,
       geo = world_->scenario().algorithm.kind == "geo"](
          const JobRecord& record) -> absl::StatusOr<client::LocalMathematics> {
        const JobPlan& plan = record.plan;
        client::LocalMathematics local;
        if (plan.trained_tables() > 0) local.rows = algorithm->MakeRowRule();
        local.trained = trained;
        const int64_t floats =
            trained != nullptr ? trained->floats() : plan.parameters;
        if (plan.algorithm.runs) {
          local.rule = std::make_unique<RunSteps>(floats, plan.rounds());
        } else {
          local.rule = local.rows != nullptr ? MakeRunRule(local.rows, floats)
                                             : algorithm->MakeLocalRule(floats);
        }
        // A round's gradients tell which values they are of. With geo steps
        // are what is pushed: of whole numbers, the sums themselves.
        local.rate = [plan, geo](ItemId item, int64_t, int64_t) {
          if (geo) return -static_cast<double>(plan.BatchSize(item));
          return plan.rounds() ? 0 : 0.5;
        };
        return local;
      });
  trained_gradient_ = std::make_unique<client::TrainedGradient>(
      [trained = client::TrainedParts{world_->scenario().trained,
                                      world_->scenario().frozen_rows}](
          const JobRecord&) { return trained; });
  filter_ = std::make_unique<client::GradientFilter>(options.batches_in_flight);
  core_ = std::make_unique<client::TrainingCore>(std::move(options));
  counted_ = {};
  Connect(absl::Milliseconds(1));
}

void WorkerNode::OnKilled() {
  world_->meter().WorkerDies(world_->now());
  world_->meter().sums.computed += Underway();
  core_.reset();
  pushes_.clear();
  pulls_.clear();
  watching_pushes_ = watching_pulls_ = false;
  computing_ = false;
  windows_.clear();
  ForgetStream();
}

double WorkerNode::Underway() const {
  if (!computing_) return 0;
  return static_cast<double>(batch_) *
         absl::FDivDuration(world_->now() - batch_begun_, batch_takes_);
}

void WorkerNode::OnTick() {
  client::ClientActions out;
  core_->OnTick(world_->now(), &out);
  Carry(std::move(out));
}

absl::Time WorkerNode::NextTick() const { return core_->NextTick(); }

void WorkerNode::OnConnected() {
  client::ClientActions out;
  core_->OnSchedulerConnected(world_->now(), &out);
  Carry(std::move(out));
}

namespace {

// A look for more of the data takes so long at most.
constexpr absl::Duration kLongestLook = absl::Milliseconds(300);
// Jobs with sparse tables evaluate them a part at a time.
constexpr int64_t kTestExamples = 10;
constexpr int64_t kTestPart = 4;
// Any number that no gradient has.
constexpr int64_t kGradientOfFrozen = 1000;

// The tables of which the parts of a push have rows, together.
int64_t TablesIn(const std::vector<std::vector<PushRows>>& rows) {
  int64_t tables = 0;
  for (const auto& of_partition : rows) tables += std::ssize(of_partition);
  return tables;
}

}  // namespace

void WorkerNode::OnDisconnected() { core_->OnSchedulerDisconnected(); }

void WorkerNode::FromScheduler(SchedulerToWorker message) {
  world_->checker().WorkerHears(*this, message);
  client::ClientActions out;
  core_->OnScheduler(std::move(message), world_->now(), &out);
  Carry(std::move(out));
}

void WorkerNode::Drain() {
  Run([this] {
    world_->Trace(*this, "drains");
    filter_->Flush();
    client::ClientActions out;
    core_->Drain(world_->now(), &out);
    Carry(std::move(out));
  });
}

// --- Actions -----------------------------------------------------------------

void WorkerNode::CountLocalSteps() {
  const client::LocalSteps before =
      std::exchange(counted_, core_->local_steps());
  Counts& counts = world_->counts();
  counts.Add(Probe::kLocalBatch, counted_.batches - before.batches);
  counts.Add(Probe::kShareApplied, counted_.applied - before.applied);
  counts.Add(Probe::kShareRefused, counted_.refused - before.refused);
}

void WorkerNode::Carry(client::ClientActions actions) {
  CountLocalSteps();
  for (client::ClientAction& action : actions) {
    if (std::holds_alternative<client::Expect>(action) ||
        std::holds_alternative<client::LoseEvaluation>(action)) {
      continue;
    }
    if (!Survives()) return;
    if (auto* send = std::get_if<client::SendScheduler>(&action)) {
      SendScheduler(send->message);
    } else if (auto* push = std::get_if<client::SendPush>(&action)) {
      SendPush(std::move(*push));
    } else if (auto* pull = std::get_if<client::SendPull>(&action)) {
      SendPull(std::move(*pull));
    } else if (auto* clock = std::get_if<client::SendClock>(&action)) {
      SendClock(*clock);
    } else if (auto* prepare = std::get_if<client::PrepareJob>(&action)) {
      const Span& prepare_span = world_->scenario().prepare;
      After(world_->rng().Between(prepare_span.least, prepare_span.most),
            [this, job = prepare->record->id] {
              client::ClientActions out;
              core_->OnJobReady(job, absl::OkStatus(), world_->now(), &out);
              Carry(std::move(out));
            });
    } else if (auto* find = std::get_if<client::FindRows>(&action)) {
      FindRows(*find);
    } else if (auto* compute = std::get_if<client::Compute>(&action)) {
      Compute(compute->task);
    } else if (auto* evaluate = std::get_if<client::Evaluate>(&action)) {
      Evaluate(evaluate->task);
    } else if (auto* look = std::get_if<client::LookForData>(&action)) {
      Look(look->record->id, look->known, world_->now() + kLongestLook,
           ++looks_);
    } else {
      world_->Trace(*this, std::get<client::LogEvent>(action).text);
    }
  }
  if (!alive() || !core_->Drained()) return;
  StayAway();
  After(absl::Milliseconds(20), [this] {
    if (retired) {
      Kill();
    } else {
      world_->KillAndRestart(this);
    }
  });
}

void WorkerNode::Look(JobId job, int64_t known, absl::Time until,
                      int64_t number) {
  const absl::Duration pause =
      world_->rng().Between(absl::Milliseconds(1), absl::Milliseconds(20));
  After(pause, [this, job, known, until, number] {
    if (number != looks_) return;  // Another took its place.
    const Growth& growth = *world_->scenario().growth;
    const bool late = world_->rng().Chance(growth.late_looks);
    const int64_t there = world_->DataThere(late ? absl::Milliseconds(100)
                                                 : absl::ZeroDuration());
    const bool ended = !late && world_->DataEnded();
    if (there <= known && !ended && world_->now() < until) {
      return Look(job, known, until, number);
    }
    if (there <= known && !ended) world_->counts().Add(Probe::kDataAwaited);
    client::ClientActions out;
    core_->OnDataReached(job, there, ended, &out);
    Carry(std::move(out));
  });
}

void WorkerNode::SendScheduler(const WorkerToScheduler& message) {
  if (stream() == nullptr) return;
  world_->Trace(*this, "-> scheduler: ", message);
  const auto* const end = std::get_if<ItemEnd>(&message);
  if (end != nullptr && end->end == LeaseEnd::kReturned &&
      world_->scenario().growth) {
    world_->counts().Add(Probe::kPartOfAnItem);
  }
  SendUp([world = world_, stream = stream(), message] {
    world->scheduler().FromWorker(*stream, message);
  });
}

// --- Calls -------------------------------------------------------------------

CallPtr WorkerNode::NewCall(std::variant<client::PushId, client::PullId> id,
                            absl::Duration timeout) {
  auto call = std::make_shared<Call>();
  call->worker = this;
  call->worker_life = life();
  call->deadline = world_->now() + timeout;
  const bool push = std::holds_alternative<client::PushId>(id);
  call->id = std::move(id);
  std::deque<CallPtr>& calls = push ? pushes_ : pulls_;
  calls.push_back(call);
  WatchDeadlines(&calls);
  return call;
}

// One timer for all calls of a kind: their timeouts are the same.
void WorkerNode::WatchDeadlines(std::deque<CallPtr>* calls) {
  while (!calls->empty() && calls->front()->done) calls->pop_front();
  bool& watching = calls == &pushes_ ? watching_pushes_ : watching_pulls_;
  if (watching || calls->empty()) return;
  watching = true;
  After(calls->front()->deadline - world_->now(), [this, calls] {
    (calls == &pushes_ ? watching_pushes_ : watching_pulls_) = false;
    const uint64_t life = this->life();
    while (!calls->empty() && (calls->front()->done ||
                               calls->front()->deadline <= world_->now())) {
      const CallPtr call = calls->front();
      calls->pop_front();
      Fail(call);
      if (!alive() || this->life() != life) return;
    }
    WatchDeadlines(calls);
  });
}

void WorkerNode::Fail(const CallPtr& call) {
  if (call->done || call->worker_life != life() || !alive()) return;
  call->done = true;
  client::ClientActions out;
  // If a server has no room for a call, it ends as others do, whose request it
  // may have had.
  const bool refused = world_->rng().Chance(0.3);
  if (const auto* push = std::get_if<client::PushId>(&call->id)) {
    world_->Trace(*this, "push to server-", push->server.value(), " #",
                  push->incarnation, ".", push->sequence,
                  refused ? " refused" : " failed");
    if (refused) {
      core_->OnPushRefused(*push, world_->now(), &out);
    } else {
      core_->OnPushFailed(*push, {}, world_->now(), &out);
    }
  } else {
    const auto& pull = std::get<client::PullId>(call->id);
    world_->Trace(*this, "pull from server-", pull.server.value(), " r",
                  pull.request, refused ? " refused" : " failed");
    if (refused) {
      core_->OnPullRefused(pull, world_->now(), &out);
    } else {
      core_->OnPullFailed(pull, {}, world_->now(), &out);
    }
  }
  Carry(std::move(out));
}

void WorkerNode::CallBroken(const CallPtr& call) {
  if (call->done || call->worker_life != life() || !alive()) return;
  if (world_->rng().Chance(0.2)) return;  // Only the timeout says so.
  After(world_->rng().Between(absl::Microseconds(50), absl::Milliseconds(5)),
        [this, call] { Fail(call); });
}

namespace {

// Carries a request to whichever life the server has when it arrives.
template <typename Request, typename Receive>
void Carry(World* world, WorkerNode* from, const CallPtr& call,
           absl::string_view address, Request request, Receive receive) {
  ServerNode* server = world->ServerAt(address);
  if (server == nullptr) {
    world->Violate(absl::StrCat(from->name(), " calls '", address, "'"));
    return;
  }
  const int copies = world->Duplicates() ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    if (!world->Reachable(*from, *server) || world->Loses()) continue;
    const auto arrive = [from, server, call, receive](Request request) {
      if (!server->alive()) {
        from->CallBroken(call);
        return;
      }
      server->Run(
          [server, call, receive, request = std::move(request)]() mutable {
            receive(server, call, std::move(request));
          });
    };
    const absl::Time at = world->Arrival(*from, *server);
    if (i + 1 < copies) {
      world->queue().At(at, [arrive, request] { arrive(request); });
    } else {
      world->queue().At(at, [arrive, request = std::move(request)]() mutable {
        arrive(std::move(request));
      });
      return;
    }
  }
}

}  // namespace

void WorkerNode::SendPush(client::SendPush action) {
  ++world_->meter().sums.pushes;
  world_->checker().Stamped(action.request.stamp);
  sim::Carry(world_, this, NewCall(action.id, action.timeout), action.address,
             std::move(action.request),
             [](ServerNode* server, const CallPtr& call, PushRequest request) {
               server->Push(call, std::move(request));
             });
}

void WorkerNode::SendPull(client::SendPull action) {
  ++world_->meter().sums.pulls;
  world_->checker().Stamped(action.request.stamp);
  sim::Carry(world_, this, NewCall(action.id, action.timeout), action.address,
             std::move(action.request),
             [](ServerNode* server, const CallPtr& call, PullRequest request) {
               server->Pull(call, std::move(request));
             });
}

void WorkerNode::SendClock(const client::SendClock& action) {
  world_->checker().Stamped(action.update.stamp);
  ServerNode* server = world_->ServerAt(action.address);
  if (server == nullptr || !world_->Reachable(*this, *server) ||
      world_->Loses()) {
    return;
  }
  world_->queue().At(world_->Arrival(*this, *server),
                     [server, update = action.update] {
                       if (!server->alive()) return;
                       server->Run([server, update] { server->Clock(update); });
                     });
}

void WorkerNode::PushReplied(const CallPtr& call, PushReply reply) {
  if (!alive() || call->worker_life != life()) return;
  Run([this, call, reply = std::move(reply)] {
    if (call->done) return;
    call->done = true;
    client::ClientActions out;
    const auto& id = std::get<client::PushId>(call->id);
    if (core_->Awaits(id)) world_->checker().PushHeard(*this, reply);
    core_->OnPushReply(id, reply, world_->now(), &out);
    world_->checker().ServerAnswered(*this);
    Carry(std::move(out));
  });
}

void WorkerNode::PullReplied(const CallPtr& call, PullReply reply) {
  if (!alive() || call->worker_life != life()) return;
  Run([this, call, reply = std::move(reply)]() mutable {
    if (call->done) return;
    call->done = true;
    client::ClientActions out;
    core_->OnPullReply(std::get<client::PullId>(call->id), std::move(reply),
                       world_->now(), &out);
    world_->checker().ServerAnswered(*this);
    Carry(std::move(out));
  });
}

// --- Computing ---------------------------------------------------------------

void WorkerNode::Compute(const client::ComputeTask& task) {
  if (computing_) {
    world_->Violate(absl::StrCat(name(), " computes two batches at once"));
    return;
  }
  computing_ = true;
  world_->Trace(*this, "computes ", ToString(task.item), " [", task.begin, ", ",
                task.end, ")");
  world_->checker().Computes(*this, task);
  if (world_->scenario().window > 0) Gather(task);
  const bool sparse = task.record->plan.trained_tables() > 0;
  if (sparse &&
      (task.values->rows == nullptr || !task.values->rows->Are(task))) {
    world_->Violate(
        absl::StrCat(name(), " computes with the rows of another batch"));
    return;
  }
  if (task.values == last_values_ && task.values->round < 0) {
    world_->counts().Add(Probe::kValuesUsedAgain);
  }
  last_values_ = task.values;
  const auto& poison = world_->scenario().poison;
  const bool fails = poison && poison->range.item == task.item &&
                     poison->range.begin == task.begin &&
                     task.rate_factor > poison->finite_at &&
                     world_->rng().Chance(poison->chance);
  const bool kills = fails && poison->kind == PoisonKind::kKillsWorker;
  client::ComputeResult result;
  if (fails) {
    result.error = "a poisonous batch";
    result.non_finite = poison->kind == PoisonKind::kNonFinite;
  } else {
    result = ResultOf(task);
  }
  const Span& span = world_->scenario().compute;
  batch_ = task.end - task.begin;
  batch_begun_ = world_->now();
  batch_takes_ = world_->rng().Between(span.least, span.most) * slowness *
                 (slow_ ? 10 : 1);
  if (!task.push && std::exchange(drains_in_a_push_, false)) {
    After(batch_takes_ / 2, [this] { Drain(); });
  }
  After(batch_takes_, [this, kills, result = std::move(result)]() mutable {
    computing_ = false;
    world_->meter().sums.computed += static_cast<double>(batch_);
    if (kills) {
      world_->KillAndRestart(this);
      return;
    }
    client::ClientActions out;
    core_->OnComputed(std::move(result), world_->now(), &out);
    Carry(std::move(out));
  });
}

void WorkerNode::Gather(const client::ComputeTask& task) {
  const data::Order& order = world_->order();
  const int64_t size = order.layout().window;
  std::vector<int64_t> examples;
  if (!order.Of(task.item, task.begin, task.end, &examples).ok()) {
    world_->Violate(absl::StrCat(name(), " computes no item of the data"));
    return;
  }
  const int64_t number = order.WindowOf(task.item);
  auto window = std::ranges::find(windows_, number, &Window::number);
  if (window == windows_.end()) {
    windows_.push_front({number, examples.front() / size, task.item.epoch});
    if (std::ssize(windows_) > world_->scenario().windows_in_memory) {
      windows_.pop_back();
    }
    world_->counts().Add(Probe::kWindowRead);
    Work& sums = world_->meter().sums;
    ++(task.item.epoch == 0 ? sums.windows_read : sums.windows_read_later);
  } else {
    if (window->epoch != task.item.epoch) {
      world_->counts().Add(Probe::kWindowUsedAgain);
    }
    window->epoch = task.item.epoch;
    windows_.splice(windows_.begin(), windows_, window);
  }
  for (int64_t& example : examples) {
    example = windows_.front().content * size + example % size;
  }
  world_->checker().Gathered(*this, task, examples);
}

void WorkerNode::FindRows(client::FindRows batch) {
  const JobPlan& plan = batch.record->plan;
  if (batch.test) {
    batch.end = std::min(batch.begin + kTestPart, kTestExamples);
  }
  auto found = std::make_shared<client::BatchRows>();
  found->item = batch.item;
  found->begin = batch.begin;
  found->end = batch.end;
  found->test = batch.test;
  found->last = batch.end == kTestExamples;
  for (std::vector<PushRows>& of_partition : RowsOf(plan, batch)) {
    std::vector<PullRows>& asked = found->partitions.emplace_back();
    for (PushRows& rows : of_partition) {
      if (!plan.sparse_tables[rows.table].trained()) continue;
      asked.push_back({rows.table, std::move(rows.keys)});
    }
  }
  const Span& span = world_->scenario().compute;
  After(world_->rng().Between(span.least, span.most) * slowness / 4,
        [this, batch, found = client::BatchRowsPtr(std::move(found))] {
          client::ClientActions out;
          core_->OnRowsFound(batch, found, world_->now(), &out);
          Carry(std::move(out));
        });
}

// Returns what the batch contributes to rows, by partition and table.
template <typename Batch>
std::vector<std::vector<PushRows>> WorkerNode::RowsOf(const JobPlan& plan,
                                                      const Batch& batch) {
  std::vector<std::vector<PushRows>> all(plan.partitions);
  for (int32_t t = 0; t < static_cast<int32_t>(plan.sparse_tables.size());
       ++t) {
    Arithmetic::Rows rows;
    world_->arithmetic().AddRows(batch.item, batch.begin, batch.end, t, &rows);
    std::vector<std::pair<std::vector<uint64_t>, std::vector<float>>> parts(
        plan.partitions);
    for (const auto& [key, sums] : rows) {
      auto& [keys, gradient] = parts[plan.PartitionOfKey(key).value()];
      keys.push_back(key);
      const std::vector<float> words = world_->arithmetic().WordsOf(t, sums);
      gradient.insert(gradient.end(), words.begin(), words.end());
    }
    for (int32_t p = 0; p < plan.partitions; ++p) {
      auto& [keys, gradient] = parts[p];
      if (keys.empty()) continue;
      all[p].push_back(
          {t, Payload::Of(std::move(keys)), Payload::Of(std::move(gradient))});
    }
  }
  return all;
}

client::ComputeResult WorkerNode::ResultOf(const client::ComputeTask& task) {
  const auto local = local_training_->Begin(task);
  if (!local.ok()) {
    client::ComputeResult none;
    none.cancelled = absl::IsAborted(local.status());
    none.error = std::string(local.status().message());
    if (!none.cancelled) {
      world_->Violate(absl::StrCat(name(), ": ", none.error));
    }
    return none;
  }
  client::ComputeResult result = SumsOf(*local);
  const int64_t tables = TablesIn(result.rows);
  trained_gradient_->Apply(task, &result);
  world_->counts().Add(Probe::kFrozenRowsLeftOut,
                       tables - TablesIn(result.rows));
  for (int32_t p = 0; result.trained && p < task.record->plan.partitions; ++p) {
    const bool none = result.trained->RunOf(PartitionId(p)).size() == 0;
    world_->counts().Add(Probe::kFrozenLeftOut, none ? 1 : 0);
  }
  client::ComputeTask stepped = task;
  // In geo the push contains a smaller rate; here pushes are whole numbers.
  if (world_->scenario().algorithm.kind == "geo") stepped.rate_factor = 1;
  local_training_->End(stepped, &result);
  filter_->Apply(task, &result);
  return result;
}

client::ComputeResult WorkerNode::SumsOf(const client::ComputeTask& task) {
  const JobPlan& plan = task.record->plan;
  client::ComputeResult result;
  const Arithmetic& arithmetic = world_->arithmetic();
  result.ledger = ExpectedRow(task.item, task.begin, task.end);
  result.loss_sum = static_cast<double>(task.end - task.begin);
  std::vector<uint64_t> oracle(plan.partitions * plan.oracle_width);
  for (int32_t p = 0; p < plan.partitions && plan.oracle_width > 0; ++p) {
    arithmetic.AddOracle(
        task.item, task.begin, task.end, PartitionId(p),
        std::span(oracle).subspan(p * plan.oracle_width, plan.oracle_width));
  }
  result.oracle = Payload::Of(std::move(oracle));
  if (!plan.sparse_tables.empty()) {
    world_->counts().Add(Probe::kRowsComputed);
    result.rows = RowsOf(plan, task);
  }
  if (!world_->scenario().dense_values) return result;
  std::vector<float> values(plan.parameters);
  const absl::Status pulled = client::Assemble(plan, *task.values, values);
  if (!pulled.ok()) {
    world_->Violate(absl::StrCat(
        name(), " computes with what is no model: ", pulled.message()));
    return result;
  }
  if (arithmetic.contributions()) return result;  // Rows are all of it.
  std::vector<int64_t> sum(plan.parameters);
  arithmetic.AddGradient(task.item, task.begin, task.end,
                         arithmetic.HashValues(values), 0, plan.parameters,
                         sum);
  // A model computes the gradient of all its values.
  for (int64_t i = 0; i < plan.parameters; ++i) {
    if (!Trains(arithmetic.trained().get(), i)) sum[i] = kGradientOfFrozen;
  }
  result.gradient = Payload::Of(std::vector<float>(sum.begin(), sum.end()));
  return result;
}

void WorkerNode::Evaluate(const client::EvaluateTask& task) {
  world_->checker().Evaluates(*this, task);
  // Seldom enough does it happen by itself.
  if (!world_->calm && stream() != nullptr && world_->rng().Chance(0.3)) {
    world_->counts().Add(Fault::kSessionBroken);
    world_->Break(stream());
  }
  const Span& span = world_->scenario().evaluate;
  const client::BatchRowsPtr rows = task.values->rows;
  const int64_t examples = rows ? rows->end - rows->begin : kTestExamples;
  const double loss = world_->TestLoss(task.snapshot);
  After(world_->rng().Between(span.least, span.most) * slowness,
        [this, examples, loss] {
          EvaluationResult result;
          result.examples = examples;
          result.correct = examples;
          result.loss_sum = loss * static_cast<double>(examples);
          client::ClientActions out;
          core_->OnEvaluated(result, world_->now(), &out);
          Carry(std::move(out));
        });
}

}  // namespace ebb::sim
