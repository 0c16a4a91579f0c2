#include "sim/server_node.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/row_arrays.h"
#include "server/store/copied_store.h"
#include "server/store/fetch_codec.h"
#include "server/store/object_checkpoints.h"
#include "sim/world.h"

namespace ebb::sim {

namespace {

// Ample: what is under test here is not a lack of memory.
constexpr int64_t kPoolBytes = int64_t{64} << 20;
constexpr absl::Duration kStoreRetry = absl::Milliseconds(20);
constexpr absl::Duration kFetchTimeout = absl::Milliseconds(200);
// A server that is told to leave waits no longer for others to take over.
constexpr absl::Duration kHandOver = absl::Seconds(2);

Checker::Commit CommitOf(const server::UpdateTask& task, Term begun_in) {
  return {task.partition->id(),
          task.partition.get(),
          task.update->push.item,
          task.update->push.begin,
          task.update->push.end,
          task.update->push.skip,
          task.update->waits(),
          task.job,
          begun_in};
}

}  // namespace

ServerNode::ServerNode(World* world, ServerId id, int place)
    : ClientNode(world, absl::StrCat("server-", place)),
      id_(id),
      place_(place),
      disk_(absl::StrCat("disk-", place)) {}
ServerNode::~ServerNode() { AbortStorage(); }

const server::HostedJob* ServerNode::job() const {
  if (core_ == nullptr) return nullptr;
  const auto it = core_->jobs().find(world_->job);
  return it == core_->jobs().end() ? nullptr : &it->second;
}

void ServerNode::OnStart() {
  session_ = world_->NewSession();
  store_ = std::make_unique<server::MemoryStore>(&disk_);
  const bool shares = world_->scenario().Shares(id_, life_++);
  if (shares) {
    auto shared = OpenShared();
    if (shared == nullptr) return;
    store_ = std::make_unique<server::CopiedStore>(std::move(store_),
                                                   std::move(shared));
  }
  server::BlockPoolOptions memory;
  memory.block_bytes =
      world_->scenario().plan.block_floats * int64_t{sizeof(float)};
  memory.max_bytes = kPoolBytes;
  memory.slab_bytes = 64 * memory.block_bytes;
  memory.shared = false;
  auto pool = server::BlockPool::Create(memory);
  const auto inventory = store_->List();
  if (!pool.ok() || !inventory.ok()) {
    world_->Violate(absl::StrCat(name(), " cannot start"));
    return;
  }
  pool_ = *std::move(pool);
  server::ServerOptions options = world_->scenario().server;
  options.id = id_;
  options.session = session_;
  options.address = name();
  if (shares) options.shared_folder = "shared";
  options.resources = [this, pool = pool_, world = world_](
                          const JobRecord& record,
                          const RollbackRecord& rollback)
      -> absl::StatusOr<server::JobResources> {
    if (record.id == world->job) rate_factor_ = rollback.rate_factor;
    const bool from_file = world->scenario().initial_file.has_value();
    server::JobResources resources;
    resources.rule = std::make_shared<WholeNumberRule>(
        record.plan, world->algorithm(), world->scenario().row_options,
        world->scenario().tasks, world->scenario().contributions, from_file,
        world->scenario().initial_state, world->scenario().averages,
        world->scenario().trained, world->scenario().frozen_rows);
    resources.pool = pool;
    if (from_file) {
      resources.initial.emplace();
      resources.initial->row_bytes = world->scenario().initial_rows ? 1 : 0;
    }
    return resources;
  };
  options.at_once = [this](const server::UpdateTask& task) {
    return AtOnce(task);
  };
  core_ = std::make_unique<server::ServerCore>(std::move(options), *inventory);
  Connect(absl::Milliseconds(1));
}

std::unique_ptr<server::SharedCheckpointStore> ServerNode::OpenShared() {
  Bucket* const bucket = world_->bucket();
  if (bucket == nullptr) {
    return std::make_unique<server::MemoryStore>(&world_->shared_disk(), id_);
  }
  requests_ = std::make_unique<BucketRequests>(bucket, this);
  auto opened = server::ObjectCheckpoints::Open(
      requests_.get(),
      {.server = id_, .probe = false, .piece_bytes = Bucket::kPieceBytes});
  if (opened.ok()) return *std::move(opened);
  world_->Violate(
      absl::StrCat(name(), " cannot start: ", opened.status().ToString()));
  return nullptr;
}

void ServerNode::OnKilled() {
  AbortStorage();
  if (storing_) world_->counts().Add(Fault::kStoreOpLost);
  world_->checker().ServerDied(*this);
  storage_.clear();
  storing_ = false;
  core_.reset();
  store_.reset();
  requests_.reset();
  pool_.reset();
  view_ = {};
  for (auto& [number, token] : std::exchange(tokens_, {})) {
    token.call->worker->CallBroken(token.call);
  }
  fetches_.clear();
  leave_until_ = absl::InfiniteFuture();
  ForgetStream();
}

void ServerNode::OnTick() {
  server::ServerActions out;
  if (leave_until_ <= world_->now() ||
      (leave_until_ != absl::InfiniteFuture() && core_->HandedOver())) {
    leave_until_ = absl::InfiniteFuture();
    if (core_->HandedOver()) world_->counts().Add(Probe::kHandedOver);
    core_->Drain(world_->now(), &out);
  }
  core_->OnTick(world_->now(), &out);
  Carry(std::move(out));
}

absl::Time ServerNode::NextTick() const {
  if (leave_until_ != absl::InfiniteFuture() && core_->HandedOver()) {
    return world_->now();
  }
  return std::min(core_->NextTick(), leave_until_);
}

void ServerNode::OnConnected() {
  server::ServerActions out;
  core_->OnSchedulerConnected(world_->now(), &out);
  Carry(std::move(out));
}

void ServerNode::OnDisconnected() { core_->OnSchedulerDisconnected(); }

void ServerNode::Drain() {
  Run([this] {
    world_->Trace(*this, "drains");
    server::ServerActions out;
    leave_until_ = world_->now() + kHandOver;
    core_->Leave(world_->now(), &out);
    Carry(std::move(out));
  });
}

std::vector<RoundVersion> ServerNode::KeepVersions(absl::Duration time) {
  if (!alive()) return {};
  return core_->KeepVersions(world_->job, world_->now() + time);
}

// --- Messages ----------------------------------------------------------------

void ServerNode::FromScheduler(const SchedulerToServer& message) {
  Checker& checker = world_->checker();
  checker.BeforeSchedulerMessage(*this, message);
  if (const auto* view = std::get_if<ViewUpdate>(&message)) {
    if (job() != nullptr && view->job == world_->job &&
        view->number > view_.number) {
      view_ = *view;
    }
  }
  server::ServerActions out;
  core_->OnScheduler(message, world_->now(), &out);
  checker.AfterSchedulerMessage(*this, message, out);
  Carry(std::move(out));
}

void ServerNode::Push(const CallPtr& call, PushRequest request) {
  const uint64_t number = next_token_++;
  tokens_[number] = {call, {}, request.stamp.worker};
  world_->Trace(*this, "<- ", call->worker->name(), ": ", request);
  server::ServerActions out;
  const bool room = !world_->Loses();  // Room lacks as often as messages.
  may_apply_ = true;
  core_->OnPush(
      number, std::move(request),
      room ? absl::OkStatus() : absl::ResourceExhaustedError("no room"),
      world_->now(), &out);
  may_apply_ = false;
  TellApplied();
  Carry(std::move(out));
}

void ServerNode::Pull(const CallPtr& call, PullRequest request) {
  const uint64_t number = next_token_++;
  tokens_[number] = {call, request, request.stamp.worker};
  world_->Trace(*this, "<- ", call->worker->name(), ": ", request);
  server::ServerActions out;
  core_->OnPull(number, std::move(request), world_->now(), &out);
  Carry(std::move(out));
}

void ServerNode::Clock(const ClockUpdate& update) {
  server::ServerActions out;
  core_->OnClock(update, world_->now(), &out);
  Carry(std::move(out));
}

// --- Moves -------------------------------------------------------------------

void ServerNode::SendFetch(server::FetchTask task) {
  auto call = std::make_shared<FetchCall>();
  call->target = this;
  call->target_life = life();
  ServerNode* source = world_->ServerAt(task.address);
  call->task = std::move(task);
  After(kFetchTimeout, [this, call] {
    Fetched(call, absl::DeadlineExceededError("no answer"));
  });
  if (source == nullptr || !world_->Reachable(*this, *source)) return;
  const int copies = world_->Duplicates() ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    if (world_->Loses()) continue;
    world_->queue().At(world_->Arrival(*this, *source), [source, call] {
      if (source->alive()) source->Run([source, call] { source->Fetch(call); });
    });
  }
}

