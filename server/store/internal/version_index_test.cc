#include "server/store/internal/version_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "server/store/internal/store_keys.h"
#include "server/store/internal/store_test_util.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

const PartitionName kPartition{JobId(1), PartitionId(0)};

Manifest With(const VersionKey& key, const std::vector<uint64_t>& numbers) {
  Manifest manifest;
  manifest.key = key;
  for (const uint64_t number : numbers) {
    manifest.arrays["weights"].blocks.push_back(
        {.number = number, .floats = 1});
  }
  return manifest;
}

TEST(VersionIndexTest, KnowsWhichBlocksOnlyTheseVersionsHave) {
  VersionIndex index;
  index.Add(With(Key(0), {1, 2, 2}));
  index.Add(With(Key(1), {2, 3}));
  index.Add(With(Key(2), {3, 4}));
  const VersionKey one[] = {Key(0)};
  EXPECT_THAT(index.OnlyIn(one), ElementsAre(Pair(kPartition, 1)));
  const VersionKey two[] = {Key(0), Key(1), Key(1), Key(9)};
  EXPECT_THAT(index.OnlyIn(two),
              ElementsAre(Pair(kPartition, 1), Pair(kPartition, 2)));
  index.Remove(two);
  EXPECT_THAT(index.Versions(), ElementsAre(Key(2)));
  const VersionKey last[] = {Key(2)};
  EXPECT_THAT(index.OnlyIn(last),
              ElementsAre(Pair(kPartition, 3), Pair(kPartition, 4)));
}

TEST(VersionIndexTest, NumbersAreAboveAllThatWereUsed) {
  VersionIndex index(/*first_number=*/100);
  EXPECT_EQ(index.EndOfStored(kPartition), 0u);
  EXPECT_EQ(index.DrawNumber(kPartition), 100u);
  index.Add(With(Key(0), {7, 205}));
  EXPECT_EQ(index.EndOfStored(kPartition), 206u);
  EXPECT_EQ(index.DrawNumber(kPartition), 206u);
  const VersionKey keys[] = {Key(0)};
  index.Remove(keys);
  EXPECT_EQ(index.DrawNumber(kPartition), 207u);
}

TEST(VersionIndexTest, ForgetsContentsWithTheirLastVersion) {
  VersionIndex index;
  index.Add(With(Key(0), {1, 2}));
  index.Add(With(Key(1), {2}));
  index.SetKnown(kPartition, {{50, {.number = 1, .floats = 1}},
                              {51, {.number = 2, .floats = 1}}});
  EXPECT_NE(index.Find(kPartition, 50, 1), nullptr);
  EXPECT_EQ(index.Find(kPartition, 50, 2), nullptr);
  EXPECT_EQ(index.Find({JobId(1), PartitionId(1)}, 50, 1), nullptr);
  const VersionKey keys[] = {Key(0)};
  index.Remove(keys);
  EXPECT_EQ(index.Find(kPartition, 50, 1), nullptr);
  ASSERT_NE(index.Find(kPartition, 51, 1), nullptr);
  EXPECT_EQ(index.Find(kPartition, 51, 1)->number, 2u);
}

TEST(VersionIndexTest, AFreshOneTakesOverWhatIsStoredStill) {
  VersionIndex before(10);
  before.Add(With(Key(0), {1, 2}));
  before.SetKnown(kPartition, {{50, {.number = 1, .floats = 1}},
                               {51, {.number = 2, .floats = 1}}});
  EXPECT_EQ(before.DrawNumber(kPartition), 10u);

  VersionIndex fresh(5);
  fresh.Add(With(Key(1), {2}));
  fresh.TakeOver(std::move(before));
  EXPECT_THAT(fresh.Versions(), ElementsAre(Key(1)));
  EXPECT_EQ(fresh.Find(kPartition, 50, 1), nullptr);
  EXPECT_NE(fresh.Find(kPartition, 51, 1), nullptr);
  EXPECT_EQ(fresh.DrawNumber(kPartition), 11u);
}

TEST(VersionIndexTest, AJobGoesAsAWhole) {
  VersionIndex index;
  index.Add(With(Key(0, 1), {1}));
  index.Add(With(Key(0, 2), {1}));
  index.RemoveJob(JobId(1));
  EXPECT_THAT(index.Versions(), ElementsAre(Key(0, 2)));
  EXPECT_EQ(index.EndOfStored(kPartition), 0u);
}

TEST(StoreKeysTest, AreReadableAndSortAsTheirNumbers) {
  EXPECT_EQ(JobKey(JobId(0xab)), "j/00000000000000ab");
  EXPECT_EQ(BlockKey({JobId(1), PartitionId(2)}, 0x10),
            "b/0000000000000001/00000002/0000000000000010");
  EXPECT_EQ(ManifestKey({JobId(1), Generation(2), PartitionId(3), Term(4), 5}),
            "v/0000000000000001/00000003/0000000000000002/0000000000000004/"
            "0000000000000005");
  EXPECT_LT(BlockKey(kPartition, 9), BlockKey(kPartition, 10));
}

TEST(StoreKeysTest, ABlocksKeyNamesItsPartition) {
  const PartitionName name{JobId(~uint64_t{0}), PartitionId(65535)};
  EXPECT_EQ(PartitionOfBlockKey(BlockKey(name, 3)), name);
  EXPECT_EQ(PartitionOfBlockKey("b/xyz"), std::nullopt);
  EXPECT_EQ(PartitionOfBlockKey(JobKey(JobId(1))), std::nullopt);
}

}  // namespace
}  // namespace ebb::server
