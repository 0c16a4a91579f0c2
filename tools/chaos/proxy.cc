#include "tools/chaos/proxy.h"

#include <utility>

#include "common/status_macros.h"
#include "tools/chaos/internal/relay.h"

namespace ebb::chaos {

// On the stack of the thread that waits for it.
struct Proxy::Call {
  absl::FunctionRef<void()> task;
  bool done = false;  // Guarded by mu_.
};

absl::StatusOr<std::unique_ptr<Proxy>> Proxy::Start() {
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<Relay> relay, Relay::Create());
  return std::unique_ptr<Proxy>(new Proxy(std::move(relay)));
}

Proxy::Proxy(std::unique_ptr<Relay> relay)
    : relay_(std::move(relay)), thread_([this] { Run(); }) {}

Proxy::~Proxy() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
  }
  relay_->Wake();
  thread_.join();
}

void Proxy::Run() {
  while (true) {
    std::vector<Call*> calls;
    {
      MutexLock lock(&mu_);
      if (stopping_) return;
      calls.swap(calls_);
    }
    for (Call* call : calls) call->task();
    if (!calls.empty()) {
      MutexLock lock(&mu_);
      for (Call* call : calls) call->done = true;
      done_.SignalAll();
    }
    relay_->Turn();
  }
}

void Proxy::Do(absl::FunctionRef<void()> task) {
  Call call{task};
  {
    MutexLock lock(&mu_);
    calls_.push_back(&call);
  }
  relay_->Wake();
  MutexLock lock(&mu_);
  while (!call.done) done_.Wait(&mu_);
}

absl::StatusOr<std::string> Proxy::Front(const std::string& daemon,
                                         const std::string& target) {
  absl::StatusOr<std::string> address;
  Do([&] { address = relay_->Front(daemon, target); });
  return address;
}

absl::Status Proxy::SetTarget(const std::string& daemon,
                              const std::string& target) {
  absl::Status status;
  Do([&] { status = relay_->SetTarget(daemon, target); });
  return status;
}

void Proxy::SetDaemons(std::vector<DaemonProcess> daemons) {
  Do([&] { relay_->SetDaemons(std::move(daemons)); });
}

void Proxy::Set(const std::string& a, const std::string& b,
                const LinkState& state) {
  Do([&] { relay_->Set(a, b, state); });
}

int Proxy::Drop(const std::string& a, const std::string& b) {
  int dropped = 0;
  Do([&] { dropped = relay_->Drop(a, b); });
  return dropped;
}

int64_t Proxy::Carried(const std::string& from, const std::string& to) {
  int64_t bytes = 0;
  Do([&] { bytes = relay_->Carried(from, to); });
  return bytes;
}

}  // namespace ebb::chaos
