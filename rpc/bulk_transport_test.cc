// Bulk streams; what they fall back to is the in-process transport.
// (grpc_transport_test.cc has them over gRPC.)
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/fd.h"
#include "common/mutex.h"
#include "gtest/gtest.h"
#include "rpc/inprocess_transport.h"
#include "rpc/internal/bulk_host.h"
#include "rpc/internal/bulk_protocol.h"
#include "rpc/internal/bulk_session.h"
#include "rpc/internal/message_parts.h"
#include "rpc/internal/preferred_channel.h"
#include "rpc/internal/tcp_socket.h"
#include "rpc/internal/traffic.h"
#include "rpc/transport_contract.h"
#include "rpc/wire.h"

namespace ebb::rpc {
namespace {

using internal::BulkAsker;
using internal::BulkFrame;
using internal::BulkGreeting;
using internal::BulkHello;
using internal::BulkHost;
using internal::BulkOffer;
using internal::kBulkPart;
using internal::kBulkVersion;
using internal::PreferredChannel;
using internal::Traffic;

constexpr absl::Duration kLong = absl::Seconds(20);
constexpr char kHost[] = "127.0.0.1";

// Which host listens at an address.
class Hosts {
 public:
  void Set(const std::string& address, BulkHost* host) {
    MutexLock lock(&mu_);
    hosts_[address] = host;
  }
  absl::StatusOr<BulkOffer> Ask(const std::string& address) {
    MutexLock lock(&mu_);
    const auto it = hosts_.find(address);
    if (it == hosts_.end() || it->second == nullptr) {
      return absl::UnavailableError("no host is there");
    }
    auto token = it->second->Offer(kBulkVersion);
    if (!token.ok()) return token.status();
    return BulkOffer{kHost, it->second->port(), *token};
  }
  bool Known(const std::string& address) {
    MutexLock lock(&mu_);
    const auto it = hosts_.find(address);
    return it != hosts_.end() && it->second != nullptr;
  }

 private:
  Mutex mu_;
  std::map<std::string, BulkHost*> hosts_ ABSL_GUARDED_BY(mu_);
};

class HostAsker : public BulkAsker {
 public:
  HostAsker(std::shared_ptr<Hosts> hosts, std::string address)
      : hosts_(std::move(hosts)), address_(std::move(address)) {}
  absl::StatusOr<BulkOffer> Ask() override { return hosts_->Ask(address_); }
  void Cancel() override {}

 private:
  const std::shared_ptr<Hosts> hosts_;
  const std::string address_;
};

std::unique_ptr<BulkHost> MakeHost(PsHandler* handler, Traffic* traffic,
                                   const TransportOptions& options,
                                   int64_t room_bytes = int64_t{1} << 40) {
  return *BulkHost::Start(
      {.data = handler,
       .traffic = traffic,
       .most_bytes = options.max_assembled_bytes},
      {.host = kHost,
       .room_bytes = room_bytes,
       .kept_bytes = int64_t{16} << 20,
       .stream = {.keepalive_time = options.keepalive_time,
                  .keepalive_timeout = options.keepalive_timeout}});
}

class BulkListener : public Listener {
 public:
  BulkListener(std::shared_ptr<Hosts> hosts, PsHandler* handler,
               const TransportOptions& options)
      : hosts_(std::move(hosts)),
        traffic_(options.max_calls),
        grace_(options.shutdown_grace),
        host_(MakeHost(handler, &traffic_, options)) {}
  ~BulkListener() override {
    if (network_ == nullptr) return;  // The address was taken.
    hosts_->Set(network_->address(), nullptr);
    traffic_.Stop();
    network_.reset();
    host_->Stop(absl::Now() + grace_);
  }
  void Listen(std::unique_ptr<Listener> network) {
    network_ = std::move(network);
    hosts_->Set(network_->address(), host_.get());
  }
  const std::string& address() const override { return network_->address(); }
  void SetServing(bool serving) override { network_->SetServing(serving); }

 private:
  const std::shared_ptr<Hosts> hosts_;
  Traffic traffic_;
  const absl::Duration grace_;
  const std::unique_ptr<BulkHost> host_;
  std::unique_ptr<Listener> network_;
};

class BulkTransport : public Transport {
 public:
  explicit BulkTransport(const TransportOptions& options)
      : options_(options), network_(options) {}

