// The gRPC transport under mutual TLS: the transports' contract, who may call
// what, and what is said to those who may not.
#include <grpc/support/log.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "common/testing/test_folder.h"
#include "common/tls/certificate.h"
#include "common/tls/issue.h"
#include "common/tls/testing/odd_certificate.h"
#include "ebb/v1/scheduler.grpc.pb.h"
#include "glog/logging.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/admin.h"
#include "rpc/call_failure.h"
#include "rpc/grpc_status.h"
#include "rpc/grpc_transport.h"
#include "rpc/internal/grpc_security.h"
#include "rpc/internal/grpc_setup.h"
#include "rpc/internal/preferred_channel.h"
#include "rpc/internal/shared_channel.h"
#include "rpc/rpc_roles.h"
#include "rpc/security.h"
#include "rpc/security_watch.h"
#include "rpc/testing/shared_values.h"
#include "rpc/testing/two_roles.h"
#include "rpc/transport_contract.h"

namespace ebb::rpc {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr absl::Duration kLong = absl::Seconds(20);
constexpr char kAny[] = "127.0.0.1:0";
constexpr char kNobody[] = "127.0.0.1:1";

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// An IPv4 address of this machine that is not of its loopback; empty: none.
std::string OwnAddress() {
  std::string own;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return own;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    char text[NI_MAXHOST] = "";
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET ||
        getnameinfo(one->ifa_addr, sizeof(sockaddr_in), text, sizeof(text),
                    nullptr, 0, NI_NUMERICHOST) != 0) {
      continue;
    }
    if (!absl::StartsWith(text, "127.")) own = text;
  }
  freeifaddrs(all);
  return own;
}

// A folder with an authority and a certificate for each role.
class Certificates {
 public:
  explicit Certificates(const CertificateRequest& like = {}) {
    const absl::Status written = WriteAllRoles(folder_.path(), like);
    EXPECT_TRUE(written.ok()) << written;
  }

  TlsFiles Of(Role role) const {
    return FilesIn(folder_.path(), std::string(RoleName(role)));
  }
  SecurityPtr As(Role role) const {
    auto security = Security::Create({.files = Of(role)}, {role});
    EXPECT_TRUE(security.ok()) << security.status();
    return security.ok() ? *std::move(security) : nullptr;
  }
  GrpcTransport Transport(Role role, TransportOptions options = {}) const {
    return GrpcTransport(options, /*received_bytes=*/0, As(role));
  }
  const std::string& path() const { return folder_.path(); }

 private:
  const TestFolder folder_;
};

// --- The contract ------------------------------------------------------------

// Everybody is who it should be.
class EachItsRole : public Transport {
 public:
  explicit EachItsRole(const TransportOptions& options)
      : bulk_(options.bulk_stream),
        scheduler_(options, 0, certificates_.As(Role::kScheduler)),
        server_(options, 0, certificates_.As(Role::kServer)),
        worker_(options, 0, certificates_.As(Role::kWorker)) {}

  absl::StatusOr<std::unique_ptr<Listener>> ListenPs(
      const std::string& address, PsServices services) override {
    return server_.ListenPs(address, services);
  }
  absl::StatusOr<std::unique_ptr<Listener>> ListenScheduler(
      const std::string& address, SchedulerServices services) override {
    return scheduler_.ListenScheduler(address, services);
  }
  std::unique_ptr<PsChannel> ConnectPs(const std::string& address) override {
    auto worker = worker_.ConnectPs(address);
    auto server = server_.ConnectPs(address);
    if (bulk_ && address != kNobody) {
      for (PsChannel* one : {worker.get(), server.get()}) {
        EXPECT_TRUE(
            static_cast<internal::PreferredChannel&>(*one).AwaitSession(kLong));
      }
    }
    return std::make_unique<TwoRoles>(std::move(worker), std::move(server));
  }
  std::unique_ptr<WorkerSession> ConnectWorkerSession(
      const std::string& address, WorkerSessionHandler* handler) override {
    return worker_.ConnectWorkerSession(address, handler);
  }
  std::unique_ptr<ServerSession> ConnectServerSession(
      const std::string& address, ServerSessionHandler* handler) override {
    return server_.ConnectServerSession(address, handler);
  }

