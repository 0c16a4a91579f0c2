#include "client/client_shell.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/batch_work.h"
#include "client/local_mathematics.h"
#include "common/example_hash.h"
#include "common/steady_time.h"
#include "rpc/call_failure.h"

namespace ebb::client {

namespace {

// The core says when it wants to be called next; should it ever name a time
// that stays in the past, this keeps the thread from spinning.
constexpr absl::Duration kShortestTick = absl::Milliseconds(1);
// A look for more data is answered after this, whether there is some or not
// (SchedulerOptions::look_timeout), and repeated after this.
constexpr absl::Duration kLongestLook = absl::Seconds(5);
constexpr absl::Duration kBetweenLooks = absl::Milliseconds(200);
constexpr absl::Duration kSweepInterval = absl::Seconds(5);
constexpr absl::Duration kRetiredPause = absl::Milliseconds(10);
// More than a connection that fails takes to do so (connect_timeout).
constexpr absl::Duration kAccepted = absl::Seconds(3);
// A connection that lasted so long was a good one.
constexpr absl::Duration kGoodConnection = absl::Seconds(5);
constexpr absl::Duration kGoodbye = absl::Seconds(2);
constexpr absl::Duration kLongestDrain = absl::Hours(24);
constexpr absl::Duration kComplaintInterval = absl::Seconds(10);

constexpr absl::string_view kKillPoints[] = {
    "leased-not-begun",     // A lease has come, and nothing was done for it.
    "computed-not-pushed",  // A gradient is computed; no push was sent.
    "pushed-not-answered",  // It is on its way to one server.
};

}  // namespace

std::span<const absl::string_view> ClientKillPoints() { return kKillPoints; }

// One session with the scheduler, from connecting to OnClosed.
class ClientShell::Connection : public rpc::WorkerSessionHandler {
 public:
  Connection(ClientShell* shell, int64_t number)
      : shell_(shell), number_(number) {}

  void Open() {
    session_ = shell_->transport_->ConnectWorkerSession(
        shell_->options_.scheduler, this);
  }
  int64_t number() const { return number_; }
  rpc::WorkerSession& session() { return *session_; }

  void OnMessage(SchedulerToWorker message) override {
    shell_->OnMessage(number_, std::move(message));
  }
  void OnClosed(absl::Status status) override {
    shell_->OnClosed(number_, status);
  }

 private:
  ClientShell* const shell_;  // Not owned.
  const int64_t number_;
  std::unique_ptr<rpc::WorkerSession> session_;
};

ClientShell::ClientShell(ClientShellOptions options, rpc::Transport* transport,
                         JobComputer* computer)
    : options_(std::move(options)),
      transport_(transport),
      computer_(computer),
      local_training_(options_.local_mathematics ? options_.local_mathematics
                                                 : LocalMathematicsOf),
      trained_gradient_(TrainedPartsOf),
      filter_(options_.core.batches_in_flight),
      core_(options_.core) {
  work_thread_ = std::thread([this] { Work(); });
  rows_thread_ = std::thread([this] { WorkOnRows(); });
  time_thread_ = std::thread([this] { KeepTime(); });
}

ClientShell::~ClientShell() {
  std::vector<Outgoing> dropped;  // Destroyed without the lock.
  std::thread look;
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    dropped.swap(*outbox_.actions());
    timer_.SignalAll();
    work_.SignalAll();
    rows_wanted_.SignalAll();
    look_wanted_.SignalAll();
    look.swap(look_thread_);
  }
  work_thread_.join();
  rows_thread_.join();
  if (look.joinable()) look.join();
  time_thread_.join();
  std::shared_ptr<Connection> connection;
  std::map<std::string, Channel> channels;
  std::vector<std::shared_ptr<void>> retired;
  {
    MutexLock lock(&mu_);
    while (!outbox_.idle()) settled_.Wait(&mu_);
    connection = std::move(connection_);
    channels = std::move(channels_);
    retired = std::move(retired_);
  }
  // These wait for callbacks that are running, so not under the lock.
  connection.reset();
  channels.clear();
  retired.clear();
}

void ClientShell::Log(absl::string_view text) {
  if (!options_.log) return;
  MutexLock lock(&log_mu_);
  options_.log(text);
}

