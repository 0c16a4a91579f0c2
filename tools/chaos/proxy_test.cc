#include "tools/chaos/proxy.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/chaos/testing/peers.h"

namespace ebb::chaos {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

int OpenDescriptors() {
  int count = 0;
  DIR* const folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

std::string RandomBytes(uint64_t seed, size_t n) {
  std::mt19937_64 random(seed);
  std::string bytes(n, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// This process is worker-0; ps-0 serves behind the proxy.
class ProxyTest : public testing::Test {
 protected:
  void SetUp() override {
    auto proxy = Proxy::Start();
    ASSERT_TRUE(proxy.ok()) << proxy.status();
    proxy_ = *std::move(proxy);
    auto address = proxy_->Front("ps-0", server_.address());
    ASSERT_TRUE(address.ok()) << address.status();
    address_ = *address;
    proxy_->SetDaemons({{puppet_.pid(), "worker-1"}, {getpid(), "worker-0"}});
  }
  void Set(const LinkState& state) { proxy_->Set("worker-0", "ps-0", state); }
  // A connection of worker-0 to ps-0, both ends.
  std::pair<Socket, Socket> Open() {
    Socket worker = Socket::To(address_);
    return {std::move(worker), server_.Accept()};
  }

  Puppet puppet_;
  Server server_;
  std::unique_ptr<Proxy> proxy_;
  std::string address_;
};

TEST_F(ProxyTest, CarriesBytesBothWaysAndCountsThem) {
  auto [worker, server] = Open();
  EXPECT_TRUE(worker.Send("a request"));
  EXPECT_EQ(server.Receive(9), "a request");
  EXPECT_TRUE(server.Send("an answer"));
  EXPECT_EQ(worker.Receive(9), "an answer");
  EXPECT_TRUE(worker.Send("!"));
  EXPECT_EQ(server.Receive(1), "!");
  EXPECT_EQ(proxy_->Carried("worker-0", "ps-0"), 10);
  EXPECT_EQ(proxy_->Carried("ps-0", "worker-0"), 9);
  EXPECT_EQ(proxy_->Carried(kOther, "ps-0"), 0);
}

TEST_F(ProxyTest, EachSideMayEndBeforeTheOther) {
  auto [worker, server] = Open();
  EXPECT_TRUE(worker.Send("all of it"));
  worker.EndSending();
  EXPECT_EQ(server.Receive(100), "all of it");  // To its end.
  EXPECT_TRUE(server.Send("an answer"));
  EXPECT_EQ(worker.Receive(9), "an answer");
  server.Close();
  EXPECT_EQ(worker.AwaitEnd(), 0);
}

TEST_F(ProxyTest, AResetIsPassedOn) {
  for (const bool by_worker : {true, false}) {
    auto [worker, server] = Open();
    Socket& one = by_worker ? worker : server;
    Socket& other = by_worker ? server : worker;
    EXPECT_TRUE(one.Send("last words"));
    EXPECT_EQ(other.Receive(10), "last words");
    one.CloseByReset();
    EXPECT_EQ(other.AwaitEnd(), ECONNRESET);
  }
}

TEST_F(ProxyTest, WhoSendsToAClosedSocketIsReset) {
  auto [worker, server] = Open();
  server.Close();
  EXPECT_EQ(worker.AwaitEnd(), 0);
  while (worker.Send("x")) {
  }
  EXPECT_THAT(errno, testing::AnyOf(ECONNRESET, EPIPE));
}

TEST_F(ProxyTest, AResetFollowsWhatWasSentBefore) {
  // Not read yet; and it is found by a write, not by a read.
  auto [worker, server] = Open();
  EXPECT_GT(worker.Stuff(), 0u);
  worker.CloseByReset();
  EXPECT_TRUE(server.Send("x"));
  EXPECT_EQ(server.AwaitEnd(), ECONNRESET);
}

TEST_F(ProxyTest, AResetFollowsAnEnd) {
  auto [worker, server] = Open();
  worker.EndSending();
  EXPECT_EQ(server.AwaitEnd(), 0);
  EXPECT_TRUE(server.Send("not read"));
  EXPECT_FALSE(worker.Silent(kLongMs));  // There it is.
  worker.Close();
  EXPECT_TRUE(server.AwaitBroken());
}

TEST_F(ProxyTest, NothingIsSentOverASplitToWhoIsGone) {
  auto [worker, server] = Open();
  Set({.split = true});
  worker.CloseByReset();
  EXPECT_LT(server.Stuff(), kMuch);
  Set({});
  EXPECT_TRUE(server.AwaitBroken());
}

TEST_F(ProxyTest, WhoSendsToOneThatIsGoneDoesNotWait) {
  auto [worker, server] = Open();
  EXPECT_GT(worker.Stuff(), 0u);  // The reset comes after that.
  worker.CloseByReset();
  EXPECT_TRUE(server.Send(std::string(kMuch, 'x')));
  EXPECT_EQ(server.AwaitEnd(), ECONNRESET);
}

TEST_F(ProxyTest, ASplitHoldsWhatIsSentUntilItIsHealed) {
  auto [worker, server] = Open();
  Set({.split = true});
  EXPECT_TRUE(worker.Send("held"));
  EXPECT_TRUE(server.Send("held too"));
  EXPECT_TRUE(server.Silent());
  EXPECT_TRUE(worker.Silent());
  EXPECT_EQ(proxy_->Carried("worker-0", "ps-0"), 0);
  Set({});
  EXPECT_EQ(server.Receive(4), "held");
  EXPECT_EQ(worker.Receive(8), "held too");
}

TEST_F(ProxyTest, ASplitHoldsEndsAndResetsToo) {
  auto [ending, its_server] = Open();
  auto [resetting, other_server] = Open();
  Set({.split = true});
  EXPECT_TRUE(ending.Send("bye"));
  ending.Close();
  resetting.CloseByReset();
  EXPECT_TRUE(its_server.Silent());
  EXPECT_TRUE(other_server.Silent());
  Set({});
  EXPECT_EQ(its_server.Receive(100), "bye");
  EXPECT_EQ(other_server.AwaitEnd(), ECONNRESET);
}

TEST_F(ProxyTest, ConnectionsOpenedDuringASplitLeadSomewhereOnceItIsHealed) {
  Set({.split = true});
  Socket worker = Socket::To(address_);
  EXPECT_TRUE(worker.Send("hello?"));
  EXPECT_TRUE(server_.Silent());
  EXPECT_TRUE(worker.Silent());
  Set({});
  Socket server = server_.Accept();
  EXPECT_EQ(server.Receive(6), "hello?");
  EXPECT_TRUE(server.Send("hello!"));
  EXPECT_EQ(worker.Receive(6), "hello!");
}

TEST_F(ProxyTest, WhoGaveUpDuringASplitIsForgotten) {
  const int before = OpenDescriptors();
  Set({.split = true});
  // Connections are accepted in their order, and one that ends its side is
  // reset: then the proxy has seen those before it.
  const auto sync = [this] {
    Socket last = Socket::To(address_);
    last.EndSending();
    EXPECT_EQ(last.AwaitEnd(), ECONNRESET);
  };
  std::vector<Socket> workers;
  for (int i = 0; i < 100; ++i) {
    workers.push_back(Socket::To(address_));
    EXPECT_TRUE(workers.back().Send("hello?"));
  }
  sync();
  EXPECT_EQ(OpenDescriptors(), before + 200);
  for (size_t i = 0; i < workers.size(); i += 2) workers[i].CloseByReset();
  workers.clear();
  sync();
  EXPECT_EQ(OpenDescriptors(), before);
  Set({});
  EXPECT_TRUE(server_.Silent());
}

TEST_F(ProxyTest, ADropResetsBothEndsOnce) {
  auto [worker, server] = Open();
  auto [second, second_server] = Open();
  EXPECT_EQ(proxy_->Drop("ps-0", "worker-0"), 2);
  EXPECT_EQ(worker.AwaitEnd(), ECONNRESET);
  EXPECT_EQ(server.AwaitEnd(), ECONNRESET);
  EXPECT_EQ(second.AwaitEnd(), ECONNRESET);
  EXPECT_EQ(second_server.AwaitEnd(), ECONNRESET);
  auto [again, again_server] = Open();
  EXPECT_TRUE(again.Send("x"));
  EXPECT_EQ(again_server.Receive(1), "x");
  EXPECT_EQ(proxy_->Drop("worker-1", "ps-0"), 0);
}

TEST_F(ProxyTest, ADelayMakesBytesLateNotFew) {
  constexpr absl::Duration kDelay = absl::Milliseconds(50);
  auto [worker, server] = Open();
  Set({.delay = kDelay});
  absl::Time start = absl::Now();
  EXPECT_TRUE(worker.Send("ping"));
  EXPECT_EQ(server.Receive(4), "ping");
  EXPECT_GE(absl::Now() - start, kDelay);
  EXPECT_TRUE(server.Send("pong"));
  EXPECT_EQ(worker.Receive(4), "pong");
  EXPECT_GE(absl::Now() - start, 2 * kDelay);

  // If one piece were under way at a time, it would take half a minute.
  const std::string bytes = RandomBytes(1, 32 << 20);
  start = absl::Now();
  std::thread sending(
      [&bytes, &worker = worker] { EXPECT_TRUE(worker.Send(bytes)); });
  EXPECT_TRUE(server.Receive(bytes.size()) == bytes);
  sending.join();
  EXPECT_GE(absl::Now() - start, kDelay);
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

TEST_F(ProxyTest, ALimitIsSharedByTheConnectionsOfALink) {
  constexpr int64_t kRate = 1'000'000;
  static constexpr size_t kBytes = 500'000;
  std::vector<std::pair<Socket, Socket>> connections;
  connections.push_back(Open());
  connections.push_back(Open());
  Set({.bytes_per_second = kRate});
  const absl::Time start = absl::Now();
  std::vector<std::thread> threads;
  for (auto& [worker, server] : connections) {
    threads.emplace_back([&worker = worker] {
      EXPECT_TRUE(worker.Send(std::string(kBytes, 'x')));
    });
    threads.emplace_back([&server = server] {
      EXPECT_EQ(server.Receive(kBytes).size(), kBytes);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const absl::Duration took = absl::Now() - start;
  // A second, less the burst; a busy machine may be slower.
  EXPECT_GE(took, absl::Milliseconds(930));
  EXPECT_LT(took, absl::Seconds(10));
}

TEST_F(ProxyTest, OneConnectionOfALimitedLinkDoesNotStarveAnother) {
  static constexpr size_t kBytes = 8 << 20;  // More than a minute's.
  Set({.bytes_per_second = 100'000});
  auto [worker, server] = Open();
  auto [second, second_server] = Open();
  std::thread sending([&worker = worker] {
    EXPECT_TRUE(worker.Send(std::string(kBytes, 'x')));
  });
  std::thread receiving(
      [&server = server] { EXPECT_EQ(server.Receive(kBytes).size(), kBytes); });
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(second.Send("ping"));
    EXPECT_EQ(second_server.Receive(4), "ping");
  }
  EXPECT_LT(proxy_->Carried("worker-0", "ps-0"), 8 << 20);
  Set({});
  sending.join();
  receiving.join();
}

TEST_F(ProxyTest, OnlyTheLinkThatIsNamedIsDisturbed) {
  auto [worker, server] = Open();
  proxy_->Set("ps-0", "worker-1", {.split = true});
  puppet_.Connect(address_);
  EXPECT_TRUE(worker.Send("x"));
  EXPECT_EQ(server.Receive(1), "x");
  EXPECT_TRUE(server_.Silent());  // worker-1 leads nowhere.
  proxy_->Set("worker-1", "ps-0", {});
  Socket other_server = server_.Accept();
  EXPECT_EQ(other_server.Receive(2), "hi");
  EXPECT_EQ(proxy_->Carried("worker-1", "ps-0"), 2);
  EXPECT_EQ(proxy_->Drop("worker-0", "ps-0"), 1);
  EXPECT_TRUE(other_server.Silent());
  EXPECT_EQ(worker.AwaitEnd(), ECONNRESET);
}

TEST_F(ProxyTest, DaemonsAreKnownByWhoTheyAreNotByWhereTheyCameFrom) {
  proxy_->SetDaemons({});
  puppet_.Connect(address_);
  Socket server = server_.Accept();
  EXPECT_EQ(server.Receive(2), "hi");
  EXPECT_EQ(proxy_->Carried(kOther, "ps-0"), 2);
  EXPECT_EQ(proxy_->Drop("worker-1", "ps-0"), 0);
  // It is told late that this process is a daemon.
  proxy_->Set("worker-1", "ps-0", {.split = true});
  proxy_->SetDaemons({{puppet_.pid(), "worker-1"}});
  EXPECT_TRUE(server.Send("held"));
  puppet_.Kill();
  EXPECT_TRUE(server.Silent());
  proxy_->Set("worker-1", "ps-0", {});
  // It died without reading what it was sent.
  EXPECT_EQ(server.AwaitEnd(), 0);
  while (server.Send("x")) {
  }
  EXPECT_EQ(server.AwaitEnd(), 0);
}

TEST_F(ProxyTest, ADaemonThatIsKilledIsNoticedAtOnce) {
  puppet_.Connect(address_);
  Socket server = server_.Accept();
  EXPECT_EQ(server.Receive(2), "hi");
  puppet_.Kill();
  EXPECT_EQ(server.AwaitEnd(), 0);
}

TEST_F(ProxyTest, NewConnectionsLeadToTheNewTarget) {
  auto [worker, server] = Open();
  Server other;
  ASSERT_TRUE(proxy_->SetTarget("ps-0", other.address()).ok());
  Socket second = Socket::To(address_);
  Socket second_server = other.Accept();
  EXPECT_TRUE(second.Send("x"));
  EXPECT_EQ(second_server.Receive(1), "x");
  EXPECT_TRUE(worker.Send("y"));
  EXPECT_EQ(server.Receive(1), "y");
}

TEST_F(ProxyTest, WhereNobodyListensConnectionsAreReset) {
  ASSERT_TRUE(proxy_->SetTarget("ps-0", "").ok());
  EXPECT_EQ(Socket::To(address_).AwaitEnd(), ECONNRESET);
  ASSERT_TRUE(proxy_->SetTarget("ps-0", server_.address()).ok());
  Open();
  server_.Close();
  EXPECT_EQ(Socket::To(address_).AwaitEnd(), ECONNRESET);
}

TEST_F(ProxyTest, SaysWhatItCannotDo) {
  EXPECT_EQ(proxy_->Front("ps-0", "").status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(proxy_->SetTarget("ps-1", "").code(), absl::StatusCode::kNotFound);
  for (const char* address :
       {"10.0.0.1:80", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", ":80",
        "unix:/tmp/x", "[::1]:80"}) {
    const auto status = proxy_->Front("ps-1", address).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(status.message()), HasSubstr(address));
  }
  const auto address = proxy_->Front("ps-1", "localhost:80");
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_THAT(*address, StartsWith("127.0.0.1:"));
  EXPECT_NE(*address, address_);
}

TEST_F(ProxyTest, WhoDoesNotReadHoldsTheSenderBack) {
  for (const LinkState& state : {LinkState{}, LinkState{.split = true}}) {
    auto [worker, server] = Open();
    Set(state);
    const size_t sent = worker.Stuff();
    EXPECT_LT(sent, kMuch);
    Set({});
    worker.EndSending();
    EXPECT_EQ(server.Receive(kMuch).size(), sent);
  }
}

// Sends and receives random bytes at both ends, in pieces of random sizes.
void Exchange(Socket* worker, Socket* server, uint64_t seed, size_t bytes) {
  const auto send = [bytes](Socket* socket, uint64_t seed) {
    const std::string all = RandomBytes(seed, bytes);
    std::mt19937_64 random(seed);
    for (size_t at = 0; at < all.size();) {
      const size_t n = std::min<size_t>(1 + random() % 50'000, all.size() - at);
      ASSERT_TRUE(socket->Send(all.substr(at, n)));
      at += n;
    }
    socket->EndSending();
  };
  const auto receive = [bytes](Socket* socket, uint64_t seed) {
    EXPECT_TRUE(socket->Receive(2 * bytes) == RandomBytes(seed, bytes))
        << "seed " << seed;
  };
  std::thread threads[] = {std::thread(send, worker, seed),
                           std::thread(send, server, seed + 1),
                           std::thread(receive, server, seed),
                           std::thread(receive, worker, seed + 1)};
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ProxyTest, WhateverIsSetWhenEveryByteArrivesOnceInOrder) {
  constexpr int kConnections = 4;
  constexpr size_t kBytes = 3 << 20;
  std::vector<std::pair<Socket, Socket>> connections;
  for (int i = 0; i < kConnections; ++i) connections.push_back(Open());
  std::atomic<int> left = kConnections;  // Read by the thread that disturbs.
  Set({.split = true});
  std::vector<std::thread> threads;
  for (int i = 0; i < kConnections; ++i) {
    threads.emplace_back([&left, i, pair = &connections[i]] {
      Exchange(&pair->first, &pair->second, static_cast<uint64_t>(i) * 100,
               kBytes);
      --left;
    });
  }
  std::mt19937_64 random(42);
  const auto below = [&random](uint64_t n) {
    return static_cast<int64_t>(random() % n);
  };
  int changes = 0;
  // At most so much is changed that the test ends, however slow the machine;
  // and the bytes are too many to pass before the first few.
  for (; left > 0 && changes < 300; ++changes) {
    Set({.split = below(4) == 0,
         .delay = absl::Milliseconds(below(3) * 7),
         .bytes_per_second = changes < 10
                                 ? 1 + below(100'000)
                                 : below(2) * (1'000'000 + below(30'000'000))});
    // Not waiting for anything: the time that this state lasts.
    absl::SleepFor(absl::Milliseconds(below(20)));
  }
  Set({});
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(changes, 10);
  EXPECT_EQ(proxy_->Carried("worker-0", "ps-0"),
            static_cast<int64_t>(kConnections * kBytes));
  EXPECT_EQ(proxy_->Carried("ps-0", "worker-0"),
            static_cast<int64_t>(kConnections * kBytes));
}

TEST_F(ProxyTest, AThousandConnectionsLeaveNothingBehind) {
  constexpr int kConnections = 1000;
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit raised = {std::max<rlim_t>(limit.rlim_cur, 5000),
                         limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &raised), 0)
      << "the test needs 5,000 descriptors";
  const int before = OpenDescriptors();
  {
    proxy_->SetDaemons({});
    std::vector<Socket> workers;
    for (int i = 0; i < kConnections; ++i) {
      workers.push_back(Socket::To(address_));
      EXPECT_TRUE(workers.back().Send(absl::StrCat(1000 + i)));
    }
    proxy_->Set(kOther, "ps-0", {.delay = absl::Milliseconds(20)});
    std::map<int, Socket> servers;
    for (int i = 0; i < kConnections; ++i) {
      Socket server = server_.Accept();
      int number = 0;
      EXPECT_TRUE(absl::SimpleAtoi(server.Receive(4), &number));
      EXPECT_TRUE(server.Send("y"));
      servers.insert({number - 1000, std::move(server)});
    }
    ASSERT_EQ(servers.size(), kConnections);
    for (Socket& worker : workers) EXPECT_EQ(worker.Receive(1), "y");
    // Some end well, some are reset, the others are left to the proxy's end.
    for (int i = 0; i < kConnections; i += 4) {
      workers[i].CloseByReset();
      servers.at(i + 1).Close();
    }
    for (int i = 0; i < kConnections; i += 4) {
      EXPECT_EQ(servers.at(i).AwaitEnd(), ECONNRESET);
      EXPECT_EQ(workers[i + 1].AwaitEnd(), 0);
    }
    proxy_.reset();
    for (int i = 2; i < kConnections; i += 4) {
      workers[i].AwaitEnd();
      servers.at(i).AwaitEnd();
    }
  }
  EXPECT_LE(OpenDescriptors(), before);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

TEST_F(ProxyTest, WhileDescriptorsAreShortConnectionsWait) {
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const int worker_end = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int next = dup(worker_end);
  close(next);
  const rlimit short_one = {static_cast<rlim_t>(next), limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &short_one), 0);
  Socket worker = Socket::To(address_, worker_end);
  EXPECT_TRUE(worker.Send("x"));
  EXPECT_TRUE(server_.Silent());
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(server_.Accept().Receive(1), "x");
}

TEST_F(ProxyTest, ItMayBeUsedFromManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      for (int j = 0; j < 100; ++j) {
        proxy_->Set("worker-0", "ps-0", {.delay = absl::Milliseconds(j % 2)});
        proxy_->Drop("worker-1", absl::StrCat("ps-", i));
        EXPECT_TRUE(proxy_->SetTarget("ps-0", server_.address()).ok());
        EXPECT_GE(proxy_->Carried("worker-0", "ps-0"), 0);
      }
    });
  }
  auto [worker, server] = Open();
  for (int j = 0; j < 100; ++j) {
    EXPECT_TRUE(worker.Send("x"));
    EXPECT_EQ(server.Receive(1), "x");
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace ebb::chaos
