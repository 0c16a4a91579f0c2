#include "server/server_shell.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/match.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "datasets/manifest.h"
#include "glog/logging.h"
#include "job/initial_rows.h"
#include "server/job_rule.h"
#include "server/store/fetch_codec.h"
#include "server/update_groups.h"

namespace ebb::server {

namespace {

// The timer never runs more often.
constexpr absl::Duration kLeastTick = absl::Milliseconds(1);
// How often a drain looks whether it is done.
constexpr absl::Duration kDrainLook = absl::Milliseconds(10);

constexpr absl::string_view kComputedNotCommitted = "computed-not-committed";

constexpr absl::string_view kKillPoints[] = {
    "applied-not-replied",
    kComputedNotCommitted,
    "grant-taken-not-registered",
    "version-values-written-not-manifest",
    "manifest-written-not-reported",
    "version-loaded-not-served",
    // For rounds that are closed by operations.
    "round-measured-not-reported",
    "operation-computed-not-committed",
    "operation-applied-not-reported",
};
constexpr size_t kOperationPoints = 3;

int64_t BytesOf(const PushRequest& push) {
  int64_t bytes = 0;
  for (const PushSegment& segment : push.segments) {
    bytes += ValueBytes(segment);
  }
  return bytes;
}

// Returns what applying a push's rows takes beside it, at most: for each key a
// RowUpdate, and for each row its next weights and two slots.
int64_t ScratchOf(const PushRequest& push) {
  constexpr int64_t kPerKeyByte = 8;
  constexpr int64_t kPerGradientByte = 3;
  int64_t bytes = 0;
  for (const PushSegment& segment : push.segments) {
    for (const PushRows& rows : segment.rows) {
      bytes += rows.keys.size() * kPerKeyByte +
               rows.gradient.size() * kPerGradientByte;
    }
  }
  return bytes;
}

// Returns the bytes that it is made of, whatever values are in it.
int64_t PartsOf(const PushRequest& push) {
  size_t bytes = sizeof(push) + push.segments.size() * sizeof(PushSegment);
  for (const PushSegment& segment : push.segments) {
    bytes += segment.rows.size() * sizeof(PushRows);
  }
  return static_cast<int64_t>(bytes);
}

// For a push that is refused anyway.
void DropValues(PushRequest* push) {
  for (PushSegment& segment : push->segments) {
    segment.gradient = Payload();
    segment.rows.clear();
    segment.oracle = Payload();
  }
}

bool AnyApplied(const PushReply& reply) {
  return std::any_of(reply.segments.begin(), reply.segments.end(),
                     [](const PushSegmentReply& segment) {
                       return segment.verdict == Verdict::kApplied;
                     });
}

bool TellsFigures(const MarkReport& report) {
  return std::ranges::any_of(
      report.partitions,
      [](const PartitionMarkReport& one) { return one.figures.has_value(); });
}

bool TellsOperation(const MarkReport& report) {
  return std::ranges::any_of(
      report.partitions,
      [](const PartitionMarkReport& one) { return !one.operations.empty(); });
}

std::string Advertised(const std::string& given, const std::string& listened) {
  if (given.empty()) return listened;
  // "[::1]" is a host alone.
  const bool port = given.find(':') != std::string::npos && given.back() != ']';
  if (port) return given;
  return absl::StrCat(given, listened.substr(listened.rfind(':')));
}

int64_t HalfOfMemory() {
  return int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE) / 2;
}

}  // namespace

std::span<const absl::string_view> ServerKillPoints(bool operated) {
  const std::span all(kKillPoints);
  return operated ? all : all.first(all.size() - kOperationPoints);
}

