#include "worker/engine/row_memory.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/engine/told_rows.h"

namespace ebb::worker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kBytes = 4096;
constexpr uint64_t kKeys = 10;

class RowMemoryTest : public testing::Test {
 protected:
  RowMemoryTest()
      : file_(*shm::CreateMemoryFile("test", kBytes)),
        program_(*shm::MapToWrite(file_.get(), kBytes)),
        memory_(*RowMemory::Map(file_.get(), {kKeys, kBytes})) {}

  template <typename T>
  T* At(size_t byte) const {
    return reinterpret_cast<T*>(program_.bytes().data() + byte);
  }
  absl::Status Refusal(uint64_t keys, uint64_t bytes) const {
    return RowMemory::Map(file_.get(), {keys, bytes}).status();
  }

  const Fd file_;
  const shm::Mapping program_;
  const RowMemory memory_;
};

TEST_F(RowMemoryTest, KeysStandTableByTable) {
  for (uint64_t i = 0; i < kKeys; ++i) At<uint64_t>(0)[i] = 100 + i;
  const uint64_t counts[] = {2, 0, 3};
  const auto keys = memory_.Keys(counts);
  ASSERT_TRUE(keys.ok());
  EXPECT_THAT(*keys, ElementsAre(ElementsAre(100, 101), IsEmpty(),
                                 ElementsAre(102, 103, 104)));
}

TEST_F(RowMemoryTest, MoreKeysThanRoomAreRefused) {
  const uint64_t all[] = {kKeys};
  EXPECT_TRUE(memory_.Keys(all).ok());
  const uint64_t more[] = {kKeys - 1, 2};
  EXPECT_THAT(memory_.Keys(more).status().message(), HasSubstr("room for, 10"));
  const uint64_t wraps[] = {3, std::numeric_limits<uint64_t>::max() - 1};
  EXPECT_FALSE(memory_.Keys(wraps).ok());
}

// The file is sparse: it takes no memory before it is written.
TEST_F(RowMemoryTest, AsManyKeysAsFillAMachineAreRefused) {
  constexpr uint64_t kMost = uint64_t{1} << 28;
  constexpr uint64_t kRoom = uint64_t{1} << 30;
  const Fd file = *shm::CreateMemoryFile("test", kRoom * sizeof(uint64_t));
  const auto memory =
      RowMemory::Map(file.get(), {kRoom, kRoom * sizeof(uint64_t)});
  ASSERT_TRUE(memory.ok()) << memory.status();
  const uint64_t one[] = {kMost + 1};
  EXPECT_THAT(memory->Keys(one).status().message(),
              HasSubstr("more than 268435456 keys"));
  const uint64_t many[] = {kMost / 2, kMost / 2, 1};
  EXPECT_FALSE(memory->Keys(many).ok());
}

// Keys take 80 bytes, so places begin at 128; 20 of them end before 256.
TEST_F(RowMemoryTest, PartsFollowTheKeys) {
  const auto parts = memory_.PartsOf(20, 16);
  ASSERT_TRUE(parts.ok());
  parts->places[19] = 7;
  parts->values[15] = 1.5F;
  parts->sums[0] = 2.5F;
  EXPECT_EQ(At<int32_t>(128)[19], 7);
  EXPECT_EQ(At<float>(256)[15], 1.5F);
  EXPECT_EQ(At<float>(320)[0], 2.5F);
}

TEST_F(RowMemoryTest, PartsThatDoNotFitAreRefused) {
  EXPECT_TRUE(memory_.PartsOf(0, 0).ok());
  EXPECT_THAT(memory_.PartsOf(20, 1000).status().message(),
              HasSubstr("the row memory has 4096"));
}

TEST_F(RowMemoryTest, AFileThatIsTooShortIsRefused) {
  EXPECT_FALSE(Refusal(kKeys, kBytes + 1).ok());
  EXPECT_FALSE(Refusal(kBytes, kBytes).ok());
  EXPECT_FALSE(Refusal(0, std::numeric_limits<uint64_t>::max()).ok());
  EXPECT_FALSE(Refusal(0, 0).ok());
  EXPECT_FALSE(RowMemory::Map(-1, {kKeys, kBytes}).ok());
}

TEST(ToldRowsTest, WhatIsToldIsTakenOnce) {
  ToldRows told;
  const PlaceBody place = {0, 1, 8, 16}, other = {0, 1, 16, 24};
  told.Tell({place, {{1, 2}}, std::nullopt});
  EXPECT_FALSE(told.Take(other).has_value());
  EXPECT_THAT(told.Take(place)->keys, ElementsAre(ElementsAre(1, 2)));
  EXPECT_FALSE(told.Take(place).has_value());
}

TEST(ToldRowsTest, TheNewestWordHolds) {
  ToldRows told;
  const PlaceBody place = {0, 1, 8, 16};
  told.Tell({place, {{1}}, std::nullopt});
  told.Tell({place, {}, "torn"});
  EXPECT_EQ(told.Take(place)->failed, "torn");
  EXPECT_FALSE(told.Take(place).has_value());
}

TEST(ToldRowsTest, TheOldestIsForgotten) {
  ToldRows told;
  for (int64_t i = 0; i < 9; ++i) told.Tell({{0, 0, i, i + 1}, {}, {}});
  EXPECT_FALSE(told.Take({0, 0, 0, 1}).has_value());
  EXPECT_TRUE(told.Take({0, 0, 1, 2}).has_value());
}

}  // namespace
}  // namespace ebb::worker
