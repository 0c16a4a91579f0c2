#include "rpc/inprocess_transport.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "rpc/internal/inprocess_endpoint.h"
#include "rpc/internal/inprocess_pipe.h"
#include "rpc/internal/mailbox.h"

namespace ebb::rpc {
namespace internal {

// The listeners by address. Thread-safe.
class InProcessNetwork {
 public:
  explicit InProcessNetwork(TransportOptions options)
      : options_(std::move(options)) {}

  const TransportOptions& options() const { return options_; }

  // Replaces a final ":0" in `*address`. False: the address has a listener.
  bool Add(std::shared_ptr<Endpoint> endpoint, std::string* address) {
    MutexLock lock(&mu_);
    if (absl::EndsWith(*address, ":0")) {
      address->pop_back();
      absl::StrAppend(address, next_port_++);
    }
    return endpoints_.emplace(*address, std::move(endpoint)).second;
  }

  // Null: the address has no listener.
  std::shared_ptr<Endpoint> Find(const std::string& address) {
    MutexLock lock(&mu_);
    const auto it = endpoints_.find(address);
    return it == endpoints_.end() ? nullptr : it->second;
  }

  // False: it is not (or no longer) the one that listens there.
  bool Remove(const std::string& address, const Endpoint* endpoint) {
    MutexLock lock(&mu_);
    const auto it = endpoints_.find(address);
    if (it == endpoints_.end() || it->second.get() != endpoint) return false;
    endpoints_.erase(it);
    return true;
  }

 private:
  const TransportOptions options_;
  Mutex mu_;
  absl::flat_hash_map<std::string, std::shared_ptr<Endpoint>> endpoints_
      ABSL_GUARDED_BY(mu_);
  int64_t next_port_ ABSL_GUARDED_BY(mu_) = 1;
};

}  // namespace internal

namespace {

using internal::Calls;
using internal::Endpoint;
using internal::InProcessNetwork;
using internal::Mailbox;
using internal::Pipe;

absl::Status NobodyAt(const std::string& address) {
  return absl::UnavailableError(absl::StrCat("nothing listens at ", address));
}

class InProcessListener : public Listener {
 public:
  InProcessListener(std::shared_ptr<InProcessNetwork> network,
                    std::string address, std::shared_ptr<Endpoint> endpoint)
      : network_(std::move(network)),
        address_(std::move(address)),
        endpoint_(std::move(endpoint)) {}

  ~InProcessListener() override {
    network_->Remove(address_, endpoint_.get());
    endpoint_->Finish(network_->options().shutdown_grace);
  }

  const std::string& address() const override { return address_; }
  void SetServing(bool) override {}  // There is no health service.

 private:
  const std::shared_ptr<InProcessNetwork> network_;
  const std::string address_;
  const std::shared_ptr<Endpoint> endpoint_;
};

absl::StatusOr<std::unique_ptr<Listener>> Listen(
    const std::shared_ptr<InProcessNetwork>& network, std::string address,
    PsHandler* ps, SchedulerHandler* scheduler) {
  auto endpoint = std::make_shared<Endpoint>(ps, scheduler, network->options());
  if (!network->Add(endpoint, &address)) {
    return absl::UnavailableError(
        absl::StrCat("something listens at ", address, " already"));
  }
  return std::make_unique<InProcessListener>(network, std::move(address),
                                             std::move(endpoint));
}

class InProcessChannel : public PsChannel {
 public:
  InProcessChannel(std::shared_ptr<InProcessNetwork> network,
                   std::string address)
      : network_(std::move(network)), address_(std::move(address)) {}

  ~InProcessChannel() override { calls_->Finish(); }

  void Push(PushRequest request, absl::Duration deadline,
            PushDone done) override {
    const uint64_t call = calls_->Add(std::move(done), deadline);
    int64_t size = 0;
    for (const PushSegment& segment : request.segments) {
      size += ValueBytes(segment);
    }
    const int64_t limit = network_->options().max_assembled_bytes;
    if (size > limit) {
      calls_->Fail(call, absl::OutOfRangeError(absl::StrCat(
                             "a push of ", size, " bytes, at most ", limit)));
    } else if (const auto endpoint = network_->Find(address_)) {
      endpoint->Push(calls_, call, std::move(request));
    } else {
      calls_->Fail(call, NobodyAt(address_));
    }
  }