void ClientShell::Complain(const std::string& address,
                           const absl::Status& status) {
  // The core tells of all others, if they last (server_reach.h).
  if (!absl::IsResourceExhausted(status) && !absl::IsOutOfRange(status)) {
    return;
  }
  {
    MutexLock lock(&mu_);
    if (stopped_ || SteadyNow() < next_complaint_) return;
    next_complaint_ = SteadyNow() + kComplaintInterval;
  }
  Log(absl::StrCat("server=", address, " refused a call: ", status.message()));
}

// --- Events and actions ------------------------------------------------------

template <typename Handle>
void ClientShell::Step(Handle handle) {
  MutexLock lock(&mu_);
  if (stopped_) return;
  ClientActions actions;
  handle(&core_, SteadyNow(), &actions);
  QueueLocked(std::move(actions));
  outbox_.CarryOut(&mu_, std::identity(),
                   [this](std::vector<Outgoing>& batch) { CarryOut(&batch); });
  settled_.SignalAll();
}

void ClientShell::QueueLocked(ClientActions actions) {
  const int64_t connection = connection_ == nullptr ? 0 : connection_->number();
  for (ClientAction& action : actions) {
    outbox_.actions()->push_back({std::move(action), connection});
  }
  next_tick_ = std::max(core_.NextTick(), no_tick_before_);
  if (next_tick_ < wakes_at_) timer_.Signal();
}

void ClientShell::CarryOut(std::vector<Outgoing>* batch) {
  for (Outgoing& one : *batch) {
    std::visit(
        [&](auto& action) {
          using Action = std::decay_t<decltype(action)>;
          if constexpr (std::is_same_v<Action, SendScheduler>) {
            Do(std::move(action), one.connection);
          } else if constexpr (std::is_constructible_v<Task, Action>) {
            Assign(std::move(action));
          } else {
            Do(std::move(action));
          }
        },
        one.action);
  }
}

// What was meant for a connection that is gone is dropped: the next one begins
// by registering everything anew.
void ClientShell::Do(SendScheduler action, int64_t connection) {
  std::shared_ptr<Connection> current;
  {
    MutexLock lock(&mu_);
    current = connection_;
  }
  if (current == nullptr || current->number() != connection) return;
  current->session().Send(std::move(action.message));
}

void ClientShell::Do(SendPush action) {
  const auto channel = ChannelTo(action.address);
  channel->Push(
      std::move(action.request), action.timeout,
      [this, id = action.id,
       address = action.address](absl::StatusOr<PushReply> reply) {
        Step([&](TrainingCore* core, absl::Time now, ClientActions* out) {
          if (reply.ok()) {
            core->OnPushReply(id, *reply, now, out);
          } else if (absl::IsOutOfRange(reply.status())) {
            core->OnPushOverLimit(id, reply.status(), now, out);
          } else if (absl::IsResourceExhausted(reply.status())) {
            core->OnPushRefused(id, now, out);
          } else {
            core->OnPushFailed(id, rpc::FailureOf(reply.status()), now, out);
          }
        });
        if (!reply.ok()) Complain(address, reply.status());
      });
  options_.kill_points.Reached("pushed-not-answered");
}

void ClientShell::Do(SendPull action) {
  const auto channel = ChannelTo(action.address);
  channel->Pull(
      action.request, action.timeout,
      [this, id = action.id,
       address = action.address](absl::StatusOr<PullReply> reply) {
        const absl::Status status = reply.status();
        Step([&](TrainingCore* core, absl::Time now, ClientActions* out) {
          if (reply.ok()) {
            core->OnPullReply(id, *std::move(reply), now, out);
          } else if (absl::IsOutOfRange(status)) {
            core->OnPullOverLimit(id, status, now, out);
          } else if (absl::IsResourceExhausted(status)) {
            core->OnPullRefused(id, now, out);
          } else {
            core->OnPullFailed(id, rpc::FailureOf(status), now, out);
          }
        });
        if (!status.ok()) Complain(address, status);
      });
}

void ClientShell::Do(SendClock action) {
  ChannelTo(action.address)->Clock(action.update);
}

void ClientShell::Do(LogEvent action) { Log(action.text); }

