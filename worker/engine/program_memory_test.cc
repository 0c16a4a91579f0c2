#include "worker/engine/program_memory.h"

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
  const ProgramMemory memory_;
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