void ServerNode::Fetch(const FetchCallPtr& call) {
  const uint64_t number = next_token_++;
  fetches_[number] = call;
  server::ServerActions out;
  core_->OnFetch(number, call->task.request, world_->now(), &out);
  Carry(std::move(out));
}

void ServerNode::Answer(server::ReplyFetch action) {
  const FetchCallPtr call = fetches_.extract(action.token).mapped();
  world_->Trace(*this, "-> ", call->target->name(), ": ",
                FetchResultName(action.answer.result), " ",
                action.answer.blocks.size(), " blocks");
  if (!world_->Reachable(*this, *call->target) || world_->Loses()) return;
  world_->queue().At(
      world_->Arrival(*this, *call->target),
      [call, reply = server::EncodeFetchAnswer(id_, session_,
                                               std::move(action.answer))] {
        ServerNode* target = call->target;
        if (!target->alive() || target->life() != call->target_life) return;
        target->Run([target, call, reply] { target->Fetched(call, reply); });
      });
}

void ServerNode::Fetched(const FetchCallPtr& call,
                         absl::StatusOr<FetchReply> reply) {
  if (std::exchange(call->done, true)) return;
  server::ServerActions out;
  core_->OnFetched(call->task.request,
                   reply.ok() ? server::DecodeFetchReply(call->task, *reply)
                              : reply.status(),
                   world_->now(), &out);
  Carry(std::move(out));
}