void ClientShell::Do(FindRows action) {
  MutexLock lock(&mu_);
  rows_tasks_.push_back(std::move(action));
  rows_wanted_.Signal();
}

void ClientShell::Do(Expect action) { computer_->Expect(action.values); }

void ClientShell::Do(LookForData action) {
  MutexLock lock(&mu_);
  if (stopped_) return;
  look_ = std::move(action);
  look_wanted_.Signal();
  if (!look_thread_.joinable()) {
    look_thread_ = std::thread([this] { WorkOnLooks(); });
  }
}

void ClientShell::Assign(Task task) {
  MutexLock lock(&mu_);
  tasks_.push_back(std::move(task));
  work_.Signal();
}

std::shared_ptr<rpc::PsChannel> ClientShell::ChannelTo(
    const std::string& address) {
  {
    MutexLock lock(&mu_);
    const auto it = channels_.find(address);
    if (it != channels_.end()) {
      it->second.used = SteadyNow();
      return it->second.channel;
    }
  }
  std::shared_ptr<rpc::PsChannel> channel = transport_->ConnectPs(address);
  MutexLock lock(&mu_);
  channels_[address] = {channel, SteadyNow()};
  if (channels_.size() > options_.most_channels) next_sweep_ = SteadyNow();
  return channel;
}

// --- The session with the scheduler ------------------------------------------

void ClientShell::Connect() {
  std::shared_ptr<Connection> connection;
  {
    MutexLock lock(&mu_);
    connection = std::make_shared<Connection>(this, ++connections_);
    connected_at_ = SteadyNow();
  }
  connection->Open();
  Step([&](TrainingCore* core, absl::Time now, ClientActions* out) {
    mu_.AssertHeld();
    if (closed_ >= connection->number()) return;  // Already gone.
    connection_ = connection;
    core->OnSchedulerConnected(now, out);
  });
}

void ClientShell::OnMessage(int64_t connection, SchedulerToWorker message) {
  const auto* const leased = std::get_if<Lease>(&message);
  const bool lease = leased != nullptr;
  const JobId job = lease ? leased->record->id : JobId();
  if (lease) options_.kill_points.Reached("leased-not-begun");
  bool first = false, first_lease = false;
  Step([&](TrainingCore* core, absl::Time now, ClientActions* out) {
    mu_.AssertHeld();
    if (connection_ == nullptr || connection_->number() != connection) return;
    first = std::exchange(failures_, 0) > 0;
    logged_failure_ = {};
    heard_ = connection;
    if (lease) first_lease = !std::exchange(leased_, true);
    core->OnScheduler(std::move(message), now, out);
  });
  if (first) Log(absl::StrCat("scheduler=", options_.scheduler, " is back"));
  if (first_lease) Log("leased its first item");
  if (!lease) return;
  // The batch that is computed may have begun before this item was leased.
  const auto next = Ahead(job, kMostAhead);
  if (!next.empty()) computer_->ReadAhead(job, next);
}

void ClientShell::OnClosed(int64_t connection, const absl::Status& status) {
  bool tell = false;
  Step([&](TrainingCore* core, absl::Time now, ClientActions* out) {
    mu_.AssertHeld();
    closed_ = std::max(closed_, connection);
    if (now - connected_at_ > kGoodConnection) failures_ = 0;
    if (!leaving_) ++failures_;
    tell = !leaving_ && logged_failure_.Due(now);
    reconnect_at_ = now + PauseLocked();
    if (reconnect_at_ < wakes_at_) timer_.Signal();
    if (connection_ != nullptr && connection_->number() == connection) {
      retired_.push_back(std::move(connection_));
      connection_ = nullptr;
      core->OnSchedulerDisconnected();
      settled_.SignalAll();
    }
  });
  if (tell) {
    Log(absl::StrCat("scheduler=", options_.scheduler,
                     " not connected, trying again: ", status.message()));
  }
}

absl::Duration ClientShell::PauseLocked() {
  constexpr int kMostDoublings = 20;
  const int doublings = std::clamp(failures_ - 1, 0, kMostDoublings);
  const absl::Duration pause = std::min(
      options_.longest_pause, options_.first_pause * (int64_t{1} << doublings));
  // Workers that lost their scheduler together do not come back together.
  const uint64_t random =
      HashAppend(options_.core.session.value(), connections_);
  return pause * (1 - static_cast<double>(random % 1024) / 2048);
}

