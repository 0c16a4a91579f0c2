// Bulk streams by TLS: the transports' contract, which peers are refused, and
// why.
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/steady_time.h"
#include "common/testing/test_folder.h"
#include "common/tls/issue.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/internal/bulk_session.h"
#include "rpc/internal/bulk_socket.h"
#include "rpc/internal/tls_context.h"
#include "rpc/internal/tls_socket.h"
#include "rpc/testing/bulk_transport.h"
#include "rpc/transport_contract.h"

namespace ebb::rpc {
namespace {

using internal::BulkSession;
using internal::TlsContext;
using internal::TlsSocket;
using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr absl::Duration kLong = kBulkTestLimit;

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// An authority, a certificate for each role, and those that tests add.
class Certificates {
 public:
  Certificates() { EXPECT_TRUE(WriteAllRoles(folder_.path(), {}).ok()); }

  std::shared_ptr<TlsContext> Named(const std::string& name) const {
    return std::make_shared<TlsContext>(FilesIn(folder_.path(), name));
  }
  std::shared_ptr<TlsContext> Of(Role role) const {
    return Named(std::string(RoleName(role)));
  }
  void Add(const std::string& name, const CertificateRequest& request) {
    const auto made = Issue(Authority(), request);
    ASSERT_TRUE(made.ok()) << made.status();
    ASSERT_TRUE(WriteIdentity(Path(name), *made).ok());
  }
  void Replace(const std::string& name, const Identity& by) {
    std::ofstream(Path(name) + ".pem") << by.certificate;
    std::ofstream(Path(name) + ".key") << by.key;
  }
  Identity Authority() const {
    return {Contents(Path("ca") + ".pem"), Contents(Path("ca") + ".key")};
  }

 private:
  std::string Path(const std::string& name) const {
    return absl::StrCat(folder_.path(), "/", name);
  }

  const TestFolder folder_;
};

const Certificates& Shared() {
  static const auto& certificates = *new Certificates;
  return certificates;
}

INSTANTIATE_TEST_SUITE_P(BulkTls, TransportContractTest,
                         testing::Values(TransportCase{
                             .name = "bulk_tls",
                             .make =
                                 [](const TransportOptions& options) {
                                   return std::make_unique<BulkTransport>(
                                       options,
                                       BulkTls{
                                           .server = Shared().Of(Role::kServer),
                                           .worker = Shared().Of(Role::kWorker),
                                           .worker_name = "worker",
                                           .peer = Shared().Of(Role::kServer),
                                           .peer_name = "ps"});
                                 },
                             .any_address = "any:0",
                             .nobody_address = "nobody:1"}));

class BulkTlsTest : public testing::Test {
 protected:
  BulkTlsTest() { Start(certificates_.Of(Role::kServer)); }

  void Start(std::shared_ptr<TlsContext> as) {
    host_ = MakeHost(&ps_, &traffic_, {}, int64_t{1} << 30,
                     {.server = std::move(as)}, {.refusals = refusals_});
  }
  absl::Status Open(std::shared_ptr<TlsContext> as,
                    const std::string& offered_to = "worker") {
    const auto token = host_->Offer(internal::kBulkVersion, offered_to);
    if (!token.ok()) return token.status();
    return BulkSession::Open({kBulkTestHost, host_->port(), *token},
                             {.tls = std::move(as)}, -1)
        .status();
  }
  int64_t Refused(Refusal refusal) const { return refusals_->Of(refusal); }