// --- Initial values ----------------------------------------------------------

void ServerNode::FetchInitial(server::FetchInitialValues task) {
  const Span& span = *world_->scenario().initial_file;
  After(world_->rng().Between(span.least, span.most) * slowness,
        [this, task = std::move(task)] {
          auto values = InitialValues(task);
          world_->Trace(*this, "fetches initial values of partition ",
                        task.partition.value(), ": ",
                        values.status().ToString());
          server::ServerActions out;
          core_->OnInitialValues(task.job, task.partition, task.term,
                                 std::move(values), world_->now(), &out);
          world_->checker().LookAt(*this);
          Carry(std::move(out));
        });
}

absl::StatusOr<server::InitialPartition> ServerNode::InitialValues(
    const server::FetchInitialValues& task) {
  const Node& scheduler = world_->scheduler();
  if (!scheduler.alive() || scheduler.stopped() ||
      !world_->Reachable(*this, scheduler) ||
      (!world_->calm &&
       world_->rng().Chance(world_->scenario().initial_lost))) {
    world_->counts().Add(Probe::kInitialValuesAwaited);
    return absl::UnavailableError("the scheduler has no answer");
  }
  server::InitialPartition values;
  EBB_ASSIGN_OR_RETURN(values.dense.weights, InitialArray(*task.shape));
  world_->counts().Add(Probe::kInitialValuesFetched);
  if (world_->scenario().initial_rows) {
    EBB_ASSIGN_OR_RETURN(values.rows, InitialRows(task));
    world_->counts().Add(Probe::kInitialRowsFetched);
  }
  if (!world_->scenario().initial_state) return values;
  EBB_ASSIGN_OR_RETURN(server::Blocks slot, InitialArray(*task.shape));
  values.dense.slots.push_back(std::move(slot));
  world_->counts().Add(Probe::kInitialStateFetched);
  return values;
}

