#include "client/internal/job_loop.h"

#include <atomic>
#include <limits>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "client/hand_in.h"
#include "client/testing/fake_cluster.h"
#include "data/order.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::client {
namespace {

using testing::HasSubstr;

constexpr absl::Duration kSoon = absl::Seconds(20);

class JobLoopTest : public testing::Test {
 protected:
  explicit JobLoopTest(int32_t epochs = 2, int32_t shards = 3)
      : transport_(std::make_shared<rpc::InProcessTransport>()),
        record_(FakeJob(epochs, shards, 9, 4)),
        cluster_(transport_.get(), record_, 2) {}

  JobLoopOptions Options() {
    JobLoopOptions options;
    options.shell.scheduler = FakeCluster::address();
    options.shell.core.session = SessionId(++sessions_);
    options.record = record_;
    options.ask_every = absl::Milliseconds(5);
    options.finished = [this]() -> absl::StatusOr<bool> {
      return cluster_.WaitComplete(absl::ZeroDuration());
    };
    return options;
  }
  // Gradients of ones: the values count the examples.
  std::vector<float> Gradient(const JobLoop::Work& work) const {
    return std::vector<float>(record_->plan.parameters,
                              static_cast<float>(work.examples.size()));
  }
  void ExpectExactlyOnce() {
    LedgerRow expected;
    for (int64_t i = 0; i < record_->plan.items(); ++i) {
      expected += ExpectedRow(record_->plan, record_->plan.ItemAt(i));
    }
    for (int32_t p = 0; p < record_->plan.partitions; ++p) {
      EXPECT_EQ(cluster_.server(p % 2).Total(PartitionId(p)), expected);
      EXPECT_EQ(cluster_.server(p % 2).Value(PartitionId(p)), expected.count);
    }
  }

  const std::shared_ptr<rpc::InProcessTransport> transport_;
  const JobRecordPtr record_;
  FakeCluster cluster_;
  uint64_t sessions_ = 30;
};

TEST_F(JobLoopTest, EachExampleOfEachEpochIsHandedOutAndAppliedOnce) {
  JobLoop loop(Options(), transport_);
  std::vector<std::multiset<int64_t>> seen(2);
  std::vector<float> model(9);
  for (;;) {
    const auto work = loop.Take();
    ASSERT_TRUE(work.ok()) << work.status();
    if (!*work) break;
    ASSERT_TRUE(loop.Pull((*work)->ticket, std::span(model)).ok());
    seen[(*work)->place.epoch].insert((*work)->examples.begin(),
                                      (*work)->examples.end());
    ASSERT_TRUE(loop.Hand((*work)->ticket, Gradient(**work), 1).ok());
  }

  ExpectExactlyOnce();
  std::multiset<int64_t> all;
  for (int64_t i = 0; i < 30; ++i) all.insert(i);
  EXPECT_EQ(seen[0], all);
  EXPECT_EQ(seen[1], all);
  // The values of the batch before the last are in what was pulled, at least.
  EXPECT_GT(model[0], 0);
}

TEST_F(JobLoopTest, ExamplesComeInTheSpecifiedOrder) {
  JobLoop loop(Options(), transport_);

  const auto work = loop.Take();

  ASSERT_TRUE(work.ok() && work->has_value());
  const auto order =
      *data::Order(record_->plan.seed,
                   {record_->plan.examples, record_->plan.shard_size})
           .Of({0, 0});
  EXPECT_THAT((*work)->examples,
              testing::ElementsAre(order[0], order[1], order[2], order[3]));
}

TEST_F(JobLoopTest, WrongGradientsAreRefusedAndMayBeHandedInAgain) {
  JobLoop loop(Options(), transport_);
  const auto work = loop.Take();
  ASSERT_TRUE(work.ok() && work->has_value());
  const uint64_t ticket = (*work)->ticket;
  std::vector<float> model(8);

  EXPECT_EQ(loop.Pull(ticket, std::span(model)).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(loop.Hand(ticket, model, 0).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(loop.Hand(ticket, Gradient(**work), 0).ok());
  EXPECT_EQ(loop.Hand(ticket, Gradient(**work), 0).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(JobLoopTest, AGradientThatIsNotFiniteIsNeverSent) {
  JobLoop loop(Options(), transport_);
  const auto work = loop.Take();
  ASSERT_TRUE(work.ok() && work->has_value());
  std::vector<float> gradient = Gradient(**work);
  gradient[5] = std::numeric_limits<float>::infinity();

  const absl::Status status = loop.Hand((*work)->ticket, gradient, 0);

  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), HasSubstr("element 5"));
  const auto end = cluster_.WaitFor<ItemEnd>(kSoon);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->end, LeaseEnd::kFailed);
  EXPECT_TRUE(end->non_finite);
}

TEST_F(JobLoopTest, ABatchThatWasForgottenCountsAsFailed) {
  JobLoop loop(Options(), transport_);
  ASSERT_TRUE(loop.Take().ok());

  EXPECT_EQ(loop.Take().status().code(), absl::StatusCode::kFailedPrecondition);

  const auto end = cluster_.WaitFor<ItemEnd>(kSoon);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->end, LeaseEnd::kFailed);
  EXPECT_THAT(end->error, HasSubstr("neither pushed nor failed"));
}

TEST_F(JobLoopTest, AFailedBatchSaysWhy) {
  JobLoop loop(Options(), transport_);
  const auto work = loop.Take();
  ASSERT_TRUE(work.ok() && work->has_value());

  loop.Abandon((*work)->ticket, "the file is gone");

  const auto end = cluster_.WaitFor<ItemEnd>(kSoon);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->end, LeaseEnd::kFailed);
  EXPECT_EQ(end->error, "the file is gone");
  EXPECT_EQ(end->position, 0);
  EXPECT_EQ(end->failed_end, 4);
}