 private:
  const bool bulk_;
  const Certificates certificates_;
  GrpcTransport scheduler_, server_, worker_;
};

INSTANTIATE_TEST_SUITE_P(GrpcTls, TransportContractTest,
                         testing::Values(TransportCase{
                             "grpc_tls",
                             [](const TransportOptions& options) {
                               return std::make_unique<EachItsRole>(options);
                             },
                             kAny, kNobody}));
// All pushes and pulls go over bulk streams by TLS, negotiated over gRPC.
INSTANTIATE_TEST_SUITE_P(GrpcTlsAndBulk, TransportContractTest,
                         testing::Values(TransportCase{
                             "grpc_tls_and_bulk",
                             [](TransportOptions options) {
                               options.bulk_stream = true;
                               return std::make_unique<EachItsRole>(options);
                             },
                             kAny, kNobody}));

// --- Roles -------------------------------------------------------------------

class GrpcTlsTest : public ::testing::Test {
 protected:
  GrpcTlsTest()
      : scheduler_transport_(certificates_.Transport(Role::kScheduler)),
        server_transport_(certificates_.Transport(Role::kServer)) {
    auto scheduler = scheduler_transport_.ListenScheduler(
        kAny, {.sessions = &scheduler_handler_});
    EXPECT_TRUE(scheduler.ok()) << scheduler.status();
    scheduler_ = *std::move(scheduler);
    auto server = server_transport_.ListenPs(kAny, {.data = &ps_});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  // Returns what a daemon of `role` answers to an empty message.
  absl::Status Call(const std::string& rpc, const std::string& address, Role of,
                    const SecurityPtr& as) {
    grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(
        internal::MakeChannel(address, {}, as.get(), of));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kLong));
    const grpc::Slice empty;
    const grpc::ByteBuffer request(&empty, 1);
    grpc::ByteBuffer response;
    Collected<absl::Status> ended;
    stub.UnaryCall(&context, rpc, {}, &request, &response,
                   [&](grpc::Status s) { ended.Add(FromGrpc(s)); });
    return ended.WaitFor(1).at(0);
  }
  // With files that a process would not start with.
  absl::Status AskWith(const TlsFiles& files) {
    const Security::Grpc security(files);
    const auto stub = v1::Scheduler::NewStub(grpc::CreateChannel(
        scheduler_->address(), security.ToRole(Role::kScheduler)));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kLong));
    v1::GetStatusResponse response;
    return FromGrpc(stub->GetStatus(&context, {}, &response));
  }
  // Asks as a person does.
  absl::Status Ask(const SecurityPtr& as) {
    return SchedulerAdminClient(scheduler_->address(), as)
        .GetStatus({}, kLong)
        .status();
  }

  const Certificates certificates_;
  KeepingScheduler scheduler_handler_;
  EchoPs ps_;
  GrpcTransport scheduler_transport_, server_transport_;
  std::unique_ptr<Listener> scheduler_, server_;
};

TEST_F(GrpcTlsTest, EveryRpcIsRefusedToThoseWhoMayNotCallIt) {
  std::map<Role, SecurityPtr> as;
  for (const Role role : kAllRoles) as[role] = certificates_.As(role);
  const auto check = [&](const std::string& rpc, const Listener& listener,
                         Role of) {
    for (const Role role : kAllRoles) {
      const absl::Status answer = Call(rpc, listener.address(), of, as[role]);
      EXPECT_EQ(absl::IsPermissionDenied(answer), !MayCall(rpc).Has(role))
          << rpc << " by " << RoleName(role) << ": " << answer;
      if (!MayCall(rpc).Has(role)) {
        EXPECT_THAT(
            std::string(answer.message()),
            AllOf(HasSubstr(absl::StrCat("role ", MayCall(rpc).ToString())),
                  HasSubstr(absl::StrCat("is of the role ", RoleName(role)))));
      }
    }
  };
  for (const char* name :
       {"WorkerSession", "ServerSession", "SubmitJob", "ListJobs", "GetStatus",
        "Explain", "GetJob", "CheckpointNow", "CancelJob", "ForgetJob",
        "PauseJob", "ResumeJob", "ScaleJob", "FinishJob", "RollbackJob",
        "ResolveItem", "NoSuchRpc"}) {
    check(absl::StrCat("/ebb.v1.Scheduler/", name), *scheduler_,
          Role::kScheduler);
  }
  for (const char* name : {"Push", "Pull", "Clock", "Fetch", "GetLedgers",
                           "ListVersions", "ReadVersion", "VerifyVersions"}) {
    check(absl::StrCat("/ebb.v1.ParameterServer/", name), *server_,
          Role::kServer);
  }
  check("/ebb.v1.SharedMemory/OpenSharedMemory", *server_, Role::kServer);
  check("/grpc.health.v1.Health/Check", *server_, Role::kServer);
}