  void Pull(const PullRequest& request, absl::Duration deadline,
            PullDone done) override {
    const uint64_t call = calls_->Add(std::move(done), deadline);
    if (const auto endpoint = network_->Find(address_)) {
      endpoint->Pull(calls_, call, request);
    } else {
      calls_->Fail(call, NobodyAt(address_));
    }
  }

  void Clock(const ClockUpdate& update) override {
    if (const auto endpoint = network_->Find(address_)) endpoint->Clock(update);
  }

  void Fetch(const FetchRequest& request, absl::Duration deadline,
             FetchDone done) override {
    const uint64_t call = calls_->Add(std::move(done), deadline);
    if (const auto endpoint = network_->Find(address_)) {
      endpoint->Fetch(calls_, call, request);
    } else {
      calls_->Fail(call, NobodyAt(address_));
    }
  }

 private:
  const std::shared_ptr<InProcessNetwork> network_;
  const std::string address_;
  const std::shared_ptr<Calls> calls_ = std::make_shared<Calls>();
};

template <typename Up, typename Down>
class InProcessSession : public Session<Up> {
 public:
  InProcessSession(InProcessNetwork* network, const std::string& address,
                   SessionHandler<Down>* handler)
      : box_(std::make_shared<Mailbox>()),
        pipe_(std::make_shared<Pipe<Up, Down>>(
            box_, handler, network->options().session_queue_messages)) {
    const auto endpoint = network->Find(address);
    if (endpoint == nullptr || !endpoint->Accept(pipe_)) {
      pipe_->Break(NobodyAt(address), absl::OkStatus());
    }
  }

  ~InProcessSession() override {
    pipe_->Break(absl::CancelledError("the session was destroyed"),
                 absl::UnavailableError("the other side is gone"));
    box_->Finish();
  }

  bool Send(Up message) override { return pipe_->SendUp(std::move(message)); }
  void Close() override { pipe_->CloseClient(); }

 private:
  const std::shared_ptr<Mailbox> box_;
  const std::shared_ptr<Pipe<Up, Down>> pipe_;
};

}  // namespace

InProcessTransport::InProcessTransport(TransportOptions options)
    : network_(std::make_shared<InProcessNetwork>(std::move(options))) {}

InProcessTransport::~InProcessTransport() = default;

absl::StatusOr<std::unique_ptr<Listener>> InProcessTransport::ListenPs(
    const std::string& address, PsServices services) {
  return Listen(network_, address, services.data, nullptr);
}

absl::StatusOr<std::unique_ptr<Listener>> InProcessTransport::ListenScheduler(
    const std::string& address, SchedulerServices services) {
  return Listen(network_, address, nullptr, services.sessions);
}

std::unique_ptr<PsChannel> InProcessTransport::ConnectPs(
    const std::string& address) {
  return std::make_unique<InProcessChannel>(network_, address);
}

std::unique_ptr<WorkerSession> InProcessTransport::ConnectWorkerSession(
    const std::string& address, WorkerSessionHandler* handler) {
  return std::make_unique<
      InProcessSession<WorkerToScheduler, SchedulerToWorker>>(network_.get(),
                                                              address, handler);
}

std::unique_ptr<ServerSession> InProcessTransport::ConnectServerSession(
    const std::string& address, ServerSessionHandler* handler) {
  return std::make_unique<
      InProcessSession<ServerToScheduler, SchedulerToServer>>(network_.get(),
                                                              address, handler);
}

void InProcessTransport::Unplug(const std::string& address) {
  const auto endpoint = network_->Find(address);
  if (endpoint != nullptr && network_->Remove(address, endpoint.get())) {
    endpoint->Unplug();
  }
}

}  // namespace ebb::rpc
