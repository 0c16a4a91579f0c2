#include "client/client_shell.h"

#include <atomic>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/float_pool.h"
#include "client/testing/fake_cluster.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::client {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr absl::Duration kSoon = absl::Seconds(20);

// Each example adds one to every parameter.
class CountingComputer : public JobComputer {
 public:
  absl::Status Prepare(const JobRecordPtr& record) override {
    ++prepared;
    return prepare_status;
  }
  ComputeResult Compute(const ComputeTask& task) override {
    ComputeResult result;
    FloatBufferPtr gradient = pool_.Take(task.record->plan.parameters);
    for (float& g : gradient->span()) {
      g = static_cast<float>(task.end - task.begin);
    }
    result.gradient = FloatPool::AsPayload(std::move(gradient));
    result.ledger = ExpectedRow(task.item, task.begin, task.end);
    const int64_t call = ++computed;
    if (before_return) before_return(call);
    if (call == fail_at) {
      result = {};
      result.error = "no such luck";
    }
    return result;
  }
  void Expect(const PulledValuesPtr& values) override {
    if (values != nullptr) ++expected;
  }
  std::optional<EvaluationResult> Evaluate(const EvaluateTask& task) override {
    if (before_evaluated) before_evaluated();
    ++evaluated;
    EvaluationResult result;
    result.examples = 5;
    result.correct = 4;
    return result;
  }
  void EvaluationLost() override { lost_after = evaluated; }

  std::atomic<int64_t> prepared = 0;
  std::atomic<int64_t> computed = 0;
  std::atomic<int64_t> expected = 0;
  int64_t evaluated = 0;  // The computing thread uses it.
  std::atomic<int64_t> lost_after = -1;
  absl::Status prepare_status;
  int64_t fail_at = -1;
  std::function<void(int64_t)> before_return;
  std::function<void()> before_evaluated;

 private:
  FloatPool pool_;
};

// A call of the computer that does not return until it may go on.
class HeldCall {
 public:
  // In the call; later ones are held, too, as long as none may go on.
  void Hold() {
    began_ = true;
    began_.notify_all();
    goes_on_.wait(false);
  }
  void AwaitBegin() { began_.wait(false); }
  void GoOn() {
    goes_on_ = true;
    goes_on_.notify_all();
  }

 private:
  std::atomic<bool> began_ = false, goes_on_ = false;
};

ClientShellOptions Options(uint64_t session = 11) {
  ClientShellOptions options;
  options.core.session = SessionId(session);
  options.scheduler = FakeCluster::address();
  options.longest_pause = absl::Milliseconds(50);
  return options;
}

void ExpectExactlyOnce(FakeCluster* cluster, const JobRecord& record,
                       int32_t servers) {
  const JobPlan& plan = record.plan;
  LedgerRow expected;
  for (int64_t i = 0; i < plan.items(); ++i) {
    expected += ExpectedRow(plan, plan.ItemAt(i));
  }
  for (int32_t p = 0; p < plan.partitions; ++p) {
    FakePs& ps = cluster->server(p % servers);
    EXPECT_EQ(ps.Total(PartitionId(p)), expected) << "partition " << p;
    EXPECT_EQ(ps.Value(PartitionId(p)), expected.count) << "partition " << p;
  }
}

TEST(ClientShellTest, ComputesEveryItemOnce) {
  rpc::InProcessTransport transport;
  const JobRecordPtr record = FakeJob(2, 5, 9, 4);
  FakeCluster cluster(&transport, record, 2);
  CountingComputer computer;
  ClientShell shell(Options(), &transport, &computer);

  ASSERT_TRUE(cluster.WaitComplete(kSoon));

  ExpectExactlyOnce(&cluster, *record, 2);
  EXPECT_EQ(computer.prepared, 1);
  EXPECT_EQ(computer.computed, 10 * 3);  // Batches of 4, 4 and 2.
  EXPECT_EQ(shell.status().examples, 100);
  EXPECT_TRUE(shell.status().connected);
}