void ClientShell::BeginDrain() {
  filter_.Flush();
  Step([](TrainingCore* core, absl::Time now, ClientActions* out) {
    core->Drain(now, out);
  });
}

bool ClientShell::Drain(absl::Duration limit) {
  const absl::Time deadline = SteadyNow() + std::min(limit, kLongestDrain);
  BeginDrain();
  std::shared_ptr<Connection> connection;
  {
    MutexLock lock(&mu_);
    while (!core_.Drained() || !outbox_.idle()) {
      const absl::Duration left = deadline - SteadyNow();
      if (left <= absl::ZeroDuration()) return false;
      settled_.WaitFor(&mu_, left);
    }
    leaving_ = true;
    connection = connection_;
  }
  if (connection == nullptr) return true;
  connection->session().Close();
  MutexLock lock(&mu_);
  const absl::Time goodbye = std::min(deadline, SteadyNow() + kGoodbye);
  while (connection_ != nullptr && SteadyNow() < goodbye) {
    settled_.WaitFor(&mu_, goodbye - SteadyNow());
  }
  return true;
}

std::vector<LeasedItems::Run> ClientShell::Ahead(JobId job, size_t most) const {
  MutexLock lock(&mu_);
  return core_.Ahead(job, most);
}

ClientShell::Status ClientShell::status() const {
  MutexLock lock(&mu_);
  const bool connected = connection_ != nullptr;
  const bool ready = connected && !leaving_ &&
                     (heard_ == connection_->number() ||
                      SteadyNow() - connected_at_ > kAccepted);
  return {connected,
          ready,
          computing_,
          core_.batches_computed(),
          core_.examples_computed(),
          core_.local_steps(),
          core_.cached_rows(),
          core_.failed_calls(),
          core_.UnreachedServers(SteadyNow())};
}

ComputeResult ClientShell::ComputeBatch(const ComputeTask& task) {
  const absl::StatusOr<ComputeTask> local = local_training_.Begin(task);
  if (!local.ok()) {
    ComputeResult result;
    result.cancelled = absl::IsAborted(local.status());
    result.error = std::string(local.status().message());
    return result;
  }
  ComputeResult result = computer_->Compute(*local);
  trained_gradient_.Apply(task, &result);
  local_training_.End(task, &result);
  filter_.Apply(task, &result);
  return result;
}

// --- The two threads ---------------------------------------------------------

