#include "scheduler/scheduler_shell.h"

#include <algorithm>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/match.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "glog/logging.h"

namespace ebb::scheduler {

namespace {

constexpr absl::Duration kStoreRetry = absl::Milliseconds(500);
// The core's timer never runs more often.
constexpr absl::Duration kLeastTick = absl::Milliseconds(1);

constexpr absl::string_view kKillPoints[] = {
    "lease-granted-not-stored",
    "lease-granted-not-sent",
    "term-stored-not-sent",
    "completion-stored-not-sent",
    "job-stored-not-answered",
    // For rounds that are closed by operations.
    "operation-made-not-sent",
};

template <typename Message, typename Variant>
bool Holds(const Variant& variant) {
  return std::holds_alternative<Message>(variant);
}

bool GrantsLease(const SchedulerActions& actions) {
  return std::any_of(actions.begin(), actions.end(),
                     [](const SchedulerAction& action) {
                       const auto* send = std::get_if<SendWorker>(&action);
                       return send != nullptr && Holds<Lease>(send->message);
                     });
}

}  // namespace

std::span<const absl::string_view> SchedulerKillPoints(bool operated) {
  const std::span all(kKillPoints);
  return operated ? all : all.first(all.size() - 1);
}

absl::Status SchedulerShellOptions::Validate() const {
  const auto invalid = [](auto&&... parts) {
    return absl::InvalidArgumentError(absl::StrCat(parts...));
  };
  if (core.session == SessionId()) return invalid("session is 0");
  if (core.lease_ttl < absl::Milliseconds(1)) {
    return invalid("lease_ttl is ", absl::FormatDuration(core.lease_ttl),
                   "; at least 1ms needed");
  }
  if (core.takeover_after < absl::ZeroDuration()) {
    return invalid("takeover_after is ",
                   absl::FormatDuration(core.takeover_after),
                   "; at least 0s needed");
  }
  if (core.server_ttl < absl::Milliseconds(1)) {
    return invalid("server_ttl is ", absl::FormatDuration(core.server_ttl),
                   "; at least 1ms needed");
  }
  if (core.min_servers < 1) {
    return invalid("min_servers is ", core.min_servers, "; at least 1 needed");
  }
  if (link_queue < 1 || change_queue < 1) {
    return invalid("queues must hold at least 1 message");
  }
  return absl::OkStatus();
}

// A change with a thread that waits for it.
struct SchedulerShell::PendingChange {
  ChangeFunction change;
  Mutex mu;
  CondVar done;
  std::optional<absl::Status> result ABSL_GUARDED_BY(mu);

  void Finish(absl::Status status) {
    MutexLock lock(&mu);
    result = std::move(status);
    done.SignalAll();
  }
};

// --- Sessions ---------------------------------------------------------------

template <typename In, typename Out>
class SchedulerShell::LinkHandler final : public rpc::SessionHandler<In> {
 public:
  LinkHandler(SchedulerShell* shell, LinkId id,
              std::shared_ptr<rpc::Session<Out>> link)
      : shell_(*shell), id_(id), link_(std::move(link)) {}

  void OnMessage(In message) override {
    if (overflowed_) return;
    overflowed_ = !shell_.EnqueueMessage({id_, std::move(message)});
    if (overflowed_) link_->Close();
  }

  void OnClosed(absl::Status) override {
    if constexpr (std::is_same_v<In, WorkerToScheduler>) {
      shell_.Enqueue({id_, WorkerClosed{}});
    } else {
      shell_.Enqueue({id_, ServerClosed{}});
    }
  }