// Here the first waits for it.
TEST(ClientShellTest, TellsWhoComputesWhatTheNextBatchIsComputedFrom) {
  rpc::InProcessTransport transport;
  const JobRecordPtr record = FakeJob(2, 5, 9, 4);
  FakeCluster cluster(&transport, record, 2);
  CountingComputer computer;
  computer.before_return = [&](int64_t call) {
    while (call == 1 && computer.expected == 0) {
      absl::SleepFor(absl::Milliseconds(1));
    }
  };
  ClientShell shell(Options(), &transport, &computer);

  ASSERT_TRUE(cluster.WaitComplete(kSoon));

  ExpectExactlyOnce(&cluster, *record, 2);
  EXPECT_GE(computer.expected, 1);
  EXPECT_LE(computer.expected, computer.computed);
}

TEST(ClientShellTest, SeveralWorkersShareTheItems) {
  rpc::InProcessTransport transport;
  const JobRecordPtr record = FakeJob(3, 8, 9, 3);
  FakeCluster cluster(&transport, record, 2);
  CountingComputer computers[3];
  std::vector<std::unique_ptr<ClientShell>> shells;
  for (uint64_t i = 0; i < 3; ++i) {
    shells.push_back(std::make_unique<ClientShell>(Options(20 + i), &transport,
                                                   &computers[i]));
  }

  ASSERT_TRUE(cluster.WaitComplete(kSoon));

  ExpectExactlyOnce(&cluster, *record, 2);
}

TEST(ClientShellTest, GoesOnWhenAServerForgetsEverything) {
  rpc::InProcessTransport transport;
  const JobRecordPtr record = FakeJob(2, 6, 9, 4);
  FakeCluster cluster(&transport, record, 2);
  CountingComputer computer;
  computer.before_return = [&](int64_t call) {
    if (call == 8 || call == 20) cluster.RestartServer(ServerId(1));
  };
  ClientShell shell(Options(), &transport, &computer);

  ASSERT_TRUE(cluster.WaitComplete(kSoon));

  // Server 1 was sent again what it lost, server 0 nothing it had.
  ExpectExactlyOnce(&cluster, *record, 2);
  EXPECT_GT(computer.computed, 12 * 3);
}

TEST(ClientShellTest, GoesOnWithoutTheSchedulerAndNamesItsItemsToTheNext) {
  rpc::InProcessTransport transport;
  const JobRecordPtr record = FakeJob(1, 6, 9, 2);
  FakeCluster cluster(&transport, record, 1);
  CountingComputer computer;
  std::atomic<bool> stopped = false;
  computer.before_return = [&](int64_t call) {
    if (call == 1) {
      cluster.StopScheduler();
      stopped = true;
    }
  };
  ClientShell shell(Options(), &transport, &computer);
  while (computer.computed < 6) absl::SleepFor(absl::Milliseconds(1));
  ASSERT_TRUE(stopped);

  cluster.StartScheduler();

  ASSERT_TRUE(cluster.WaitComplete(kSoon));
  ExpectExactlyOnce(&cluster, *record, 1);
}

TEST(ClientShellTest, RegistersAnewWithTheItemsItHolds) {
  rpc::InProcessTransport transport;
  const JobRecordPtr record = FakeJob(1, 6, 9, 2);
  FakeCluster cluster(&transport, record, 1);
  CountingComputer computer;
  cluster.server(0).HoldPulls();
  ClientShellOptions options = Options();
  options.core.held_items = 1;  // Held for sure once it asks for a placement.
  ClientShell shell(options, &transport, &computer);
  ASSERT_TRUE(cluster.WaitFor<PlacementRequest>(kSoon).has_value());

  cluster.StopScheduler();
  cluster.StartScheduler();

  const auto registration = cluster.WaitFor<RegisterWorker>(
      kSoon, [](const RegisterWorker& one) { return !one.held.empty(); });
  ASSERT_TRUE(registration.has_value());
  EXPECT_EQ(registration->session, SessionId(11));
  ASSERT_EQ(registration->held.size(), 1u);
  EXPECT_EQ(registration->held[0].item, (ItemId{0, 0}));
}