TEST_F(GrpcTlsTest, ASessionOfTheWrongRoleEndsWithTheReason) {
  GrpcTransport viewer = certificates_.Transport(Role::kViewer);
  Keeping<SchedulerToWorker> handler;

  const auto session =
      viewer.ConnectWorkerSession(scheduler_->address(), &handler);

  const absl::Status closed = handler.closed.WaitFor(1).at(0);
  EXPECT_TRUE(absl::IsPermissionDenied(closed)) << closed;
  EXPECT_TRUE(scheduler_handler_.workers.Now().empty());
}

// A certificate of a worker, or of a server, does not make a scheduler.
TEST_F(GrpcTlsTest, NobodySpeaksToTheWrongServer) {
  GrpcTransport worker = certificates_.Transport(Role::kWorker);
  Keeping<SchedulerToWorker> handler;

  const auto session =
      worker.ConnectWorkerSession(server_->address(), &handler);
  const auto channel = worker.ConnectPs(scheduler_->address());
  Answer<PushReply> pushed;
  channel->Push(MakePush(1, {1}), kLong, pushed.Done());

  const absl::Status closed = handler.closed.WaitFor(1).at(0);
  EXPECT_TRUE(absl::IsUnavailable(closed)) << closed;
  const absl::Status answer = pushed.Wait().status();
  EXPECT_TRUE(absl::IsUnavailable(answer)) << answer;
  EXPECT_THAT(std::string(closed.message()),
              HasSubstr("what answers is no scheduler: its certificate is of "
                        "the role ps"));
  EXPECT_THAT(std::string(answer.message()),
              HasSubstr("what answers is no ps"));
}