void ClientShell::Work() {
  for (;;) {
    Task task;
    {
      MutexLock lock(&mu_);
      computing_ = false;
      while (tasks_.empty() && !stopped_) work_.Wait(&mu_);
      if (stopped_) return;
      computing_ = true;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    if (const auto* prepare = std::get_if<PrepareJob>(&task)) {
      const absl::Status status = computer_->Prepare(prepare->record);
      const int64_t held = computer_->held_bytes();
      const std::string advice = computer_->RoomAdvice(*prepare->record);
      Step([&](TrainingCore* core, absl::Time now, ClientActions* out) {
        core->set_held_bytes(held);
        core->set_room_advice(advice);
        core->OnJobReady(prepare->record->id, status, now, out);
      });
    } else if (const auto* compute = std::get_if<Compute>(&task)) {
      ComputeResult result = ComputeBatch(compute->task);
      options_.kill_points.Reached("computed-not-pushed");
      Step([&](TrainingCore* core, absl::Time now, ClientActions* out) {
        core->OnComputed(std::move(result), now, out);
      });
    } else if (const auto* evaluate = std::get_if<Evaluate>(&task)) {
      const std::optional<EvaluationResult> result =
          computer_->Evaluate(evaluate->task);
      Step([&](TrainingCore* core, absl::Time now, ClientActions* out) {
        core->OnEvaluated(result, now, out);
      });
    } else {
      computer_->EvaluationLost();
    }
  }
}

void ClientShell::WorkOnRows() {
  for (;;) {
    FindRows batch;
    {
      MutexLock lock(&mu_);
      while (rows_tasks_.empty() && !stopped_) rows_wanted_.Wait(&mu_);
      if (stopped_) return;
      batch = std::move(rows_tasks_.front());
      rows_tasks_.pop_front();
    }
    computer_->FindRowsLater(batch, [this, batch](auto rows) {
      Step([&](TrainingCore* core, absl::Time now, ClientActions* out) {
        core->OnRowsFound(batch, std::move(rows), now, out);
      });
    });
  }
}

void ClientShell::WorkOnLooks() {
  for (;;) {
    LookForData look;
    {
      MutexLock lock(&mu_);
      while (!look_ && !stopped_) look_wanted_.Wait(&mu_);
      if (stopped_) return;
      look = *std::exchange(look_, std::nullopt);
    }
    Look(look);
  }
}

void ClientShell::Look(const LookForData& look) {
  const absl::Time until = SteadyNow() + kLongestLook;
  for (;;) {
    const auto reach = computer_->LookForData(look.record, look.known);
    if (!reach.ok()) {
      bool tell = false;
      {
        MutexLock lock(&mu_);
        tell = !stopped_ && logged_look_.Due(SteadyNow());
      }
      if (tell) {
        Log(absl::StrCat("job=", look.record->name,
                         " cannot look for more data, trying again: ",
                         reach.status().message()));
      }
    }
    const bool more =
        reach.ok() && (reach->examples > look.known || reach->ended);
    if (more || SteadyNow() >= until) {
      return Step([&](TrainingCore* core, absl::Time, ClientActions* out) {
        core->OnDataReached(look.record->id,
                            reach.ok() ? reach->examples : look.known,
                            reach.ok() && reach->ended, out);
      });
    }
    MutexLock lock(&mu_);
    // Another look takes the place of this one.
    if (stopped_ || look_) return;
    look_wanted_.WaitFor(&mu_, kBetweenLooks);
    if (stopped_ || look_) return;
  }
}

void ClientShell::SweepChannelsLocked(absl::Time now) {
  if (now < next_sweep_) return;
  next_sweep_ = now + kSweepInterval;
  for (auto it = channels_.begin(); it != channels_.end();) {
    // One with a call under way was used when the call began; calls have
    // deadlines below this.
    if (it->second.used + options_.channel_idle > now) {
      ++it;
      continue;
    }
    retired_.push_back(std::move(it->second.channel));
    it = channels_.erase(it);
  }
  while (channels_.size() > options_.most_channels) {
    const auto oldest = std::min_element(channels_.begin(), channels_.end(),
                                         [](const auto& a, const auto& b) {
                                           return a.second.used < b.second.used;
                                         });
    retired_.push_back(std::move(oldest->second.channel));
    channels_.erase(oldest);
  }
}

void ClientShell::KeepTime() {
  for (;;) {
    bool connect = false, tick = false;
    std::vector<std::shared_ptr<void>> unused;
    {
      MutexLock lock(&mu_);
      if (stopped_) return;
      const absl::Time now = SteadyNow();
      const bool wants_connection = connection_ == nullptr && !leaving_;
      connect = wants_connection && reconnect_at_ <= now;
      tick = next_tick_ <= now;
      SweepChannelsLocked(now);
      // No other thread gets a new reference to a retired object: once only
      // ours is left, it stays so.
      const auto used = std::partition(
          retired_.begin(), retired_.end(),
          [](const auto& object) { return object.use_count() > 1; });
      std::move(used, retired_.end(), std::back_inserter(unused));
      retired_.erase(used, retired_.end());
      if (!connect && !tick && unused.empty()) {
        wakes_at_ = std::min(next_tick_, next_sweep_);
        if (wants_connection) wakes_at_ = std::min(wakes_at_, reconnect_at_);
        if (!retired_.empty()) {
          wakes_at_ = std::min(wakes_at_, now + kRetiredPause);
        }
        timer_.WaitFor(&mu_, wakes_at_ - now);
        wakes_at_ = absl::InfinitePast();
        continue;
      }
    }
    unused.clear();
    if (connect) Connect();
    if (tick) {
      Step([&](TrainingCore* core, absl::Time now, ClientActions* out) {
        mu_.AssertHeld();
        no_tick_before_ = now + kShortestTick;
        core->NoteSteps(computer_->steps(), now);
        core->OnTick(now, out);
      });
    }
  }
}

}  // namespace ebb::client
