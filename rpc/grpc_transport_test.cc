#include "rpc/grpc_transport.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "ebb/v1/parameter_server.grpc.pb.h"
#include "ebb/v1/scheduler.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/admin.h"
#include "rpc/internal/preferred_channel.h"
#include "rpc/internal/shared_channel.h"
#include "rpc/internal/tcp_socket.h"
#include "rpc/testing/admin_answers.h"
#include "rpc/testing/shared_values.h"
#include "rpc/testing/tcp_proxy.h"
#include "rpc/transport_contract.h"

namespace ebb::rpc {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(20);
constexpr char kAny[] = "127.0.0.1:0";
// Port 1 is reserved for a service that nobody runs.
constexpr char kNobody[] = "127.0.0.1:1";
INSTANTIATE_TEST_SUITE_P(Grpc, TransportContractTest,
                         testing::Values(TransportCase{
                             "grpc",
                             [](const TransportOptions& options) {
                               return std::make_unique<GrpcTransport>(options);
                             },
                             kAny, kNobody}));

// All pushes and pulls go through shared memory, negotiated over gRPC.
class GrpcAndShared : public Transport {
 public:
  explicit GrpcAndShared(TransportOptions options)
      : grpc_([&] {
          options.shared_memory = true;
          return options;
        }()) {}

  absl::StatusOr<std::unique_ptr<Listener>> ListenPs(
      const std::string& address, PsServices services) override {
    handlers_.push_back(std::make_unique<SharingPs>(services.data, &values_));
    services.data = handlers_.back().get();
    services.files = values_.table();
    return grpc_.ListenPs(address, services);
  }
  absl::StatusOr<std::unique_ptr<Listener>> ListenScheduler(
      const std::string& address, SchedulerServices services) override {
    return grpc_.ListenScheduler(address, services);
  }
  std::unique_ptr<PsChannel> ConnectPs(const std::string& address) override {
    auto channel = grpc_.ConnectPs(address);
    if (address != kNobody) {
      EXPECT_TRUE(
          static_cast<internal::SharedChannel&>(*channel).AwaitShared(kLong));
    }
    return channel;
  }
  std::unique_ptr<WorkerSession> ConnectWorkerSession(
      const std::string& address, WorkerSessionHandler* handler) override {
    return grpc_.ConnectWorkerSession(address, handler);
  }
  std::unique_ptr<ServerSession> ConnectServerSession(
      const std::string& address, ServerSessionHandler* handler) override {
    return grpc_.ConnectServerSession(address, handler);
  }

 private:
  SharedValues values_{int64_t{256} << 20};
  std::vector<std::unique_ptr<SharingPs>> handlers_;
  GrpcTransport grpc_;
};

INSTANTIATE_TEST_SUITE_P(GrpcAndShared, TransportContractTest,
                         testing::Values(TransportCase{
                             "grpc_and_shared",
                             [](const TransportOptions& options) {
                               return std::make_unique<GrpcAndShared>(options);
                             },
                             kAny, kNobody}));

// All pushes and pulls go over bulk streams, negotiated over gRPC.
class GrpcAndBulk : public GrpcTransport {
 public:
  explicit GrpcAndBulk(TransportOptions options)
      : GrpcTransport([&] {
          options.bulk_stream = true;
          return options;
        }()) {}

