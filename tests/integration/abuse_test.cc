// Who breaks the protocol, while a job trains: everything wrong is refused,
// nobody else is disturbed, and at the end each example was applied once.
//
// The attacker speaks the wire itself: gRPC's stubs, its bytes, and sockets.
#include <arpa/inet.h>
#include <fcntl.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/fd.h"
#include "common/tls/job_token.h"
#include "ebb/v1/parameter_server.grpc.pb.h"
#include "ebb/v1/scheduler.grpc.pb.h"
#include "ebb/v1/specification.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/internal/grpc_security.h"
#include "rpc/internal/guard.h"
#include "rpc/job_tokens.h"
#include "rpc/transport_contract.h"
#include "tests/testing/process_cluster.h"

namespace ebb::testing {
namespace {

constexpr int kSeed = 20240607;
constexpr char kLimitFlag[] = "--message-limit";

// Real messages' RPCs, of both daemons.
const std::vector<std::string>& SchedulerRpcs() {
  static const auto& rpcs = *new std::vector<std::string>{
      "SubmitJob",     "ListJobs",    "GetStatus", "Explain",
      "GetJob",        "ForgetJob",   "PauseJob",  "ResumeJob",
      "CheckpointNow", "CancelJob",   "ScaleJob",  "RollbackJob",
      "FinishJob",     "ResolveItem", "NoSuchRpc", "WorkerSession",
      "ServerSession"};
  return rpcs;
}
const std::vector<std::string>& ServerRpcs() {
  static const auto& rpcs = *new std::vector<std::string>{
      "Push",        "Pull",           "Clock",        "Fetch",
      "GetLedgers",  "PushInPieces",   "PullInPieces", "ListVersions",
      "ReadVersion", "VerifyVersions", "NoSuchRpc"};
  return rpcs;
}

// A connection that speaks no HTTP/2, or none at all.
Fd Dial(const std::string& address) {
  const std::vector<std::string> parts = absl::StrSplit(address, ':');
  int port = 0;
  EXPECT_TRUE(parts.size() == 2 && absl::SimpleAtoi(parts[1], &port));
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) {
    return Fd();
  }
  return fd;
}

bool Send(const Fd& fd, const std::string& bytes) {
  return send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(bytes.size());
}

// Waits until the other side has closed it, and throws away what came before.
bool WaitClosed(const Fd& fd, absl::Time deadline) {
  while (absl::Now() < deadline) {
    pollfd one = {.fd = fd.get(), .events = POLLIN, .revents = 0};
    poll(&one, 1, 100);
    char buffer[4096];
    const ssize_t got = recv(fd.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return true;
  }
  return false;
}

// This test and its children need as many files as this.
void RaiseFileLimit() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// A cluster with a job that trains until it is let go.
class AbuseTest : public ::testing::Test {
 protected:
  explicit AbuseTest(bool tls = false)
      : cluster_((RaiseFileLimit(), tls)), tls_(tls) {
    if (tls) {
      rpc::SetTokenHash(token_, &record_);
      cluster_.ShowToken(token_);
    }
    cluster_.scheduler().Start({"--metrics-port", "0"});
    cluster_.ps(0).Start({kLimitFlag, "8MiB", "--metrics-port", "0"});
    cluster_.ps(1).Start({kLimitFlag, "8MiB"});
    cluster_.StartWorker();
    cluster_.computer().pace_us = 200'000;
    job_ = cluster_.Submit(record_);
    EXPECT_TRUE(cluster_.WaitFor(job_, [](const v1::JobStatus& status) {
      return status.applied_min() > 0;
    }));
  }

  // Called by each test at its end.
  void ExpectUndisturbed() {
    const auto before = cluster_.Status(job_);
    ASSERT_TRUE(before.has_value());
    EXPECT_TRUE(cluster_.WaitFor(job_, [&](const v1::JobStatus& status) {
      return status.applied_min() > before->applied_min() ||
             status.summary().state() == v1::JOB_STATE_COMPLETE;
    }));
    cluster_.computer().pace_us = 500;
    ASSERT_TRUE(cluster_.WaitComplete(job_));
    cluster_.ExpectExact(record_, job_);
    v1::ListVersionsRequest versions;
    versions.set_job(job_.value());
    for (int i = 0; i < 2; ++i) {
      const auto answer =
          rpc::PsAdminClient(cluster_.ps(i).address(), Showing(Role::kClient))
              .ListVersions(versions, kCall);
      EXPECT_TRUE(answer.ok() || absl::IsNotFound(answer.status()))
          << answer.status();
    }
  }

  rpc::SecurityPtr Showing(Role role) {
    rpc::SecurityPtr security = cluster_.As(role);
    if (security != nullptr) {
      security->tokens()->SetFind([this](JobId) { return token_; });
    }
    return security;
  }
  std::shared_ptr<grpc::Channel> Channel(const std::string& address,
                                         Role as = Role::kWorker,
                                         Role to = Role::kServer) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetMaxSendMessageSize(-1);
    return grpc::CreateCustomChannel(address,
                                     tls_ ? cluster_.As(as)->grpc()->ToRole(to)
                                          : grpc::InsecureChannelCredentials(),
                                     arguments);
  }
  // The status of a call with these bytes.
  static grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel,
                           const std::string& rpc, const std::string& bytes) {
    grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(
        channel);
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kLimit));
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    rpc::Collected<grpc::Status> ended;
    stub.UnaryCall(&context, rpc, {}, &request, &response,
                   [&](grpc::Status status) { ended.Add(std::move(status)); });
    return ended.WaitFor(1).at(0);
  }
  v1::GetJobResponse Job() {
    v1::GetJobRequest request;
    request.set_job(job_.value());
    const auto job =
        cluster_.Admin(Showing(Role::kClient)).GetJob(request, kCall);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? *job : v1::GetJobResponse();
  }
  // Makes a push that no worker of the job would make: a whole batch of an item
  // that nobody has begun, for one partition of server 0.
  v1::PushRequest Push(const v1::GetJobResponse& job, uint64_t worker) {
    v1::PushRequest push;
    push.set_job(job_.value());
    push.set_generation(job.summary().generation());
    push.mutable_stamp()->set_worker(worker);
    push.set_incarnation(1);
    push.set_layout_hash(record_.plan.layout_hash);
    push.mutable_item()->set_epoch(1);
    push.mutable_item()->set_shard(record_.plan.shards() - 1);
    push.set_end(4);
    push.mutable_ledger()->set_count(4);
    std::string values;
    for (const v1::PartitionPlace& place : job.placement().partitions()) {
      if (place.server() != 0) continue;
      push.set_server_session(place.server_session());
      v1::PushSegment* segment = push.add_segments();
      segment->set_partition(place.partition());
      segment->set_term(place.term());
      const auto range =
          record_.plan.ParameterRange(PartitionId(place.partition()));
      const auto bytes = static_cast<int64_t>(
          (range.second - range.first) * static_cast<int64_t>(sizeof(float)));
      segment->set_gradient_bytes(bytes);
      const std::vector<float> nan(static_cast<size_t>(bytes / 4),
                                   std::numeric_limits<float>::quiet_NaN());
      values.append(reinterpret_cast<const char*>(nan.data()),
                    static_cast<size_t>(bytes));
      const int64_t oracle = record_.plan.oracle_width * 8;
      segment->set_oracle_bytes(oracle);
      values.append(static_cast<size_t>(oracle), '\1');
      break;  // So that what is wrong with it is wrong with all of it.
    }
    push.set_values(values);
    return push;
  }
  // The verdicts of all segments; an error counts as VERDICT_UNSPECIFIED.
  std::vector<v1::Verdict> Verdicts(v1::ParameterServer::Stub* stub,
                                    const v1::PushRequest& push) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kLimit));
    v1::PushResponse response;
    last_ = stub->Push(&context, push, &response);
    if (!last_.ok()) return {v1::VERDICT_UNSPECIFIED};
    std::vector<v1::Verdict> verdicts;
    for (const auto& segment : response.segments()) {
      verdicts.push_back(segment.verdict());
    }
    return verdicts;
  }
  // Of a daemon's metrics; -1: there is none.
  double Refused(const Daemon& daemon, const std::string& reason) {
    EXPECT_TRUE(daemon.Says("metrics at http://127.0.0.1:"));
    const std::string log = daemon.log();
    const size_t at = log.rfind("metrics at http://") + 18;
    const std::string address = log.substr(at, log.find('/', at) - at);
    const Fd fd = Dial(address);
    EXPECT_TRUE(Send(fd, "GET /metrics HTTP/1.0\r\n\r\n"));
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = recv(fd.get(), buffer, sizeof(buffer), 0)) > 0;) {
      text.append(buffer, static_cast<size_t>(got));
    }
    const std::string name =
        absl::StrCat("ebb_network_refusals_total{reason=\"", reason, "\"} ");
    const size_t found = text.find(name);
    if (found == std::string::npos) return -1;
    const size_t begin = found + name.size();
    double value = -1;
    EXPECT_TRUE(absl::SimpleAtod(
        text.substr(begin, text.find('\n', begin) - begin), &value));
    return value;
  }

  const std::string token_ = NewJobToken();
  JobRecord record_ = SmallJob();
  ProcessCluster cluster_;
  const bool tls_;
  JobId job_;
  grpc::Status last_;
};