absl::Status ServerShellOptions::Validate() const {
  const auto invalid = [](auto&&... parts) {
    return absl::InvalidArgumentError(absl::StrCat(parts...));
  };
  if (core.id.value() < 0) {
    return invalid("id is ", core.id.value(), "; servers count from 0");
  }
  if (core.session == SessionId()) return invalid("session is 0");
  if (scheduler.address.empty()) {
    return invalid("scheduler: no address; give the scheduler's HOST:PORT");
  }
  if (compute_threads < 0) {
    return invalid("compute_threads is ", compute_threads,
                   "; at least 1, or 0 for one per core");
  }
  if (value_bytes < 0) {
    return invalid("value_bytes is ", value_bytes, "; at least 0 needed");
  }
  if (push_bytes < 1) {
    return invalid("push_bytes is ", push_bytes, "; at least 1 needed");
  }
  if (core.pull_park <= absl::ZeroDuration() ||
      core.report_interval <= absl::ZeroDuration() ||
      core.statistics_interval <= absl::ZeroDuration()) {
    return invalid("intervals must be longer than nothing");
  }
  return absl::OkStatus();
}

ServerShell::ServerShell(ServerShellOptions options, rpc::Transport* transport,
                         std::unique_ptr<CheckpointStore> store)
    : options_(std::move(options)),
      transport_(transport),
      store_(std::move(store)) {}

ServerShell::~ServerShell() { Stop(); }

absl::Status ServerShell::Start(std::shared_ptr<rpc::PsAdminHandler> admin) {
  admin_ = std::move(admin);
  EBB_ASSIGN_OR_RETURN(const Inventory inventory, store_->List());
  const StoreDamage damage = store_->Damage();
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  compute_.emplace(options_.compute_threads > 0 ? options_.compute_threads
                                                : std::max(1, cores));
  StorageThread::Events stored;
  stored.written = [this](const VersionKey& key, const absl::Status& status,
                          int64_t bytes) {
    CountVersion(status, bytes);
    Do([&](ServerCore& core, absl::Time now, ServerActions* out) {
      core.OnVersionWritten(key, status, bytes, now, out);
    });
  };
  stored.loaded = [this](const VersionKey& key, absl::StatusOr<Cut> cut) {
    Do([&](ServerCore& core, absl::Time now, ServerActions* out) {
      core.OnLoaded(key, std::move(cut), now, out);
    });
  };
  stored.listed = [this](const ListVersions& list,
                         absl::StatusOr<PartitionInventory> inventory) {
    Do([&](ServerCore& core, absl::Time now, ServerActions* out) {
      core.OnListed(list.job, list.partition, std::move(inventory), now, out);
    });
  };
  stored.damaged = [this](const StoreDamage& found) {
    Do([&](ServerCore& core, absl::Time, ServerActions*) {
      core.OnStoreDamage(found);
    });
  };
  peers_.emplace(transport_, [this](const FetchRequest& request,
                                    absl::StatusOr<Fetched> fetched) {
    Do([&](ServerCore& core, absl::Time now, ServerActions* out) {
      core.OnFetched(request, std::move(fetched), now, out);
    });
  });
  initial_.emplace(
      options_.initial_values, [this](const FetchInitialValues& asked,
                                      absl::StatusOr<InitialPartition> values) {
        Do([&](ServerCore& core, absl::Time now, ServerActions* out) {
          core.OnInitialValues(asked.job, asked.partition, asked.term,
                               std::move(values), now, out);
        });
      });
  storage_.emplace(std::move(store_), options_.kill_points, std::move(stored));

  // Calls that come before the core is there are refused.
  EBB_ASSIGN_OR_RETURN(
      listener_,
      transport_->ListenPs(options_.listen, {this, admin_.get(), &files_}));
  ServerOptions core = options_.core;
  core.address = advertised();
  core.resources = [this](const JobRecord& record,
                          const RollbackRecord& rollback) {
    return MakeResources(record, rollback);
  };
  SchedulerConnection::Events events;
  events.connected = [this] {
    Do([](ServerCore& core, absl::Time now, ServerActions* out) {
      core.OnSchedulerConnected(now, out);
    });
  };
  events.message = [this](const SchedulerToServer& message) {
    Do([&](ServerCore& core, absl::Time now, ServerActions* out) {
      core.OnScheduler(message, now, out);
    });
  };
  events.disconnected = [this] {
    Do([](ServerCore& core, absl::Time, ServerActions*) {
      core.OnSchedulerDisconnected();
    });
  };
  // A kill between computing and committing needs the two apart.
  if (!options_.kill_points.armed(kComputedNotCommitted)) {
    core.at_once = [this](const UpdateTask& task) {
      mu_.AssertHeld();  // The core asks.
      return AtOnceLocked(task);
    };
  }
  // Before the core: what a worker's call makes the core say goes there.
  scheduler_.emplace(options_.scheduler, transport_, std::move(events));
  {
    MutexLock lock(&mu_);
    core_.emplace(std::move(core), inventory);
    core_->OnStoreDamage(damage);
  }
  scheduler_->Start();
  timer_ = std::thread([this] { RunTimer(); });
  return absl::OkStatus();
}

