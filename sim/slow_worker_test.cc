// A worker ten times slower than the others makes the end of an epoch, and of a
// round, later by one of its batches at most.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sim/world.h"

namespace ebb::sim {
namespace {

constexpr absl::Duration kBatch = absl::Milliseconds(20);
constexpr absl::Duration kSlowBatch = absl::Milliseconds(200);
constexpr int kEpochs = 3, kBatchesPerWorker = 200;  // Of an epoch.

struct Course {
  std::vector<absl::Duration> epochs;  // When each ended, and each round.
  std::vector<absl::Duration> rounds;
  scheduler::EpochTailCounts tails;
};

// Nothing goes wrong, but that the first worker may be slow.
Course Train(const Scenario& scenario, uint64_t seed) {
  World world(scenario, seed, nullptr);
  world.calm = true;
  world.scheduler().Start();
  for (const auto& server : world.servers()) server->Start();
  for (const auto& worker : world.workers()) worker->Start();
  world.RunUntil(world.now() + absl::Milliseconds(20), [] { return false; });
  world.scheduler().Submit();
  const absl::Time begin = world.now();
  const scheduler::TrainingJob& job = *world.scheduler().job();
  Course course;
  world.RunUntil(begin + absl::Minutes(10), [&] {
    const scheduler::MarkTable& marks = job.marks();
    course.epochs.resize(marks.EpochsFull(), world.now() - begin);
    if (job.plan().rounds()) {
      course.rounds.resize(
          std::max<size_t>(marks.RoundsClosed(), course.rounds.size()),
          world.now() - begin);
    }
    return job.state().phase == scheduler::JobPhase::kCompleted;
  });
  EXPECT_TRUE(world.ok()) << world.violation();
  course.tails = job.parts().offers.tails();
  EXPECT_EQ(course.epochs.size(), size_t{kEpochs});
  course.epochs.resize(kEpochs, absl::InfiniteDuration());
  return course;
}

// A batch is an example.
Scenario Even(int workers, int item) {
  Scenario s = ScaleScenario(workers, 2, 1);
  s.plan.epochs = kEpochs;
  s.plan.examples = workers * kBatchesPerWorker;
  s.plan.shard_size = item;
  s.compute = {kBatch - absl::Milliseconds(1), kBatch + absl::Milliseconds(1)};
  s.storage.most = absl::Milliseconds(2);
  return s;
}

Scenario WithSlow(Scenario s) {
  s.slow_worker = true;
  return s;
}

Scenario WithoutThatWorker(Scenario s) {
  --s.workers;
  return s;
}

Scenario WithoutHelp(Scenario s) {
  s.scheduler.backup_gain = absl::Hours(1);
  return s;
}

// By how much an epoch ends later than it would if its work could be divided
// as one likes among workers, of which the slow one is a tenth.
absl::Duration Late(const Course& course, int epoch, const Scenario& s) {
  const double worth = s.workers - (s.slow_worker ? 0.9 : 0);
  return course.epochs[epoch] -
         kBatch * static_cast<double>(s.plan.examples) * (epoch + 1) / worth;
}

absl::Duration Latest(const Course& course, const Scenario& s) {
  absl::Duration latest = Late(course, 0, s);
  for (int e = 1; e < kEpochs; ++e)
    latest = std::max(latest, Late(course, e, s));
  return latest;
}

// With items of a quarter of what a slow worker does in an epoch, to twice it.
TEST(SlowWorkerTest, AnEpochEndsABatchOfItLaterAtMostThanWithoutIt) {
  for (const int workers : {3, 8}) {
    for (const int item : {5, 10, 40}) {
      SCOPED_TRACE(absl::StrCat(workers, " workers, items of ", item));
      const Scenario slow = WithSlow(Even(workers, item));

      const Course with = Train(slow, 1);
      const Course without = Train(WithoutThatWorker(Even(workers, item)), 1);
      const Course unhelped = Train(WithoutHelp(slow), 1);

      absl::Duration longest;
      for (int e = 0; e < kEpochs; ++e) {
        EXPECT_LE(with.epochs[e], without.epochs[e] + kSlowBatch) << e;
        longest = std::max(longest, unhelped.epochs[e] - without.epochs[e]);
      }
      EXPECT_GT(longest, kSlowBatch) << "nobody needed help";
    }
  }
}

// Items are no larger than its batch. Larger ones cannot be dealt out evenly to
// any number of workers.
TEST(SlowWorkerTest, AnEpochEndsABatchOfItLaterAtMostThanItsSpeedIsToBlameFor) {
  for (const int workers : {3, 8}) {
    for (const int item : {2, 5, 10}) {
      SCOPED_TRACE(absl::StrCat(workers, " workers, items of ", item));
      const Scenario even = Even(workers, item), slow = WithSlow(even);

      const Course undisturbed = Train(even, 1);
      const Course with = Train(slow, 1);
      const Course unhelped = Train(WithoutHelp(slow), 1);

      const absl::Duration allowed = Latest(undisturbed, even) + kSlowBatch;
      EXPECT_LE(Latest(with, slow), allowed);
      EXPECT_GT(Latest(unhelped, slow), allowed) << "nobody needed help";
      // From when nothing of an epoch is left to give out; an item that the
      // slow one had not begun is done by another.
      const absl::Duration tail =
          undisturbed.tails.longest + kSlowBatch + kBatch * item;
      EXPECT_LE(with.tails.longest, tail);
      EXPECT_GT(unhelped.tails.longest, tail);
      EXPECT_EQ(with.tails.ends.size(), size_t{kEpochs});
      EXPECT_GE(with.tails.slowest_batch, kSlowBatch * 0.9);
      EXPECT_LE(with.tails.slowest_batch, kSlowBatch * 1.3);
    }
  }
}

// In a round's time a slow worker never says how far it is: what it computed is
// heard of only rounds later.
TEST(SlowWorkerTest, ARoundEndsABatchOfItLaterAtMost) {
  const auto rounds = [](Scenario s) {
    s.plan.consistency.kind = ConsistencyKind::kRounds;
    s.plan.consistency.round_items = 6;
    s.plan.consistency.rounds_in_memory = 4;
    s.plan.checkpoint_interval_ms = 500;
    s.dense_values = true;
    return s;
  };
  const auto longest = [](const Course& course) {
    absl::Duration longest, before;
    for (const absl::Duration end : course.rounds) {
      longest = std::max(longest, end - std::exchange(before, end));
    }
    return longest;
  };
  const Scenario slow = WithSlow(rounds(Even(3, 10)));
  for (const uint64_t seed : {1, 2, 3}) {
    SCOPED_TRACE(seed);

    const Course with = Train(slow, seed);
    const Course without = Train(WithoutThatWorker(rounds(Even(3, 10))), seed);

    EXPECT_EQ(with.rounds.size(), 30u);
    EXPECT_LE(longest(with), longest(without) + kSlowBatch);
  }
  EXPECT_GT(longest(Train(WithoutHelp(slow), 1)), 9 * kSlowBatch);
}

}  // namespace
}  // namespace ebb::sim