TEST(ClientShellTest, DrainDeliversTheBatchAndReturnsTheItems) {
  rpc::InProcessTransport transport;
  const JobRecordPtr record = FakeJob(1, 6, 9, 2);
  FakeCluster cluster(&transport, record, 1);
  CountingComputer computer;
  HeldCall batch;
  computer.before_return = [&](int64_t call) {
    if (call == 2) batch.Hold();
  };
  ClientShell shell(Options(), &transport, &computer);
  batch.AwaitBegin();
  std::thread leaver([&] { EXPECT_TRUE(shell.Drain(kSoon)); });
  absl::SleepFor(absl::Milliseconds(5));
  batch.GoOn();
  leaver.join();

  // Both batches are applied, and the item goes back with its place.
  EXPECT_EQ(computer.computed, 2);
  EXPECT_EQ(cluster.server(0).Total(PartitionId(0)).count, 8);
  EXPECT_EQ(cluster.server(0).refused(), 0);
  ASSERT_TRUE(cluster.WaitFor<WorkerGoodbye>(kSoon).has_value());
  const auto end = cluster.WaitFor<ItemEnd>(kSoon);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->end, LeaseEnd::kReturned);
  EXPECT_EQ(end->item, (ItemId{0, 0}));
  EXPECT_EQ(end->position, 8);
  EXPECT_FALSE(shell.status().connected);
}

TEST(ClientShellTest, DrainGivesUpOnABatchThatDoesNotEnd) {
  rpc::InProcessTransport transport;
  FakeCluster cluster(&transport, FakeJob(1, 1, 9, 2), 1);
  CountingComputer computer;
  HeldCall batch;
  computer.before_return = [&](int64_t) { batch.Hold(); };
  ClientShell shell(Options(), &transport, &computer);
  batch.AwaitBegin();

  EXPECT_FALSE(shell.Drain(absl::Milliseconds(10)));
  batch.GoOn();
}

TEST(ClientShellTest, DrainWithoutAnyWorkIsImmediate) {
  rpc::InProcessTransport transport;
  CountingComputer computer;
  ClientShell shell(Options(), &transport, &computer);
  EXPECT_TRUE(shell.Drain(kSoon));
}

TEST(ClientShellTest, ErrorOfTheComputationEndsTheLease) {
  rpc::InProcessTransport transport;
  const JobRecordPtr record = FakeJob(1, 1, 9, 2);
  FakeCluster cluster(&transport, record, 1);
  CountingComputer computer;
  computer.fail_at = 2;
  ClientShell shell(Options(), &transport, &computer);

  const auto end = cluster.WaitFor<ItemEnd>(kSoon);

  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->end, LeaseEnd::kFailed);
  EXPECT_EQ(end->error, "no such luck");
  EXPECT_EQ(end->position, 4);
  EXPECT_EQ(end->failed_end, 8);
  // Leased again, it is completed.
  ASSERT_TRUE(cluster.WaitComplete(kSoon));
  ExpectExactlyOnce(&cluster, *record, 1);
}

TEST(ClientShellTest, JobThatCannotBePreparedIsToldAndLogged) {
  rpc::InProcessTransport transport;
  FakeCluster cluster(&transport, FakeJob(1, 1, 9, 2), 1);
  CountingComputer computer;
  computer.prepare_status = absl::FailedPreconditionError("a.csv has changed");
  Mutex mu;
  std::vector<std::string> lines;
  ClientShellOptions options = Options();
  options.log = [&](absl::string_view text) {
    MutexLock lock(&mu);
    lines.emplace_back(text);
  };
  auto shell = std::make_unique<ClientShell>(options, &transport, &computer);

  const auto end = cluster.WaitFor<ItemEnd>(kSoon);

  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->end, LeaseEnd::kFailed);
  EXPECT_THAT(end->error, HasSubstr("a.csv has changed"));
  EXPECT_EQ(computer.computed, 0);
  shell.reset();  // Its threads have logged all that they had to.
  MutexLock lock(&mu);
  EXPECT_THAT(lines, Contains(HasSubstr("a.csv has changed")));
  EXPECT_THAT(lines, Contains("leased its first item").Times(1));
}

// Servers that answer nothing but this.
class RefusingTransport : public rpc::InProcessTransport {
 public:
  explicit RefusingTransport(absl::Status status)
      : status_(std::move(status)) {}
  std::unique_ptr<rpc::PsChannel> ConnectPs(const std::string&) override {
    return std::make_unique<Channel>(status_);
  }

 private:
  class Channel : public rpc::PsChannel {
   public:
    explicit Channel(absl::Status status) : status_(std::move(status)) {}
    void Push(PushRequest, absl::Duration, PushDone done) override {
      done(status_);
    }
    void Pull(const PullRequest&, absl::Duration, PullDone done) override {
      done(status_);
    }
    void Clock(const ClockUpdate&) override {}
    void Fetch(const FetchRequest&, absl::Duration, FetchDone done) override {
      done(status_);
    }