class TlsAbuseTest : public AbuseTest {
 protected:
  TlsAbuseTest() : AbuseTest(/*tls=*/true) {}
};

TEST_F(AbuseTest, BytesThatAreNoMessagesAreRefused) {
  std::mt19937 random(kSeed);
  const auto noise = [&](size_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    return bytes;
  };
  const auto scheduler = Channel(cluster_.address());
  const auto server = Channel(cluster_.ps(0).address());
  int refused = 0, sent = 0;
  for (int round = 0; round < 12; ++round) {
    for (const std::string& rpc : SchedulerRpcs()) {
      // An order that is read as one, by chance, names no job that there is.
      const auto status =
          Call(scheduler, "/ebb.v1.Scheduler/" + rpc, noise(random() % 200));
      refused += status.ok() ? 0 : 1;
      ++sent;
    }
    for (const std::string& rpc : ServerRpcs()) {
      const auto status = Call(server, "/ebb.v1.ParameterServer/" + rpc,
                               noise(random() % 2000));
      refused += status.ok() ? 0 : 1;
      ++sent;
    }
  }
  EXPECT_GT(refused, sent * 3 / 4);
  EXPECT_GT(Refused(cluster_.ps(0), "message"), 0);

  ExpectUndisturbed();
}

// Bug: the page of metrics let one think that each such message is counted.
TEST_F(AbuseTest, TheMetricsCountUnreadableMessagesOfTheData) {
  const std::string garbage(20, '\xff');
  const std::set<std::string> counted = {
      "Push",     "Pull",         "Clock",       "Fetch",
      "PushMany", "PushInPieces", "PullInPieces"};
  const auto server = Channel(cluster_.ps(0).address());
  std::vector<std::string> rpcs = ServerRpcs();
  rpcs.push_back("PushMany");
  double messages = 0;
  for (const std::string& rpc : rpcs) {
    for (int i = 0; i < 3; ++i) {
      EXPECT_FALSE(Call(server, "/ebb.v1.ParameterServer/" + rpc, garbage).ok())
          << rpc;
    }
    if (counted.contains(rpc)) messages += 3;
    EXPECT_EQ(Refused(cluster_.ps(0), "message"), messages) << rpc;
  }
  const auto scheduler = Channel(cluster_.address());
  // Bytes that gRPC itself cannot read never reach the daemon.
  for (const std::string& rpc : SchedulerRpcs()) {
    Call(scheduler, "/ebb.v1.Scheduler/" + rpc, garbage);
    EXPECT_EQ(Refused(cluster_.scheduler(), "message"), 0) << rpc;
  }
  // A session's message that gRPC can read, and that is none of the protocol.
  const auto sessions = v1::Scheduler::NewStub(scheduler);
  for (int i = 1; i <= 3; ++i) {
    grpc::ClientContext context;
    const auto stream = sessions->WorkerSession(&context);
    stream->Write(v1::WorkerToScheduler());
    v1::SchedulerToWorker answer;
    EXPECT_FALSE(stream->Read(&answer));
    EXPECT_EQ(stream->Finish().error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(Refused(cluster_.scheduler(), "message"), i);
  }

  ExpectUndisturbed();
}

// Real messages with some bytes changed, lost, or twice. Their layout is
// another job's: what is still a push after that is refused by it.
TEST_F(AbuseTest, DamagedMessagesAreRefused) {
  const v1::GetJobResponse job = Job();
  v1::PushRequest push = Push(job, 99);
  push.set_layout_hash(push.layout_hash() + 1);
  const std::string good = push.SerializeAsString();
  v1::PullRequest pull;
  pull.set_job(job_.value());
  pull.set_generation(1);
  pull.mutable_stamp()->set_worker(99);
  pull.set_round(-1);
  pull.add_segments()->set_term(push.segments(0).term());
  std::mt19937 random(kSeed);
  const auto server = Channel(cluster_.ps(0).address());

  for (int i = 0; i < 300; ++i) {
    std::string bytes = i % 2 == 0 ? good : pull.SerializeAsString();
    for (int changes = 1 + static_cast<int>(random() % 4); changes > 0;
         --changes) {
      const size_t at = random() % bytes.size();
      switch (random() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.resize(at + 1);
          break;
        default:
          bytes.insert(at, bytes.substr(at, random() % 20));
      }
    }
    Call(server,
         i % 2 == 0 ? "/ebb.v1.ParameterServer/Push"
                    : "/ebb.v1.ParameterServer/Pull",
         bytes);
  }

  ExpectUndisturbed();
}

TEST_F(AbuseTest, ForgedPushesChangeNothing) {
  const v1::GetJobResponse job = Job();
  const auto stub =
      v1::ParameterServer::NewStub(Channel(cluster_.ps(0).address()));
  const v1::PushRequest good = Push(job, 99);
  ASSERT_GT(good.segments_size(), 0);
  const int64_t most = std::numeric_limits<int64_t>::max();
  std::vector<std::pair<std::string, v1::PushRequest>> forged;
  const auto forge = [&](const std::string& what) {
    forged.emplace_back(what, good);
    return &forged.back().second;
  };
  forge("a gap")->set_begin(8);
  forged.back().second.set_end(12);
  forge("beyond the item")->set_end(1 << 20);
  forge("no range")->set_end(0);
  forge("a range that ends before it begins")->set_begin(most);
  forge("negative")->set_begin(-4);
  forge("all there is")->set_end(most);
  forge("not on the grid")->set_end(3);
  forge("another layout")->set_layout_hash(1);
  forge("no such item")->mutable_item()->set_shard(1 << 20);
  forge("a negative item")->mutable_item()->set_epoch(-1);
  forge("another generation")->set_generation(good.generation() + 1);
  forge("the largest generation")
      ->set_generation(std::numeric_limits<uint64_t>::max());
  forge("another life")->set_server_session(good.server_session() + 1);
  forge("another term")
      ->mutable_segments(0)
      ->set_term(good.segments(0).term() + 1);
  forge("the largest term")
      ->mutable_segments(0)
      ->set_term(std::numeric_limits<uint64_t>::max());
  forge("no such partition")->mutable_segments(0)->set_partition(1 << 15);
  forge("a gradient that is too long")
      ->mutable_segments(0)
      ->set_gradient_bytes(good.segments(0).gradient_bytes() + 4);
  forge("a gradient that ends within a number")
      ->mutable_segments(0)
      ->set_gradient_bytes(good.segments(0).gradient_bytes() - 1);
  forge("a negative size")->mutable_segments(0)->set_gradient_bytes(-8);
  forge("the largest size")->mutable_segments(0)->set_gradient_bytes(most);
  forge("values that are missing")->clear_values();
  forge("values that nobody named")->mutable_values()->append(1000, 'x');
  forge("an encoding that is none")
      ->mutable_segments(0)
      ->set_encoding(static_cast<v1::Encoding>(77));
  forge("rows of no table")->mutable_segments(0)->add_rows()->set_table(3);
  forge("a job that is not there")->set_job(job_.value() + 1);
  forge("a sequence from the end")->set_sequence(most);
  forge("twice the same partition")->add_segments()->CopyFrom(good.segments(0));

  uint64_t worker = 1000;  // Each is another's first push.
  for (auto& [what, push] : forged) {
    push.mutable_stamp()->set_worker(++worker);
    // Of "a sequence from the end" the first is missing.
    for (const v1::Verdict verdict : Verdicts(stub.get(), push)) {
      EXPECT_NE(verdict, v1::VERDICT_APPLIED) << what;
    }
  }

  ExpectUndisturbed();
}

TEST_F(AbuseTest, MessagesOverTheLimitAreRefused) {
  v1::PushRequest push = Push(Job(), 99);
  push.set_layout_hash(1);
  push.mutable_values()->resize(16 << 20);
  const auto stub =
      v1::ParameterServer::NewStub(Channel(cluster_.ps(0).address()));
  for (int i = 0; i < 8; ++i) {
    Verdicts(stub.get(), push);
    EXPECT_EQ(last_.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED)
        << last_.error_message();
  }
  ExpectUndisturbed();
}

// Sessions that say what is not so: of workers that are there, of servers that
// are there, and of nobody.
TEST_F(AbuseTest, ForgedSessionsAreRefusedOrReplaced) {
  const auto stub = v1::Scheduler::NewStub(
      Channel(cluster_.address(), Role::kWorker, Role::kScheduler));
  struct Session {
    std::unique_ptr<grpc::ClientContext> context =
        std::make_unique<grpc::ClientContext>();
    std::unique_ptr<
        grpc::ClientReaderWriter<v1::WorkerToScheduler, v1::SchedulerToWorker>>
        stream;
  };
  std::vector<Session> sessions;
  const auto open = [&]() -> auto& {
    Session& session = sessions.emplace_back();
    session.stream = stub->WorkerSession(session.context.get());
    return *session.stream;
  };
  const auto registration = [](uint64_t session) {
    v1::WorkerToScheduler message;
    message.mutable_register_worker()->set_session(session);
    message.mutable_register_worker()->set_name("forged");
    return message;
  };
  // Some take leases and never work.
  for (uint64_t i = 0; i < 4; ++i) {
    auto& stream = open();
    stream.Write(registration(2000 + i));
    v1::WorkerToScheduler wants;
    wants.mutable_lease_request()->set_session(2000 + i);
    wants.mutable_lease_request()->set_items(4);
    stream.Write(wants);
  }
  // The worker that is there, under whose number they are done with everything.
  auto& thief = open();
  thief.Write(registration(11));
  for (int shard = 0; shard < 20; ++shard) {
    v1::WorkerToScheduler done;
    v1::ItemEnd* end = done.mutable_item_end();
    end->set_session(11);
    end->set_job(job_.value());
    end->set_generation(1);
    end->mutable_item()->set_epoch(1);
    end->mutable_item()->set_shard(shard);
    end->set_end(v1::ItemEnd::REASON_DONE);
    thief.Write(done);
  }
  // Nothing before it is registered, and nothing that is none.
  auto& early = open();
  v1::WorkerToScheduler progress;
  progress.mutable_progress()->set_session(3000);
  progress.mutable_progress()->set_job(job_.value());
  progress.mutable_progress()->set_position(
      std::numeric_limits<int64_t>::max());
  early.Write(progress);
  open().Write(v1::WorkerToScheduler());
  open().Write(registration(0));
  // Servers: 0 is there, 70000 cannot be.
  for (const int32_t id : {0, 1, -1, 70'000}) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kLimit));
    const auto stream = stub->ServerSession(&context);
    v1::ServerToScheduler message;
    v1::RegisterServer* server = message.mutable_register_server();
    server->set_server(id);
    server->set_session(4000);
    server->set_address("127.0.0.1:1");
    for (int i = 0; i < 1000; ++i) server->add_known_servers(id);
    stream->Write(message);
    v1::SchedulerToServer answer;
    if (stream->Read(&answer)) {
      EXPECT_TRUE(answer.has_refuse()) << id << answer.DebugString();
    }
    context.TryCancel();
    stream->Finish();
  }
  for (Session& session : sessions) {
    session.context->TryCancel();
    v1::SchedulerToWorker message;
    while (session.stream->Read(&message)) {
    }
    session.stream->Finish();
  }

  ExpectUndisturbed();
}

// Connections that say nothing, half of something, or nonsense.
TEST_F(AbuseTest, HalfOpenConnectionsAreLetGo) {
  std::vector<Fd> silent, half, nonsense;
  for (const std::string& address :
       {cluster_.address(), cluster_.ps(0).address()}) {
    for (int i = 0; i < 50; ++i) {
      silent.push_back(Dial(address));
      half.push_back(Dial(address));
      EXPECT_TRUE(Send(half.back(), "PRI * HTTP/2.0\r\n\r\nSM"));
      nonsense.push_back(Dial(address));
      EXPECT_TRUE(Send(nonsense.back(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n" +
                                            std::string(1000, '\xff')));
    }
  }

  // Connections that say nothing have 10 seconds.
  const absl::Time deadline = absl::Now() + kLimit;
  for (const auto* all : {&silent, &half, &nonsense}) {
    for (const Fd& fd : *all) {
      ASSERT_TRUE(fd);
      EXPECT_TRUE(WaitClosed(fd, deadline));
    }
  }

  ExpectUndisturbed();
}

TEST_F(AbuseTest, AThousandConnectionsAreServed) {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  std::vector<std::unique_ptr<v1::Scheduler::Stub>> stubs;
  for (int i = 0; i < 1000; ++i) {
    channels.push_back(
        Channel(cluster_.address(), Role::kWorker, Role::kScheduler));
    stubs.push_back(v1::Scheduler::NewStub(channels.back()));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kLimit));
    v1::ListJobsResponse jobs;
    const grpc::Status status = stubs.back()->ListJobs(&context, {}, &jobs);
    EXPECT_TRUE(status.ok()) << i << ": " << status.error_message();
    EXPECT_EQ(jobs.jobs_size(), 1);
  }
  std::vector<Fd> bare;
  for (int i = 0; i < 1000; ++i) bare.push_back(Dial(cluster_.ps(0).address()));
  // While all of them are open.
  v1::GetLedgersRequest ledgers;
  ledgers.set_job(job_.value());
  const auto answer =
      rpc::PsAdminClient(cluster_.ps(0).address()).GetLedgers(ledgers, kCall);
  EXPECT_TRUE(answer.ok()) << answer.status();

  ExpectUndisturbed();
}

// More calls than a server answers at once, of pulls that wait.
TEST_F(AbuseTest, AFloodOfCallsIsAnsweredOrRefused) {
  const v1::GetJobResponse job = Job();
  const v1::PushRequest push = Push(job, 99);
  v1::PullRequest pull;
  pull.set_job(job_.value());
  pull.set_generation(job.summary().generation());
  pull.mutable_stamp()->set_worker(99);
  pull.set_round(-1);
  v1::PullSegmentRequest* segment = pull.add_segments();
  segment->set_partition(push.segments(0).partition());
  segment->set_term(push.segments(0).term());
  const std::string bytes = pull.SerializeAsString();
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  struct Flood {
    grpc::ClientContext context;
    grpc::ByteBuffer response;
  };
  constexpr int kCalls = 5000;
  std::vector<std::unique_ptr<Flood>> calls;
  rpc::Collected<int> ended;
  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(
      Channel(cluster_.ps(0).address()));
  for (int i = 0; i < kCalls; ++i) {
    auto call = std::make_unique<Flood>();
    call->context.set_deadline(absl::ToChronoTime(absl::Now() + kLimit));
    stub.UnaryCall(&call->context, "/ebb.v1.ParameterServer/Pull", {}, &request,
                   &call->response, [&](const grpc::Status& status) {
                     ended.Add(status.error_code());
                   });
    calls.push_back(std::move(call));
  }
  std::map<int, int> by_code;
  for (const int code : ended.WaitFor(kCalls)) ++by_code[code];
  EXPECT_EQ(by_code[grpc::StatusCode::OK] +
                by_code[grpc::StatusCode::RESOURCE_EXHAUSTED] +
                by_code[grpc::StatusCode::UNAVAILABLE],
            kCalls);

  ExpectUndisturbed();
}

TEST(SubmissionAbuseTest, WhatNoJobCanBeIsRefused) {
  ProcessCluster cluster;
  cluster.scheduler().Start();
  const JobRecord record = SmallJob();
  ASSERT_NE(cluster.Submit(record), JobId());
  auto admin = cluster.Admin();
  for (const std::string& name :
       {std::string(), std::string(201, 'n'), std::string("a/b"),
        std::string("two\nlines"), std::string("nul\0", 4)}) {
    v1::SubmitJobRequest request = ProcessCluster::Request(record, "named");
    request.set_name(name);
    EXPECT_TRUE(
        absl::IsInvalidArgument(admin.SubmitJob(request, kCall).status()));
  }
  v1::Specification specification;
  ASSERT_TRUE(specification.ParseFromString(record.specification));
  specification.set_token_hash("short");
  v1::SubmitJobRequest hashed = ProcessCluster::Request(record, "hashed");
  hashed.set_name("hashed");
  hashed.set_specification(specification.SerializeAsString());
  EXPECT_TRUE(absl::IsInvalidArgument(admin.SubmitJob(hashed, kCall).status()));
  // Bug: each size of blocks had all of a server's --memory for itself.
  v1::SubmitJobRequest blocks = ProcessCluster::Request(record, "blocks");
  blocks.set_name("blocks");
  blocks.mutable_plan()->set_block_floats(record.plan.block_floats + 1);
  EXPECT_TRUE(absl::IsInvalidArgument(admin.SubmitJob(blocks, kCall).status()));
  // Bug: --memory did not count what a server keeps of each table.
  v1::SubmitJobRequest tables = ProcessCluster::Request(record, "tables");
  tables.set_name("tables");
  tables.mutable_plan()->set_partitions(2049);
  tables.mutable_plan()->mutable_consistency()->set_local_steps(0);
  for (int t = 0; t < 64; ++t) {
    tables.mutable_plan()->add_sparse_tables()->set_width(1);
  }
  const auto refused = admin.SubmitJob(tables, kCall);
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  EXPECT_THAT(refused.status().message(),
              ::testing::HasSubstr("131072 possible"));

  absl::Status status;
  int taken = 1;
  while (status.ok() && taken <= 1000) {
    const std::string name = absl::StrCat("job-", taken);
    v1::SubmitJobRequest request = ProcessCluster::Request(record, name);
    request.set_name(name);
    status = admin.SubmitJob(request, kCall).status();
    if (status.ok()) ++taken;
  }
  EXPECT_EQ(taken, 1000);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_TRUE(admin.GetStatus({}, kCall).ok());
}

// --- With certificates, and a job that has a token ---------------------------

// A worker of the cluster that was never leased anything of the job: what it
// pushes is right but for the values, which are not finite.
TEST_F(TlsAbuseTest, AFloodOfNansFromWhoHasNoLeaseIsRefused) {
  const auto stub =
      v1::ParameterServer::NewStub(Channel(cluster_.ps(0).address()));
  const v1::GetJobResponse job = Job();
  ASSERT_GT(Push(job, 99).segments_size(), 0);
  const std::string other = WorkerToken(NewTokenKey(), job_, SessionId(99));
  const std::vector<std::pair<const char*, std::string>> shown = {
      {"", ""},
      {rpc::internal::kWorkerTokenKey, other},
      {rpc::internal::kWorkerTokenKey, std::string(1000, 'x')},
      // The job's own, and its hash, are no worker's.
      {rpc::internal::kWorkerTokenKey, JobTokenHash(token_)},
      {rpc::internal::kJobTokenKey, token_}};
  int refused = 0;
  for (int i = 0; i < 200; ++i) {
    // Under its own name, and that of the worker that has a token.
    const v1::PushRequest push = Push(job, i % 2 == 0 ? 99 : 11);
    const auto& [key, token] = shown[i % shown.size()];
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kLimit));
    if (!token.empty()) context.AddMetadata(key, token);
    v1::PushResponse response;
    const grpc::Status status = stub->Push(&context, push, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED)
        << status.error_message();
    refused += status.ok() ? 0 : 1;
  }
  EXPECT_EQ(Refused(cluster_.ps(0), "token"), refused);

  ExpectUndisturbed();
}

