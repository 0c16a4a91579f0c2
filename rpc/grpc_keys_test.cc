// Pushes that name the keys of their pull, over the network: with servers that
// have them, that have them no longer, and that know of no such thing.
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/metrics/open_metrics.h"
#include "ebb/v1/parameter_server.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/grpc_transport.h"
#include "rpc/internal/preferred_channel.h"
#include "rpc/network_metrics.h"
#include "rpc/security.h"
#include "rpc/transport_contract.h"

namespace ebb::rpc {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(20);
constexpr char kAny[] = "127.0.0.1:0";

Payload Keys(std::vector<uint64_t> keys) {
  return Payload::Of(std::move(keys));
}

PullRequest PullOf(std::vector<uint64_t> keys) {
  PullRequest pull = MakePull(1);
  pull.segments[0].rows = {{0, Keys(std::move(keys))}};
  return pull;
}

PushRequest PushOf(std::vector<uint64_t> keys, uint64_t server) {
  PushRequest push = MakePush(1, {1});
  push.server_session = SessionId(server);
  const std::vector<float> gradient(keys.size(), 2);
  push.segments[0].rows = {{0, Keys(std::move(keys)), Payload::Of(gradient)}};
  return push;
}

std::vector<uint64_t> KeysOf(const PushRequest& push) {
  const Payload& keys = push.segments[0].rows[0].keys;
  std::vector<uint64_t> numbers(keys.size() / sizeof(uint64_t));
  keys.CopyTo(std::as_writable_bytes(std::span(numbers)));
  return numbers;
}

SecurityPtr Plain() {
  auto security = Security::Create({}, RoleSet::All());
  EXPECT_TRUE(security.ok()) << security.status();
  return *std::move(security);
}

// Answers at once, and tells what it was pushed.
class TellingPs : public PsHandler {
 public:
  void Push(PushRequest request, PushDone done) override {
    PushReply reply;
    reply.job = request.job;
    reply.item = request.item;
    pushes.Add(std::move(request));
    done(reply);
  }
  void Pull(PullRequest request, PullDone done) override {
    PullReply reply;
    reply.job = request.job;
    reply.worker = request.stamp.worker;
    reply.server_session = SessionId(session);
    done(reply);
  }
  void Clock(ClockUpdate) override {}
  void Fetch(FetchRequest, FetchDone) override {}

  Collected<PushRequest> pushes;
  uint64_t session = 5;  // Changed by who waits for each answer.
};

// The parameter: over a bulk stream.
class GrpcKeysTest : public testing::TestWithParam<bool> {
 protected:
  GrpcKeysTest() {
    auto listener = servers_.ListenPs(kAny, {.data = &ps_});
    EXPECT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    channel_ = Connect(listener_->address());
  }

  static TransportOptions Options() { return {.bulk_stream = GetParam()}; }
  std::unique_ptr<PsChannel> Connect(const std::string& address) {
    auto channel = workers_.ConnectPs(address);
    if (GetParam()) {
      EXPECT_TRUE(
          static_cast<internal::PreferredChannel&>(*channel).AwaitSession(
              kLong));
    }
    return channel;
  }

  static void Pull(PsChannel* channel, std::vector<uint64_t> keys) {
    Answer<PullReply> answer;
    channel->Pull(PullOf(std::move(keys)), kLong, answer.Done());
    const auto got = answer.Wait();
    EXPECT_TRUE(got.ok()) << got.status();
  }
  // Pushes, and returns the keys of the server's `n`th push.
  std::vector<uint64_t> Push(const std::vector<uint64_t>& keys, size_t n) {
    // Where the server was away, the channel has to find out that it is back.
    absl::Status status = absl::UnavailableError("");
    while (absl::IsUnavailable(status)) {
      Answer<PushReply> answer;
      channel_->Push(PushOf(keys, ps_.session), kLong, answer.Done());
      status = answer.Wait().status();
    }
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(ps_.pushes.Now().size(), n);
    return KeysOf(ps_.pushes.WaitFor(n)[n - 1]);
  }