   private:
    const absl::Status status_;
  };

  const absl::Status status_;
};

TEST(ClientShellTest, RefusalsOfACertificateAreLogged) {
  for (const absl::Status& refusal :
       {absl::PermissionDeniedError("of the role viewer"),
        absl::UnauthenticatedError("shows no certificate")}) {
    RefusingTransport transport(refusal);
    FakeCluster cluster(&transport, FakeJob(1, 1, 9, 2), 1);
    CountingComputer computer;
    Mutex mu;
    CondVar changed;
    std::string lines;
    ClientShellOptions options = Options();
    options.log = [&](absl::string_view text) {
      MutexLock lock(&mu);
      absl::StrAppend(&lines, text, "\n");
      changed.Signal();
    };
    ClientShell shell(options, &transport, &computer);

    const absl::Time deadline = absl::Now() + kSoon;
    MutexLock lock(&mu);
    while (!absl::StrContains(lines, refusal.message()) &&
           absl::Now() < deadline) {
      changed.WaitFor(&mu, deadline - absl::Now());
    }
    EXPECT_THAT(lines, AllOf(HasSubstr("cannot be reached"),
                             HasSubstr(refusal.message())));
  }
}

TEST(ClientShellTest, EvaluatesBetweenBatches) {
  rpc::InProcessTransport transport;
  const JobRecordPtr record = FakeJob(1, 2, 9, 2);
  FakeCluster cluster(&transport, record, 1);
  cluster.OfferEvaluation();
  CountingComputer computer;
  ClientShell shell(Options(), &transport, &computer);

  const auto result = cluster.WaitFor<EvaluationResult>(kSoon);

  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->snapshot, 1);
  EXPECT_EQ(result->examples, 5);
  EXPECT_EQ(result->correct, 4);
  EXPECT_TRUE(cluster.WaitComplete(kSoon));
}

TEST(ClientShellTest, DrainDoesNotWaitForAnEvaluation) {
  rpc::InProcessTransport transport;
  FakeCluster cluster(&transport, FakeJob(1, 2, 9, 2), 1);
  cluster.OfferEvaluation();
  CountingComputer computer;
  HeldCall evaluation;
  computer.before_evaluated = [&] { evaluation.Hold(); };
  ClientShell shell(Options(), &transport, &computer);
  evaluation.AwaitBegin();

  EXPECT_TRUE(shell.Drain(kSoon));

  EXPECT_TRUE(shell.status().computing);
  const auto result = cluster.WaitFor<EvaluationResult>(kSoon);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->error, "the worker is leaving");
  evaluation.GoOn();
}

// A program whose part of an evaluation is out can be told of the loss only
// when that part ends.
TEST(ClientShellTest, TellsOfALostEvaluationAfterThePartUnderWay) {
  rpc::InProcessTransport transport;
  FakeCluster cluster(&transport, FakeJob(1, 2, 9, 2), 1);
  cluster.OfferEvaluation();
  CountingComputer computer;
  HeldCall evaluation;
  computer.before_evaluated = [&] { evaluation.Hold(); };
  ClientShell shell(Options(), &transport, &computer);
  evaluation.AwaitBegin();
  shell.BeginDrain();
  ASSERT_TRUE(cluster.WaitFor<EvaluationResult>(kSoon).has_value());

  evaluation.GoOn();

  const absl::Time deadline = absl::Now() + kSoon;
  while (computer.lost_after < 0 && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(computer.lost_after, 1);
}

TEST(ClientShellTest, LeavesAtOnceWhileParked) {
  rpc::InProcessTransport transport;
  FakeCluster cluster(&transport, FakeJob(1, 2, 9, 2), 1);
  cluster.server(0).HoldPulls();
  CountingComputer computer;
  const absl::Time start = absl::Now();
  {
    ClientShell shell(Options(), &transport, &computer);
    ASSERT_TRUE(cluster.WaitFor<PlacementRequest>(kSoon).has_value());
  }
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
}

TEST(ClientShellTest, UnusedConnectionsAreClosedAndMadeAgain) {
  rpc::InProcessTransport transport;
  const JobRecordPtr record = FakeJob(2, 3, 9, 2);
  FakeCluster cluster(&transport, record, 2);
  CountingComputer computer;
  ClientShellOptions options = Options();
  options.most_channels = 1;  // Two servers: one is always too many.
  ClientShell shell(options, &transport, &computer);

  ASSERT_TRUE(cluster.WaitComplete(kSoon));
  ExpectExactlyOnce(&cluster, *record, 2);
}

TEST(FloatPoolTest, BuffersComeBackWhenTheLastSliceIsLetGo) {
  FloatPool pool(1);
  FloatBufferPtr buffer = pool.Take(10);
  std::iota(buffer->span().begin(), buffer->span().end(), 0.F);
  const float* memory = buffer->span().data();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0u);
  Payload slice = FloatPool::AsPayload(std::move(buffer)).Sub(8, 8);
  EXPECT_NE(pool.Take(10)->span().data(), memory);

  std::vector<float> values(2);
  slice.CopyTo(std::as_writable_bytes(std::span(values)));
  EXPECT_THAT(values, ElementsAre(2, 3));
  slice = Payload();

  EXPECT_EQ(pool.Take(10)->span().data(), memory);
  EXPECT_EQ(pool.Take(0)->size(), 0);
}