  absl::StatusOr<std::unique_ptr<Listener>> ListenPs(
      const std::string& address, PsServices services) override {
    auto listener =
        std::make_unique<BulkListener>(hosts_, services.data, options_);
    auto network = network_.ListenPs(address, services);
    if (!network.ok()) return network.status();
    listener->Listen(*std::move(network));
    return listener;
  }
  absl::StatusOr<std::unique_ptr<Listener>> ListenScheduler(
      const std::string& address, SchedulerServices services) override {
    return network_.ListenScheduler(address, services);
  }
  std::unique_ptr<PsChannel> ConnectPs(const std::string& address) override {
    auto channel = std::make_unique<PreferredChannel>(
        internal::PreferredWay{.name = "bulk-stream"}, address,
        network_.ConnectPs(address),
        *internal::MakeBulkOpener(std::make_unique<HostAsker>(hosts_, address),
                                  options_, {}));
    if (hosts_->Known(address)) {
      EXPECT_TRUE(channel->AwaitSession(kLong));
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

 private:
  const TransportOptions options_;
  InProcessTransport network_;
  const std::shared_ptr<Hosts> hosts_ = std::make_shared<Hosts>();
};

INSTANTIATE_TEST_SUITE_P(Bulk, TransportContractTest,
                         testing::Values(TransportCase{
                             .name = "bulk",
                             .make =
                                 [](const TransportOptions& options) {
                                   return std::make_unique<BulkTransport>(
                                       options);
                                 },
                             .any_address = "any:0",
                             .nobody_address = "nobody:1"}));

// --- What the contract does not say ------------------------------------------

// Waits for what other threads do soon.
template <typename Condition>
bool Soon(Condition condition, absl::Duration limit = kLong) {
  const absl::Time end = absl::Now() + limit;
  while (!condition()) {
    if (absl::Now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

// A worker that says what it likes.
class OddWorker {
 public:
  explicit OddWorker(BulkHost* host)
      : socket_(*internal::ConnectTcp(kHost, host->port(), kLong, -1)) {}
  // With a good greeting.
  OddWorker(BulkHost* host, const std::string& token) : OddWorker(host) {
    BulkGreeting greeting;
    std::copy(token.begin(), token.end(), greeting.token.begin());
    Say({reinterpret_cast<const char*>(&greeting), sizeof(greeting)});
    BulkHello hello;
    EXPECT_TRUE(internal::ReceiveAllTcp(socket_.get(),
                                        reinterpret_cast<char*>(&hello),
                                        sizeof(hello), absl::Now() + kLong, -1)
                    .ok());
  }

  void Say(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n =
          send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN) return;
      if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  void Say(const BulkFrame& frame) {
    Say({reinterpret_cast<const char*>(&frame), sizeof(frame)});
  }
  // The server closes the connection.
  bool IsDropped(absl::Duration limit = kLong) {
    char byte = 0;
    const absl::Time end = absl::Now() + limit;
    while (internal::AwaitTcp(socket_.get(), /*write=*/false, end, -1)) {
      const ssize_t n = recv(socket_.get(), &byte, 1, MSG_DONTWAIT);
      if (n == 0 || (n < 0 && errno != EAGAIN)) return true;
    }
    return false;
  }
  bool Receive(BulkFrame* frame) {
    return internal::ReceiveAllTcp(socket_.get(),
                                   reinterpret_cast<char*>(frame),
                                   sizeof(*frame), absl::Now() + kLong, -1)
        .ok();
  }
  void Reset() { socket_ = Fd(); }

 private:
  Fd socket_;
};

class BulkTest : public testing::Test {
 protected:
  void Start(const TransportOptions& options = {},
             int64_t room_bytes = int64_t{1} << 30) {
    host_ = MakeHost(&ps_, &traffic_, options, room_bytes);
  }
  std::unique_ptr<OddWorker> Connect() {
    return std::make_unique<OddWorker>(host_.get(),
                                       *host_->Offer(kBulkVersion));
  }
  // As a worker would send it.
  static std::string Encoded(const PushRequest& push, uint64_t id) {
    const Payload message = Encode(push);
    const size_t header = internal::HeaderOf(message).size();
    std::string flat(static_cast<size_t>(message.size()), '\0');
    message.CopyTo(std::as_writable_bytes(std::span<char>(flat)));
    std::string bytes;
    const auto add = [&](const BulkFrame& frame) {
      bytes.append(reinterpret_cast<const char*>(&frame), sizeof(frame));
    };
    add({.kind = internal::kBulkPush,
         .id = id,
         .header_bytes = static_cast<uint32_t>(header),
         .value_bytes = flat.size() - header});
    bytes += flat.substr(0, header + kBulkPart);
    for (size_t at = header + kBulkPart; at < flat.size(); at += kBulkPart) {
      const size_t part = std::min<size_t>(kBulkPart, flat.size() - at);
      add({.kind = internal::kBulkMore, .id = id, .value_bytes = part});
      bytes += flat.substr(at, part);
    }
    return bytes;
  }

  KeepingPs ps_;
  Traffic traffic_{8};
  std::unique_ptr<BulkHost> host_;
};

TEST_F(BulkTest, AnOfferIsTakenOnceAndOnlyWithItsToken) {
  Start();
  const std::string token = *host_->Offer(kBulkVersion);
  BulkGreeting wrong;
  OddWorker stranger(host_.get());
  stranger.Say({reinterpret_cast<const char*>(&wrong), sizeof(wrong)});
  EXPECT_TRUE(stranger.IsDropped());

  OddWorker first(host_.get(), token);
  BulkGreeting again;
  std::copy(token.begin(), token.end(), again.token.begin());
  OddWorker second(host_.get());
  second.Say({reinterpret_cast<const char*>(&again), sizeof(again)});
  EXPECT_TRUE(second.IsDropped());
  first.Say({.kind = internal::kBulkPing});
  BulkFrame pong;
  ASSERT_TRUE(first.Receive(&pong));
  EXPECT_EQ(pong.kind, internal::kBulkPong);
}

TEST_F(BulkTest, AnotherVersionGetsNoOffer) {
  Start();
  EXPECT_TRUE(
      absl::IsFailedPrecondition(host_->Offer(kBulkVersion + 1).status()));
}

TEST_F(BulkTest, OffersThatAreNotTakenAreBounded) {
  Start();
  absl::Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) {
    status = host_->Offer(kBulkVersion).status();
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status));
}

// Many that say nothing, or little, hold no other up for long.
TEST_F(BulkTest, ASlowGreetingIsGivenUp) {
  Start();
  const absl::Time begin = absl::Now();
  std::vector<std::unique_ptr<OddWorker>> slow;
  for (int i = 0; i < 70; ++i) {
    slow.push_back(std::make_unique<OddWorker>(host_.get()));
    if (i % 2 == 0) slow.back()->Say("ebbbulk");
  }
  const auto worker = Connect();
  worker->Say({.kind = internal::kBulkPing});
  BulkFrame pong;
  EXPECT_TRUE(worker->Receive(&pong));
  for (const auto& one : slow) EXPECT_TRUE(one->IsDropped());
  EXPECT_LT(absl::Now() - begin, kLong);
}

TEST_F(BulkTest, NonsenseEndsTheConnection) {
  Start();
  const std::vector<BulkFrame> all = {
      {.kind = 77},
      {.kind = internal::kBulkReply, .id = 1},
      {.kind = internal::kBulkMore, .id = 1, .value_bytes = 4},
      {.kind = internal::kBulkPush, .id = 1, .token_bytes = 1000},
      {.kind = internal::kBulkPush, .id = 1, .header_bytes = 1 << 30}};
  for (const BulkFrame& frame : all) {
    const auto worker = Connect();
    worker->Say(frame);
    EXPECT_TRUE(worker->IsDropped()) << frame.kind;
  }
}

TEST_F(BulkTest, AMessageThatCannotBeReadIsAnsweredSo) {
  Start();
  const auto worker = Connect();
  worker->Say({.kind = internal::kBulkPush, .id = 5, .header_bytes = 3});
  worker->Say("\xff\xff\xff");
  BulkFrame reply;
  ASSERT_TRUE(worker->Receive(&reply));
  EXPECT_EQ(reply.id, 5);
  EXPECT_EQ(reply.status,
            static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
}

// Wherever a push is cut off, the handler never sees it, and its room is free.
TEST_F(BulkTest, APushThatIsCutOffChangesNothing) {
  Start();
  const std::string bytes =
      Encoded(MakePush(1, std::vector<float>(600'000, 1.0F)), 1);
  std::vector<size_t> cuts = {
      1, 16, 31, 32, 33, 40, 60, 100, 5000, 65536, kBulkPart, bytes.size() - 1};
  // Around the second and the third frame.
  for (const size_t frame :
       {bytes.size() % kBulkPart, kBulkPart + 32, 2 * kBulkPart + 64}) {
    for (size_t at = frame; at < frame + 160; at += 7) cuts.push_back(at);
  }
  for (const size_t cut : cuts) {
    if (cut >= bytes.size()) continue;
    const auto worker = Connect();
    worker->Say(absl::string_view(bytes).substr(0, cut));
    worker->Reset();
  }
  const auto whole = Connect();
  whole->Say(bytes);
  ASSERT_EQ(ps_.pushes.WaitFor(1).size(), 1);
  EXPECT_TRUE(Soon([&] {
    return host_->memory().taken_bytes() <
           2 * static_cast<int64_t>(bytes.size());
  }));
  EXPECT_EQ(ps_.pushes.Now().size(), 1);
}

TEST_F(BulkTest, APushWithoutRoomIsResourceExhausted) {
  Start({}, /*room_bytes=*/3 << 20);
  const auto worker = Connect();
  const std::string first =
      Encoded(MakePush(1, std::vector<float>(500'000, 1.0F)), 1);
  const std::string second =
      Encoded(MakePush(1, std::vector<float>(500'000, 2.0F)), 2);
  worker->Say(first);
  ps_.pushes.WaitFor(1);
  worker->Say(second);
  BulkFrame reply;
  ASSERT_TRUE(worker->Receive(&reply));
  EXPECT_EQ(reply.id, 2);
  EXPECT_EQ(reply.status,
            static_cast<uint32_t>(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(ps_.pushes.Now().size(), 1);
}

// As one whose process stands still.
TEST_F(BulkTest, AWorkerThatGivesNoSignOfLifeIsDropped) {
  Start({.keepalive_time = absl::Milliseconds(50),
         .keepalive_timeout = absl::Milliseconds(50)});
  const auto worker = Connect();
  EXPECT_TRUE(worker->IsDropped());
}

// A large push does not keep a clock waiting for long, and leaves pulls their
// turn: they pass it between its parts.
TEST_F(BulkTest, SmallMessagesPassALargeOne) {
  Start();
  const auto worker = Connect();
  const std::string push =
      Encoded(MakePush(1, std::vector<float>(600'000, 1.0F)), 1);
  // The first frame of the push, a clock, and then the rest.
  const Payload message = Encode(MakePush(1, std::vector<float>(600'000, 1)));
  const size_t end =
      sizeof(BulkFrame) + internal::HeaderOf(message).size() + kBulkPart;
  worker->Say(absl::string_view(push).substr(0, end));
  const Payload clock =
      Encode(ClockUpdate{JobId(1), Generation(2), {SessionId(3), {}, 5}});
  worker->Say({.kind = internal::kBulkClock,
               .header_bytes = static_cast<uint32_t>(clock.size())});
  std::string flat(static_cast<size_t>(clock.size()), '\0');
  clock.CopyTo(std::as_writable_bytes(std::span<char>(flat)));
  worker->Say(flat);
  EXPECT_EQ(ps_.clocks.WaitFor(1).at(0).stamp.clock, 5);
  EXPECT_TRUE(ps_.pushes.Now().empty());
  worker->Say(absl::string_view(push).substr(end));
  EXPECT_EQ(ps_.pushes.WaitFor(1).size(), 1);
}

TEST(TcpSocketTest, AddressesAndPeersAreSplit) {
  EXPECT_EQ(internal::SplitAddress("a.b:70")->host, "a.b");
  EXPECT_EQ(internal::SplitAddress("[::1]:0")->host, "::1");
  EXPECT_EQ(internal::SplitAddress("127.0.0.1:7001")->port, 7001);
  EXPECT_FALSE(internal::SplitAddress("unix:/a").ok());
  EXPECT_FALSE(internal::SplitAddress(":1").ok());
  EXPECT_FALSE(internal::SplitAddress("a:70000").ok());
  EXPECT_EQ(internal::SplitPeer("ipv4:10.0.0.1:7001")->host, "10.0.0.1");
  EXPECT_EQ(internal::SplitPeer("ipv6:%5B::1%5D:7001")->host, "::1");
  EXPECT_FALSE(internal::SplitPeer("unix:/a:1").ok());
}

}  // namespace
}  // namespace ebb::rpc