  Certificates certificates_;
  EchoPs ps_;
  internal::Traffic traffic_{8};
  const std::shared_ptr<Refusals> refusals_ = std::make_shared<Refusals>();
  std::unique_ptr<internal::BulkHost> host_;
};

TEST_F(BulkTlsTest, AWorkerIsLetIn) {
  EXPECT_TRUE(Open(certificates_.Of(Role::kWorker)).ok());
  EXPECT_EQ(Refused(Refusal::kHandshake), 0);
}

TEST_F(BulkTlsTest, APlainTextClientIsRefused) {
  const auto token = *host_->Offer(internal::kBulkVersion, "worker");
  const absl::Status opened =
      BulkSession::Open({kBulkTestHost, host_->port(), token}, {}, -1).status();
  EXPECT_TRUE(absl::IsUnavailable(opened) || absl::IsInternal(opened))
      << opened;
  EXPECT_TRUE(Soon([&] { return Refused(Refusal::kHandshake) == 1; }));
}

TEST_F(BulkTlsTest, AnotherAuthoritysWorkerIsRefused) {
  const absl::Status opened = Open(Shared().Of(Role::kWorker));
  EXPECT_TRUE(absl::IsPermissionDenied(opened)) << opened;
  EXPECT_THAT(std::string(opened.message()), HasSubstr("certificate"));
  EXPECT_TRUE(Soon([&] { return Refused(Refusal::kHandshake) == 1; }));
}

TEST_F(BulkTlsTest, AnExpiredWorkerIsRefusedAndTold) {
  certificates_.Add("old", {.role = Role::kWorker,
                            .valid = absl::Minutes(1),
                            .now = absl::Now() - absl::Hours(30)});
  const absl::Status opened = Open(certificates_.Named("old"));
  EXPECT_FALSE(opened.ok());
  // The system may drop the alert with the connection.
  EXPECT_THAT(std::string(opened.message()),
              AnyOf(HasSubstr("certificate expired"), HasSubstr("reset"),
                    HasSubstr("closed"), HasSubstr("Broken pipe")));
  EXPECT_TRUE(Soon([&] { return Refused(Refusal::kHandshake) == 1; }));
}

TEST_F(BulkTlsTest, AnotherRoleIsRefused) {
  for (const Role role : kAllRoles) {
    if (role == Role::kWorker || role == Role::kServer) continue;
    const int64_t before =
        Refused(Refusal::kRole) + Refused(Refusal::kHandshake);
    EXPECT_FALSE(Open(certificates_.Of(role), std::string(RoleName(role))).ok())
        << RoleName(role);
    EXPECT_TRUE(Soon([&] {
      return Refused(Refusal::kRole) + Refused(Refusal::kHandshake) ==
             before + 1;
    })) << RoleName(role);
  }
}

// What each may say is what it may call over gRPC.
TEST_F(BulkTlsTest, AServerOnlyFetchesAndAWorkerDoesNot) {
  for (const Role role : {Role::kServer, Role::kWorker}) {
    const std::string name(RoleName(role));
    const auto token = host_->Offer(internal::kBulkVersion, name);
    ASSERT_TRUE(token.ok()) << token.status();
    const auto session =
        BulkSession::Open({kBulkTestHost, host_->port(), *token},
                          {.tls = certificates_.Of(role)}, -1);
    ASSERT_TRUE(session.ok()) << session.status();
    std::thread running([&] { (*session)->Run({}); });
    const int64_t before = Refused(Refusal::kRole);
    Answer<PushReply> pushed;
    Answer<PullReply> pulled;
    Answer<FetchReply> fetched;

    PushRequest push = MakePush(1, {1});
    PsChannel::PushDone push_done = pushed.Done();
    PsChannel::PullDone pull_done = pulled.Done();
    PsChannel::FetchDone fetch_done = fetched.Done();
    ASSERT_TRUE((*session)->Push(&push, SteadyNow() + kLong, &push_done));
    ASSERT_TRUE((*session)->Pull(MakePull(1), SteadyNow() + kLong, &pull_done));
    ASSERT_TRUE((*session)->Clock({JobId(1), Generation(2), {SessionId(3)}}));
    ASSERT_TRUE(
        (*session)->Fetch(MakeFetch(1), SteadyNow() + kLong, &fetch_done));

    const bool works = role == Role::kWorker;
    const auto allowed = absl::StatusCode::kOk;
    const auto refused = absl::StatusCode::kPermissionDenied;
    EXPECT_EQ(pushed.Wait().status().code(), works ? allowed : refused);
    EXPECT_EQ(pulled.Wait().status().code(), works ? allowed : refused);
    EXPECT_EQ(fetched.Wait().status().code(), works ? refused : allowed);
    EXPECT_EQ(Refused(Refusal::kRole), before + (works ? 1 : 3));
    (*session)->Stop();
    running.join();
  }
}

// A token that another worker learns is of no use to it.
TEST_F(BulkTlsTest, ATokenIsOfTheCertificateThatAskedForIt) {
  certificates_.Add("other", {.role = Role::kWorker, .name = "other"});
  EXPECT_FALSE(Open(certificates_.Named("other")).ok());
  EXPECT_TRUE(Open(certificates_.Named("other"), "other").ok());
}

TEST_F(BulkTlsTest, AWorkerSpeaksToServersOnly) {
  Start(certificates_.Of(Role::kScheduler));
  const absl::Status opened = Open(certificates_.Of(Role::kWorker));
  EXPECT_TRUE(absl::IsPermissionDenied(opened)) << opened;
  EXPECT_THAT(std::string(opened.message()),
              HasSubstr("what answers at the bulk port is no ps: its "
                        "certificate is of the role scheduler"));
}

TEST_F(BulkTlsTest, AWorkerSpeaksNoPlainText) {
  Start(nullptr);
  EXPECT_FALSE(Open(certificates_.Of(Role::kWorker)).ok());
}

TEST_F(BulkTlsTest, AnExpiredServerIsRefusedWithTheReason) {
  certificates_.Add("old", {.role = Role::kServer,
                            .valid = absl::Minutes(1),
                            .now = absl::Now() - absl::Hours(30)});
  Start(certificates_.Named("old"));
  const absl::Status opened = Open(certificates_.Of(Role::kWorker));
  EXPECT_TRUE(absl::IsPermissionDenied(opened)) << opened;
  EXPECT_THAT(std::string(opened.message()),
              HasSubstr("certificate has expired"));
}

// A silent one, one that goes on in the midst, and many.
TEST_F(BulkTlsTest, AHandshakeThatDoesNotGoOnIsGivenUp) {
  const absl::Time begin = SteadyNow();
  std::vector<std::unique_ptr<internal::BulkSocket>> slow;
  for (int i = 0; i < 70; ++i) {
    slow.push_back(internal::MakePlainSocket(
        *internal::ConnectTcp(kBulkTestHost, host_->port(), kLong, -1)));
    // The beginning of a record that does not come.
    if (i % 2 == 0) {
      ASSERT_TRUE(
          internal::SendAll(slow.back().get(), {"\x16\x03\x01\x02\x00", 5})
              .ok());
    }
  }
  for (const auto& one : slow) {
    char byte = 0;
    EXPECT_FALSE(
        internal::ReceiveAll(one.get(), &byte, 1, begin + kLong, -1).ok());
  }
  EXPECT_LT(SteadyNow() - begin, kLong);
  EXPECT_TRUE(Open(certificates_.Of(Role::kWorker)).ok());
}

// New files count for new connections; files that cannot be used do not.
TEST_F(BulkTlsTest, FilesThatChangeAreReadAgain) {
  const auto worker = certificates_.Named("worker");
  ASSERT_TRUE(worker->Get().ok());
  const auto first = *worker->Get();
  certificates_.Replace("worker", {"nonsense", "nonsense"});
  EXPECT_FALSE(
      Soon([&] { return *worker->Get() != first; }, absl::Milliseconds(1500)));
  const auto made =
      Issue(certificates_.Authority(), {.role = Role::kWorker, .name = "new"});
  ASSERT_TRUE(made.ok());
  certificates_.Replace("worker", *made);
  EXPECT_TRUE(Soon([&] { return *worker->Get() != first; }));
  EXPECT_TRUE(Open(worker, "new").ok());
}

TEST_F(BulkTlsTest, FilesThatNeverCouldBeUsedAreNamed) {
  const absl::Status none =
      TlsContext(TlsFiles{"/none.pem", "/none.key", "/none.ca"}).Get().status();
  EXPECT_TRUE(absl::IsInvalidArgument(none)) << none;
  EXPECT_THAT(std::string(none.message()), HasSubstr("--tls-cert"));
}

// --- Both directions at once -------------------------------------------------

// Two ends that were greeted.
class TlsSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    int port = 0;
    const Fd listening = *internal::ListenTcp(kBulkTestHost, &port);
    Fd ours = *internal::ConnectTcp(kBulkTestHost, port, kLong, -1);
    ASSERT_TRUE(
        internal::AwaitTcp(listening.get(), false, SteadyNow() + kLong, -1));
    Fd theirs = internal::AcceptTcp(listening.get());
    worker_ =
        *TlsSocket::Make(std::move(ours), *Shared().Of(Role::kWorker)->Get(),
                         TlsSocket::Side::kClient, kKeyBytes);
    server_ =
        *TlsSocket::Make(std::move(theirs), *Shared().Of(Role::kServer)->Get(),
                         TlsSocket::Side::kServer, kKeyBytes);
    std::thread shaking([&] {
      EXPECT_TRUE(server_->FinishHandshake(SteadyNow() + kLong, -1).ok());
    });
    EXPECT_TRUE(worker_->FinishHandshake(SteadyNow() + kLong, -1).ok());
    shaking.join();
  }

