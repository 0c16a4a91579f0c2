// The contract of transport.h as tests that every implementation runs: link its
// test to rpc_transport_contract_tests, and name it by
//
//   INSTANTIATE_TEST_SUITE_P(Mine, TransportContractTest,
//                            testing::Values(TransportCase{...}));
#ifndef EBB_RPC_TRANSPORT_CONTRACT_H_
#define EBB_RPC_TRANSPORT_CONTRACT_H_

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/steady_time.h"
#include "gtest/gtest.h"
#include "rpc/transport.h"

namespace ebb::rpc {

struct TransportCase {
  std::string name;
  std::function<std::unique_ptr<Transport>(const TransportOptions&)> make;
  std::string any_address;     // Listens at a free one.
  std::string nobody_address;  // An address without a listener.

  friend std::ostream& operator<<(std::ostream& out, const TransportCase& c) {
    return out << c.name;
  }
};

class TransportContractTest : public ::testing::TestWithParam<TransportCase> {
 protected:
  std::unique_ptr<Transport> Make(const TransportOptions& options = {}) {
    EXPECT_TRUE(options.Validate().ok()) << options.Validate();
    return GetParam().make(options);
  }
};

// Results of other threads, for which a test can wait.
template <typename T>
class Collected {
 public:
  void Add(T value) {
    MutexLock lock(&mu_);
    values_.push_back(std::move(value));
    changed_.SignalAll();
  }
  // Returns all, once there are `n`, or after 20 seconds.
  std::vector<T> WaitFor(size_t n) {
    const absl::Time end = SteadyNow() + absl::Seconds(20);
    MutexLock lock(&mu_);
    while (values_.size() < n && SteadyNow() < end) {
      changed_.WaitFor(&mu_, absl::Seconds(1));
    }
    EXPECT_GE(values_.size(), n);
    return values_;
  }
  std::vector<T> Now() {
    MutexLock lock(&mu_);
    return values_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::vector<T> values_ ABSL_GUARDED_BY(mu_);
};

// Keeps everything that it is asked, for the test to answer.
class KeepingPs : public PsHandler {
 public:
  void Push(PushRequest request, PushDone done) override {
    pushes.Add({std::move(request), std::move(done)});
  }
  void Pull(PullRequest request, PullDone done) override {
    pulls.Add({std::move(request), std::move(done)});
  }
  void Clock(ClockUpdate update) override { clocks.Add(std::move(update)); }
  void Fetch(FetchRequest request, FetchDone done) override {
    fetches.Add({std::move(request), std::move(done)});
  }

  Collected<std::pair<PushRequest, PushDone>> pushes;
  Collected<std::pair<PullRequest, PullDone>> pulls;
  Collected<ClockUpdate> clocks;
  Collected<std::pair<FetchRequest, FetchDone>> fetches;
};

// Answers at once: pushes with the segments' partitions, pulls with what the
// last push carried for the partition, and so fetches.
class EchoPs : public PsHandler {
 public:
  void Push(PushRequest request, PushDone done) override;
  void Pull(PullRequest request, PullDone done) override;
  void Clock(ClockUpdate) override {}
  void Fetch(FetchRequest request, FetchDone done) override;

 private:
  Mutex mu_;
  std::vector<PushSegment> kept_ ABSL_GUARDED_BY(mu_);
};

// One end of a session. `on_message` runs for each message.
template <typename In>
struct Keeping : public SessionHandler<In> {
  void OnMessage(In message) override {
    if (on_message != nullptr) on_message();
    EXPECT_TRUE(closed.Now().empty()) << "a message after OnClosed";
    messages.Add(std::move(message));
  }
  void OnClosed(absl::Status status) override {
    closed.Add(std::move(status));
    EXPECT_EQ(closed.Now().size(), 1) << "OnClosed twice";
  }

  Collected<In> messages;
  Collected<absl::Status> closed;
  std::function<void()> on_message;
};

// Keeps the links, and what arrives on each.
class KeepingScheduler : public SchedulerHandler {
 public:
  template <typename Link, typename In>
  struct Accepted {
    std::shared_ptr<Link> link;
    std::shared_ptr<Keeping<In>> arrived;
  };

  std::unique_ptr<WorkerLinkHandler> OnWorkerConnected(
      std::shared_ptr<WorkerLink> link) override;
  std::unique_ptr<ServerLinkHandler> OnServerConnected(
      std::shared_ptr<ServerLink> link) override;

  Collected<Accepted<WorkerLink, WorkerToScheduler>> workers;
  Collected<Accepted<ServerLink, ServerToScheduler>> servers;
  // Copied into each worker's `on_message`.
  std::function<void()> on_worker_message;
  bool refuse = false;
};

PushRequest MakePush(int partition, std::vector<float> gradient);
PullRequest MakePull(int partition);
FetchRequest MakeFetch(int partition);

// The answer to a call.
template <typename Reply>
class Answer {
 public:
  std::function<void(absl::StatusOr<Reply>)> Done() {
    return
        [this](absl::StatusOr<Reply> reply) { replies_.Add(std::move(reply)); };
  }
  absl::StatusOr<Reply> Wait() {
    auto replies = replies_.WaitFor(1);
    EXPECT_EQ(replies.size(), 1) << "answered twice";
    if (replies.empty()) return absl::InternalError("no answer at all");
    return std::move(replies[0]);
  }
  bool arrived() { return !replies_.Now().empty(); }

 private:
  Collected<absl::StatusOr<Reply>> replies_;
};

}  // namespace ebb::rpc

#endif  // EBB_RPC_TRANSPORT_CONTRACT_H_