// What reads names as C strings takes it for a scheduler.
TEST_F(GrpcTlsTest, ANulInTheRoleOfAServerIsNoEnd) {
  const TlsFiles of = certificates_.Of(Role::kScheduler);
  const auto odd =
      SignAnew({Contents(certificates_.path() + "/ca.pem"),
                Contents(certificates_.path() + "/ca.key")},
               {Contents(of.certificate), Contents(of.key)},
               {.uri = std::string("ebb://role/scheduler\0x", 22)});
  ASSERT_TRUE(odd.ok()) << odd.status();
  ASSERT_TRUE(WriteIdentity(certificates_.path() + "/odd", *odd).ok());
  const Security::Grpc security(FilesIn(certificates_.path(), "odd"));
  v1::Scheduler::Service service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(kAny, security.Server(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);

  const absl::Status asked =
      SchedulerAdminClient(absl::StrCat("127.0.0.1:", port),
                           certificates_.As(Role::kClient))
          .GetStatus({}, kLong)
          .status();

  EXPECT_TRUE(absl::IsUnavailable(asked)) << asked;
  EXPECT_THAT(std::string(asked.message()),
              AllOf(HasSubstr("what answers is no scheduler"),
                    HasSubstr("names no role of ebb")));
}

TEST_F(GrpcTlsTest, SharedMemoryIsNegotiatedOverTls) {
  SharedValues values(1 << 20);
  SharingPs ps(&ps_, &values);
  GrpcTransport server =
      certificates_.Transport(Role::kServer, {.shared_memory = true});
  auto listener = server.ListenPs(kAny, {.data = &ps, .files = values.table()});
  ASSERT_TRUE(listener.ok()) << listener.status();
  GrpcTransport worker =
      certificates_.Transport(Role::kWorker, {.shared_memory = true});

  const auto channel = worker.ConnectPs((*listener)->address());

  EXPECT_TRUE(
      static_cast<internal::SharedChannel&>(*channel).AwaitShared(kLong));
  Answer<PushReply> pushed;
  channel->Push(MakePush(1, {1}), kLong, pushed.Done());
  EXPECT_TRUE(pushed.Wait().ok());
}

// --- Those who do not get in -------------------------------------------------

TEST_F(GrpcTlsTest, PlainTextAndTlsDoNotMixAndSayWhatToDo) {
  const absl::Status plain = Ask(nullptr);
  EXPECT_TRUE(absl::IsUnavailable(plain)) << plain;

  GrpcTransport plain_transport;
  auto listener =
      plain_transport.ListenScheduler(kAny, {.sessions = &scheduler_handler_});
  ASSERT_TRUE(listener.ok()) << listener.status();
  const absl::Status tls = SchedulerAdminClient((*listener)->address(),
                                                certificates_.As(Role::kClient))
                               .GetStatus({}, kLong)
                               .status();
  EXPECT_TRUE(absl::IsUnavailable(tls)) << tls;
  EXPECT_THAT(std::string(tls.message()),
              HasSubstr("the TLS handshake failed: it speaks plain text"));
}

TEST_F(GrpcTlsTest, StrangersAreNotLetIn) {
  const Certificates others;
  const absl::Status other = Ask(others.As(Role::kClient));
  EXPECT_TRUE(absl::IsUnavailable(other)) << other;

  // They believe us, but we do not believe them.
  TlsFiles files = others.Of(Role::kClient);
  files.authority = certificates_.Of(Role::kClient).authority;
  const absl::Status unknown = AskWith(files);
  EXPECT_TRUE(absl::IsUnavailable(unknown)) << unknown;

  const Identity authority = {Contents(certificates_.path() + "/ca.pem"),
                              Contents(certificates_.path() + "/ca.key")};
  const auto old = Issue(authority, {.role = Role::kClient,
                                     .valid = absl::Hours(2),
                                     .now = absl::Now() - absl::Hours(3)});
  ASSERT_TRUE(old.ok()) << old.status();
  ASSERT_TRUE(WriteIdentity(certificates_.path() + "/old", *old).ok());
  const absl::Status expired = AskWith(FilesIn(certificates_.path(), "old"));
  EXPECT_TRUE(absl::IsUnavailable(expired)) << expired;
  EXPECT_THAT(std::string(other.message()),
              HasSubstr("certificate is not of the other's --tls-ca"));
}

TEST_F(GrpcTlsTest, OtherMachinesAreNotSpokenToInPlainText) {
  GrpcTransport plain;
  const auto listener =
      plain.ListenScheduler("0.0.0.0:0", {.sessions = &scheduler_handler_});
  EXPECT_TRUE(absl::IsInvalidArgument(listener.status())) << listener.status();

  const auto of_documents = MayConnect(nullptr, "203.0.113.7:1");
  EXPECT_TRUE(absl::IsInvalidArgument(of_documents)) << of_documents;
  EXPECT_TRUE(MayConnect(nullptr, "localhost:1").ok());

  // An address of this machine that the network sees.
  const std::string own = OwnAddress();
  if (own.empty()) return;  // This machine has loopback addresses only.
  const auto insecure = Security::Create({.insecure = true}, RoleSet::All());
  ASSERT_TRUE(insecure.ok()) << insecure.status();
  GrpcTransport open({}, 0, *insecure);
  const auto there = open.ListenScheduler(absl::StrCat(own, ":0"),
                                          {.sessions = &scheduler_handler_});
  ASSERT_TRUE(there.ok()) << there.status();
  const std::string address = (*there)->address();

  const auto channel = plain.ConnectPs(address);
  Answer<PushReply> pushed;
  channel->Push(MakePush(1, {1}), kLong, pushed.Done());
  const absl::Status refused = pushed.Wait().status();
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_EQ(FailureOf(refused).cause, CallCause::kPlain) << refused;

  Keeping<SchedulerToWorker> handler;
  const auto session = plain.ConnectWorkerSession(address, &handler);
  EXPECT_EQ(FailureOf(handler.closed.WaitFor(1).at(0)).cause,
            CallCause::kPlain);

  const absl::Status asked =
      SchedulerAdminClient(address).GetStatus({}, kLong).status();
  EXPECT_TRUE(absl::IsInvalidArgument(asked)) << asked;
  EXPECT_THAT(
      std::string(asked.message()),
      AllOf(HasSubstr("not speaking to " + address), HasSubstr("--insecure")));
}

// Bug: without --insecure, whatever was wrong with an address of another
// machine was told as the lack of --tls-cert.
TEST_F(GrpcTlsTest, TheFirstThingThatIsWrongIsTold) {
  const auto why = [](const std::string& address) {
    return std::string(
        SchedulerAdminClient(address).GetStatus({}, kLong).status().message());
  };
  EXPECT_THAT(why("nosuchhost.invalid:7000"),
              HasSubstr("the name nosuchhost.invalid does not resolve"));
  const absl::Status start = MayConnect(nullptr, "nosuchhost.invalid:7000");
  EXPECT_THAT(std::string(start.message()),
              AllOf(StartsWith("the name nosuchhost.invalid does not resolve"),
                    HasSubstr("--tls-cert")));
  const std::string own = OwnAddress();
  if (own.empty()) return;  // This machine has loopback addresses only.
  std::string closed;
  {
    const auto insecure = Security::Create({.insecure = true}, RoleSet::All());
    ASSERT_TRUE(insecure.ok()) << insecure.status();
    GrpcTransport open({}, 0, *insecure);
    const auto there = open.ListenScheduler(absl::StrCat(own, ":0"),
                                            {.sessions = &scheduler_handler_});
    ASSERT_TRUE(there.ok()) << there.status();
    closed = (*there)->address();
  }
  EXPECT_EQ(why(closed), "Connection refused");
}

TEST_F(GrpcTlsTest, InsecureIsAsked) {
  const auto security = Security::Create({.insecure = true}, RoleSet::All());
  ASSERT_TRUE(security.ok()) << security.status();
  GrpcTransport transport({}, 0, *security);

  const auto listener =
      transport.ListenScheduler("0.0.0.0:0", {.sessions = &scheduler_handler_});

  EXPECT_TRUE(listener.ok()) << listener.status();
}

TEST_F(GrpcTlsTest, AKeyThatOthersCanReadIsNamed) {
  EXPECT_EQ(certificates_.As(Role::kWorker)->warning(), "");
  const std::string key = certificates_.Of(Role::kWorker).key;

  fs::permissions(key, fs::perms::others_read, fs::perm_options::add);

  EXPECT_THAT(certificates_.As(Role::kWorker)->warning(),
              AllOf(HasSubstr(key), HasSubstr("open to all users"),
                    HasSubstr("chmod 600")));
}

// --- Rotation ----------------------------------------------------------------

// Replaces a file at once, as a mounted secret is replaced.
void Replace(const std::string& path, const std::string& text) {
  {
    std::ofstream file(path + ".new");
    file << text;
  }
  fs::rename(path + ".new", path);
}

class Lines : public google::LogSink {
 public:
  Lines() { google::AddLogSink(this); }
  ~Lines() override { google::RemoveLogSink(this); }

  // The first of this severity with `part`; empty: none within kLong.
  std::string Await(google::LogSeverity severity, absl::string_view part) {
    const absl::Time deadline = absl::Now() + kLong;
    MutexLock lock(&mu_);
    for (;;) {
      for (const auto& [of, text] : lines_) {
        if (of == severity && absl::StrContains(text, part)) return text;
      }
      if (absl::Now() >= deadline) return "";
      changed_.WaitFor(&mu_, deadline - absl::Now());
    }
  }
  int64_t Count(absl::string_view part) {
    MutexLock lock(&mu_);
    return std::ranges::count_if(lines_, [&](const auto& line) {
      return absl::StrContains(line.second, part);
    });
  }

 private:
  void send(google::LogSeverity severity, const char* /*full_filename*/,
            const char* /*base_filename*/, int /*line*/,
            const google::LogMessageTime& /*time*/, const char* message,
            size_t message_len) override {
    MutexLock lock(&mu_);
    lines_.emplace_back(severity, std::string(message, message_len));
    changed_.Signal();
  }

  Mutex mu_;
  CondVar changed_;
  std::vector<std::pair<google::LogSeverity, std::string>> lines_
      ABSL_GUARDED_BY(mu_);
};

// Bug: whoever connected and did not shake hands filled the disk with lines.
TEST_F(GrpcTlsTest, AFloodOfStrangersIsCountedAndFewLines) {
  const SecurityPtr security = certificates_.As(Role::kScheduler);
  CountHandshakes(*security);
  Lines lines;
  constexpr int kStrangers = 10'000;
  for (int i = 0; i < kStrangers; ++i) {
    gpr_log(GPR_ERROR, "Handshake failed with fatal error %d", i);
  }
  EXPECT_EQ(security->refusals()->Of(Refusal::kHandshake), kStrangers);
  EXPECT_GE(lines.Count("Handshake failed"), 1);
  EXPECT_LT(lines.Count("Handshake failed"), kStrangers / 10);
}

// Bug: of a port that was taken, gRPC's own account of it, half a screen of
// files and lines, came before what is meant for people.
TEST_F(GrpcTlsTest, OfAPortThatIsTakenOnlyWhoListensTells) {
  CountHandshakes(*certificates_.As(Role::kScheduler));
  v1::Scheduler::Service service;
  const auto listen = [&](const std::string& address, int* port) {
    grpc::ServerBuilder builder;
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), port);
    builder.RegisterService(&service);
    return builder.BuildAndStart();
  };
  int port = 0;
  const auto first = listen("127.0.0.1:0", &port);
  ASSERT_NE(first, nullptr);
  Lines lines;

  int taken = 0;
  const auto second = listen(absl::StrCat("127.0.0.1:", port), &taken);

  EXPECT_EQ(second, nullptr);
  EXPECT_EQ(taken, 0);
  EXPECT_EQ(lines.Count("No address added"), 0);
}

