// Nobody reaches a job without its token, over gRPC and shared memory, where
// everybody has a certificate.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"
#include "common/tls/issue.h"
#include "common/tls/job_token.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/admin.h"
#include "rpc/grpc_status.h"
#include "rpc/grpc_transport.h"
#include "rpc/internal/grpc_bytes.h"
#include "rpc/internal/grpc_setup.h"
#include "rpc/internal/guard.h"
#include "rpc/internal/shared_channel.h"
#include "rpc/rpc_roles.h"
#include "rpc/security.h"
#include "rpc/testing/admin_answers.h"
#include "rpc/testing/one_piece.h"
#include "rpc/testing/shared_values.h"
#include "rpc/transport_contract.h"
#include "rpc/wire.h"

namespace ebb::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Duration kLong = absl::Seconds(20);
constexpr char kAny[] = "127.0.0.1:0";
constexpr uint64_t kJob = 7;  // MakePush's.

const std::string& Token() {
  static const auto& token = *new std::string(43, 't');
  return token;
}
const std::string& OtherToken() {
  static const auto& token = *new std::string(43, 'o');
  return token;
}

JobRecordPtr LockedJob() {
  auto record = std::make_shared<JobRecord>();
  record->id = JobId(kJob);
  record->name = "mlp";
  record->plan.examples = 100;
  record->plan.shard_size = 10;
  record->plan.parameters = 100;
  SetTokenHash(Token(), record.get());
  return record;
}

// They know the one job, and answer everything.
class AllScheduler : public EmptySchedulerAdmin {
 public:
  absl::StatusOr<JobRecordPtr> FindRecord(uint64_t job,
                                          const std::string& name) override {
    return job == kJob || (job == 0 && name == "mlp") ? LockedJob() : nullptr;
  }
  absl::Status GetJob(const v1::GetJobRequest& request,
                      v1::GetJobResponse* response) override {
    response->mutable_record()->set_id(request.job());
    return absl::OkStatus();
  }
};
class AllPs : public EmptyPsAdmin {
 public:
  absl::StatusOr<JobRecordPtr> FindRecord(uint64_t job,
                                          const std::string&) override {
    return job == kJob ? LockedJob() : nullptr;
  }
};

// With and without shared memory.
class GrpcTokensTest : public ::testing::TestWithParam<bool> {
 protected:
  GrpcTokensTest() {
    EXPECT_TRUE(WriteAllRoles(folder_.path(), {}).ok());
    scheduler_ = As(Role::kScheduler);
    server_ = As(Role::kServer);
    scheduler_transport_ =
        std::make_unique<GrpcTransport>(TransportOptions(), 0, scheduler_);
    TransportOptions options;
    options.shared_memory = GetParam();
    server_transport_ = std::make_unique<GrpcTransport>(options, 0, server_);
    auto scheduler = scheduler_transport_->ListenScheduler(
        kAny, {.sessions = &sessions_, .admin = &scheduler_admin_});
    EXPECT_TRUE(scheduler.ok()) << scheduler.status();
    scheduler_listener_ = *std::move(scheduler);
    auto server = server_transport_->ListenPs(
        kAny, {.data = &ps_, .admin = &ps_admin_, .files = values_.table()});
    EXPECT_TRUE(server.ok()) << server.status();
    server_listener_ = *std::move(server);
  }

