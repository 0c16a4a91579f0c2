#include "worker/engine/program_memory.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "common/shm/memory_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::worker {
namespace {

using testing::Each;

constexpr int64_t kParameters = 10'000;

class ProgramMemoryTest : public testing::Test {
 protected:
  ProgramMemoryTest()
      : file_(*shm::CreateMemoryFile("test", 8 * kParameters)),
        program_(*shm::MapToWrite(file_.get(), 8 * kParameters)),
        memory_(*ProgramMemory::Map(file_.get(), kParameters)) {}

  std::span<float> ProgramFloats() const {
    return {reinterpret_cast<float*>(program_.bytes().data()),
            static_cast<size_t>(2 * kParameters)};
  }

  const Fd file_;
  const shm::Mapping program_;
  ProgramMemory memory_;
  std::vector<float> taken_ = std::vector<float>(kParameters, -1.0F);
};

TEST_F(ProgramMemoryTest, ValuesComeFirst) {
  memory_.values()[0] = 1;
  memory_.values()[kParameters - 1] = 2;
  EXPECT_EQ(ProgramFloats()[0], 1);
  EXPECT_EQ(ProgramFloats()[kParameters - 1], 2);
}

TEST_F(ProgramMemoryTest, SumsAreTakenAndCleared) {
  for (int64_t i = 0; i < kParameters; ++i) {
    ProgramFloats()[kParameters + i] = static_cast<float>(i);
  }

  EXPECT_EQ(memory_.TakeSums(std::span(taken_)), std::nullopt);

  for (int64_t i = 0; i < kParameters; ++i) EXPECT_EQ(taken_[i], i);
  EXPECT_THAT(ProgramFloats(), Each(0.0F));
}

TEST_F(ProgramMemoryTest, SumsAreGivenAsZeros) {
  const std::span<float> sums = ProgramFloats().subspan(kParameters);
  sums[7] = 1;
  memory_.GiveSums();
  EXPECT_THAT(sums, Each(0.0F));

  // Nothing is handed in, as of a batch that failed.
  sums[7] = 1;
  memory_.GiveSums();

  EXPECT_THAT(sums, Each(0.0F));
}

// They are zeros already, and a pass over memory takes time.
TEST_F(ProgramMemoryTest, SumsThatWereTakenAreGivenAsTheyAre) {
  memory_.GiveSums();
  memory_.TakeSums(std::span(taken_));
  ProgramFloats()[kParameters + 7] = 1;

  memory_.GiveSums();

  EXPECT_EQ(ProgramFloats()[kParameters + 7], 1);
}

TEST_F(ProgramMemoryTest, TheHalvesAreApart) {
  constexpr int64_t kFew = kParameters / 2;
  auto halves = *ProgramMemory::MapHalves(file_.get(), kFew);
  std::vector<float> taken(kFew);

  halves.values(1)[0] = 1;
  halves.GiveSums(0);
  halves.GiveSums(1);
  ProgramFloats()[kFew] = 2;
  ProgramFloats()[3 * kFew] = 3;

  EXPECT_EQ(ProgramFloats()[2 * kFew], 1);
  halves.TakeSums(std::span(taken), 0);
  EXPECT_EQ(taken[0], 2);
  halves.TakeSums(std::span(taken), 1);
  EXPECT_EQ(taken[0], 3);
}

TEST_F(ProgramMemoryTest, AFileOfOneHalfIsTooShortForTwo) {
  EXPECT_FALSE(ProgramMemory::MapHalves(file_.get(), kParameters).ok());
}

TEST_F(ProgramMemoryTest, TheFirstSumThatIsNotFiniteIsFoundAndAllAreCleared) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  ProgramFloats()[kParameters + 9'999] = nan;
  EXPECT_EQ(memory_.TakeSums(std::span(taken_)), 9'999);
  ProgramFloats()[kParameters + 9'000] = nan;
  ProgramFloats()[kParameters + 4'097] = -infinity;
  EXPECT_EQ(memory_.TakeSums(std::span(taken_)), 4'097);
  EXPECT_THAT(ProgramFloats(), Each(0.0F));
}

TEST_F(ProgramMemoryTest, SumsAreMultipliedByTheFactor) {
  std::ranges::fill(ProgramFloats().subspan(kParameters), 1.5F);
  EXPECT_EQ(memory_.TakeSums(std::span(taken_), 0, 128), std::nullopt);
  EXPECT_THAT(taken_, Each(192.0F));
  // One that is too large then is not finite.
  ProgramFloats()[kParameters + 4'097] = 1e37F;
  EXPECT_EQ(memory_.TakeSums(std::span(taken_), 0, 128), 4'097);
}

TEST_F(ProgramMemoryTest, TheLargestFiniteSumIsTaken) {
  ProgramFloats()[kParameters] = std::numeric_limits<float>::lowest();
  EXPECT_EQ(memory_.TakeSums(std::span(taken_)), std::nullopt);
}

TEST_F(ProgramMemoryTest, AFileThatIsTooShortIsRefused) {
  EXPECT_FALSE(ProgramMemory::Map(file_.get(), kParameters + 1).ok());
  EXPECT_FALSE(ProgramMemory::Map(-1, kParameters).ok());
}

TEST_F(ProgramMemoryTest, AModelOfRowsAloneHasNoValues) {
  const auto none = ProgramMemory::Map(file_.get(), 0);
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->values().empty());
}

}  // namespace
}  // namespace ebb::worker
