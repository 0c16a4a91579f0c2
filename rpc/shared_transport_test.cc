// The way through shared memory; what it falls back to is the in-process
// transport. (grpc_transport_test.cc has it over gRPC.)
#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/mutex.h"
#include "common/shm/memory_file.h"
#include "common/shm/ring.h"
#include "common/shm/shared_heap.h"
#include "common/shm/unix_socket.h"
#include "common/steady_time.h"
#include "gtest/gtest.h"
#include "rpc/inprocess_transport.h"
#include "rpc/internal/shared_channel.h"
#include "rpc/internal/shared_host.h"
#include "rpc/internal/traffic.h"
#include "rpc/testing/shared_values.h"
#include "rpc/transport_contract.h"

namespace ebb::rpc {
namespace {

using internal::kSharedVersion;
using internal::SharedAsker;
using internal::SharedChannel;
using internal::SharedHost;
using internal::SharedOffer;
using internal::Traffic;

constexpr absl::Duration kLong = absl::Seconds(60);
constexpr int64_t kValueBytes = int64_t{256} << 20;

// Which host listens at an address.
class Hosts {
 public:
  void Set(const std::string& address, SharedHost* host) {
    MutexLock lock(&mu_);
    hosts_[address] = host;
  }
  absl::StatusOr<SharedOffer> Ask(const std::string& address) {
    MutexLock lock(&mu_);
    const auto it = hosts_.find(address);
    if (it == hosts_.end() || it->second == nullptr) {
      return absl::UnavailableError("nobody is there");
    }
    return it->second->Offer(kSharedVersion, shm::BootId());
  }
  bool Known(const std::string& address) {
    MutexLock lock(&mu_);
    const auto it = hosts_.find(address);
    return it != hosts_.end() && it->second != nullptr;
  }

 private:
  Mutex mu_;
  std::map<std::string, SharedHost*> hosts_ ABSL_GUARDED_BY(mu_);
};

class HostAsker : public SharedAsker {
 public:
  HostAsker(std::shared_ptr<Hosts> hosts, std::string address)
      : hosts_(std::move(hosts)), address_(std::move(address)) {}
  absl::StatusOr<SharedOffer> Ask() override { return hosts_->Ask(address_); }
  void Cancel() override {}

 private:
  const std::shared_ptr<Hosts> hosts_;
  const std::string address_;
};

class SharedListener : public Listener {
 public:
  SharedListener(std::shared_ptr<Hosts> hosts, PsHandler* handler,
                 SharedValues* values, const TransportOptions& options)
      : hosts_(std::move(hosts)),
        sharing_(handler, values),
        traffic_(options.max_calls),
        grace_(options.shutdown_grace) {
    host_ = *SharedHost::Start({.data = &sharing_,
                                .files = values->table(),
                                .traffic = &traffic_,
                                .most_bytes = options.max_assembled_bytes});
  }
  ~SharedListener() override {
    if (network_ == nullptr) return;  // The address was taken.
    hosts_->Set(network_->address(), nullptr);
    traffic_.Stop();
    network_.reset();
    host_->Stop(SteadyNow() + grace_);
  }
  void Listen(std::unique_ptr<Listener> network) {
    network_ = std::move(network);
    hosts_->Set(network_->address(), host_.get());
  }
  PsHandler* handler() { return &sharing_; }
  const std::string& address() const override { return network_->address(); }
  void SetServing(bool serving) override { network_->SetServing(serving); }

 private:
  const std::shared_ptr<Hosts> hosts_;
  SharingPs sharing_;
  Traffic traffic_;
  const absl::Duration grace_;
  std::unique_ptr<SharedHost> host_;
  std::unique_ptr<Listener> network_;
};

class SharedTransport : public Transport {
 public:
  explicit SharedTransport(const TransportOptions& options,
                           int64_t value_bytes = kValueBytes)
      : options_(options), network_(options), values_(value_bytes) {}

