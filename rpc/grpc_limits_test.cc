// Who goes beyond a limit is refused and counted, and holds nobody up.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/metrics/open_metrics.h"
#include "ebb/v1/parameter_server.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/admin.h"
#include "rpc/grpc_transport.h"
#include "rpc/network_metrics.h"
#include "rpc/security.h"
#include "rpc/testing/admin_answers.h"
#include "rpc/testing/one_piece.h"
#include "rpc/transport_contract.h"
#include "rpc/wire.h"

namespace ebb::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

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
    begun.Add(true);
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

  Collected<bool> begun;
  Collected<absl::Status> ended;  // Of those that were not read.
};

// Versions that are asked for and not read.
class UnreadVersions {
 public:
  UnreadVersions(v1::ParameterServer::Stub* stub, int count) {
    for (int i = 0; i < count; ++i) {
      contexts_.push_back(std::make_unique<grpc::ClientContext>());
      readers_.push_back(stub->ReadVersion(contexts_.back().get(), {}));
    }
  }
  size_t size() const { return readers_.size(); }
  void Cancel() {
    for (auto& context : contexts_) context->TryCancel();
  }
  // Reads what is left of each: it must have ended with an error.
  void ExpectRefused() {
    for (auto& reader : readers_) {
      v1::ReadVersionResponse piece;
      while (reader->Read(&piece)) {
      }
      EXPECT_FALSE(reader->Finish().ok());
    }
  }

 private:
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts_;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::ReadVersionResponse>>>
      readers_;
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
  UnreadVersions versions(stub.get(), TransportOptions().admin_threads);

  const auto answer =
      PsAdminClient((*listener)->address()).GetLedgers({}, kLong);