absl::StatusOr<std::vector<std::unique_ptr<server::RowTable>>>
ServerNode::InitialRows(const server::FetchInitialValues& task) {
  std::vector<std::unique_ptr<server::RowTable>> tables;
  for (size_t i = 0; i < task.record->plan.sparse_tables.size(); ++i) {
    const auto t = static_cast<int32_t>(i);
    const server::RowTableOptions options = task.rule->RowOptions(t);
    std::vector<uint64_t> keys;
    std::vector<float> words;
    for (const auto& [key, more] :
         world_->arithmetic().FileRows(task.partition, t, options.max_rows)) {
      keys.push_back(key);
      words.insert(words.end(), static_cast<size_t>(options.width),
                   WholeNumberRule::kInitialRow + static_cast<float>(more));
    }
    EBB_ASSIGN_OR_RETURN(tables.emplace_back(),
                         server::RowTable::Create(
                             options, task.rule->RowOptimizer(t), task.pool));
    EBB_RETURN_IF_ERROR(tables.back()->Begin(keys, words, /*slots=*/0));
  }
  return tables;
}

absl::StatusOr<server::Blocks> ServerNode::InitialArray(
    const server::DenseShape& shape) {
  EBB_ASSIGN_OR_RETURN(server::Blocks array, shape.Allocate());
  for (int64_t b = 0; b < shape.blocks(); ++b) {
    int64_t place = shape.First(b);
    for (float& value : shape.Mutable(&array, b)) {
      value = WholeNumberRule::InitialWeight(place++);
    }
  }
  return array;
}

// --- Actions -----------------------------------------------------------------

void ServerNode::Carry(server::ServerActions actions) {
  for (server::ServerAction& action : actions) {
    if (!Survives()) return;
    if (auto* push = std::get_if<server::ReplyPush>(&action)) {
      Answer(std::move(*push));
    } else if (auto* pull = std::get_if<server::ReplyPull>(&action)) {
      Answer(std::move(*pull));
    } else if (auto* fetch = std::get_if<server::Fetch>(&action)) {
      SendFetch(std::move(fetch->task));
    } else if (auto* fetched = std::get_if<server::ReplyFetch>(&action)) {
      Answer(std::move(*fetched));
    } else if (auto* initial =
                   std::get_if<server::FetchInitialValues>(&action)) {
      FetchInitial(std::move(*initial));
    } else if (auto* send = std::get_if<server::SendScheduler>(&action)) {
      SendScheduler(send->message);
    } else if (auto* update = std::get_if<server::RunUpdate>(&action)) {
      RunUpdate(std::move(update->task));
    } else if (std::holds_alternative<server::RetrySession>(action)) {
      world_->counts().Add(Probe::kServerRefused);
      ForgetStream();
      Connect(absl::Milliseconds(world_->rng().Between(20, 300)));
    } else if (std::holds_alternative<server::EndProcess>(action)) {
      world_->counts().Add(Probe::kServerDisplaced);
      After(absl::Milliseconds(1), [this] { world_->KillAndRestart(this); });
    } else if (auto* log = std::get_if<server::LogEvent>(&action)) {
      world_->Trace(*this, log->text);
    } else {
      if (auto* write = std::get_if<server::WriteVersion>(&action)) {
        world_->checker().CutTaken(*this, write->key, write->cut);
      }
      storage_.push_back(std::move(action));
    }
  }
  // Drained() is said by an action, and then there is nothing left to do.
  if (alive() && core_->Drained() && storage_.empty()) {
    After(absl::Milliseconds(5), [this] { world_->KillAndRestart(this); });
    return;
  }
  NextStorage();
}

void ServerNode::Answer(server::ReplyPush action) {
  const auto it = tokens_.find(action.token);
  if (it == tokens_.end()) {
    world_->Violate(absl::StrCat(name(), " answers a push twice"));
    return;
  }
  const CallPtr call = it->second.call;
  tokens_.erase(it);
  world_->Trace(*this, "-> ", call->worker->name(), ": ", action.reply);
  world_->checker().PushAnswered(*this, action.reply);
  if (!world_->Reachable(*this, *call->worker) || world_->Loses()) return;
  world_->queue().At(world_->Arrival(*this, *call->worker),
                     [call, reply = std::move(action.reply)]() mutable {
                       call->worker->PushReplied(call, std::move(reply));
                     });
}