TEST(FloatPoolTest, BuffersLieWhereServersReadOnceOneDoes) {
  const auto heap = *shm::SharedHeap::Create(1 << 20);
  FloatPool pool(2, heap);
  const auto in_heap = [&](const FloatBufferPtr& buffer) {
    return heap->OffsetOf(std::as_bytes(buffer->span())).has_value();
  };
  EXPECT_FALSE(in_heap(pool.Take(1000)));

  heap->Open();

  FloatBufferPtr first = pool.Take(1000);
  EXPECT_TRUE(in_heap(first));
  const float* const memory = first->span().data();
  first.reset();
  EXPECT_EQ(pool.Take(1000)->span().data(), memory);
  // Without room there they lie elsewhere, and are used again as well.
  FloatBufferPtr large = pool.Take(1 << 20);
  EXPECT_FALSE(in_heap(large));
  const float* const elsewhere = large->span().data();
  large.reset();
  EXPECT_EQ(pool.Take(1 << 20)->span().data(), elsewhere);
}

// Pinning pages needs this.
TEST(FloatPoolTest, LargeBuffersHaveTheirPagesForThemselves) {
  constexpr int64_t kFloats = (1 << 18) + 1;
  const auto heap = *shm::SharedHeap::Create(8 << 20);
  heap->Open();
  FloatPool in_heap(2, heap), elsewhere(2);
  for (FloatPool* pool : {&in_heap, &elsewhere}) {
    const FloatBufferPtr first = pool->Take(kFloats);
    const FloatBufferPtr second = pool->Take(kFloats);
    for (const FloatBufferPtr& buffer : {first, second}) {
      const auto memory = reinterpret_cast<uintptr_t>(buffer->span().data());
      EXPECT_EQ(memory % 4096, 0u);
      EXPECT_EQ(buffer->in_heap(), pool == &in_heap);
      std::ranges::fill(buffer->span(), 1.F);
    }
    const int64_t apart = second->span().data() - first->span().data();
    EXPECT_GE(std::abs(apart) * 4, kFloats * 4 + 4092);
  }
}

TEST(FloatPoolTest, WhatABufferKeepsGoesWithItsMemory) {
  const auto kept = std::make_shared<int>(1);
  {
    FloatPool pool(1);
    FloatBufferPtr buffer = pool.Take(3);
    EXPECT_FALSE(buffer->keeps());
    buffer->Keep(kept);
    buffer.reset();
    EXPECT_TRUE(pool.Take(3)->keeps()) << "it is used again";
    EXPECT_EQ(kept.use_count(), 2);
    EXPECT_FALSE(pool.Take(4)->keeps());
  }
  EXPECT_EQ(kept.use_count(), 1);
}

TEST(FloatPoolTest, BuffersOutliveThePool) {
  FloatBufferPtr buffer;
  {
    FloatPool pool;
    buffer = pool.Take(3);
  }
  buffer->span()[2] = 5;
  EXPECT_EQ(buffer->span()[2], 5);
}

}  // namespace
}  // namespace ebb::client