  std::unique_ptr<PsChannel> ConnectPs(const std::string& address) override {
    auto channel = GrpcTransport::ConnectPs(address);
    if (address != kNobody) {
      EXPECT_TRUE(
          static_cast<internal::PreferredChannel&>(*channel).AwaitSession(
              kLong));
    }
    return channel;
  }
};

INSTANTIATE_TEST_SUITE_P(GrpcAndBulk, TransportContractTest,
                         testing::Values(TransportCase{
                             "grpc_and_bulk",
                             [](const TransportOptions& options) {
                               return std::make_unique<GrpcAndBulk>(options);
                             },
                             kAny, kNobody}));

TEST(GrpcTransportTest, BulkStreamsAreUsedOnlyIfBothWantThem) {
  for (const bool worker : {false, true}) {
    GrpcTransport ours{TransportOptions{.bulk_stream = worker}};
    GrpcTransport theirs{TransportOptions{.bulk_stream = !worker}};
    EchoPs ps;
    auto listener = theirs.ListenPs(kAny, {.data = &ps});
    ASSERT_TRUE(listener.ok()) << listener.status();
    auto channel = ours.ConnectPs((*listener)->address());
    for (int i = 0; i < 3; ++i) {
      Answer<PushReply> pushed;
      channel->Push(MakePush(1, {1}), kLong, pushed.Done());
      EXPECT_TRUE(pushed.Wait().ok());
    }
    if (worker) {
      EXPECT_FALSE(
          static_cast<internal::PreferredChannel&>(*channel).AwaitSession(
              absl::Milliseconds(100)));
    }
  }
}

// Its port is taken: workers use gRPC.
TEST(GrpcTransportTest, WithoutABulkPortEverythingGoesOverGrpc) {
  EchoPs ps;
  GrpcTransport other;
  auto taken = other.ListenPs(kAny, {.data = &ps});
  ASSERT_TRUE(taken.ok()) << taken.status();
  const int port = internal::SplitAddress((*taken)->address())->port;
  GrpcTransport transport(
      TransportOptions{.bulk_stream = true, .bulk_port = port});
  auto listener = transport.ListenPs(kAny, {.data = &ps});
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto channel = transport.ConnectPs((*listener)->address());
  Answer<PushReply> pushed;
  channel->Push(MakePush(1, {1}), kLong, pushed.Done());
  EXPECT_TRUE(pushed.Wait().ok());
}

// One of them does not want it: everything goes over gRPC.
TEST(GrpcTransportTest, SharedMemoryIsUsedOnlyIfBothWantIt) {
  for (const bool worker : {false, true}) {
    GrpcTransport ours{TransportOptions{.shared_memory = worker}};
    GrpcTransport theirs{TransportOptions{.shared_memory = !worker}};
    EchoPs ps;
    SharedValues values(1 << 20);
    auto listener =
        theirs.ListenPs(kAny, {.data = &ps, .files = values.table()});
    ASSERT_TRUE(listener.ok()) << listener.status();
    auto channel = ours.ConnectPs((*listener)->address());
    for (int i = 0; i < 3; ++i) {
      Answer<PushReply> pushed;
      channel->Push(MakePush(1, {1}), kLong, pushed.Done());
      EXPECT_TRUE(pushed.Wait().ok());
    }
    if (worker) {
      EXPECT_FALSE(static_cast<internal::SharedChannel&>(*channel).AwaitShared(
          absl::Milliseconds(100)));
    }
  }
}

std::shared_ptr<grpc::Channel> StockChannel(const std::string& address) {
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                   args);
}

// --- Peers that die, or say nothing ------------------------------------------