std::string ServerShell::advertised() const {
  return Advertised(options_.advertise, listener_->address());
}

// Called by the core, so under its lock: makes an object and reserves address
// space, once per job and generation (the space: once).
absl::StatusOr<JobResources> ServerShell::MakeResources(
    const JobRecord& record, const RollbackRecord& rollback) {
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<JobRule> rule,
                       JobRule::Create(record, rollback));
  const int64_t block_bytes =
      record.plan.block_floats * static_cast<int64_t>(sizeof(float));
  MutexLock lock(&pools_mu_);
  std::shared_ptr<BlockPool>& pool = pools_[block_bytes];
  if (pool == nullptr) {
    BlockPoolOptions options;
    options.name = "values";
    options.block_bytes = block_bytes;
    options.max_bytes =
        options_.value_bytes > 0 ? options_.value_bytes : HalfOfMemory();
    EBB_ASSIGN_OR_RETURN(pool, BlockPool::Create(options));
    // Values that workers still read are no longer the partitions', and must
    // not take the room that those were promised; cuts need some of the rest.
    files_.Add(pool->fd(), pool->mapping(), [pool] {
      const BlockPoolStats stats = pool->Stats();
      return (stats.max_blocks - stats.promised_blocks) / 2 * stats.block_bytes;
    });
  }
  std::optional<InitialFile> initial;
  if (rule->initial()) {
    initial = {datasets::InitialSetOf(rule->initial()->id()),
               rule->initial()->id(), rule->initial()->bytes(),
               rule->initial()->slots(),
               job::InitialRowBytes(*rule->initial(), record.plan.parameters)};
  }
  return JobResources{std::move(rule), pool, std::move(initial)};
}

template <typename Event>
void ServerShell::Do(Event event) {
  MutexLock lock(&mu_);
  if (!ReadyLocked()) return;
  event(*core_, SteadyNow(), outbox_.actions());
  AfterEventLocked();
}

bool ServerShell::AtOnceLocked(const UpdateTask& task) {
  const int64_t bytes = task.partition->ComputeBytes(*task.update);
  if (bytes > kUpdateInEventBytes || bytes > in_event_left_) return false;
  in_event_left_ -= bytes;
  return true;
}

void ServerShell::AfterEventLocked() {
  in_event_left_ = kUpdatesInEventBytes;
  if (const absl::Time next = core_->NextTick(); next < timer_at_) {
    timer_at_ = next;
    timer_changed_.SignalAll();  // A drain waits on it too.
  }
  outbox_.CarryOut(
      &mu_,
      [this](ServerActions actions) {
        mu_.AssertHeld();
        return OutputLocked(std::move(actions));
      },
      [this](Output& output) { CarryOut(&output); });
  carried_out_.SignalAll();
}

ServerShell::Output ServerShell::OutputLocked(ServerActions actions) {
  Output output;
  for (const ServerAction& action : actions) {
    if (const auto* push = std::get_if<ReplyPush>(&action)) {
      auto pending = pushes_.extract(push->token);
      pushed_bytes_ -= pending.mapped().bytes;
      output.pushes.push_back(std::move(pending.mapped().done));
    } else if (const auto* pull = std::get_if<ReplyPull>(&action)) {
      output.pulls.push_back(std::move(pulls_.extract(pull->token).mapped()));
    } else if (const auto* fetch = std::get_if<ReplyFetch>(&action)) {
      output.fetches.push_back(
          std::move(fetches_.extract(fetch->token).mapped()));
    }
  }
  output.actions = std::move(actions);
  return output;
}