  static constexpr uint64_t kKeyBytes = 300'000;
  static constexpr size_t kAll = size_t{8} << 20;

  static char ByteAt(size_t i) { return static_cast<char>(i * 31 + i / 977); }
  static void SendEverything(TlsSocket* to) {
    std::string bytes(70'000, '\0');
    for (size_t at = 0; at < kAll || to->Unsent();) {
      const size_t size = std::min(bytes.size(), kAll - at);
      for (size_t i = 0; i < size; ++i) bytes[i] = ByteAt(at + i);
      const iovec part = {bytes.data(), size};
      const auto n = to->Write({&part, size > 0 ? size_t{1} : size_t{0}});
      ASSERT_TRUE(n.ok()) << n.status();
      at += *n;
      if (*n == 0 && to->Unsent()) {
        ASSERT_TRUE(
            internal::AwaitTcp(to->fd(), true, SteadyNow() + kLong, -1));
      }
    }
  }
  static void ReceiveEverything(TlsSocket* from) {
    std::string bytes(200'000, '\0');
    for (size_t at = 0; at < kAll;) {
      iovec space = {bytes.data(), bytes.size()};
      const auto n = from->Read({&space, 1});
      ASSERT_TRUE(n.ok()) << n.status();
      for (size_t i = 0; i < *n; ++i) ASSERT_EQ(bytes[i], ByteAt(at + i));
      at += *n;
      if (*n == 0) {
        ASSERT_TRUE(
            internal::AwaitTcp(from->fd(), false, SteadyNow() + kLong, -1));
      }
    }
  }

  std::unique_ptr<TlsSocket> worker_, server_;
};

// With keys that change all the time.
TEST_F(TlsSocketTest, BothDirectionsMoveAtOnce) {
  std::vector<std::thread> all;
  all.emplace_back([&] { SendEverything(worker_.get()); });
  all.emplace_back([&] { SendEverything(server_.get()); });
  all.emplace_back([&] { ReceiveEverything(worker_.get()); });
  all.emplace_back([&] { ReceiveEverything(server_.get()); });
  for (std::thread& one : all) one.join();
  EXPECT_GT(worker_->sent_bytes(), kAll);
}

TEST_F(TlsSocketTest, TheOtherSidesEndIsSeen) {
  server_.reset();
  char byte = 0;
  const iovec space = {&byte, 1};
  absl::Status status;
  EXPECT_TRUE(Soon([&] {
    status = worker_->Read({&space, 1}).status();
    return !status.ok();
  }));
  EXPECT_THAT(std::string(status.message()), HasSubstr("closed"));
}

}  // namespace
}  // namespace ebb::rpc
