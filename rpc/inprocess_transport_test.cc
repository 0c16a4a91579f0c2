#include "rpc/inprocess_transport.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "rpc/transport_contract.h"

namespace ebb::rpc {
namespace {

INSTANTIATE_TEST_SUITE_P(InProcess, TransportContractTest,
                         testing::Values(TransportCase{
                             "inprocess",
                             [](const TransportOptions& options) {
                               return std::make_unique<InProcessTransport>(
                                   options);
                             },
                             "ps:0", "nobody"}));

TEST(InProcessTransportTest, UnpluggedServerIsGoneForItsCallers) {
  InProcessTransport transport;
  KeepingPs ps;
  auto listener = transport.ListenPs("ps", {.data = &ps});
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto channel = transport.ConnectPs("ps");
  Answer<PullReply> parked, later;
  channel->Pull(MakePull(1), absl::InfiniteDuration(), parked.Done());
  auto [request, done] = ps.pulls.WaitFor(1).at(0);

  transport.Unplug("ps");
  channel->Pull(MakePull(1), absl::InfiniteDuration(), later.Done());

  EXPECT_EQ(parked.Wait().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(later.Wait().status().code(), absl::StatusCode::kUnavailable);
  done(PullReply{});  // Goes nowhere.
  EXPECT_EQ(ps.pulls.Now().size(), 1);
}

TEST(InProcessTransportTest, UnpluggedAddressCanBeListenedAtAgain) {
  InProcessTransport transport;
  EchoPs dead, alive;
  auto first = transport.ListenPs("ps", {.data = &dead});
  ASSERT_TRUE(first.ok()) << first.status();
  auto channel = transport.ConnectPs("ps");

  transport.Unplug("ps");
  auto second = transport.ListenPs("ps", {.data = &alive});
  ASSERT_TRUE(second.ok()) << second.status();
  first->reset();  // Does not take the address with it.

  Answer<PushReply> answer;
  channel->Push(MakePush(1, {1}), absl::InfiniteDuration(), answer.Done());
  EXPECT_TRUE(answer.Wait().ok());
}

TEST(InProcessTransportTest, UnpluggedSchedulerHearsNothingUntilDestroyed) {
  InProcessTransport transport;
  KeepingScheduler scheduler;
  auto listener =
      transport.ListenScheduler("scheduler", {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  Keeping<SchedulerToWorker> worker;
  auto session = transport.ConnectWorkerSession("scheduler", &worker);
  auto accepted = scheduler.workers.WaitFor(1).at(0);

  transport.Unplug("scheduler");
  EXPECT_EQ(worker.closed.WaitFor(1).at(0).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_FALSE(session->Send(RegisterWorker{}));
  EXPECT_FALSE(accepted.link->Send(LeaseLost{}));
  session.reset();
  EXPECT_TRUE(accepted.arrived->closed.Now().empty());

  listener->reset();
  EXPECT_EQ(accepted.arrived->closed.Now().size(), 1);
  EXPECT_TRUE(accepted.arrived->messages.Now().empty());
}

TEST(InProcessTransportTest, UnpluggingNobodyDoesNothing) {
  InProcessTransport transport;
  transport.Unplug("nobody");
}

TEST(InProcessTransportTest, PayloadsArriveAsTheSendersOwnSlices) {
  InProcessTransport transport;
  KeepingPs ps;
  auto listener = transport.ListenPs("ps", {.data = &ps});
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto channel = transport.ConnectPs("ps");
  const PushRequest request = MakePush(1, {1, 2, 3});
  Answer<PushReply> answer;

  channel->Push(request, absl::InfiniteDuration(), answer.Done());

  auto [arrived, done] = ps.pushes.WaitFor(1).at(0);
  EXPECT_EQ(arrived.segments.at(0).gradient.slices().at(0).bytes.data(),
            request.segments[0].gradient.slices().at(0).bytes.data());
  done(PushReply{});
  EXPECT_TRUE(answer.Wait().ok());
}

}  // namespace
}  // namespace ebb::rpc