  const SecurityPtr server_ = Plain(), worker_ = Plain();
  TellingPs ps_;
  GrpcTransport servers_{Options(), 0, server_};
  GrpcTransport workers_{Options(), 0, worker_};
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<PsChannel> channel_;
};

TEST_P(GrpcKeysTest, APushNamesTheKeysOfItsPull) {
  const std::vector<uint64_t> keys(1000, 3);
  Pull(channel_.get(), keys);
  EXPECT_EQ(Push(keys, 1), keys);
  for (const auto& counts : {server_->keys(), worker_->keys()}) {
    EXPECT_EQ(counts->bytes(), 0);
    EXPECT_EQ(counts->named_bytes(), 8000);
    EXPECT_EQ(counts->unknown(), 0);
  }
  // Other keys travel.
  EXPECT_EQ(Push({1, 2}, 2), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(server_->keys()->bytes(), 16);
  EXPECT_EQ(worker_->keys()->bytes(), 16);

  metrics::OpenMetrics text;
  AddNetwork(*server_, &text);
  const std::string said = std::move(text).Text();
  EXPECT_THAT(said, HasSubstr("ebb_network_push_keys_bytes_total 16\n"));
  EXPECT_THAT(said,
              HasSubstr("ebb_network_push_keys_named_bytes_total 8000\n"));
  EXPECT_THAT(said, HasSubstr("ebb_network_push_keys_unknown_total 0\n"));
}

// The handler sees one push, and all of it.
TEST_P(GrpcKeysTest, AServerThatForgotTheKeysIsSentThem) {
  Pull(channel_.get(), {4, 5});
  // The same worker pulls more than is kept of it.
  auto other = Connect(listener_->address());
  for (uint64_t i = 0; i < 16; ++i) Pull(other.get(), {i});
  EXPECT_EQ(Push({4, 5}, 1), (std::vector<uint64_t>{4, 5}));
  EXPECT_EQ(worker_->keys()->unknown(), 1);
  EXPECT_EQ(server_->keys()->unknown(), 1);
  EXPECT_EQ(server_->keys()->bytes(), 16);
  // It is not named again.
  Push({4, 5}, 2);
  EXPECT_EQ(worker_->keys()->unknown(), 1);
}

TEST_P(GrpcKeysTest, AServersNextLifeIsSentTheKeys) {
  Pull(channel_.get(), {4, 5});
  const std::string address = listener_->address();
  listener_.reset();
  ++ps_.session;
  auto again = servers_.ListenPs(address, {.data = &ps_});
  ASSERT_TRUE(again.ok()) << again.status();
  // The same worker's list of the same number, of other keys.
  auto other = Connect(address);
  Pull(other.get(), {8, 9});
  EXPECT_EQ(Push({4, 5}, 1), (std::vector<uint64_t>{4, 5}));
  EXPECT_EQ(server_->keys()->named_bytes(), 0);
}

INSTANTIATE_TEST_SUITE_P(GrpcAndBulk, GrpcKeysTest, testing::Bool());

// Generated classes, as other programs have, and older ones.
class OlderPs : public v1::ParameterServer::Service {
 public:
  grpc::Status Pull(grpc::ServerContext*, const v1::PullRequest*,
                    v1::PullResponse* response) override {
    response->set_job(7);
    return grpc::Status::OK;
  }
  grpc::Status Push(grpc::ServerContext*, const v1::PushRequest* request,
                    v1::PushResponse* response) override {
    pushes.Add(*request);
    response->set_job(7);
    response->mutable_item();
    return grpc::Status::OK;
  }
  Collected<v1::PushRequest> pushes;
};

TEST_P(GrpcKeysTest, AnOlderServerIsSentAllKeys) {
  OlderPs ps;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(kAny, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&ps);
  const auto server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  auto channel = workers_.ConnectPs("127.0.0.1:" + std::to_string(port));
  Answer<PullReply> pulled;
  channel->Pull(PullOf({4, 5}), kLong, pulled.Done());
  ASSERT_TRUE(pulled.Wait().ok());
  Answer<PushReply> pushed;
  channel->Push(PushOf({4, 5}, 5), kLong, pushed.Done());
  ASSERT_TRUE(pushed.Wait().ok());
  const v1::PushRequest push = ps.pushes.WaitFor(1)[0];
  EXPECT_EQ(push.segments(0).rows(0).keys_bytes(), 16);
  EXPECT_EQ(push.segments(0).rows(0).kept_keys(), 0u);
}

class GrpcKeysOfOthersTest : public GrpcKeysTest {
 protected:
  GrpcKeysOfOthersTest()
      : stub_(v1::ParameterServer::NewStub(grpc::CreateChannel(
            listener_->address(), grpc::InsecureChannelCredentials()))) {}

  // Keys of worker `worker`.
  v1::PullResponse Ask(uint64_t worker, bool keep) {
    v1::PullRequest request;
    request.set_job(7);
    request.mutable_stamp()->set_worker(worker);
    request.set_round(-1);
    request.set_keep_keys(keep);
    auto* rows = request.add_segments()->add_rows();
    rows->set_keys_bytes(16);
    request.set_values(std::string(16, 'k'));
    grpc::ClientContext context;
    v1::PullResponse response;
    EXPECT_TRUE(stub_->Pull(&context, request, &response).ok());
    return response;
  }

  const std::unique_ptr<v1::ParameterServer::Stub> stub_;
};

INSTANTIATE_TEST_SUITE_P(Grpc, GrpcKeysOfOthersTest, testing::Values(false));

TEST_P(GrpcKeysOfOthersTest, AnOlderWorkerIsToldOfNoName) {
  EXPECT_EQ(Ask(9, false).kept_keys(), 0u);
  EXPECT_NE(Ask(9, true).kept_keys(), 0u);
}

TEST_P(GrpcKeysOfOthersTest, ForgedNamesAreRefusedAndNothingIsDone) {
  const uint64_t kept = Ask(9, true).kept_keys();
  const auto push = [&](uint64_t worker, uint64_t number) {
    v1::PushRequest request;
    request.set_job(7);
    request.mutable_stamp()->set_worker(worker);
    request.mutable_item();
    request.mutable_ledger();
    request.set_end(1);
    request.add_segments()->add_rows()->set_kept_keys(number);
    grpc::ClientContext context;
    v1::PushResponse response;
    return stub_->Push(&context, request, &response).error_code();
  };
  constexpr auto kAborted = grpc::StatusCode::ABORTED;
  EXPECT_EQ(push(8, kept), kAborted);
  EXPECT_EQ(push(9, kept + 1), kAborted);
  EXPECT_EQ(push(9, UINT64_MAX), kAborted);
  EXPECT_TRUE(ps_.pushes.Now().empty());
  EXPECT_EQ(server_->keys()->unknown(), 3);
}

}  // namespace
}  // namespace ebb::rpc
