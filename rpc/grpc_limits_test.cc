// Who goes beyond a limit is refused and counted, and holds nobody up.
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "common/metrics/open_metrics.h"
#include "ebb/v1/parameter_server.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/admin.h"
#include "rpc/grpc_transport.h"
#include "rpc/network_metrics.h"
#include "rpc/security.h"
#include "rpc/testing/admin_answers.h"
#include "rpc/transport_contract.h"

namespace ebb::rpc {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(20);
constexpr char kAny[] = "127.0.0.1:0";

SecurityPtr Plain() {
  auto security = Security::Create({}, RoleSet::All());
  EXPECT_TRUE(security.ok()) << security.status();
  return *std::move(security);
}

// Its versions are larger than what a connection holds.
class LargePs : public EmptyPsAdmin {
 public:
  absl::Status ReadVersion(const v1::ReadVersionRequest&,
                           const Emit& emit) override {
    v1::ReadVersionResponse piece;
    piece.set_values(std::string(4 << 20, 'v'));
    for (int i = 0; i < 100; ++i) {
      absl::Status status = emit(piece);
      if (!status.ok()) {
        ended.Add(status);
        return status;
      }
    }
    return absl::OkStatus();
  }

  Collected<absl::Status> ended;  // Of those that were not read.
};

// They had all threads that answer people, for as long as they liked.
TEST(GrpcLimitsTest, ReadersWhoDoNotReadAreLetGo) {
  const SecurityPtr security = Plain();
  GrpcTransport transport({}, 0, security);
  LargePs admin;
  const auto listener = transport.ListenPs(kAny, {.admin = &admin});
  ASSERT_TRUE(listener.ok()) << listener.status();
  const auto stub = v1::ParameterServer::NewStub(grpc::CreateChannel(
      (*listener)->address(), grpc::InsecureChannelCredentials()));
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::ReadVersionResponse>>>
      readers;
  for (int i = 0; i < TransportOptions().admin_threads; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(stub->ReadVersion(contexts.back().get(), {}));
  }

  const auto answer =
      PsAdminClient((*listener)->address()).GetLedgers({}, kLong);

  EXPECT_TRUE(answer.ok()) << answer.status();
  admin.ended.WaitFor(readers.size());
  EXPECT_EQ(security->refusals()->Of(Refusal::kUnread),
            static_cast<int64_t>(readers.size()));
  for (size_t i = 0; i < readers.size(); ++i) {
    contexts[i]->TryCancel();
    v1::ReadVersionResponse piece;
    while (readers[i]->Read(&piece)) {
    }
    EXPECT_FALSE(readers[i]->Finish().ok());
  }
}

TEST(GrpcLimitsTest, SessionsBeyondTheLimitAreRefused) {
  const SecurityPtr security = Plain();
  TransportOptions options;
  options.max_calls = 2;
  GrpcTransport transport(options, 0, security);
  KeepingScheduler scheduler;
  const auto listener =
      transport.ListenScheduler(kAny, {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  Keeping<SchedulerToWorker> first, second, third;
  const auto one =
      transport.ConnectWorkerSession((*listener)->address(), &first);
  const auto two =
      transport.ConnectWorkerSession((*listener)->address(), &second);
  scheduler.workers.WaitFor(2);

  const auto three =
      transport.ConnectWorkerSession((*listener)->address(), &third);

  const absl::Status refused = third.closed.WaitFor(1).at(0);
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_EQ(security->refusals()->Of(Refusal::kSessions), 1);
  EXPECT_TRUE(first.closed.Now().empty());
  EXPECT_TRUE(second.closed.Now().empty());
}

TEST(GrpcLimitsTest, MetricsNameEachReason) {
  const SecurityPtr security = Plain();
  security->refusals()->Count(Refusal::kUnread);
  metrics::OpenMetrics text;

  AddNetwork(*security, &text);

  const std::string said = std::move(text).Text();
  EXPECT_THAT(said, HasSubstr("ebb_network_tls 0\n"));
  EXPECT_THAT(said,
              HasSubstr("ebb_network_refusals_total{reason=\"unread\"} 1\n"));
  EXPECT_THAT(
      said, HasSubstr("ebb_network_refusals_total{reason=\"handshake\"} 0\n"));
}

}  // namespace
}  // namespace ebb::rpc