void ServerShell::CarryOut(Output* output) {
  auto push = output->pushes.begin();
  auto pull = output->pulls.begin();
  auto fetch = output->fetches.begin();
  std::vector<UpdateTask> updates;
  const Match carry_out{
      [&](ReplyPush& reply) {
        if (AnyApplied(reply.reply)) {
          options_.kill_points.Reached("applied-not-replied");
        }
        (*push++)(std::move(reply.reply));
      },
      [&](ReplyPull& reply) {
        PullDone& done = *pull++;
        if (reply.encoding.encoding == Encoding::kFloat32) {
          return done(std::move(reply.reply));
        }
        auto shared = std::make_shared<ReplyPull>(std::move(reply));
        compute_->Add([shared, done = std::move(done)] {
          Encode(shared->encoding, &shared->reply);
          done(std::move(shared->reply));
        });
      },
      [&](ReplyFetch& reply) {
        // Sums up what it sends: not here, where others wait.
        auto answer = std::make_shared<FetchAnswer>(std::move(reply.answer));
        compute_->Add([this, answer, done = std::move(*fetch++)] {
          done(EncodeFetchAnswer(options_.core.id, options_.core.session,
                                 std::move(*answer)));
        });
      },
      [&](server::Fetch& ask) { peers_->Add(std::move(ask.task)); },
      [&](FetchInitialValues& ask) { initial_->Add(std::move(ask)); },
      [&](SendScheduler& send) {
        if (std::holds_alternative<RegisterPartitions>(send.message)) {
          options_.kill_points.Reached("grant-taken-not-registered");
        } else if (const auto* report =
                       std::get_if<MarkReport>(&send.message)) {
          if (TellsFigures(*report)) {
            options_.kill_points.Reached("round-measured-not-reported");
          }
          if (TellsOperation(*report)) {
            options_.kill_points.Reached("operation-applied-not-reported");
          }
        }
        scheduler_->Send(std::move(send.message));
      },
      [&](RunUpdate& run) { updates.push_back(std::move(run.task)); },
      [&](RetrySession&) { scheduler_->Retry(); },
      [&](EndProcess& end) {
        if (options_.displaced != nullptr) options_.displaced(end.why);
      },
      [&](LogEvent& event) {
        LOG_IF(INFO, !event.warning)
            << "server=" << options_.core.id << " " << event.text;
        LOG_IF(WARNING, event.warning)
            << "server=" << options_.core.id << " " << event.text;
      },
      [&](auto& storage) { storage_->Add(std::move(storage)); },
  };
  for (ServerAction& action : output->actions) std::visit(carry_out, action);
  if (!updates.empty()) RunUpdates(std::move(updates));
}

void ServerShell::RunUpdates(std::vector<UpdateTask> tasks) {
  std::vector<int64_t> bytes;
  int64_t total = 0;
  for (const UpdateTask& task : tasks) {
    bytes.push_back(task.partition->ComputeBytes(*task.update));
    total += bytes.back();
  }
  if (total <= kUpdateAtOnceBytes) return RunUpdatesHere(tasks);
  const auto shared =
      std::make_shared<std::vector<UpdateTask>>(std::move(tasks));
  size_t begin = 0;
  for (const size_t end : GroupUpdates(bytes, compute_->size())) {
    compute_->Add([this, shared, begin, end] {
      RunUpdatesHere(std::span(*shared).subspan(begin, end - begin));
    });
    begin = end;
  }
}

void ServerShell::RunUpdatesHere(std::span<UpdateTask> tasks) {
  for (const UpdateTask& task : tasks) {
    task.partition->Compute(task.update.get());
    options_.kill_points.Reached(kComputedNotCommitted);
    if (task.update->operates()) {
      options_.kill_points.Reached("operation-computed-not-committed");
    }
  }
  Do([&](ServerCore& core, absl::Time now, ServerActions* out) {
    core.OnUpdatesDone(tasks, now, out);
  });
}

