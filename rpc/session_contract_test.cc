#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rpc/transport_contract.h"

namespace ebb::rpc {
namespace {

WorkerToScheduler Hello(uint64_t session) {
  return RegisterWorker{.session = SessionId(session), .name = "w"};
}

SchedulerToWorker Lost(int shard) {
  return LeaseLost{JobId(1), Generation(1), ItemId{0, shard}};
}

TEST_P(TransportContractTest, MessagesArriveInOrderBothWays) {
  constexpr int kMessages = 1000;
  auto transport = Make();
  KeepingScheduler scheduler;
  auto listener = transport->ListenScheduler(GetParam().any_address,
                                             {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  Keeping<SchedulerToWorker> worker;
  auto session =
      transport->ConnectWorkerSession((*listener)->address(), &worker);

  for (int i = 1; i <= kMessages; ++i) EXPECT_TRUE(session->Send(Hello(i)));
  auto accepted = scheduler.workers.WaitFor(1).at(0);
  for (int i = 0; i < kMessages; ++i) EXPECT_TRUE(accepted.link->Send(Lost(i)));

  const auto up = accepted.arrived->messages.WaitFor(kMessages);
  const auto down = worker.messages.WaitFor(kMessages);
  for (int i = 0; i < kMessages; ++i) {
    EXPECT_EQ(std::get<RegisterWorker>(up[i]).session, SessionId(i + 1));
    EXPECT_EQ(std::get<LeaseLost>(down[i]).item.shard, i);
  }
}

TEST_P(TransportContractTest, ServerSessionsCarryTheirMessages) {
  auto transport = Make();
  KeepingScheduler scheduler;
  auto listener = transport->ListenScheduler(GetParam().any_address,
                                             {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  Keeping<SchedulerToServer> server;
  auto session =
      transport->ConnectServerSession((*listener)->address(), &server);

  EXPECT_TRUE(session->Send(RegisterServer{
      .server = ServerId(3), .session = SessionId(4), .address = "here"}));
  auto accepted = scheduler.servers.WaitFor(1).at(0);
  EXPECT_TRUE(accepted.link->Send(CheckpointNow{JobId(5)}));

  EXPECT_EQ(std::get<RegisterServer>(accepted.arrived->messages.WaitFor(1)[0])
                .address,
            "here");
  EXPECT_EQ(std::get<CheckpointNow>(server.messages.WaitFor(1)[0]).job,
            JobId(5));
}

TEST_P(TransportContractTest, RecordsSurviveAndAreShared) {
  auto transport = Make();
  KeepingScheduler scheduler;
  auto listener = transport->ListenScheduler(GetParam().any_address,
                                             {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  Keeping<SchedulerToWorker> worker;
  auto session =
      transport->ConnectWorkerSession((*listener)->address(), &worker);
  auto record = std::make_shared<JobRecord>();
  record->id = JobId(5);
  record->plan.examples = 10;
  record->plan.shard_size = 5;
  record->specification = std::string(1 << 20, 's');

  auto accepted = scheduler.workers.WaitFor(1).at(0);
  accepted.link->Send(Lease{.record = record, .item = {0, 0}});
  accepted.link->Send(Lease{.record = record, .item = {0, 1}});

  const auto leases = worker.messages.WaitFor(2);
  const JobRecordPtr got = std::get<Lease>(leases[1]).record;
  EXPECT_EQ(got->specification, record->specification);
  EXPECT_EQ(std::get<Lease>(leases[0]).record, got);
}

TEST_P(TransportContractTest, AClosedSessionDeliversWhatWasSent) {
  auto transport = Make();
  KeepingScheduler scheduler;
  auto listener = transport->ListenScheduler(GetParam().any_address,
                                             {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  Keeping<SchedulerToWorker> worker;
  auto session =
      transport->ConnectWorkerSession((*listener)->address(), &worker);

  for (int i = 1; i <= 100; ++i) session->Send(Hello(i));
  session->Close();
  EXPECT_FALSE(session->Send(Hello(101)));

  auto accepted = scheduler.workers.WaitFor(1).at(0);
  EXPECT_TRUE(accepted.arrived->closed.WaitFor(1).at(0).ok());
  EXPECT_EQ(accepted.arrived->messages.Now().size(), 100);
  EXPECT_TRUE(worker.closed.WaitFor(1).at(0).ok());
  EXPECT_FALSE(accepted.link->Send(Lost(1)));
}

TEST_P(TransportContractTest, AClosedLinkDeliversWhatWasSent) {
  auto transport = Make();
  KeepingScheduler scheduler;
  auto listener = transport->ListenScheduler(GetParam().any_address,
                                             {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  Keeping<SchedulerToWorker> worker;
  auto session =
      transport->ConnectWorkerSession((*listener)->address(), &worker);

  auto accepted = scheduler.workers.WaitFor(1).at(0);
  for (int i = 0; i < 100; ++i) accepted.link->Send(Lost(i));
  accepted.link->Close();
  EXPECT_FALSE(accepted.link->Send(Lost(100)));

  EXPECT_TRUE(worker.closed.WaitFor(1).at(0).ok());
  EXPECT_EQ(worker.messages.Now().size(), 100);
  EXPECT_TRUE(accepted.arrived->closed.WaitFor(1).at(0).ok());
  EXPECT_FALSE(session->Send(Hello(1)));
}

TEST_P(TransportContractTest, ADestroyedSessionIsUnavailableAtTheScheduler) {
  auto transport = Make();
  KeepingScheduler scheduler;
  auto listener = transport->ListenScheduler(GetParam().any_address,
                                             {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  Keeping<SchedulerToWorker> worker;
  auto session =
      transport->ConnectWorkerSession((*listener)->address(), &worker);
  session->Send(Hello(1));
  auto accepted = scheduler.workers.WaitFor(1).at(0);
  accepted.arrived->messages.WaitFor(1);

  session.reset();

  ASSERT_EQ(worker.closed.Now().size(), 1) << "the destructor did not wait";
  EXPECT_EQ(worker.closed.Now()[0].code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(accepted.arrived->closed.WaitFor(1).at(0).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_FALSE(accepted.link->Send(Lost(1)));
}

TEST_P(TransportContractTest, ADestroyedListenerClosesItsSessions) {
  auto transport = Make();
  KeepingScheduler scheduler;
  auto listener = transport->ListenScheduler(GetParam().any_address,
                                             {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  Keeping<SchedulerToWorker> worker;
  Keeping<SchedulerToServer> server;
  auto worker_session =
      transport->ConnectWorkerSession((*listener)->address(), &worker);
  auto server_session =
      transport->ConnectServerSession((*listener)->address(), &server);
  auto worker_end = scheduler.workers.WaitFor(1).at(0);
  auto server_end = scheduler.servers.WaitFor(1).at(0);

  listener->reset();

  ASSERT_EQ(worker_end.arrived->closed.Now().size(), 1)
      << "the destructor did not wait";
  ASSERT_EQ(server_end.arrived->closed.Now().size(), 1);
  EXPECT_FALSE(worker_end.arrived->closed.Now()[0].ok());
  EXPECT_EQ(worker.closed.WaitFor(1).at(0).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(server.closed.WaitFor(1).at(0).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_FALSE(worker_end.link->Send(Lost(1)));
  EXPECT_FALSE(worker_session->Send(Hello(1)));
}

TEST_P(TransportContractTest, ASessionToNobodyIsUnavailable) {
  auto transport = Make();
  Keeping<SchedulerToWorker> worker;
  auto session =
      transport->ConnectWorkerSession(GetParam().nobody_address, &worker);
  session->Send(Hello(1));
  EXPECT_EQ(worker.closed.WaitFor(1).at(0).code(),
            absl::StatusCode::kUnavailable);
}

TEST_P(TransportContractTest, ARefusedSessionIsUnavailable) {
  auto transport = Make();
  KeepingScheduler scheduler;
  scheduler.refuse = true;
  auto listener = transport->ListenScheduler(GetParam().any_address,
                                             {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  Keeping<SchedulerToServer> server;
  auto session =
      transport->ConnectServerSession((*listener)->address(), &server);
  session->Send(ServerGoodbye{SessionId(1)});
  EXPECT_EQ(server.closed.WaitFor(1).at(0).code(),
            absl::StatusCode::kUnavailable);
}

TEST_P(TransportContractTest, ASessionThatIsNotReadIsClosed) {
  // Not for silence: a loaded machine answers late while messages are made.
  auto transport = Make(
      {.keepalive_timeout = absl::Minutes(5), .session_queue_messages = 16});
  KeepingScheduler scheduler;
  std::promise<void> go;
  scheduler.on_worker_message = [ready = go.get_future().share()] {
    ready.wait();
  };
  auto listener = transport->ListenScheduler(GetParam().any_address,
                                             {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  Keeping<SchedulerToWorker> worker;
  auto session =
      transport->ConnectWorkerSession((*listener)->address(), &worker);

  // Else it may be closed before the other side heard of it.
  auto accepted = scheduler.workers.WaitFor(1).at(0);

  // Large, so that buffers on the way do not hide it.
  const WorkerToScheduler large = RegisterWorker{
      .session = SessionId(1), .name = std::string(1 << 20, 'x')};
  int sent = 0;
  while (sent < 1000 && session->Send(large)) ++sent;

  EXPECT_GE(sent, 16);
  EXPECT_LT(sent, 1000);
  EXPECT_FALSE(session->Send(large));
  EXPECT_EQ(worker.closed.WaitFor(1).at(0).code(),
            absl::StatusCode::kResourceExhausted);
  go.set_value();
  EXPECT_FALSE(accepted.arrived->closed.WaitFor(1).at(0).ok());
}

TEST_P(TransportContractTest, SessionsComeAndGo) {
  auto transport = Make();
  KeepingScheduler scheduler;
  auto listener = transport->ListenScheduler(GetParam().any_address,
                                             {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  for (int round = 0; round < 5; ++round) {
    std::vector<std::unique_ptr<Keeping<SchedulerToWorker>>> workers;
    std::vector<std::unique_ptr<WorkerSession>> sessions;
    for (int i = 0; i < 10; ++i) {
      workers.push_back(std::make_unique<Keeping<SchedulerToWorker>>());
      sessions.push_back(transport->ConnectWorkerSession((*listener)->address(),
                                                         workers.back().get()));
      sessions.back()->Send(Hello(1));
      if (i % 2 == 0) sessions.back()->Close();
    }
    sessions.clear();
    for (const auto& worker : workers) {
      EXPECT_EQ(worker->closed.Now().size(), 1);
    }
  }
  listener->reset();
  for (const auto& accepted : scheduler.workers.Now()) {
    EXPECT_EQ(accepted.arrived->closed.Now().size(), 1);
    EXPECT_FALSE(accepted.link->Send(Lost(1)));
  }
}

TEST_P(TransportContractTest, ASessionMayBeClosedOnItsOwnThread) {
  auto transport = Make();
  KeepingScheduler scheduler;
  auto listener = transport->ListenScheduler(GetParam().any_address,
                                             {.sessions = &scheduler});
  ASSERT_TRUE(listener.ok()) << listener.status();
  Keeping<SchedulerToWorker> worker;
  std::promise<WorkerSession*> self;
  worker.on_message = [ready = self.get_future().share()] {
    ready.get()->Close();
  };
  auto session =
      transport->ConnectWorkerSession((*listener)->address(), &worker);
  self.set_value(session.get());

  scheduler.workers.WaitFor(1).at(0).link->Send(Lost(1));

  EXPECT_TRUE(worker.closed.WaitFor(1).at(0).ok());
}

}  // namespace
}  // namespace ebb::rpc
