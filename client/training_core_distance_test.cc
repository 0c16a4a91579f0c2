// Servers that are far away.
#include <memory>
#include <utility>
#include <vector>

#include "client/testing/training_core_fixture.h"
#include "client/training_core.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::client {
namespace {

using testing::kMe;
using testing::TrainingCoreTest;

// Pulls take 50 ms there, batches 1.
class FarServersTest : public TrainingCoreTest {
 protected:
  explicit FarServersTest(bool prefetch = true)
      : TrainingCoreTest(
            {.session = kMe, .batches_per_pull = 4, .prefetch = prefetch}) {
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.examples = record->plan.shard_size = 1000;
    record_ = record;
    Begin(LeaseOf(0));
  }
  // The pulls are answered, and what was pushed before.
  void OneRoundTrip() {
    now_ += absl::Milliseconds(50);
    for (const SendPush& push : std::exchange(on_their_way_, {})) {
      Answer(push, Verdict::kApplied, push.request.end);
    }
    for (const SendPull& pull : std::exchange(open_pulls_, {})) {
      Answer(pull);
      Count();
    }
  }
  void Count() {
    computing_ = computing_ || !computes_.empty();
    on_their_way_.insert(on_their_way_.end(), pushes_.begin(), pushes_.end());
  }
  // Computes all there is to compute meanwhile; how many that were.
  int ComputeMeanwhile() {
    int batches = 0;
    while (std::exchange(computing_, false)) {
      ++batches;
      now_ += absl::Milliseconds(1);
      Computed();
      Count();
    }
    return batches;
  }

  bool computing_ = false;
  std::vector<SendPush> on_their_way_;
};

TEST_F(FarServersTest, TheNextBatchesAreComputedWithTheValuesThereAre) {
  int batches = 0;
  for (int i = 0; i < 12; ++i) {
    OneRoundTrip();
    batches = ComputeMeanwhile();
    if (i == 0) {
      EXPECT_EQ(batches, 1);
    }
  }
  EXPECT_EQ(batches, 4);
}

class FarServersWithoutPrefetchTest : public FarServersTest {
 protected:
  FarServersWithoutPrefetchTest() : FarServersTest(/*prefetch=*/false) {}
};

// Bug: they lacked what was pushed just before, as with a prefetch.
TEST_F(FarServersWithoutPrefetchTest, ValuesHaveAllThatThisWorkerPushed) {
  OneRoundTrip();  // The first values.
  ASSERT_TRUE(std::exchange(computing_, false));
  now_ += absl::Milliseconds(1);
  Computed();
  Count();
  ASSERT_FALSE(on_their_way_.empty());
  EXPECT_THAT(open_pulls_, ::testing::IsEmpty());
  for (const SendPush& push : std::exchange(on_their_way_, {})) {
    Answer(push, Verdict::kApplied, push.request.end);
  }
  EXPECT_THAT(open_pulls_, ::testing::Not(::testing::IsEmpty()));
}

TEST_F(FarServersWithoutPrefetchTest, OldValuesAreForTheTimeOfAPullOnly) {
  int batches = 0;
  for (int i = 0; i < 12; ++i) {
    OneRoundTrip();
    batches = ComputeMeanwhile();
  }
  EXPECT_EQ(batches, 1);
}

}  // namespace
}  // namespace ebb::client