TEST_F(GrpcTlsTest, FilesThatBecomeWrongAreLogged) {
  Lines lines;
  const SecurityWatch watch(certificates_.Of(Role::kScheduler),
                            {Role::kScheduler});
  const Certificates next;
  const auto replace = [&](const TlsFiles& with) {
    const TlsFiles files = certificates_.Of(Role::kScheduler);
    Replace(files.key, Contents(with.key));
    Replace(files.certificate, Contents(with.certificate));
    Replace(files.authority, Contents(with.authority));
  };

  replace(next.Of(Role::kWorker));

  EXPECT_THAT(
      lines.Await(google::GLOG_WARNING, "the files of TLS have changed"),
      HasSubstr("is of the role worker; here one of scheduler"));

  replace(next.Of(Role::kScheduler));

  EXPECT_THAT(lines.Await(google::GLOG_INFO, "the files of TLS have changed"),
              HasSubstr("scheduler \"scheduler\", valid until"));
}

TEST_F(GrpcTlsTest, FilesAreReadAgainWhenTheyChange) {
  const Certificates next;
  const SecurityPtr old_client = certificates_.As(Role::kClient);
  const SecurityPtr next_client = next.As(Role::kClient);
  ASSERT_EQ(Ask(old_client).code(), absl::StatusCode::kUnimplemented);
  ASSERT_TRUE(absl::IsUnavailable(Ask(next_client)));
  GrpcTransport worker = certificates_.Transport(Role::kWorker);
  Keeping<SchedulerToWorker> handler;
  const auto session =
      worker.ConnectWorkerSession(scheduler_->address(), &handler);
  scheduler_handler_.workers.WaitFor(1);

  const TlsFiles files = certificates_.Of(Role::kScheduler);
  const TlsFiles with = next.Of(Role::kScheduler);
  Replace(files.key, Contents(with.key));
  Replace(files.certificate, Contents(with.certificate));
  Replace(files.authority, Contents(with.authority));

  // New connections are made with the new ones ...
  const absl::Time deadline = absl::Now() + kLong;
  absl::Status asked = Ask(next_client);
  while (absl::IsUnavailable(asked) && absl::Now() < deadline) {
    asked = Ask(next_client);
  }
  EXPECT_EQ(asked.code(), absl::StatusCode::kUnimplemented) << asked;
  // ... and not with the old, whose file is as it was. What is there stays.
  EXPECT_TRUE(absl::IsUnavailable(Ask(old_client)));
  EXPECT_TRUE(handler.closed.Now().empty());
  EXPECT_TRUE(
      session->Send(RegisterWorker{.session = SessionId(7), .name = "w"}));
  scheduler_handler_.workers.Now().at(0).arrived->messages.WaitFor(1);
}

}  // namespace
}  // namespace ebb::rpc