  SecurityPtr As(Role role) const {
    auto security = Security::Create(
        {.files = FilesIn(folder_.path(), std::string(RoleName(role)))},
        {role});
    EXPECT_TRUE(security.ok()) << security.status();
    return *std::move(security);
  }
  // A worker's way to the server, which goes the way that the test is for.
  std::unique_ptr<PsChannel> ToServer(const SecurityPtr& as) {
    TransportOptions options;
    options.shared_memory = GetParam();
    transports_.push_back(std::make_unique<GrpcTransport>(options, 0, as));
    auto channel = transports_.back()->ConnectPs(server_listener_->address());
    if (GetParam()) {
      EXPECT_TRUE(static_cast<internal::SharedChannel*>(channel.get())
                      ->AwaitShared(kLong));
    }
    return channel;
  }
  absl::Status Push(PsChannel* channel, uint64_t job, uint64_t worker) {
    PushRequest request = MakePush(1, {1});
    request.job = JobId(job);
    request.stamp.worker = SessionId(worker);
    Answer<PushReply> answer;
    channel->Push(std::move(request), kLong, answer.Done());
    return answer.Wait().status();
  }
  absl::Status Pull(PsChannel* channel, uint64_t job, uint64_t worker) {
    PullRequest request = MakePull(1);
    request.job = JobId(job);
    request.stamp.worker = SessionId(worker);
    Answer<PullReply> answer;
    channel->Pull(request, kLong, answer.Done());
    return answer.Wait().status();
  }
  // Asks as a client that shows the token, or none.
  absl::Status Call(const MethodDescriptor& method, const std::string& token) {
    const bool of_scheduler = method.service()->name() == "Scheduler";
    const SecurityPtr as = As(Role::kClient);
    grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(
        internal::MakeChannel(of_scheduler ? scheduler_listener_->address()
                                           : server_listener_->address(),
                              {}, as.get(),
                              of_scheduler ? Role::kScheduler : Role::kServer));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kLong));
    if (!token.empty()) context.AddMetadata(internal::kJobTokenKey, token);
    const grpc::Slice slice(RequestOf(method));
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    Collected<absl::Status> ended;
    stub.UnaryCall(
        &context,
        absl::StrCat("/ebb.v1.", method.service()->name(), "/", method.name()),
        {}, &request, &response,
        [&](grpc::Status s) { ended.Add(FromGrpc(s)); });
    return ended.WaitFor(1).at(0);
  }
  // That is about the job, if it can be about one.
  static std::string RequestOf(const MethodDescriptor& method) {
    const std::unique_ptr<Message> request(
        MessageFactory::generated_factory()
            ->GetPrototype(method.input_type())
            ->New());
    Message* names = request.get();
    if (const FieldDescriptor* key =
            method.input_type()->FindFieldByName("key")) {
      names = request->GetReflection()->MutableMessage(request.get(), key);
    }
    if (const FieldDescriptor* job =
            names->GetDescriptor()->FindFieldByName("job")) {
      names->GetReflection()->SetUInt64(names, job, kJob);
    }
    return request->SerializeAsString();
  }

  const TestFolder folder_;
  SharedValues values_{1 << 20};
  KeepingScheduler sessions_;
  AllScheduler scheduler_admin_;
  AllPs ps_admin_;
  EchoPs ps_;
  SecurityPtr scheduler_, server_;
  std::unique_ptr<GrpcTransport> scheduler_transport_, server_transport_;
  std::vector<std::unique_ptr<GrpcTransport>> transports_;
  std::unique_ptr<Listener> scheduler_listener_, server_listener_;
};

INSTANTIATE_TEST_SUITE_P(Ways, GrpcTokensTest, ::testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "shared_memory" : "network";
                         });

// Whoever adds an RPC decides here whether it needs the token.
TEST_P(GrpcTokensTest, WhatClientsAskOfAJobNeedsItsToken) {
  const std::set<std::string> open = {"SubmitJob", "ListJobs", "GetStatus",
                                      "Explain"};
  int asked = 0;
  for (const ServiceDescriptor* service :
       {v1::GetJobRequest::descriptor()->file()->service(0),
        v1::ReadVersionRequest::descriptor()->file()->service(0)}) {
    for (int i = 0; i < service->method_count(); ++i) {
      const MethodDescriptor& method = *service->method(i);
      const std::string path =
          absl::StrCat("/ebb.v1.", service->name(), "/", method.name());
      if (!MayCall(path).Has(Role::kClient)) continue;  // Below.
      ++asked;
      const bool needs = open.count(method.name()) == 0;
      for (const std::string& wrong : {std::string(), OtherToken()}) {
        const absl::Status refused = Call(method, wrong);
        EXPECT_EQ(absl::IsPermissionDenied(refused), needs)
            << path << ": " << refused;
        EXPECT_THAT(
            std::string(refused.message()),
            AllOf(Not(HasSubstr(Token())), Not(HasSubstr(OtherToken()))));
      }
      EXPECT_TRUE(Call(method, Token()).ok()) << path;
    }
  }
  EXPECT_GE(asked, 17);
  EXPECT_GT(scheduler_->refusals()->Of(Refusal::kToken), 0);
  EXPECT_GT(server_->refusals()->Of(Refusal::kToken), 0);
}

