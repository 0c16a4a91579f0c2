// The transport of the daemons, through the proxy.
#include <unistd.h>

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "rpc/grpc_transport.h"
#include "tools/chaos/proxy.h"

namespace ebb::chaos {
namespace {

using rpc::GrpcTransport;

constexpr absl::Duration kLong = absl::Seconds(20);

// Answers pulls with their job.
class SimplePs : public rpc::PsHandler {
 public:
  void Push(PushRequest, PushDone) override {}
  void Pull(PullRequest request, PullDone done) override {
    done({.job = request.job});
  }
  void Clock(ClockUpdate) override {}
  void Fetch(FetchRequest, FetchDone) override {}
};

// This process is all daemons.
class ProxyGrpcTest : public testing::Test {
 protected:
  void SetUp() override {
    auto proxy = Proxy::Start();
    ASSERT_TRUE(proxy.ok()) << proxy.status();
    proxy_ = *std::move(proxy);
    auto listener = transport_.ListenPs("127.0.0.1:0", {.data = &ps_});
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    auto address = proxy_->Front("ps-0", listener_->address());
    ASSERT_TRUE(address.ok()) << address.status();
    proxy_->SetDaemons({{getpid(), "worker-0"}});
    channel_ = transport_.ConnectPs(*address);
  }

  absl::Status Pull(absl::Duration deadline) {
    std::promise<absl::StatusOr<PullReply>> answer;
    PullRequest request{.job = JobId(7)};
    request.stamp.worker = SessionId(9);
    request.segments = {{PartitionId(0), Term(10)}};
    channel_->Pull(request, deadline,
                   [&answer](absl::StatusOr<PullReply> reply) {
                     answer.set_value(std::move(reply));
                   });
    absl::StatusOr<PullReply> reply = answer.get_future().get();
    EXPECT_EQ(reply.value_or(PullReply{.job = JobId(7)}).job, JobId(7));
    return reply.status();
  }
  // It connects again by itself, which takes a while.
  absl::Status PullAgainAndAgain() {
    const absl::Time end = absl::Now() + kLong;
    absl::Status status;
    do {
      status = Pull(kLong);
    } while (!status.ok() && absl::Now() < end);
    return status;
  }

  GrpcTransport transport_;
  SimplePs ps_;
  std::unique_ptr<Proxy> proxy_;
  std::unique_ptr<rpc::Listener> listener_;
  std::unique_ptr<rpc::PsChannel> channel_;
};

TEST_F(ProxyGrpcTest, CallsPassAndTheirLinkIsKnown) {
  EXPECT_EQ(Pull(kLong), absl::OkStatus());
  // gRPC's sockets are IPv6's, with a mapped address.
  EXPECT_GT(proxy_->Carried("worker-0", "ps-0"), 0);
  EXPECT_GT(proxy_->Carried("ps-0", "worker-0"), 0);
  EXPECT_EQ(proxy_->Carried(kOther, "ps-0"), 0);
}

TEST_F(ProxyGrpcTest, CallsFailWhileTheLinkIsSplitAndPassOnceItIsHealed) {
  ASSERT_EQ(Pull(kLong), absl::OkStatus());
  proxy_->Set("worker-0", "ps-0", {.split = true});
  EXPECT_EQ(Pull(absl::Milliseconds(300)).code(),
            absl::StatusCode::kDeadlineExceeded);
  proxy_->Set("worker-0", "ps-0", {});
  EXPECT_EQ(PullAgainAndAgain(), absl::OkStatus());
}

TEST_F(ProxyGrpcTest, DroppedConnectionsAreMadeAgain) {
  ASSERT_EQ(Pull(kLong), absl::OkStatus());
  EXPECT_EQ(proxy_->Drop("worker-0", "ps-0"), 1);
  EXPECT_EQ(PullAgainAndAgain(), absl::OkStatus());
}

TEST_F(ProxyGrpcTest, ADelayIsFeltBothWays) {
  ASSERT_EQ(Pull(kLong), absl::OkStatus());
  proxy_->Set("worker-0", "ps-0", {.delay = absl::Milliseconds(50)});
  const absl::Time start = absl::Now();
  EXPECT_EQ(Pull(kLong), absl::OkStatus());
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(100));
}

}  // namespace
}  // namespace ebb::chaos