void ServerNode::Answer(server::ReplyPull action) {
  const auto it = tokens_.find(action.token);
  if (it == tokens_.end()) {
    world_->Violate(absl::StrCat(name(), " answers a pull twice"));
    return;
  }
  const CallPtr call = it->second.call;
  const PullRequest request = std::move(it->second.pull);
  tokens_.erase(it);
  world_->Trace(*this, "-> ", call->worker->name(), ": ", action.reply);
  world_->checker().PullAnswered(*this, request, action.reply);
  if (!world_->Reachable(*this, *call->worker) || world_->Loses()) return;
  world_->queue().At(world_->Arrival(*this, *call->worker),
                     [call, reply = std::move(action.reply)]() mutable {
                       call->worker->PullReplied(call, std::move(reply));
                     });
}

void ServerNode::SendScheduler(const ServerToScheduler& message) {
  world_->checker().ServerSays(*this, message);
  if (stream() == nullptr) return;
  world_->Trace(*this, "-> scheduler: ", message);
  SendUp([world = world_, stream = stream(), message] {
    world->scheduler().FromServer(*stream, message);
  });
}

Term ServerNode::TermOf(const server::Partition& partition) const {
  return job() == nullptr ? Term() : job()->term(partition.id());
}

// Computing takes a while; the arithmetic may happen at any time within it.
void ServerNode::RunUpdate(server::UpdateTask task) {
  const Span& span = world_->scenario().update;
  const Term term = TermOf(*task.partition);
  if (span.most == absl::ZeroDuration()) {
    task.partition->Compute(task.update.get());
    UpdateDone(std::move(task), term);
    return;
  }
  const absl::Duration took =
      world_->rng().Between(span.least, span.most) * slowness;
  const bool at_once = world_->rng().Chance(0.5);
  if (at_once) task.partition->Compute(task.update.get());
  After(took, [this, at_once, term, task = std::move(task)]() mutable {
    if (!at_once) task.partition->Compute(task.update.get());
    UpdateDone(std::move(task), term);
  });
}

void ServerNode::UpdateDone(server::UpdateTask task, Term begun_in) {
  applied_.push_back(CommitOf(task, begun_in));
  server::ServerActions out;
  may_apply_ = true;
  core_->OnUpdateDone(std::move(task), world_->now(), &out);
  may_apply_ = false;
  TellApplied();
  world_->checker().LookAt(*this);  // A grant may have waited for it.
  Carry(std::move(out));
}

// The checker looks at what each has left behind, so before the next one.
bool ServerNode::AtOnce(const server::UpdateTask& task) {
  const double chance = world_->scenario().update_at_once;
  if (!may_apply_ || chance == 0 || !world_->rng().Chance(chance)) return false;
  const Term term = TermOf(*task.partition);
  const auto in_term_before = [&](const Checker::Commit& commit) {
    return commit.partition == task.partition->id() && commit.begun_in != term;
  };
  if (std::ranges::any_of(applied_, in_term_before)) return false;
  TellApplied();
  applied_.push_back(CommitOf(task, term));
  world_->counts().Add(Probe::kUpdateAtOnce);
  return true;
}

void ServerNode::TellApplied() {
  for (const Checker::Commit& commit : std::exchange(applied_, {})) {
    world_->checker().UpdateDone(*this, commit);
  }
}

// --- Storage -----------------------------------------------------------------

void ServerNode::NextStorage() {
  if (storing_ || storage_.empty() || !alive()) return;
  storing_ = true;
  const Span& span = world_->scenario().storage;
  After(world_->rng().Between(span.least, span.most) * slowness,
        [this] { BeginStorage(); });
}

void ServerNode::BeginStorage() {
  stored_now_ = std::move(storage_.front());
  storage_.pop_front();
  if (requests_ == nullptr || !requests_->Steps()) {
    return EndStorage(Store(&stored_now_));
  }
  storage_call_ = std::make_unique<SteppedCall>(
      [this] { storage_done_ = Store(&stored_now_); });
  requests_->BelongTo(storage_call_.get());
  StepStorage();
}