// Bug: of a job that nobody knew yet the handler was asked, which could know it
// by then, and no token had been looked at.
TEST_P(GrpcTokensTest, AJobThatNobodyKnowsIsNotAskedAbout) {
  const SecurityPtr as = As(Role::kClient);
  SchedulerAdminClient scheduler(scheduler_listener_->address(), as);
  PsAdminClient server(server_listener_->address(), as);
  v1::CancelJobRequest cancel;
  cancel.set_job(kJob + 1);
  EXPECT_TRUE(absl::IsNotFound(scheduler.CancelJob(cancel, kLong).status()));
  v1::GetLedgersRequest ledgers;
  ledgers.set_job(kJob + 1);
  EXPECT_TRUE(absl::IsNotFound(server.GetLedgers(ledgers, kLong).status()));
  v1::ReadVersionRequest read;
  read.mutable_key()->set_job(kJob + 1);
  const auto take = [](const v1::ReadVersionResponse&) {
    return absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsNotFound(server.ReadVersion(read, kLong, take)));
}

// Bug: the name was looked up a second time, and could be another's by then,
// who submitted a job of the same name.
TEST_P(GrpcTokensTest, ANameIsTheJobWhoseTokenWasShown) {
  const SecurityPtr as = As(Role::kClient);
  as->tokens()->SetFind([](JobId) { return Token(); });
  SchedulerAdminClient client(scheduler_listener_->address(), as);
  v1::GetJobRequest get;
  get.set_name("mlp");
  const auto found = client.GetJob(get, kLong);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->record().id(), kJob);
  get.set_name("nobody's");
  EXPECT_TRUE(absl::IsNotFound(client.GetJob(get, kLong).status()));
}

TEST_P(GrpcTokensTest, ClientsShowTheTokenOfTheJobThatTheyAskAbout) {
  const SecurityPtr as = As(Role::kClient);
  as->tokens()->SetFind(
      [](JobId job) { return job == JobId(kJob) ? Token() : OtherToken(); });
  SchedulerAdminClient scheduler(scheduler_listener_->address(), as);
  PsAdminClient server(server_listener_->address(), as);
  v1::GetJobRequest get;
  get.set_job(kJob);
  EXPECT_TRUE(scheduler.GetJob(get, kLong).ok());
  get.set_job(0);
  get.set_name("mlp");
  EXPECT_TRUE(absl::IsPermissionDenied(scheduler.GetJob(get, kLong).status()));
  v1::GetLedgersRequest ledgers;
  ledgers.set_job(kJob);
  EXPECT_TRUE(server.GetLedgers(ledgers, kLong).ok());
  v1::ReadVersionRequest read;
  read.mutable_key()->set_job(kJob);
  const auto take = [](const v1::ReadVersionResponse&) {
    return absl::OkStatus();
  };
  EXPECT_TRUE(server.ReadVersion(read, kLong, take).ok());
  as->tokens()->SetFind([](JobId) { return std::string(); });
  EXPECT_TRUE(absl::IsPermissionDenied(server.ReadVersion(read, kLong, take)));
}

TEST_P(GrpcTokensTest, WorkersNeedWhatTheirLeaseCameWith) {
  server_->tokens()->AddKey(scheduler_->tokens()->Key());
  server_->tokens()->Learn(*LockedJob());
  const SecurityPtr worker = As(Role::kWorker);
  worker->tokens()->Lend(
      JobId(kJob), SessionId(3),
      scheduler_->tokens()->ForWorker(JobId(kJob), SessionId(3)));
  const auto channel = ToServer(worker);

  EXPECT_TRUE(Push(channel.get(), kJob, 3).ok());
  EXPECT_TRUE(Pull(channel.get(), kJob, 3).ok());
  EXPECT_TRUE(Push(channel.get(), 8, 3).ok());  // Not known to be locked.
  EXPECT_EQ(server_->refusals()->Of(Refusal::kToken), 0);

  // A stamp of another worker, and tokens that were heard or made up.
  worker->tokens()->Lend(
      JobId(kJob), SessionId(4),
      scheduler_->tokens()->ForWorker(JobId(kJob), SessionId(3)));
  worker->tokens()->Lend(JobId(kJob), SessionId(5), std::string(32, '\0'));
  worker->tokens()->Lend(JobId(kJob), SessionId(6), "x");
  for (const uint64_t forged : {4, 5, 6, 7}) {
    for (const absl::Status& refused : {Push(channel.get(), kJob, forged),
                                        Pull(channel.get(), kJob, forged)}) {
      EXPECT_TRUE(absl::IsPermissionDenied(refused)) << forged << refused;
    }
  }
  EXPECT_EQ(server_->refusals()->Of(Refusal::kToken), 8);
  EXPECT_TRUE(Pull(channel.get(), kJob, 3).ok());
}