TEST_F(JobLoopTest, LeavingGivesBackWhatIsOutAndBlamesNobody) {
  JobLoop loop(Options(), transport_);
  auto work = loop.Take();
  ASSERT_TRUE(work.ok() && work->has_value());
  ASSERT_TRUE(loop.Hand((*work)->ticket, Gradient(**work), 0).ok());
  work = loop.Take();
  ASSERT_TRUE(work.ok() && work->has_value());

  EXPECT_TRUE(loop.Leave().ok());

  EXPECT_EQ(loop.Hand((*work)->ticket, Gradient(**work), 0).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(loop.Take()->has_value());
  const auto end = cluster_.WaitFor<ItemEnd>(kSoon);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->end, LeaseEnd::kReturned);
  EXPECT_EQ(end->position, 4);
  EXPECT_EQ(cluster_.server(0).Total(PartitionId(0)).count, 4);
}

TEST_F(JobLoopTest, LeavingWakesALoopThatWaits) {
  cluster_.server(0).HoldPulls();
  JobLoop loop(Options(), transport_);
  std::thread leaver([&] {
    absl::SleepFor(absl::Milliseconds(10));
    EXPECT_TRUE(loop.Leave().ok());
  });

  const auto work = loop.Take();

  leaver.join();
  ASSERT_TRUE(work.ok());
  EXPECT_FALSE(work->has_value());
}

TEST_F(JobLoopTest, AJobThatIsGoneEndsTheLoopWithAnError) {
  cluster_.server(0).HoldPulls();
  JobLoopOptions options = Options();
  std::atomic<int> asked = 0;
  options.finished = [&]() -> absl::StatusOr<bool> {
    // A scheduler that is away is waited for.
    if (++asked < 3) return absl::UnavailableError("away");
    return absl::NotFoundError("no such job");
  };
  JobLoop loop(options, transport_);

  EXPECT_EQ(loop.Take().status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(asked, 3);
}

TEST_F(JobLoopTest, ItemsOfAnotherJobAreRefusedByName) {
  JobLoopOptions options = Options();
  auto other = std::make_shared<JobRecord>(*record_);
  other->id = JobId(99);
  other->name = "mine";
  options.record = other;
  JobLoop loop(options, transport_);

  const auto end = cluster_.WaitFor<ItemEnd>(kSoon);

  ASSERT_TRUE(end.has_value());
  EXPECT_THAT(end->error, HasSubstr("computes job mine, not job fake"));
}

// Bug: batches of a program counted without the rows that their examples write.
TEST_F(JobLoopTest, AJobWhoseExamplesWriteRowsIsRefused) {
  auto record = std::make_shared<JobRecord>(*record_);
  record->plan.sparse_tables = {{.width = 1, .kind = RowKind::kCounts}};
  const auto transport = std::make_shared<rpc::InProcessTransport>();
  FakeCluster cluster(transport.get(), record, 2);
  JobLoopOptions options = Options();
  options.record = record;
  JobLoop loop(options, transport);

  const auto end = cluster.WaitFor<ItemEnd>(kSoon);

  ASSERT_TRUE(end.has_value());
  EXPECT_THAT(end->error, HasSubstr("has 1 sparse table(s)"));
  EXPECT_EQ(CheckHandIn(*record).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(CheckHandIn(*record_).ok());
}

TEST_F(JobLoopTest, EvaluatesWithTheUsersFunction) {
  cluster_.OfferEvaluation();
  JobLoopOptions options = Options();
  options.evaluate =
      [](std::span<const float> model) -> absl::StatusOr<Evaluation> {
    return Evaluation{static_cast<int64_t>(model.size()), 2.5, 3};
  };
  JobLoop loop(options, transport_);
  // Evaluations come between batches, or after them.
  for (;;) {
    const auto work = loop.Take();
    ASSERT_TRUE(work.ok());
    if (!*work) break;
    ASSERT_TRUE(loop.Hand((*work)->ticket, Gradient(**work), 0).ok());
  }

  const auto result = cluster_.WaitFor<EvaluationResult>(kSoon);

  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->error, "");
  EXPECT_EQ(result->examples, 9);
  EXPECT_EQ(result->loss_sum, 2.5);
  EXPECT_EQ(result->correct, 3);
}

}  // namespace
}  // namespace ebb::client