// A `done` that is dropped tells the worker that the server is not there: it
// comes again after a while.
void ServerShell::Push(PushRequest request, PushDone done) {
  const int64_t bytes = BytesOf(request);
  const int64_t parts = PartsOf(request);
  const int64_t all = parts + bytes + ScratchOf(request);
  int64_t before = pushed_bytes_;
  int64_t held = 0;
  bool room = false;
  do {
    room = before == 0 || before + all <= options_.push_bytes;
    held = room ? all : parts;
    // Refusals wait for their turn, too, and a client that gives its calls up
    // sends others. Beyond this there is no answer.
    if (!room && before + held > 2 * options_.push_bytes) return;
  } while (!pushed_bytes_.compare_exchange_weak(before, before + held));
  absl::Status fits;
  if (!room) {
    fits = absl::ResourceExhaustedError(absl::StrCat(
        "pushes that wait have ", before, " of the ", options_.push_bytes,
        " bytes that --memory leaves for them and for what applying their rows "
        "takes"));
    DropValues(&request);
  }
  PendingPush pending = {calls_.Watch(bytes, std::move(done)), held};
  arrived_pushes_.Add([this, request = std::move(request),
                       fits = std::move(fits),
                       pending = std::move(pending)]() mutable {
    OnPush(std::move(request), fits, std::move(pending));
  });
}

void ServerShell::OnPush(PushRequest request, const absl::Status& room,
                         PendingPush pending) {
  MutexLock lock(&mu_);
  if (!ReadyLocked() || draining_) {
    pushed_bytes_ -= pending.bytes;
    return;
  }
  const uint64_t token = next_token_++;
  pushes_[token] = std::move(pending);
  core_->OnPush(token, std::move(request), room, SteadyNow(),
                outbox_.actions());
  AfterEventLocked();
}

void ServerShell::Pull(PullRequest request, PullDone done) {
  MutexLock lock(&mu_);
  if (!ReadyLocked()) return;
  const uint64_t token = next_token_++;
  pulls_[token] = calls_.Watch(std::move(done));
  core_->OnPull(token, std::move(request), SteadyNow(), outbox_.actions());
  AfterEventLocked();
}

void ServerShell::Fetch(FetchRequest request, FetchDone done) {
  MutexLock lock(&mu_);
  if (!ReadyLocked()) return;
  const uint64_t token = next_token_++;
  fetches_[token] = std::move(done);
  core_->OnFetch(token, std::move(request), SteadyNow(), outbox_.actions());
  AfterEventLocked();
}

void ServerShell::Clock(ClockUpdate update) {
  Do([&](ServerCore& core, absl::Time now, ServerActions* out) {
    core.OnClock(update, now, out);
  });
}

void ServerShell::RunTimer() {
  while (true) {
    {
      MutexLock lock(&mu_);
      while (!stopping_ && SteadyNow() < timer_at_) {
        if (timer_at_ == absl::InfiniteFuture()) {
          timer_changed_.Wait(&mu_);
        } else {
          timer_changed_.WaitFor(&mu_, timer_at_ - SteadyNow());
        }
      }
      if (stopping_) return;
      timer_at_ = absl::InfiniteFuture();
    }
    Do([&](ServerCore& core, absl::Time now, ServerActions* out) {
      core.OnTick(now, out);
    });
    MutexLock lock(&mu_);
    timer_at_ = std::max(timer_at_, SteadyNow() + kLeastTick);
  }
}

void ServerShell::HandOver(absl::Time until) {
  Do([](ServerCore& core, absl::Time now, ServerActions* out) {
    core.Leave(now, out);
  });
  MutexLock lock(&mu_);
  while (!core_->HandedOver() && SteadyNow() < until) {
    timer_changed_.WaitFor(&mu_, kDrainLook);
  }
}

bool ServerShell::Ready() {
  {
    MutexLock lock(&mu_);
    if (!ReadyLocked() || leaving_) return false;
  }
  return scheduler_->accepted();
}