  absl::StatusOr<std::unique_ptr<Listener>> ListenPs(
      const std::string& address, PsServices services) override {
    auto listener = std::make_unique<SharedListener>(hosts_, services.data,
                                                     &values_, options_);
    auto network = network_.ListenPs(address, {.data = listener->handler()});
    if (!network.ok()) return network.status();
    listener->Listen(*std::move(network));
    return listener;
  }
  absl::StatusOr<std::unique_ptr<Listener>> ListenScheduler(
      const std::string& address, SchedulerServices services) override {
    return network_.ListenScheduler(address, services);
  }
  std::unique_ptr<PsChannel> ConnectPs(const std::string& address) override {
    return Connect(address);
  }
  // `decorate`: what stands before the asker.
  template <typename Decorate>
  std::unique_ptr<SharedChannel> Connect(const std::string& address,
                                         Decorate decorate) {
    return std::make_unique<SharedChannel>(
        address, network_.ConnectPs(address),
        decorate(std::make_unique<HostAsker>(hosts_, address)),
        options_.max_assembled_bytes, options_.heap);
  }
  std::unique_ptr<SharedChannel> Connect(const std::string& address) {
    auto channel = Connect(
        address, [](std::unique_ptr<SharedAsker> asker) { return asker; });
    if (hosts_->Known(address)) {
      EXPECT_TRUE(channel->AwaitShared(kLong));
    }
    return channel;
  }
  std::unique_ptr<WorkerSession> ConnectWorkerSession(
      const std::string& address, WorkerSessionHandler* handler) override {
    return network_.ConnectWorkerSession(address, handler);
  }
  std::unique_ptr<ServerSession> ConnectServerSession(
      const std::string& address, ServerSessionHandler* handler) override {
    return network_.ConnectServerSession(address, handler);
  }

  SharedValues& values() { return values_; }