// Over the network, where a call shows one token for all of its pushes.
TEST_P(GrpcTokensTest, PushesTogetherNeedTheTokenEachForItself) {
  server_->tokens()->AddKey(scheduler_->tokens()->Key());
  server_->tokens()->Learn(*LockedJob());
  const auto push = [](uint64_t worker) {
    PushRequest request = MakePush(1, {1});
    request.job = JobId(kJob);
    request.stamp.worker = SessionId(worker);
    return Encode(request);
  };
  const Payload own = push(3), others = push(4);
  const SecurityPtr as = As(Role::kWorker);
  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(
      internal::MakeChannel(server_listener_->address(), {}, as.get(),
                            Role::kServer));
  grpc::ClientContext context;
  context.AddMetadata(
      internal::kWorkerTokenKey,
      scheduler_->tokens()->ForWorker(JobId(kJob), SessionId(3)));
  const grpc::ByteBuffer request =
      internal::ToByteBuffer(EncodePushMany({&own, &others, &own}));
  grpc::ByteBuffer response;
  Collected<absl::Status> ended;
  stub.UnaryCall(&context, "/ebb.v1.ParameterServer/PushMany", {}, &request,
                 &response, [&](grpc::Status s) { ended.Add(FromGrpc(s)); });

  ASSERT_TRUE(ended.WaitFor(1).at(0).ok()) << ended.Now()[0];
  const auto answers = DecodePushAnswers(internal::ToPayload(response));
  ASSERT_TRUE(answers.ok() && answers->size() == 3) << answers.status();
  EXPECT_TRUE((*answers)[0].ok()) << (*answers)[0].status();
  EXPECT_TRUE(absl::IsPermissionDenied((*answers)[1].status()));
  EXPECT_TRUE(absl::IsFailedPrecondition((*answers)[2].status()));
  EXPECT_EQ(server_->refusals()->Of(Refusal::kToken), 1);
}

// Bug: the room for a message of any size was kept until its last piece came,
// and only then was the token looked at.
TEST_P(GrpcTokensTest, TheFirstPieceOfAMessageNeedsTheToken) {
  server_->tokens()->AddKey(scheduler_->tokens()->Key());
  server_->tokens()->Learn(*LockedJob());
  PushRequest push = MakePush(1, std::vector<float>(1024, 1));
  push.job = JobId(kJob);
  push.stamp.worker = SessionId(4);
  PullRequest pull;
  pull.job = push.job;
  pull.stamp = push.stamp;
  pull.segments.resize(1024);
  const SecurityPtr as = As(Role::kWorker);
  const auto channel = internal::MakeChannel(server_listener_->address(), {},
                                             as.get(), Role::kServer);
  const std::pair<const char*, Payload> messages[] = {
      {"/ebb.v1.ParameterServer/PushInPieces", Encode(push)},
      {"/ebb.v1.ParameterServer/PullInPieces", Encode(pull)}};
  for (const auto& [method, message] : messages) {
    OnePiece call;
    call.context.AddMetadata(
        internal::kWorkerTokenKey,
        scheduler_->tokens()->ForWorker(JobId(kJob), SessionId(3)));
    call.Send(channel, method, EncodePiece(int64_t{1} << 30, message));
    const absl::Status refused = call.End();
    EXPECT_TRUE(absl::IsPermissionDenied(refused)) << method << refused;
  }
  EXPECT_EQ(server_->refusals()->Of(Refusal::kToken), 2);
}