absl::Status ServerShell::Drain(absl::Duration limit) {
  const absl::Time begun = SteadyNow();
  const absl::Time deadline = begun + limit;
  listener_->SetServing(false);
  {
    MutexLock lock(&mu_);
    leaving_ = true;
  }
  HandOver(begun + limit / 2);
  {
    MutexLock lock(&mu_);
    draining_ = true;
  }
  bool drained = false;
  while (true) {
    // Again and again: an update that runs now is durable only later.
    Do([&](ServerCore& core, absl::Time now, ServerActions* out) {
      if (!core.Drained()) core.Drain(now, out);
    });
    MutexLock lock(&mu_);
    drained = core_->Drained() && outbox_.idle();
    if (drained || SteadyNow() >= deadline) break;
    timer_changed_.WaitFor(&mu_, kDrainLook);
  }
  scheduler_->Leave(std::max(absl::ZeroDuration(), deadline - SteadyNow()));
  if (drained) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat("after ", absl::FormatDuration(limit),
                   " not everything is durable; what is missing will be "
                   "computed again"));
}

std::vector<RoundVersion> ServerShell::KeepVersions(JobId job,
                                                    absl::Duration time) {
  MutexLock lock(&mu_);
  if (!core_.has_value()) return {};
  return core_->KeepVersions(job, SteadyNow() + time);
}

void ServerShell::Inspect(absl::FunctionRef<void(const ServerCore&)> look) {
  MutexLock lock(&mu_);
  if (core_.has_value()) look(*core_);
}

void ServerShell::CountVersion(const absl::Status& status, int64_t bytes) {
  MutexLock lock(&mu_);
  if (!status.ok()) {
    ++versions_.versions_failed;
    return;
  }
  ++versions_.versions;
  versions_.version_bytes += bytes;
  versions_.last_version = absl::Now();
}

ServerShell::Figures ServerShell::figures() {
  Figures figures;
  {
    MutexLock lock(&mu_);
    figures = versions_;
    figures.pushes = static_cast<int64_t>(pushes_.size());
    figures.push_bytes = pushed_bytes_;
    figures.pulls = static_cast<int64_t>(pulls_.size());
  }
  MutexLock lock(&pools_mu_);
  for (const auto& [block_bytes, pool] : pools_) {
    const BlockPoolStats stats = pool->Stats();
    figures.used_bytes += stats.live_bytes();
    figures.free_bytes += stats.free_bytes();
    figures.most_bytes += stats.max_blocks * stats.block_bytes;
  }
  return figures;
}

absl::StatusOr<Inventory> ServerShell::Stored(absl::Duration limit) {
  // Shared: the thread may come to it when the caller does not wait any more.
  struct Answer {
    Mutex mu;
    CondVar there;
    std::optional<absl::StatusOr<Inventory>> inventory ABSL_GUARDED_BY(mu);
  };
  const auto answer = std::make_shared<Answer>();
  storage_->Add(StorageThread::Look{[answer](CheckpointStore* store) {
    auto inventory = store->ListOwn();
    MutexLock lock(&answer->mu);
    answer->inventory.emplace(std::move(inventory));
    answer->there.SignalAll();
  }});
  const absl::Time deadline = SteadyNow() + limit;
  MutexLock lock(&answer->mu);
  while (!answer->inventory.has_value() && SteadyNow() < deadline) {
    answer->there.WaitFor(&answer->mu, deadline - SteadyNow());
  }
  if (answer->inventory.has_value()) return *answer->inventory;
  return absl::UnavailableError(
      absl::StrCat("the storage was busy for ", absl::FormatDuration(limit)));
}

// The order matters: no thread may give work to one that has ended.
void ServerShell::Stop() {
  absl::flat_hash_map<uint64_t, PendingPush> pushes;
  absl::flat_hash_map<uint64_t, PullDone> pulls;
  absl::flat_hash_map<uint64_t, FetchDone> fetches;
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    timer_changed_.SignalAll();
    while (!outbox_.idle()) carried_out_.Wait(&mu_);
    pushes.swap(pushes_);
    pulls.swap(pulls_);
    fetches.swap(fetches_);
  }
  arrived_pushes_.Stop();
  pushes.clear();  // Their callers hear of it before the listener goes.
  pulls.clear();
  fetches.clear();
  if (timer_.joinable()) timer_.join();
  listener_.reset();
  scheduler_.reset();
  if (peers_.has_value()) peers_->Stop();
  if (initial_.has_value()) initial_->Stop();
  if (compute_.has_value()) compute_->Stop();
  if (storage_.has_value()) storage_->Stop();
}

}  // namespace ebb::server