  EXPECT_TRUE(answer.ok()) << answer.status();
  admin.ended.WaitFor(versions.size());
  EXPECT_EQ(security->refusals()->Of(Refusal::kUnread),
            static_cast<int64_t>(versions.size()));
  versions.Cancel();
  versions.ExpectRefused();
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

// Returns what the metrics tell of `security`: how many were refused, by
// reason, if any were.
std::map<std::string, int> Told(const Security& security) {
  metrics::OpenMetrics text;
  AddNetwork(security, &text);
  std::map<std::string, int> told;
  const std::string said = std::move(text).Text();
  for (absl::string_view line : absl::StrSplit(said, '\n')) {
    if (!absl::ConsumePrefix(&line, "ebb_network_refusals_total{reason=\"")) {
      continue;
    }
    const std::pair<std::string, std::string> sample =
        absl::StrSplit(line, "\"} ");
    int count = -1;
    EXPECT_TRUE(absl::SimpleAtoi(sample.second, &count)) << line;
    if (count != 0) told[sample.first] = count;
  }
  return told;
}

// Two answers that are not read hold both threads; 64 questions wait, and each
// more is refused.
TEST(GrpcLimitsTest, MetricsCountQuestionsAndAnswersThatAreRefused) {
  const SecurityPtr security = Plain();
  const TransportOptions options;
  GrpcTransport transport(options, 0, security);
  LargePs admin;
  const auto listener = transport.ListenPs(kAny, {.admin = &admin});
  ASSERT_TRUE(listener.ok()) << listener.status();
  const auto stub = v1::ParameterServer::NewStub(grpc::CreateChannel(
      (*listener)->address(), grpc::InsecureChannelCredentials()));
  UnreadVersions versions(stub.get(), options.admin_threads);
  admin.begun.WaitFor(versions.size());
  constexpr int kBeyond = 5;
  struct Question {
    grpc::ClientContext context;
    v1::GetLedgersRequest request;
    v1::GetLedgersResponse response;
  };
  std::vector<std::unique_ptr<Question>> questions;
  Collected<grpc::StatusCode> ended;
  for (int i = 0; i < options.admin_queue + kBeyond; ++i) {
    Question* const one =
        questions.emplace_back(std::make_unique<Question>()).get();
    stub->async()->GetLedgers(
        &one->context, &one->request, &one->response,
        [&](const grpc::Status& status) { ended.Add(status.error_code()); });
  }

  int refused = 0;
  for (const grpc::StatusCode code : ended.WaitFor(questions.size())) {
    if (code != grpc::StatusCode::OK) ++refused;
  }
  EXPECT_EQ(refused, kBeyond);
  admin.ended.WaitFor(versions.size());
  EXPECT_THAT(Told(*security),
              ElementsAre(Pair("admin_calls", kBeyond),
                          Pair("unread", options.admin_threads)));
  versions.ExpectRefused();
}

TEST(GrpcLimitsTest, MetricsCountSessionsThatAreRefused) {
  const SecurityPtr security = Plain();
  TransportOptions options;
  options.max_calls = 2;
  GrpcTransport transport(options, 0, security);
  KeepingScheduler scheduler;
  const auto listener =
      transport.ListenScheduler(kAny, {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  std::vector<Keeping<SchedulerToWorker>> sides(5);
  std::vector<std::unique_ptr<WorkerSession>> sessions;
  for (auto& side : sides) {
    sessions.push_back(
        transport.ConnectWorkerSession((*listener)->address(), &side));
  }
  scheduler.workers.WaitFor(2);

  // Whichever came late, of five that connect at once.
  const absl::Time limit = absl::Now() + kLong;
  while (Told(*security)["sessions"] < 3 && absl::Now() < limit) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_THAT(Told(*security), ElementsAre(Pair("sessions", 3)));
}

TEST(GrpcLimitsTest, MetricsCountCallsThatAreRefused) {
  const SecurityPtr security = Plain();
  TransportOptions options;
  options.max_calls = 2;
  GrpcTransport transport(options, 0, security);
  KeepingPs ps;
  const auto listener = transport.ListenPs(kAny, {.data = &ps});
  ASSERT_TRUE(listener.ok()) << listener.status();
  const auto channel = transport.ConnectPs((*listener)->address());
  std::vector<Answer<PullReply>> answers(5);
  for (auto& answer : answers) {
    channel->Pull(MakePull(0), kLong, answer.Done());
  }
  const auto kept = ps.pulls.WaitFor(2);

  int refused = 0;
  const absl::Time limit = absl::Now() + kLong;
  while (refused < 3 && absl::Now() < limit) {
    absl::SleepFor(absl::Milliseconds(10));
    refused = static_cast<int>(
        std::count_if(answers.begin(), answers.end(),
                      [](auto& answer) { return answer.arrived(); }));
  }
  EXPECT_EQ(refused, 3);
  EXPECT_THAT(Told(*security), ElementsAre(Pair("calls", 3)));
  for (const auto& [pull, done] : kept) done(PullReply());
  for (auto& answer : answers) answer.Wait().IgnoreError();  // They go now.
}

// Bug: a message of which only the first piece came had its room for ever, and
// no other found any.
TEST(GrpcLimitsTest, AMessageThatDoesNotComeLeavesItsRoomToOthers) {
  const SecurityPtr security = Plain();
  TransportOptions options;
  options.max_message_bytes = 1 << 16;
  options.max_assembled_bytes = 1 << 20;
  // Stuck after 60 times as long. No connection is asked for a sign of life.
  options.keepalive_timeout = absl::Milliseconds(50);
  options.keepalive_time = absl::Hours(1);
  GrpcTransport transport(options, 0, security);
  EchoPs ps;
  const auto listener = transport.ListenPs(kAny, {.data = &ps});
  ASSERT_TRUE(listener.ok()) << listener.status();
  // Pushes flow before the piece is sent: the first takes as long as the
  // connection, in which the piece could be given up already.
  const auto channel = transport.ConnectPs((*listener)->address());
  const std::vector<float> values(100'000, 1.0F);
  Answer<PushReply> first;
  channel->Push(MakePush(1, values), kLong, first.Done());
  ASSERT_TRUE(first.Wait().ok());
  const auto stuck_channel = grpc::CreateChannel(
      (*listener)->address(), grpc::InsecureChannelCredentials());
  const Payload piece =
      EncodePiece(options.max_assembled_bytes,
                  Encode(MakePush(1, std::vector<float>(1024, 1))));
  std::vector<std::unique_ptr<OnePiece>> stuck;

  // Once it has come, others are told to try again until it is given up. Where
  // it comes in the midst of a push, it is itself refused, and sent again.
  const absl::Time limit = absl::Now() + kLong;
  bool refused = false, taken = false;
  while (!taken && absl::Now() < limit) {
    if (stuck.empty() || (!refused && stuck.back()->ended())) {
      stuck.push_back(std::make_unique<OnePiece>());
      stuck.back()->Send(stuck_channel, "/ebb.v1.ParameterServer/PushInPieces",
                         piece);
    }
    Answer<PushReply> pushed;
    channel->Push(MakePush(1, values), kLong, pushed.Done());
    const absl::Status status = pushed.Wait().status();
    if (status.ok()) {
      taken = refused;
      continue;
    }
    ASSERT_TRUE(absl::IsResourceExhausted(status)) << status;
    refused = true;
  }

  EXPECT_TRUE(taken);
  for (auto& one : stuck) EXPECT_FALSE(one->End().ok());
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