// A token that the scheduler gave for one session, in another.
TEST_F(TlsAbuseTest, ReplayedTokensAreWorthNothing) {
  const auto scheduler = v1::Scheduler::NewStub(
      Channel(cluster_.address(), Role::kWorker, Role::kScheduler));
  grpc::ClientContext context;
  const auto stream = scheduler->WorkerSession(&context);
  v1::WorkerToScheduler message;
  message.mutable_register_worker()->set_session(99);
  message.mutable_register_worker()->set_name("leased");
  stream->Write(message);
  message.mutable_lease_request()->set_session(99);
  message.mutable_lease_request()->set_items(1);
  stream->Write(message);
  v1::SchedulerToWorker answer;
  while (answer.job_token().empty() && stream->Read(&answer)) {
  }
  const std::string token = answer.job_token();
  ASSERT_EQ(token.size(), kTokenBytes);
  const auto stub =
      v1::ParameterServer::NewStub(Channel(cluster_.ps(0).address()));
  const v1::GetJobResponse job = Job();

  for (const uint64_t worker : {11, 100}) {
    grpc::ClientContext replay;
    replay.set_deadline(absl::ToChronoTime(absl::Now() + kLimit));
    replay.AddMetadata(rpc::internal::kWorkerTokenKey, token);
    v1::PushResponse response;
    const grpc::Status status =
        stub->Push(&replay, Push(job, worker), &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED)
        << status.error_message();
  }
  // In its own session it is judged as all others are.
  v1::PushRequest own = Push(job, 99);
  own.set_layout_hash(1);
  grpc::ClientContext judged;
  judged.set_deadline(absl::ToChronoTime(absl::Now() + kLimit));
  judged.AddMetadata(rpc::internal::kWorkerTokenKey, token);
  v1::PushResponse response;
  const grpc::Status status = stub->Push(&judged, own, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  for (const auto& segment : response.segments()) {
    EXPECT_EQ(segment.verdict(), v1::VERDICT_INVALID);
  }
  context.TryCancel();
  while (stream->Read(&answer)) {
  }
  stream->Finish();

  ExpectUndisturbed();
}

TEST_F(TlsAbuseTest, StrangersEndInTheHandshakeAndAreCounted) {
  const ProcessCluster others(/*tls=*/true);
  for (int i = 0; i < 20; ++i) {
    const auto stranger = v1::Scheduler::NewStub(grpc::CreateChannel(
        cluster_.address(),
        i % 2 == 0
            ? grpc::InsecureChannelCredentials()
            : others.As(Role::kClient)->grpc()->ToRole(Role::kScheduler)));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kLimit));
    v1::ListJobsResponse jobs;
    EXPECT_FALSE(stranger->ListJobs(&context, {}, &jobs).ok());
  }
  const Fd bare = Dial(cluster_.address());
  EXPECT_TRUE(Send(bare, "\x16\x03\x01 no handshake at all"));
  EXPECT_TRUE(WaitClosed(bare, absl::Now() + kLimit));
  EXPECT_GT(Refused(cluster_.scheduler(), "handshake"), 0);

  // One with a certificate, of a role that may not.
  v1::CancelJobRequest cancel;
  cancel.set_job(job_.value());
  EXPECT_TRUE(absl::IsPermissionDenied(cluster_.Admin(Showing(Role::kWorker))
                                           .CancelJob(cancel, kCall)
                                           .status()));
  EXPECT_EQ(Refused(cluster_.scheduler(), "role"), 1);

  ExpectUndisturbed();
}

}  // namespace
}  // namespace ebb::testing