void ServerNode::StepStorage() {
  storage_call_->Step();
  if (!storage_call_->done()) {
    return After(requests_->NextStep() * slowness, [this] { StepStorage(); });
  }
  requests_->BelongTo(nullptr);
  storage_call_.reset();
  EndStorage(storage_done_);
}

void ServerNode::EndStorage(bool done) {
  if (!done) {
    storage_.push_front(std::move(stored_now_));
    After(kStoreRetry, [this] {
      storing_ = false;
      NextStorage();
    });
    return;
  }
  storing_ = false;
  NextStorage();
}

void ServerNode::AbortStorage() {
  if (storage_call_ == nullptr) return;
  requests_->Kill();
  while (!storage_call_->done()) storage_call_->Step();
  storage_call_.reset();
}

bool ServerNode::Store(server::ServerAction* action) {
  server::ServerActions out;
  if (auto* save = std::get_if<server::SaveJob>(action)) {
    return store_->SaveJob(save->job).ok();
  }
  if (auto* write = std::get_if<server::WriteVersion>(action)) {
    server::SealRows(&write->cut);
    const auto written = store_->Write(write->key, write->cut);
    if (Killed()) return true;
    world_->Trace(*this, "writes ", write->key, ": ",
                  written.status().ToString());
    world_->checker().VersionWritten(*this, write->key, write->cut,
                                     written.status());
    if (requests_ != nullptr && written.ok()) {
      world_->bucket()->Stored(write->key);
    } else if (requests_ != nullptr &&
               absl::IsFailedPrecondition(written.status())) {
      world_->counts().Add(Probe::kFencedOff);
    }
    // It may die between the write and hearing of it.
    After(absl::Microseconds(100),
          [this, key = write->key, status = written.status(),
           bytes = written.ok() ? written->bytes_written : 0] {
            server::ServerActions out;
            core_->OnVersionWritten(key, status, bytes, world_->now(), &out);
            Carry(std::move(out));
          });
  } else if (auto* load = std::get_if<server::LoadVersion>(action)) {
    auto cut = store_->Load(load->key, load->pool.get());
    if (Killed()) return true;
    world_->Trace(*this, "loads ", load->key, ": ", cut.status().ToString());
    world_->checker().VersionLoaded(*this, load->key, cut);
    After(absl::Microseconds(100),
          [this, key = load->key, cut = std::move(cut)]() mutable {
            server::ServerActions out;
            core_->OnLoaded(key, std::move(cut), world_->now(), &out);
            world_->checker().LookAt(*this);
            Carry(std::move(out));
          });
  } else if (auto* drop = std::get_if<server::DeleteVersions>(action)) {
    if (store_->Delete(drop->keys).ok() && !Killed()) {
      world_->counts().Add(Probe::kVersionsDeleted);
    }
  } else if (auto* elsewhere = std::get_if<server::ForgetPartition>(action)) {
    if (!store_->Forget(elsewhere->job, elsewhere->partition, elsewhere->newest)
             .ok()) {
      return false;
    }
    if (Killed()) return true;
    world_->checker().Forgot(*this, elsewhere->partition, elsewhere->newest);
  } else if (auto* list = std::get_if<server::ListVersions>(action)) {
    auto inventory = store_->ListPartition(list->job, list->partition);
    if (Killed()) return true;
    After(absl::Microseconds(100), [this, job = list->job, p = list->partition,
                                    inventory = std::move(inventory)] {
      server::ServerActions out;
      core_->OnListed(job, p, inventory, world_->now(), &out);
      world_->checker().LookAt(*this);
      Carry(std::move(out));
    });
  } else if (auto* forget = std::get_if<server::DeleteJob>(action)) {
    if (requests_ != nullptr) world_->bucket()->JobDeleted(forget->job);
    store_->DeleteJob(forget->job).IgnoreError();
  }
  return true;
}

}  // namespace ebb::sim