 private:
  SchedulerShell& shell_;
  const LinkId id_;
  const std::shared_ptr<rpc::Session<Out>> link_;
  bool overflowed_ = false;  // Calls come one after the other.
};

LinkId SchedulerShell::NewLink() {
  MutexLock lock(&queue_mu_);
  return LinkId(++last_link_);
}

std::unique_ptr<rpc::WorkerLinkHandler> SchedulerShell::OnWorkerConnected(
    std::shared_ptr<rpc::WorkerLink> link) {
  const LinkId id = NewLink();
  Enqueue({id, link});
  return std::make_unique<LinkHandler<WorkerToScheduler, SchedulerToWorker>>(
      this, id, std::move(link));
}

std::unique_ptr<rpc::ServerLinkHandler> SchedulerShell::OnServerConnected(
    std::shared_ptr<rpc::ServerLink> link) {
  const LinkId id = NewLink();
  Enqueue({id, link});
  return std::make_unique<LinkHandler<ServerToScheduler, SchedulerToServer>>(
      this, id, std::move(link));
}

void SchedulerShell::Enqueue(Event event) {
  MutexLock lock(&queue_mu_);
  queue_.push_back(std::move(event));
  queue_changed_.Signal();
}

bool SchedulerShell::EnqueueMessage(Event event) {
  MutexLock lock(&queue_mu_);
  if (++messages_waiting_[event.link] > options_.link_queue) return false;
  queue_.push_back(std::move(event));
  queue_changed_.Signal();
  return true;
}

// --- Life --------------------------------------------------------------------

SchedulerShell::SchedulerShell(SchedulerShellOptions options,
                               rpc::Transport* transport,
                               std::unique_ptr<SchedulerStore> store)
    : options_(std::move(options)),
      transport_(transport),
      store_(std::move(store)),
      watch_(SteadyNow()) {}

SchedulerShell::~SchedulerShell() { Stop(); }

absl::Status SchedulerShell::Start(
    std::shared_ptr<rpc::SchedulerAdminHandler> admin) {
  admin_ = std::move(admin);
  EBB_ASSIGN_OR_RETURN(const auto stored, store_->Load());
  {
    MutexLock lock(&mu_);
    EBB_ASSIGN_OR_RETURN(
        core_, SchedulerCore::Create(options_.core, stored, SteadyNow()));
  }
  EBB_ASSIGN_OR_RETURN(listener_, transport_->ListenScheduler(
                                      options_.listen, {this, admin_.get()}));
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

// First ends the event thread, so that no more messages are sent; then the
// threads that wait for a change; then the sessions.
void SchedulerShell::Stop() {
  {
    MutexLock lock(&queue_mu_);
    stopping_ = true;
    queue_changed_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
  std::vector<Event> left;
  {
    MutexLock lock(&queue_mu_);
    left.swap(queue_);
  }
  for (Event& event : left) {
    if (auto* change =
            std::get_if<std::shared_ptr<PendingChange>>(&event.what)) {
      (*change)->Finish(absl::UnavailableError("the scheduler is stopping"));
    }
  }
  left.clear();
  listener_.reset();
}

// --- The event thread --------------------------------------------------------

void SchedulerShell::Run() {
  std::vector<Event> events;
  while (true) {
    events.clear();
    {
      MutexLock lock(&queue_mu_);
      while (queue_.empty() && !stopping_) {
        const absl::Time next = std::min(tick_at_, look_at_);
        const absl::Duration wait = next - SteadyNow();
        if (wait <= absl::ZeroDuration()) break;
        queue_changed_.WaitFor(&queue_mu_, wait);
      }
      if (stopping_) return;
      events.swap(queue_);
      messages_waiting_.clear();
    }
    for (Event& event : events) Handle(&event);
    const absl::Time now = SteadyNow();
    if (tick_at_ <= now) {
      Decide([](SchedulerCore& core, absl::Time now, SchedulerActions* out) {
        core.OnTick(now, out);
      });
      tick_at_ = std::max(tick_at_, now + kLeastTick);
    }
    if (look_at_ <= now) {
      look_at_ = now + Watch::kInterval;
      MutexLock lock(&mu_);
      watch_.Look(*core_, now);
    }
  }
}

template <typename Function>
bool SchedulerShell::Decide(Function decide) {
  SchedulerActions actions;
  {
    MutexLock lock(&mu_);
    decide(*core_, SteadyNow(), &actions);
    tick_at_ = core_->NextTick();
  }
  return CarryOut(&actions);
}

void SchedulerShell::Handle(Event* event) {
  const LinkId link = event->link;
  const Match handle{
      [&](std::shared_ptr<rpc::WorkerLink>& opened) {
        worker_links_[link] = std::move(opened);
      },
      [&](std::shared_ptr<rpc::ServerLink>& opened) {
        server_links_[link] = std::move(opened);
      },
      [&](const WorkerToScheduler& message) {
        Decide([&](SchedulerCore& core, absl::Time now, SchedulerActions* out) {
          mu_.AssertHeld();
          watch_.WorkerSays(core, link, message, now);
          core.OnWorker(link, message, now, out);
        });
      },
      [&](const ServerToScheduler& message) {
        Decide([&](SchedulerCore& core, absl::Time now, SchedulerActions* out) {
          mu_.AssertHeld();
          watch_.ServerSays(core, link, message, now);
          core.OnServer(link, message, now, out);
          watch_.ServerSaid(core, message, now);
        });
      },
      [&](WorkerClosed) {
        worker_links_.erase(link);
        Decide([&](SchedulerCore& core, absl::Time now, SchedulerActions* out) {
          mu_.AssertHeld();
          watch_.WorkerCloses(core, link, now);
          core.OnWorkerDisconnected(link, now, out);
        });
      },
      [&](ServerClosed) {
        server_links_.erase(link);
        Decide([&](SchedulerCore& core, absl::Time now, SchedulerActions* out) {
          mu_.AssertHeld();
          watch_.ServerCloses(core, link, now);
          core.OnServerDisconnected(link, now, out);
        });
      },
      [&](const std::shared_ptr<PendingChange>& pending) {
        {
          MutexLock lock(&queue_mu_);
          --changes_waiting_;
        }
        absl::Status changed;
        const bool stored = Decide(
            [&](SchedulerCore& core, absl::Time now, SchedulerActions* out) {
              changed = pending->change(&core, now, out);
            });
        pending->Finish(
            stored ? changed
                   : absl::UnavailableError("the scheduler is stopping"));
      },
  };
  std::visit(handle, event->what);
}

bool SchedulerShell::CarryOut(SchedulerActions* actions) {
  const KillPoints& kill_points = options_.kill_points;
  if (GrantsLease(*actions)) kill_points.Reached("lease-granted-not-stored");
  for (SchedulerAction& action : *actions) {
    if (const auto* persist = std::get_if<Persist>(&action)) {
      if (!Store(persist->writes)) return false;
    } else if (auto* to_server = std::get_if<SendServer>(&action)) {
      if (Holds<Grant>(to_server->message)) {
        kill_points.Reached("term-stored-not-sent");
      } else if (Holds<JobCompleted>(to_server->message)) {
        kill_points.Reached("completion-stored-not-sent");
      } else if (Holds<ApplyOperation>(to_server->message)) {
        kill_points.Reached("operation-made-not-sent");
      }
      const auto link = server_links_.find(to_server->link);
      if (link == server_links_.end()) continue;
      link->second->Send(std::move(to_server->message));
    } else if (auto* to_worker = std::get_if<SendWorker>(&action)) {
      if (const auto* lease = std::get_if<Lease>(&to_worker->message)) {
        kill_points.Reached("lease-granted-not-sent");
        MutexLock lock(&mu_);
        watch_.Leased(*core_, to_worker->link, *lease, SteadyNow());
      }
      const auto link = worker_links_.find(to_worker->link);
      if (link == worker_links_.end()) continue;
      link->second->Send(std::move(to_worker->message));
    } else if (const auto* close = std::get_if<CloseWorker>(&action)) {
      const auto link = worker_links_.find(close->link);
      if (link != worker_links_.end()) link->second->Close();
    } else if (const auto* event = std::get_if<LogEvent>(&action)) {
      LOG(INFO) << event->text;
      MutexLock lock(&mu_);
      watch_.Happened(*event, SteadyNow());
    }
  }
  return true;
}

// Tries until it succeeds: a decision cannot be undone, and no daemon may hear
// of it before it is durable.
bool SchedulerShell::Store(const std::vector<StoreWrite>& writes) {
  std::string problem;
  while (true) {
    const absl::Status stored = store_->Commit(writes);
    if (stored.message() != problem) {
      problem = std::string(stored.message());
      if (!stored.ok()) {
        LOG(ERROR) << "state cannot be written, so nothing is decided until it "
                      "can: "
                   << problem;
      }
      MutexLock lock(&mu_);
      store_problem_ = problem;
    }
    if (stored.ok()) return true;
    const absl::Time until = SteadyNow() + kStoreRetry;
    MutexLock lock(&queue_mu_);
    while (!stopping_ && SteadyNow() < until) {
      queue_changed_.WaitFor(&queue_mu_, until - SteadyNow());
    }
    if (stopping_) return false;
  }
}

// --- Operators ---------------------------------------------------------------

absl::Status SchedulerShell::Change(ChangeFunction change,
                                    absl::Duration limit) {
  auto pending = std::make_shared<PendingChange>();
  pending->change = std::move(change);
  {
    MutexLock lock(&queue_mu_);
    if (stopping_) return absl::UnavailableError("the scheduler is stopping");
    if (changes_waiting_ >= options_.change_queue) {
      return absl::ResourceExhaustedError(
          absl::StrCat(changes_waiting_, " changes wait already; try later"));
    }
    ++changes_waiting_;
    queue_.push_back({LinkId(), pending});
    queue_changed_.Signal();
  }
  const absl::Time deadline = SteadyNow() + limit;
  {
    MutexLock lock(&pending->mu);
    while (!pending->result.has_value() && SteadyNow() < deadline) {
      pending->done.WaitFor(&pending->mu, deadline - SteadyNow());
    }
    if (pending->result.has_value()) return *pending->result;
  }
  MutexLock lock(&mu_);
  return absl::UnavailableError(absl::StrCat(
      "not done after ", absl::FormatDuration(limit),
      ", but may be later: look with `ebb status` before you ask again",
      store_problem_.empty() ? "" : "; the state cannot be written: ",
      store_problem_));
}

void SchedulerShell::Inspect(absl::FunctionRef<void(const Picture&)> look) {
  MutexLock lock(&mu_);
  look({*core_, watch_, SteadyNow(), store_problem_, options_.of_a_run});
}

}  // namespace ebb::scheduler