TEST_P(GrpcTokensTest, ASchedulerGivesThemWithWhatLeadsToTheServers) {
  const SecurityPtr as = As(Role::kWorker);
  GrpcTransport transport({}, 0, as);
  Keeping<SchedulerToWorker> handler;
  const auto session =
      transport.ConnectWorkerSession(scheduler_listener_->address(), &handler);
  RegisterWorker me;
  me.session = SessionId(3);
  me.name = "worker";
  session->Send(me);
  const auto accepted = sessions_.workers.WaitFor(1).at(0);
  accepted.arrived->messages.WaitFor(1);

  LeaseLost lost;
  lost.job = JobId(kJob);
  lost.generation = Generation(1);
  accepted.link->Send(lost);
  handler.messages.WaitFor(1);
  EXPECT_EQ(as->tokens()->Lent(JobId(kJob), SessionId(3)), "");
  Lease lease;
  lease.record = LockedJob();
  lease.generation = Generation(1);
  accepted.link->Send(lease);
  handler.messages.WaitFor(2);

  EXPECT_EQ(as->tokens()->Lent(JobId(kJob), SessionId(3)),
            scheduler_->tokens()->ForWorker(JobId(kJob), SessionId(3)));
  Placement placement;
  placement.job = JobId(9);
  placement.generation = Generation(1);
  accepted.link->Send(placement);
  handler.messages.WaitFor(3);
  EXPECT_EQ(as->tokens()->Lent(JobId(9), SessionId(3)),
            scheduler_->tokens()->ForWorker(JobId(9), SessionId(3)));
}

TEST_P(GrpcTokensTest, AServerLearnsTheKeyAndItsJobsFromItsSession) {
  GrpcTransport transport({}, 0, server_);
  Keeping<SchedulerToServer> handler;
  const auto session =
      transport.ConnectServerSession(scheduler_listener_->address(), &handler);
  const auto accepted = sessions_.servers.WaitFor(1).at(0);
  Grant grant;
  grant.server = ServerId(0);
  grant.session = SessionId(1);
  grant.record = LockedJob();
  grant.generation = Generation(1);

  accepted.link->Send(grant);
  handler.messages.WaitFor(1);

  const absl::Time end = absl::Now() + kLong;
  while (server_->tokens()->CheckWorker(JobId(kJob), SessionId(3), "").ok() &&
         absl::Now() < end) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_FALSE(
      server_->tokens()->CheckWorker(JobId(kJob), SessionId(3), "").ok());
  EXPECT_TRUE(server_->tokens()
                  ->CheckWorker(JobId(kJob), SessionId(3),
                                scheduler_->tokens()->ForWorker(JobId(kJob),
                                                                SessionId(3)))
                  .ok());
}

TEST_P(GrpcTokensTest, WhoWorksForOneJobOnlyShowsItsToken) {
  const auto join = [&](const std::string& token) {
    const SecurityPtr as = As(Role::kWorker);
    as->tokens()->SetFind([token](JobId) { return token; });
    GrpcTransport transport({}, 0, as);
    Keeping<SchedulerToWorker> handler;
    const auto session = transport.ConnectWorkerSession(
        scheduler_listener_->address(), &handler);
    RegisterWorker me;
    me.session = SessionId(3);
    me.name = "program";
    me.only_job = JobId(kJob);
    session->Send(me);
    session->Close();
    return handler.closed.WaitFor(1).at(0);
  };

  EXPECT_TRUE(join(Token()).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(join("")));
  EXPECT_TRUE(absl::IsPermissionDenied(join(OtherToken())));
  // Neither was heard.
  size_t heard = 0;
  for (const auto& one : sessions_.workers.Now()) {
    heard += one.arrived->messages.Now().size();
  }
  EXPECT_EQ(heard, 1U);
}

// Nothing identifies anybody there.
TEST(PlainTokensTest, InPlainTextTheyAreNeitherShownNorChecked) {
  const auto plain = Security::Create({}, RoleSet::All());
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ((*plain)->tokens(), nullptr);
  AllScheduler admin;
  KeepingScheduler sessions;
  GrpcTransport transport({}, 0, *plain);
  const auto listener =
      transport.ListenScheduler(kAny, {.sessions = &sessions, .admin = &admin});
  ASSERT_TRUE(listener.ok()) << listener.status();
  v1::CancelJobRequest cancel;
  cancel.set_job(kJob);
  EXPECT_TRUE(SchedulerAdminClient((*listener)->address())
                  .CancelJob(cancel, kLong)
                  .ok());
}

}  // namespace
}  // namespace ebb::rpc