 private:
  const TransportOptions options_;
  InProcessTransport network_;
  SharedValues values_;
  const std::shared_ptr<Hosts> hosts_ = std::make_shared<Hosts>();
};

// With a heap, in which nothing of the contract's lies.
TransportOptions WithHeap(TransportOptions options = {}) {
  options.heap = *shm::SharedHeap::Create(int64_t{64} << 20);
  return options;
}

INSTANTIATE_TEST_SUITE_P(Heap, TransportContractTest,
                         testing::Values(TransportCase{
                             .name = "heap",
                             .make =
                                 [](const TransportOptions& options) {
                                   return std::make_unique<SharedTransport>(
                                       WithHeap(options));
                                 },
                             .any_address = "any:0",
                             .nobody_address = "nobody:1"}));

INSTANTIATE_TEST_SUITE_P(Shared, TransportContractTest,
                         testing::Values(TransportCase{
                             .name = "shared",
                             .make =
                                 [](const TransportOptions& options) {
                                   return std::make_unique<SharedTransport>(
                                       options);
                                 },
                             .any_address = "any:0",
                             .nobody_address = "nobody:1"}));

// --- What the contract does not say ------------------------------------------

std::vector<float> Floats(const Payload& payload) {
  std::vector<float> values(payload.size() / sizeof(float));
  payload.CopyTo(std::as_writable_bytes(std::span<float>(values)));
  return values;
}

// Waits for what other threads do soon.
template <typename Condition>
bool Soon(Condition condition) {
  const absl::Time end = SteadyNow() + kLong;
  while (!condition()) {
    if (SteadyNow() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

class SharedTest : public testing::Test {
 protected:
  SharedTest() { listener_ = *transport_.ListenPs("any:0", {.data = &ps_}); }

  void Push(PsChannel* channel, int partition, std::vector<float> values) {
    Answer<PushReply> pushed;
    channel->Push(MakePush(partition, std::move(values)), kLong, pushed.Done());
    ASSERT_TRUE(pushed.Wait().ok());
  }
  PullReply Pull(PsChannel* channel, int partition) {
    Answer<PullReply> pulled;
    channel->Pull(MakePull(partition), kLong, pulled.Done());
    auto reply = pulled.Wait();
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? *std::move(reply) : PullReply{};
  }
  // One that no listener has.
  std::unique_ptr<SharedHost> StartHost() {
    return *SharedHost::Start({.data = &ps_,
                               .files = transport_.values().table(),
                               .traffic = &traffic_,
                               .most_bytes = 1 << 20});
  }
  int64_t pinned() { return transport_.values().table()->pinned_bytes(); }

  SharedTransport transport_{TransportOptions{}};
  EchoPs ps_;
  std::unique_ptr<Listener> listener_;
  Traffic traffic_{8};  // Of StartHost().
};

TEST_F(SharedTest, PulledValuesAreTheServersOwnMemoryAndKeptUntilRead) {
  auto channel = transport_.Connect(listener_->address());
  Push(channel.get(), 1, {1, 2, 3, 4});
  {
    const PullReply reply = Pull(channel.get(), 1);
    EXPECT_EQ(Floats(reply.segments.at(0).values),
              (std::vector<float>{1, 2, 3, 4}));
    EXPECT_EQ(pinned(), 16);
  }
  EXPECT_TRUE(Soon([&] { return pinned() == 0; }));
}

// Remembers the encoding that was asked for last.
class AskedPs : public EchoPs {
 public:
  void Pull(PullRequest request, PullDone done) override {
    asked_ = request.encoding;
    EchoPs::Pull(std::move(request), std::move(done));
  }
  Encoding asked() const { return asked_; }

 private:
  std::atomic<Encoding> asked_ = Encoding::kSparse;
};

// Encoded ones lie nowhere that the worker could read.
TEST_F(SharedTest, PullsAreOfFloatsWhateverIsAskedFor) {
  AskedPs ps;
  listener_ = *transport_.ListenPs("any:0", {.data = &ps});
  auto channel = transport_.Connect(listener_->address());
  Push(channel.get(), 1, {1, 2, 3, 4});
  PullRequest request = MakePull(1);
  request.encoding = Encoding::kInt8;
  Answer<PullReply> pulled;
  channel->Pull(request, kLong, pulled.Done());
  ASSERT_TRUE(pulled.Wait().ok());
  EXPECT_EQ(ps.asked(), Encoding::kFloat32);
  channel.reset();
  listener_.reset();
}

// Takes so long that the worker sleeps when the answer comes.
class SlowPs : public EchoPs {
 public:
  void Push(PushRequest request, PushDone done) override {
    const absl::Time end = SteadyNow() + absl::Milliseconds(1);
    while (SteadyNow() < end) std::this_thread::yield();
    EchoPs::Push(std::move(request), std::move(done));
  }
};

// Who is not woken looks again after 50 ms.
TEST_F(SharedTest, WhoSleepsIsWokenForTheLastAnswer) {
  SlowPs ps;
  listener_ = *transport_.ListenPs("any:0", {.data = &ps});
  auto channel = transport_.Connect(listener_->address());
  Push(channel.get(), 1, {1});
  constexpr int kRounds = 100;
  int woken = 0;
  for (int i = 0; i < kRounds; ++i) {
    const absl::Time begin = SteadyNow();
    std::vector<Answer<PushReply>> answers(3);
    for (auto& answer : answers) {
      channel->Push(MakePush(1, {2}), kLong, answer.Done());
    }
    for (auto& answer : answers) ASSERT_TRUE(answer.Wait().ok());
    if (SteadyNow() - begin < absl::Milliseconds(40)) ++woken;
  }
  // A busy machine makes many rounds long, and a sleeper that is not woken all.
  EXPECT_GT(woken, kRounds / 20);
  channel.reset();
  listener_.reset();
}

// The first is answered at once; the second takes until the worker has it.
class SecondTakesLongPs : public EchoPs {
 public:
  void Pull(PullRequest request, PullDone done) override {
    const absl::Time begin = SteadyNow();
    if (calls_++ % 2 == 0) {
      heard = false;
      while (SteadyNow() < begin + absl::Milliseconds(2)) {
        std::this_thread::yield();
      }
    } else {
      while (!heard && SteadyNow() < begin + absl::Seconds(1)) {
        std::this_thread::yield();
      }
      shortest = std::min(shortest.load(),
                          absl::ToInt64Microseconds(SteadyNow() - begin));
    }
    EchoPs::Pull(std::move(request), std::move(done));
  }
  std::atomic<bool> heard = false;
  std::atomic<int64_t> shortest = 1'000'000;

 private:
  int calls_ = 0;
};

TEST_F(SharedTest, AnAnswerToAPullDoesNotWaitForTheNextPull) {
  SecondTakesLongPs ps;
  listener_ = *transport_.ListenPs("any:0", {.data = &ps});
  auto channel = transport_.Connect(listener_->address());
  Push(channel.get(), 1, {1});
  for (int i = 0; i < 10; ++i) {
    Answer<PullReply> first, second;
    channel->Pull(MakePull(1), kLong, first.Done());
    channel->Pull(MakePull(1), kLong, second.Done());
    ASSERT_TRUE(first.Wait().ok());
    ps.heard = true;
    ASSERT_TRUE(second.Wait().ok());
  }
  EXPECT_LT(ps.shortest, 20000);  // Microseconds.
  channel.reset();
  listener_.reset();
}

// Asks when the test lets it.
class LateAsker : public SharedAsker {
 public:
  LateAsker(std::unique_ptr<SharedAsker> asker, Collected<bool>* now)
      : asker_(std::move(asker)), now_(now) {}
  absl::StatusOr<SharedOffer> Ask() override {
    now_->WaitFor(1);
    return asker_->Ask();
  }
  void Cancel() override { now_->Add(true); }

 private:
  const std::unique_ptr<SharedAsker> asker_;
  Collected<bool>* const now_;
};

TEST_F(SharedTest, TheFirstCallsWaitUntilItIsKnownWhichWayTheyGo) {
  auto pushing = transport_.Connect(listener_->address());
  Push(pushing.get(), 1, {1, 2, 3, 4});
  Collected<bool> now;
  auto channel = transport_.Connect(
      listener_->address(), [&](std::unique_ptr<SharedAsker> asker) {
        return std::make_unique<LateAsker>(std::move(asker), &now);
      });
  Answer<PullReply> first;
  channel->Pull(MakePull(1), kLong, first.Done());
  EXPECT_FALSE(first.arrived());
  now.Add(true);

  const auto reply = first.Wait();
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(pinned(), 16);
}

TEST_F(SharedTest, FirstCallsOfAChannelThatGoesAreCancelled) {
  Collected<bool> now;
  auto channel = transport_.Connect(
      listener_->address(), [&](std::unique_ptr<SharedAsker> asker) {
        return std::make_unique<LateAsker>(std::move(asker), &now);
      });
  Answer<PullReply> pulled;
  Answer<PushReply> pushed;
  channel->Pull(MakePull(1), kLong, pulled.Done());
  channel->Push(MakePush(1, {1, 2}), kLong, pushed.Done());
  channel.reset();

  EXPECT_TRUE(absl::IsCancelled(pulled.Wait().status()));
  EXPECT_TRUE(absl::IsCancelled(pushed.Wait().status()));
}

TEST_F(SharedTest, ValuesOutliveTheirChannel) {
  auto channel = transport_.Connect(listener_->address());
  Push(channel.get(), 1, {1, 2, 3, 4});
  PullReply reply = Pull(channel.get(), 1);
  channel.reset();

  EXPECT_EQ(pinned(), 16);
  EXPECT_EQ(Floats(reply.segments.at(0).values),
            (std::vector<float>{1, 2, 3, 4}));
  reply = {};
  EXPECT_TRUE(Soon([&] { return pinned() == 0; }));
}

TEST_F(SharedTest, ValuesOutliveTheListener) {
  auto channel = transport_.Connect(listener_->address());
  Push(channel.get(), 1, {1, 2, 3, 4});
  const PullReply reply = Pull(channel.get(), 1);
  listener_.reset();

  // Others go on with the memory, but for what the worker reads.
  std::vector<Payload> others;
  for (int i = 0; i < 64; ++i) {
    others.push_back(
        transport_.values().Move(Payload::Of(std::vector<float>{7, 7, 7, 7})));
  }
  EXPECT_EQ(Floats(reply.segments.at(0).values),
            (std::vector<float>{1, 2, 3, 4}));
}

TEST_F(SharedTest, AReplyThatNobodyWaitsForAnyMoreIsGivenBack) {
  KeepingPs keeping;
  auto listener = *transport_.ListenPs("any:0", {.data = &keeping});
  auto channel = transport_.Connect(listener->address());
  Answer<PullReply> late;
  channel->Pull(MakePull(1), absl::Milliseconds(1), late.Done());
  auto [request, done] = keeping.pulls.WaitFor(1).at(0);
  ASSERT_TRUE(absl::IsDeadlineExceeded(late.Wait().status()));

  PullReply reply;
  reply.segments.resize(1);
  reply.segments[0].values = Payload::Of(std::vector<float>(1000));
  done(reply);

  EXPECT_TRUE(Soon([&] { return pinned() == 0; }));
}

// Rows of sparse tables come so: they are gathered for each pull.
TEST_F(SharedTest, ValuesThatLieInNoFileComeWithTheReply) {
  KeepingPs keeping;
  auto listener = *transport_.ListenPs("any:0", {.data = &keeping});
  auto channel = transport_.Connect(listener->address());
  Answer<PullReply> pulled;
  channel->Pull(MakePull(1), kLong, pulled.Done());
  auto [request, done] = keeping.pulls.WaitFor(1).at(0);
  PullReply reply;
  reply.job = request.job;
  reply.generation = request.generation;
  for (float i = 0; i < 3; ++i) {
    PullSegment& segment = reply.segments.emplace_back();
    segment.rows.push_back(Payload::Of(std::vector<float>{i, i + 10}));
    segment.rows.push_back(Payload::Of(std::vector<float>(100, i)));
    segment.values = Payload::Of(std::vector<float>(50, -i));
  }
  done(reply);

  const auto got = pulled.Wait();
  ASSERT_TRUE(got.ok()) << got.status();
  ASSERT_EQ(got->segments.size(), 3);
  for (float i = 0; i < 3; ++i) {
    const PullSegment& segment = got->segments[static_cast<size_t>(i)];
    ASSERT_EQ(segment.rows.size(), 2);
    EXPECT_EQ(Floats(segment.rows[0]), (std::vector<float>{i, i + 10}));
    EXPECT_EQ(Floats(segment.rows[1]), std::vector<float>(100, i));
    EXPECT_EQ(Floats(segment.values), std::vector<float>(50, -i));
  }
  // The values alone.
  EXPECT_EQ(pinned(), 3 * 50 * sizeof(float));
  // Nobody asked again over the network.
  EXPECT_EQ(keeping.pulls.Now().size(), 1);
}

TEST_F(SharedTest, RowsThatAreTooLongForAReplyComeOverTheNetwork) {
  KeepingPs keeping;
  auto listener = *transport_.ListenPs("any:0", {.data = &keeping});
  auto channel = transport_.Connect(listener->address());
  Answer<PullReply> pulled;
  channel->Pull(MakePull(1), kLong, pulled.Done());
  PullReply reply;
  PullSegment& segment = reply.segments.emplace_back();
  segment.rows.push_back(Payload::Of(std::vector<float>(1 << 20, 3)));
  segment.values = Payload::Of(std::vector<float>(50, 4));
  keeping.pulls.WaitFor(1).at(0).second(reply);
  keeping.pulls.WaitFor(2).at(1).second(reply);

  const auto got = pulled.Wait();
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(Floats(got->segments.at(0).rows.at(0)),
            std::vector<float>(1 << 20, 3));
  EXPECT_EQ(pinned(), 0);
}

TEST_F(SharedTest, APullBeyondWhatMayBeKeptComesOverTheNetwork) {
  constexpr int64_t kBytes = 256 << 10;
  SharedTransport small(TransportOptions{}, 2 * kBytes + (kBytes >> 1));
  auto listener = *small.ListenPs("any:0", {.data = &ps_});
  auto channel = small.Connect(listener->address());
  Push(channel.get(), 1, std::vector<float>(kBytes / sizeof(float), 2));
  std::vector<PullReply> kept;
  for (int i = 0; i < 4; ++i) kept.push_back(Pull(channel.get(), 1));

  EXPECT_EQ(small.values().table()->pinned_bytes(), 2 * kBytes);
  for (const PullReply& reply : kept) {
    EXPECT_EQ(Floats(reply.segments.at(0).values),
              std::vector<float>(kBytes / sizeof(float), 2));
  }
}

TEST_F(SharedTest, APushThatNeverFitsGoesOverTheNetwork) {
  auto channel = transport_.Connect(listener_->address());
  Push(channel.get(), 1, std::vector<float>((33 << 20) / sizeof(float), 2));
  EXPECT_EQ(Pull(channel.get(), 1).segments.at(0).values.size(), 33 << 20);
}

// Holds pushes until the test takes them.
class HoldingPs : public EchoPs {
 public:
  void Push(PushRequest request, PushDone done) override {
    MutexLock lock(&mu_);
    held_.emplace_back(std::move(request), std::move(done));
    changed_.SignalAll();
  }
  size_t held() {
    MutexLock lock(&mu_);
    return held_.size();
  }
  std::pair<PushRequest, PushDone> Take() {
    MutexLock lock(&mu_);
    while (held_.empty()) changed_.Wait(&mu_);
    auto first = std::move(held_.front());
    held_.pop_front();
    return first;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::deque<std::pair<PushRequest, PushDone>> held_ ABSL_GUARDED_BY(mu_);
};

TEST_F(SharedTest, GradientsThatTheServerHoldsAreNotOverwritten) {
  HoldingPs holding;
  auto listener = *transport_.ListenPs("any:0", {.data = &holding});
  auto channel = transport_.Connect(listener->address());
  // Twice what the area has: the second half waits until there is room.
  constexpr int kPushes = 64;
  constexpr size_t kFloats = 256 << 10;
  std::vector<Answer<PushReply>> answers(kPushes);
  std::set<float> sent;
  for (int i = 0; i < kPushes; ++i) {
    sent.insert(static_cast<float>(i));
    channel->Push(
        MakePush(1, std::vector<float>(kFloats, static_cast<float>(i))), kLong,
        answers[i].Done());
  }
  ASSERT_TRUE(Soon([&] { return holding.held() >= kPushes / 2 - 1; }));
  EXPECT_LT(holding.held(), kPushes);

  std::set<float> came;
  for (int i = 0; i < kPushes; ++i) {
    auto [request, done] = holding.Take();
    const std::vector<float> got = Floats(request.segments.at(0).gradient);
    EXPECT_EQ(got, std::vector<float>(kFloats, got.at(0)));
    came.insert(got.at(0));
    done(PushReply{.job = JobId(7)});
  }
  // The first ones, which wait for the server's offer, may be overtaken: what
  // orders pushes is their sequence number.
  EXPECT_EQ(came, sent);
  for (auto& answer : answers) EXPECT_TRUE(answer.Wait().ok());
}

// A worker whose gradients lie where the server reads them.
class HeapTest : public SharedTest {
 protected:
  HeapTest() {
    listener_ = *worker_.ListenPs("any:0", {.data = &holding_});
    channel_ = worker_.Connect(listener_->address());
  }
  ~HeapTest() override {
    channel_.reset();
    listener_.reset();
  }

  // The push of `floats` in the heap, all `value`; `memory` is where they lie.
  PushRequest InHeap(size_t floats, float value, std::span<float>* memory) {
    PushRequest push = MakePush(1, {});
    std::shared_ptr<std::byte> taken =
        heap().Take(static_cast<int64_t>(floats * sizeof(float)));
    EXPECT_NE(taken, nullptr);
    *memory = {reinterpret_cast<float*>(taken.get()), floats};
    std::ranges::fill(*memory, value);
    push.segments[0].gradient = {};
    push.segments[0].gradient.Append(std::move(taken), std::as_bytes(*memory));
    return push;
  }
  shm::SharedHeap& heap() { return *options_.heap; }

  const TransportOptions options_ = WithHeap();
  SharedTransport worker_{options_};
  HoldingPs holding_;
  std::unique_ptr<SharedChannel> channel_;
};

TEST_F(HeapTest, GradientsAreReadWhereTheyLie) {
  std::span<float> memory;
  Answer<PushReply> pushed;
  channel_->Push(InHeap(1000, 3, &memory), kLong, pushed.Done());
  auto [request, done] = holding_.Take();
  const Payload& gradient = request.segments.at(0).gradient;
  EXPECT_EQ(Floats(gradient), std::vector<float>(1000, 3));

  memory[7] = 5;
  EXPECT_EQ(Floats(gradient)[7], 5);
  done(PushReply{.job = JobId(7)});
  EXPECT_TRUE(pushed.Wait().ok());
}

TEST_F(HeapTest, TheyAreNotUsedAgainWhileTheServerReads) {
  constexpr size_t kFloats = (40 << 20) / sizeof(float);  // Of 64 MiB.
  std::span<float> memory;
  Answer<PushReply> pushed;
  channel_->Push(InHeap(kFloats, 3, &memory), kLong, pushed.Done());
  {
    auto [request, done] = holding_.Take();
    done(PushReply{.job = JobId(7)});
    ASSERT_TRUE(pushed.Wait().ok());
    EXPECT_EQ(heap().Take(40 << 20), nullptr);
    EXPECT_EQ(Floats(request.segments.at(0).gradient)[0], 3);
  }
  EXPECT_TRUE(Soon([&] { return heap().Take(40 << 20) != nullptr; }));
}

// The server may be in the middle of a step.
TEST_F(HeapTest, NotEvenIfTheConnectionIsLost) {
  constexpr size_t kFloats = (40 << 20) / sizeof(float);
  std::span<float> memory;
  Answer<PushReply> pushed;
  channel_->Push(InHeap(kFloats, 3, &memory), kLong, pushed.Done());
  auto [request, done] = holding_.Take();
  channel_.reset();
  EXPECT_FALSE(pushed.Wait().ok());
  EXPECT_EQ(heap().Take(40 << 20), nullptr);
  EXPECT_EQ(Floats(request.segments.at(0).gradient)[0], 3);
}

TEST_F(HeapTest, WhatLiesInPartElsewhereComesWhole) {
  PushRequest push = MakePush(1, {1, 2, 3});
  std::span<float> memory;
  const PushRequest lent = InHeap(2, 8, &memory);
  for (int i = 0; i < 200; ++i) {
    push.segments.push_back(lent.segments[0]);
    push.segments.push_back(push.segments[0]);
    Answer<PushReply> pushed;
    channel_->Push(push, kLong, pushed.Done());
    auto [request, done] = holding_.Take();
    ASSERT_EQ(request.segments.size(), push.segments.size());
    for (size_t s = 0; s < push.segments.size(); ++s) {
      ASSERT_EQ(Floats(request.segments[s].gradient),
                s % 2 == 1 ? std::vector<float>({8, 8})
                           : std::vector<float>({1, 2, 3}))
          << s;
    }
    done(PushReply{.job = JobId(7)});
    ASSERT_TRUE(pushed.Wait().ok());
  }
}

TEST_F(HeapTest, WhatIsLargerThanTheAreaNeedsNoNetwork) {
  std::span<float> memory;
  Answer<PushReply> pushed;
  channel_->Push(InHeap((33 << 20) / sizeof(float), 2, &memory), kLong,
                 pushed.Done());
  auto [request, done] = holding_.Take();
  memory[0] = 9;
  EXPECT_EQ(Floats(request.segments.at(0).gradient)[0], 9);
  done(PushReply{.job = JobId(7)});
  EXPECT_TRUE(pushed.Wait().ok());
}

TEST_F(SharedTest, AnOfferIsTakenOnceAndOnlyWithItsToken) {
  const auto host = StartHost();
  const SharedOffer offer = *host->Offer(kSharedVersion, shm::BootId());
  SharedOffer forged = offer;
  forged.token[0] ^= 1;

  EXPECT_FALSE(internal::SharedSession::Open(forged, 1 << 20).ok());
  EXPECT_TRUE(internal::SharedSession::Open(offer, 1 << 20).ok());
  EXPECT_FALSE(internal::SharedSession::Open(offer, 1 << 20).ok());
}

// A worker that says and does what no program of ours does.
class OddWorker {
 public:
  // Greets with a heap of so many bytes, in `files` files.
  OddWorker(SharedHost* host, int64_t heap_bytes, int files) {
    const SharedOffer offer = *host->Offer(kSharedVersion, shm::BootId());
    socket_ = *shm::ConnectLocally(offer.socket_name);
    peer_ = *shm::PeerOfSameUser(socket_.get());
    const internal::SharedGreeting greeting = {heap_bytes};
    std::string first = offer.token;
    first.append(reinterpret_cast<const char*>(&greeting), sizeof(greeting));
    const Fd heap =
        *shm::CreateMemoryFile("odd", std::max<int64_t>(heap_bytes, 4096));
    EXPECT_TRUE((files == 0
                     ? shm::SendMessage(socket_.get(), first, {})
                     : shm::SendMessage(socket_.get(), first, {heap.get()}))
                    .ok());
    auto message = shm::ReceiveMessage(socket_.get(), kLong);
    if (!message.ok()) return;
    greeted_ = true;
    internal::SharedHello hello;
    std::memcpy(&hello, message->bytes.data(), sizeof(hello));
    up_ = *shm::MapToWrite(message->fds[0].get(), hello.up().file_bytes());
    down_ = *shm::MapToRead(message->fds[1].get(), hello.down().file_bytes());
    link_.emplace(up_.bytes(), hello.up(), down_.bytes(), hello.down());
  }

  bool greeted() const { return greeted_; }
  bool dropped() const { return shm::IsGone(socket_.get(), peer_); }
  // A push that is none. False: the ring has no room.
  bool Push(uint64_t id, uint32_t runs = 0) {
    const internal::CallBody body = {.runs = runs};
    const std::vector<shm::Run> all(runs, {.file = 0, .offset = 0, .bytes = 1});
    const char nonsense = 'x';
    const bool sent =
        link_->Write(internal::kSharedPush, id,
                     {std::as_bytes(std::span(&body, 1)),
                      std::as_bytes(std::span<const shm::Run>(all)),
                      std::as_bytes(std::span(&nonsense, 1))});
    link_->Wake(shm::Link::kRecords);
    return sent;
  }

 private:
  Fd socket_;
  shm::Peer peer_;
  shm::Mapping up_, down_;
  std::optional<shm::Link> link_;
  bool greeted_ = false;
};

TEST_F(SharedTest, AHeapHasABoundAndAFile) {
  const auto host = StartHost();
  EXPECT_TRUE(OddWorker(host.get(), 4096, 1).greeted());
  EXPECT_TRUE(OddWorker(host.get(), 0, 0).greeted());
  EXPECT_FALSE(OddWorker(host.get(), 4096, 0).greeted());
  EXPECT_FALSE(OddWorker(host.get(), 0, 1).greeted());
  EXPECT_FALSE(OddWorker(host.get(), -1, 1).greeted());
  EXPECT_FALSE(
      OddWorker(host.get(), shm::SharedHeap::kMostBytes + 1, 1).greeted());
}

TEST_F(SharedTest, ACallHasABoundedNumberOfPieces) {
  const auto host = StartHost();
  OddWorker worker(host.get(), 0, 0);
  ASSERT_TRUE(worker.Push(1, internal::kMostCallRuns));
  ASSERT_TRUE(worker.Push(2, internal::kMostCallRuns + 1));
  EXPECT_TRUE(Soon([&] { return worker.dropped(); }));
}

TEST_F(SharedTest, AWorkerThatReadsNoAnswersIsDropped) {
  const auto host = StartHost();
  OddWorker worker(host.get(), 0, 0);
  uint64_t id = 0;
  const auto dropped = [&] {
    while (id < 1'000'000 && worker.Push(id + 1)) ++id;
    return worker.dropped();
  };
  // On a busy machine many thousand answers take long: while they come, it
  // waits.
  bool done = false;
  for (uint64_t before = 1; !done && before != id;) {
    before = id;
    done = Soon(dropped);
  }
  EXPECT_TRUE(done) << id;
}

TEST_F(SharedTest, AnotherMachineOrVersionGetsNoOffer) {
  const auto host = StartHost();
  EXPECT_TRUE(absl::IsFailedPrecondition(
      host->Offer(kSharedVersion, "elsewhere").status()));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(host->Offer(kSharedVersion, "").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      host->Offer(kSharedVersion + 1, shm::BootId()).status()));
}

TEST_F(SharedTest, OffersThatNobodyTakesAreBounded) {
  const auto host = StartHost();
  absl::Status status;
  for (int i = 0; i < 1000 && status.ok(); ++i) {
    status = host->Offer(kSharedVersion, shm::BootId()).status();
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status));
}

}  // namespace
}  // namespace ebb::rpc