TEST(GrpcTransportTest, KilledPeerIsNoticedAtOnce) {
  GrpcTransport transport;  // Keepalive would take 4 s.
  KeepingScheduler scheduler;
  auto listener = transport.ListenScheduler(kAny, {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  TcpProxy proxy((*listener)->address());
  Keeping<SchedulerToWorker> worker;
  auto session = transport.ConnectWorkerSession(proxy.address(), &worker);
  session->Send(RegisterWorker{.session = SessionId(1)});
  auto accepted = scheduler.workers.WaitFor(1).at(0);
  accepted.arrived->messages.WaitFor(1);

  const absl::Time start = absl::Now();
  proxy.CloseConnections();

  EXPECT_EQ(worker.closed.WaitFor(1).at(0).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(accepted.arrived->closed.WaitFor(1).at(0).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_LT(absl::Now() - start, absl::Seconds(1));
}

TEST(GrpcTransportTest, SilentPeerIsGivenUpByKeepalive) {
  GrpcTransport transport({.keepalive_time = absl::Milliseconds(200),
                           .keepalive_timeout = absl::Milliseconds(200)});
  KeepingScheduler scheduler;
  auto listener = transport.ListenScheduler(kAny, {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  TcpProxy proxy((*listener)->address());
  Keeping<SchedulerToServer> server;
  auto session = transport.ConnectServerSession(proxy.address(), &server);
  auto accepted = scheduler.servers.WaitFor(1).at(0);

  proxy.StopForwarding();

  EXPECT_EQ(server.closed.WaitFor(1).at(0).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(accepted.arrived->closed.WaitFor(1).at(0).code(),
            absl::StatusCode::kUnavailable);
}

TEST(GrpcTransportTest, QuietConnectionsLast) {
  GrpcTransport transport({.keepalive_time = absl::Milliseconds(50),
                           .keepalive_timeout = absl::Seconds(5)});
  KeepingScheduler scheduler;
  auto listener = transport.ListenScheduler(kAny, {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  Keeping<SchedulerToWorker> worker;
  auto session =
      transport.ConnectWorkerSession((*listener)->address(), &worker);
  auto accepted = scheduler.workers.WaitFor(1).at(0);

  absl::SleepFor(absl::Milliseconds(600));  // A dozen pings.

  EXPECT_TRUE(session->Send(RegisterWorker{.session = SessionId(1)}));
  accepted.arrived->messages.WaitFor(1);
  EXPECT_TRUE(worker.closed.Now().empty());
}

TEST(GrpcTransportTest, CallsOfAKilledServerAreUnavailable) {
  GrpcTransport transport;
  KeepingPs ps;
  auto listener = transport.ListenPs(kAny, {.data = &ps});
  ASSERT_TRUE(listener.ok()) << listener.status();
  TcpProxy proxy((*listener)->address());
  auto channel = transport.ConnectPs(proxy.address());
  Answer<PullReply> answer;
  channel->Pull(MakePull(1), kLong, answer.Done());
  auto [request, done] = ps.pulls.WaitFor(1).at(0);

  proxy.CloseConnections();

  EXPECT_EQ(answer.Wait().status().code(), absl::StatusCode::kUnavailable);
  done(PullReply{.job = JobId(7)});  // Goes nowhere.
}

// --- Any protobuf client, any protobuf server --------------------------------

// Answers nothing until the end.
class HoldingPs : public PsHandler {
 public:
  void Push(PushRequest request, PushDone done) override {
    held.Add({std::move(request), std::move(done)});
  }
  void Pull(PullRequest, PullDone) override {}
  void Clock(ClockUpdate) override {}
  void Fetch(FetchRequest, FetchDone) override {}

  Collected<std::pair<PushRequest, PushDone>> held;
};

// Of what a handler holds, and of what is still on its way to it.
TEST(GrpcTransportTest, ReceivesNoMoreThanItHasMemoryFor) {
  constexpr int64_t kMiB = int64_t{1} << 20;
  constexpr int kPushes = 12;
  GrpcTransport transport({}, /*received_bytes=*/32 * kMiB);
  HoldingPs ps;
  auto listener = transport.ListenPs(kAny, {.data = &ps});
  ASSERT_TRUE(listener.ok()) << listener.status();
  const PushRequest request = MakePush(0, std::vector<float>(2 * kMiB));
  Collected<absl::StatusOr<PushReply>> answers;

  std::vector<std::unique_ptr<PsChannel>> channels;
  for (int i = 0; i < kPushes; ++i) {
    channels.push_back(transport.ConnectPs((*listener)->address()));
    channels.back()->Push(request, kLong, [&](absl::StatusOr<PushReply> reply) {
      answers.Add(std::move(reply));
    });
  }

  // A call may be given up when the handler has its request already.
  for (const auto& answer : answers.WaitFor(kPushes - 4)) {
    EXPECT_TRUE(absl::IsResourceExhausted(answer.status()) ||
                absl::IsUnavailable(answer.status()))
        << answer.status();
  }
}

// Answers each request, of which it keeps the last few.
class KeepingAFewPs : public PsHandler {
 public:
  void Push(PushRequest request, PushDone done) override {
    constexpr size_t kKept = 4;
    PushRequest oldest;
    {
      MutexLock lock(&mu_);
      kept_.push_back(std::move(request));
      if (kept_.size() > kKept) {
        oldest = std::move(kept_.front());
        kept_.pop_front();
      }
    }
    done({.job = JobId(7)});
  }
  void Pull(PullRequest, PullDone) override {}
  void Clock(ClockUpdate) override {}
  void Fetch(FetchRequest, FetchDone) override {}

 private:
  Mutex mu_;
  std::deque<PushRequest> kept_ ABSL_GUARDED_BY(mu_);
};

// Memory goes back while others wait for it.
TEST(GrpcTransportTest, GoesOnAfterMoreThanItHasMemoryFor) {
  constexpr int64_t kMiB = int64_t{1} << 20;
  constexpr int kChannels = 24, kRounds = 20;
  GrpcTransport transport({}, /*received_bytes=*/32 * kMiB);
  KeepingAFewPs ps;
  auto listener = transport.ListenPs(kAny, {.data = &ps});
  ASSERT_TRUE(listener.ok()) << listener.status();
  const PushRequest request = MakePush(0, std::vector<float>(kMiB));
  std::vector<std::unique_ptr<PsChannel>> channels;
  for (int i = 0; i < kChannels; ++i) {
    channels.push_back(transport.ConnectPs((*listener)->address()));
  }

  for (int round = 0; round < kRounds; ++round) {
    Collected<absl::StatusOr<PushReply>> answers;
    for (const auto& channel : channels) {
      channel->Push(request, kLong, [&](absl::StatusOr<PushReply> reply) {
        answers.Add(std::move(reply));
      });
    }
    answers.WaitFor(kChannels);
  }

  // The first may find a connection that was ended.
  absl::StatusOr<PushReply> reply = absl::UnknownError("not tried");
  for (int i = 0; i < 10 && !reply.ok(); ++i) {
    Answer<PushReply> answer;
    channels[0]->Push(MakePush(0, {1}), kLong, answer.Done());
    reply = answer.Wait();
  }
  EXPECT_TRUE(reply.ok()) << reply.status();
}

TEST(GrpcTransportTest, AGeneratedClientPushesPullsAndFetches) {
  GrpcTransport transport;
  EchoPs ps;
  auto listener = transport.ListenPs(kAny, {.data = &ps});
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto stub =
      v1::ParameterServer::NewStub(StockChannel((*listener)->address()));

  v1::PushRequest push;
  push.set_job(7);
  push.mutable_stamp()->set_worker(1);
  push.mutable_item();
  push.mutable_ledger();
  push.set_end(32);
  v1::PushSegment* segment = push.add_segments();
  segment->set_partition(2);
  segment->set_gradient_bytes(1 << 20);
  push.set_values(std::string(1 << 20, '\x3f'));
  v1::PushResponse pushed;
  grpc::ClientContext push_context;
  const grpc::Status push_status = stub->Push(&push_context, push, &pushed);
  ASSERT_TRUE(push_status.ok()) << push_status.error_message();
  EXPECT_EQ(pushed.segments(0).verdict(), v1::VERDICT_APPLIED);
  EXPECT_EQ(pushed.segments(0).mark(), 32);

  v1::PullRequest pull;
  pull.set_job(7);
  pull.mutable_stamp()->set_worker(1);
  pull.add_segments()->set_partition(2);
  v1::PullResponse pulled;
  grpc::ClientContext pull_context;
  ASSERT_TRUE(stub->Pull(&pull_context, pull, &pulled).ok());
  EXPECT_EQ(pulled.segments(0).values_bytes(), 1 << 20);
  EXPECT_EQ(pulled.values(), push.values());

  v1::FetchRequest fetch;
  fetch.set_job(7);
  fetch.set_partition(2);
  fetch.set_source(3);
  fetch.set_term(4);
  fetch.set_new_term(5);
  v1::FetchResponse fetched;
  grpc::ClientContext fetch_context;
  ASSERT_TRUE(stub->Fetch(&fetch_context, fetch, &fetched).ok());
  EXPECT_EQ(fetched.result(), v1::FETCH_RESULT_OK);
  EXPECT_EQ(fetched.values(), push.values());

  v1::ClockRequest clock;
  clock.set_job(7);
  clock.mutable_stamp()->set_worker(1);
  v1::ClockResponse response;
  grpc::ClientContext clock_context;
  EXPECT_TRUE(stub->Clock(&clock_context, clock, &response).ok());
}

TEST(GrpcTransportTest, OurChannelCallsAGeneratedServer) {
  struct Generated : public v1::ParameterServer::Service {
    grpc::Status Push(grpc::ServerContext*, const v1::PushRequest* request,
                      v1::PushResponse* response) override {
      received = *request;
      response->set_job(request->job());
      *response->mutable_item() = request->item();
      return grpc::Status::OK;
    }
    grpc::Status Pull(grpc::ServerContext*, const v1::PullRequest* request,
                      v1::PullResponse* response) override {
      response->set_job(request->job());
      v1::PullSegment* segment = response->add_segments();
      segment->set_result(v1::PULL_RESULT_VALUES);
      segment->set_values_bytes(8);
      response->set_values(std::string("\x00\x00\x80\x3f\x00\x00\x00\x40", 8));
      return grpc::Status::OK;
    }
    v1::PushRequest received;
  };
  Generated service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(kAny, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  auto server = builder.BuildAndStart();
  GrpcTransport transport;
  auto channel = transport.ConnectPs(absl::StrCat("127.0.0.1:", port));
  Answer<PushReply> pushed;
  Answer<PullReply> pulled;

  channel->Push(MakePush(3, {1, 2}), kLong, pushed.Done());
  const auto push_reply = pushed.Wait();
  ASSERT_TRUE(push_reply.ok()) << push_reply.status();
  EXPECT_EQ(service.received.values(),
            std::string("\x00\x00\x80\x3f\x00\x00\x00\x40", 8));
  EXPECT_EQ(service.received.segments(0).gradient_bytes(), 8);

  channel->Pull(MakePull(0), kLong, pulled.Done());
  const auto pull_reply = pulled.Wait();
  ASSERT_TRUE(pull_reply.ok()) << pull_reply.status();
  EXPECT_EQ(pull_reply->segments.at(0).values.size(), 8);
}

TEST(GrpcTransportTest, BrokenMessagesAreInvalidArgument) {
  GrpcTransport transport;
  EchoPs ps;
  KeepingScheduler scheduler;
  auto ps_listener = transport.ListenPs(kAny, {.data = &ps});
  auto listener = transport.ListenScheduler(kAny, {.sessions = &scheduler});
  ASSERT_TRUE(ps_listener.ok() && listener.ok());

  auto stub =
      v1::ParameterServer::NewStub(StockChannel((*ps_listener)->address()));
  v1::PushResponse response;
  grpc::ClientContext context;
  const grpc::Status status =
      stub->Push(&context, v1::PushRequest(), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("PushRequest.job"));

  auto sessions = v1::Scheduler::NewStub(StockChannel((*listener)->address()));
  grpc::ClientContext session_context;
  auto session = sessions->WorkerSession(&session_context);
  session->Write(v1::WorkerToScheduler());
  v1::SchedulerToWorker message;
  EXPECT_FALSE(session->Read(&message));
  EXPECT_EQ(session->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  auto accepted = scheduler.workers.WaitFor(1).at(0);
  EXPECT_EQ(accepted.arrived->closed.WaitFor(1).at(0).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(GrpcTransportTest, UnreadableAddressIsUnavailable) {
  GrpcTransport transport;
  EchoPs ps;
  const auto listener = transport.ListenPs("localhost:no port", {.data = &ps});
  EXPECT_EQ(listener.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(listener.status().message(), HasSubstr("localhost:no port"));
}

// --- Admin -------------------------------------------------------------------

class FakeSchedulerAdmin : public EmptySchedulerAdmin {
 public:
  absl::Status SubmitJob(const v1::SubmitJobRequest& request,
                         v1::SubmitJobResponse* response) override {
    if (request.name().empty()) {
      return absl::InvalidArgumentError("a job needs a name");
    }
    response->set_job(42);
    return absl::OkStatus();
  }
  absl::Status ListJobs(const v1::ListJobsRequest&,
                        v1::ListJobsResponse* response) override {
    response->add_jobs()->set_name("listed");
    return absl::OkStatus();
  }
  absl::Status GetStatus(const v1::GetStatusRequest& request,
                         v1::GetStatusResponse* response) override {
    if (request.job() == 1) {  // A slow one, for the limits.
      entered.Add(0);
      release.WaitFor(1);
    }
    response->set_process_id(7);
    return absl::OkStatus();
  }
  absl::Status Explain(const v1::ExplainRequest&,
                       v1::ExplainResponse* response) override {
    response->add_reasons()->set_kind(v1::WaitReason::KIND_NO_WORKERS);
    return absl::OkStatus();
  }
  absl::Status GetJob(const v1::GetJobRequest& request,
                      v1::GetJobResponse*) override {
    return absl::NotFoundError(absl::StrCat("no job ", request.name()));
  }
  absl::Status CancelJob(const v1::CancelJobRequest&,
                         v1::CancelJobResponse*) override {
    return absl::FailedPreconditionError("it is complete");
  }
  absl::Status ScaleJob(const v1::ScaleJobRequest& request,
                        v1::ScaleJobResponse* response) override {
    response->set_workers_before(request.workers() + 1);
    return absl::OkStatus();
  }
  absl::Status RollbackJob(const v1::RollbackJobRequest& request,
                           v1::RollbackJobResponse* response) override {
    response->set_generation(request.generation() + 1);
    return absl::OkStatus();
  }

  Collected<int> entered, release;
};

TEST(GrpcTransportTest, SchedulerAdminCallsReachTheirHandlers) {
  GrpcTransport transport;
  FakeSchedulerAdmin admin;
  auto listener = transport.ListenScheduler(kAny, {.admin = &admin});
  ASSERT_TRUE(listener.ok()) << listener.status();
  SchedulerAdminClient client((*listener)->address());

  v1::SubmitJobRequest submit;
  EXPECT_EQ(client.SubmitJob(submit, kLong).status(),
            absl::InvalidArgumentError("a job needs a name"));
  submit.set_name("mlp");
  EXPECT_EQ(client.SubmitJob(submit, kLong)->job(), 42);
  EXPECT_EQ(client.ListJobs({}, kLong)->jobs(0).name(), "listed");
  EXPECT_EQ(client.GetStatus({}, kLong)->process_id(), 7);
  EXPECT_EQ(client.Explain({}, kLong)->reasons(0).kind(),
            v1::WaitReason::KIND_NO_WORKERS);
  v1::GetJobRequest get;
  get.set_name("x");
  EXPECT_EQ(client.GetJob(get, kLong).status(),
            absl::NotFoundError("no job x"));
  EXPECT_TRUE(client.CheckpointNow({}, kLong).ok());
  EXPECT_EQ(client.CancelJob({}, kLong).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(client.PauseJob({}, kLong).ok());
  EXPECT_TRUE(client.ResumeJob({}, kLong).ok());
  v1::ScaleJobRequest scale;
  scale.set_workers(3);
  EXPECT_EQ(client.ScaleJob(scale, kLong)->workers_before(), 4);
  v1::RollbackJobRequest rollback;
  rollback.set_generation(8);
  EXPECT_EQ(client.RollbackJob(rollback, kLong)->generation(), 9);
  EXPECT_TRUE(client.ResolveItem({}, kLong).ok());
}

TEST(GrpcTransportTest, AdminCallsAreBounded) {
  GrpcTransport transport({.admin_threads = 1, .admin_queue = 1});
  FakeSchedulerAdmin admin;
  auto listener = transport.ListenScheduler(kAny, {.admin = &admin});
  ASSERT_TRUE(listener.ok()) << listener.status();
  SchedulerAdminClient client((*listener)->address());
  v1::GetStatusRequest slow;
  slow.set_job(1);

  std::thread running([&] { EXPECT_TRUE(client.GetStatus(slow, kLong).ok()); });
  admin.entered.WaitFor(1);
  // One is running and one may wait: of two more, one is refused at once.
  Collected<absl::StatusCode> codes;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back(
        [&] { codes.Add(client.GetStatus({}, kLong).status().code()); });
  }
  EXPECT_EQ(codes.WaitFor(1).at(0), absl::StatusCode::kResourceExhausted);
  admin.release.Add(0);
  EXPECT_EQ(codes.WaitFor(2).at(1), absl::StatusCode::kOk);
  running.join();
  for (std::thread& thread : threads) thread.join();
}

TEST(GrpcTransportTest, AdminCallsNeedAHandlerAndAServer) {
  GrpcTransport transport;
  KeepingScheduler scheduler;
  auto listener = transport.ListenScheduler(kAny, {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ(SchedulerAdminClient((*listener)->address())
                .ListJobs({}, kLong)
                .status()
                .code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(
      SchedulerAdminClient("127.0.0.1:1").ListJobs({}, kLong).status().code(),
      absl::StatusCode::kUnavailable);
  EXPECT_EQ(PsAdminClient((*listener)->address())
                .GetLedgers({}, kLong)
                .status()
                .code(),
            absl::StatusCode::kUnimplemented);
}

class FakePsAdmin : public EmptyPsAdmin {
 public:
  absl::Status GetLedgers(const v1::GetLedgersRequest& request,
                          v1::GetLedgersResponse* response) override {
    response->add_partitions()->set_updates(
        static_cast<int64_t>(request.job()));
    return absl::OkStatus();
  }
  absl::Status ListVersions(const v1::ListVersionsRequest&,
                            v1::ListVersionsResponse* response) override {
    response->add_versions()->set_durable(true);
    return absl::OkStatus();
  }
  absl::Status ReadVersion(const v1::ReadVersionRequest& request,
                           const Emit& emit) override {
    if (request.key().job() == 0) return absl::NotFoundError("no such version");
    for (int i = 0; i < 100; ++i) {
      v1::ReadVersionResponse piece;
      piece.set_name("values");
      piece.set_offset(i);
      piece.set_values(std::string(1 << 16, static_cast<char>(i)));
      if (absl::Status status = emit(piece); !status.ok()) {
        emitted.Add(i);
        return status;
      }
    }
    emitted.Add(100);
    return absl::OkStatus();
  }
  absl::Status VerifyVersions(const v1::VerifyVersionsRequest&,
                              v1::VerifyVersionsResponse* response) override {
    response->add_damaged()->set_problem("checksum");
    return absl::OkStatus();
  }

  Collected<int> emitted;  // Pieces, at the end of each ReadVersion.
};

TEST(GrpcTransportTest, PsAdminCallsReachTheirHandlers) {
  GrpcTransport transport;
  FakePsAdmin admin;
  auto listener = transport.ListenPs(kAny, {.admin = &admin});
  ASSERT_TRUE(listener.ok()) << listener.status();
  PsAdminClient client((*listener)->address());
  v1::GetLedgersRequest ledgers;
  ledgers.set_job(5);

  EXPECT_EQ(client.GetLedgers(ledgers, kLong)->partitions(0).updates(), 5);
  EXPECT_TRUE(client.ListVersions({}, kLong)->versions(0).durable());
  EXPECT_EQ(client.VerifyVersions({}, kLong)->damaged(0).problem(), "checksum");
}

TEST(GrpcTransportTest, AVersionIsReadPieceByPiece) {
  GrpcTransport transport;
  FakePsAdmin admin;
  auto listener = transport.ListenPs(kAny, {.admin = &admin});
  ASSERT_TRUE(listener.ok()) << listener.status();
  PsAdminClient client((*listener)->address());
  v1::ReadVersionRequest request;

  EXPECT_EQ(client.ReadVersion(request, kLong,
                               [](const auto&) { return absl::OkStatus(); }),
            absl::NotFoundError("no such version"));

  request.mutable_key()->set_job(1);
  int pieces = 0;
  const absl::Status status =
      client.ReadVersion(request, kLong, [&](const auto& piece) {
        EXPECT_EQ(piece.offset(), pieces);
        EXPECT_EQ(piece.values(),
                  std::string(1 << 16, static_cast<char>(pieces)));
        ++pieces;
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(pieces, 100);
}

TEST(GrpcTransportTest, AReaderThatStopsEndsTheReading) {
  GrpcTransport transport;
  FakePsAdmin admin;
  auto listener = transport.ListenPs(kAny, {.admin = &admin});
  ASSERT_TRUE(listener.ok()) << listener.status();
  PsAdminClient client((*listener)->address());
  v1::ReadVersionRequest request;
  request.mutable_key()->set_job(1);

  const absl::Status status = client.ReadVersion(
      request, kLong,
      [&](const auto&) { return absl::ResourceExhaustedError("disk full"); });

  EXPECT_EQ(status, absl::ResourceExhaustedError("disk full"));
  EXPECT_LT(admin.emitted.WaitFor(1).at(0), 100);
}

// --- Health ------------------------------------------------------------------

// The status of grpc.health.v1: HealthCheckResponse is { status = 1 }.
std::string Health(const std::string& address) {
  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(
      StockChannel(address));
  grpc::ClientContext context;
  grpc::ByteBuffer request(nullptr, 0), response;
  Collected<grpc::Status> done;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request,
                 &response, [&](grpc::Status status) { done.Add(status); });
  const grpc::Status status = done.WaitFor(1).at(0);
  if (!status.ok()) return status.error_message();
  grpc::Slice slice;
  EXPECT_TRUE(response.DumpToSingleSlice(&slice).ok());
  return std::string(slice.begin(), slice.end());
}

TEST(GrpcTransportTest, HealthFollowsSetServing) {
  GrpcTransport transport;
  EchoPs ps;
  auto listener = transport.ListenPs(kAny, {.data = &ps});
  ASSERT_TRUE(listener.ok()) << listener.status();
  const std::string address = (*listener)->address();

  EXPECT_EQ(Health(address), "\x08\x01");  // SERVING.
  (*listener)->SetServing(false);
  EXPECT_EQ(Health(address), "\x08\x02");  // NOT_SERVING.
  (*listener)->SetServing(true);
  EXPECT_EQ(Health(address), "\x08\x01");
}

}  // namespace
}  // namespace ebb::rpc
