#include "bench/common/disk.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "common/testing/test_folder.h"
#include "tools/files/files.h"

namespace ebb::bench {
namespace {

class DiskTest : public testing::Test {
 protected:
  DiskTest() { std::filesystem::create_directories(folder_ / "below"); }
  const TestFolder folder_;
};

TEST_F(DiskTest, ReadsAllFilesBelowAFolder) {
  ASSERT_TRUE(tools::WriteFile(folder_ / "a", "12345").ok());
  ASSERT_TRUE(tools::WriteFile(folder_ / "below/b", "678").ok());
  ASSERT_TRUE(DropFromCache(folder_.path()).ok());
  EXPECT_EQ(*ReadAll(folder_.path()), 8);
}

TEST_F(DiskTest, AFolderThatIsNotThereIsNamed) {
  const auto read = ReadAll(folder_ / "none");
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.status().message().find("/none"), std::string::npos);
}

TEST_F(DiskTest, APeakIsForgotten) {
  // Not from the heap, which may keep what is freed.
  constexpr size_t kBytes = size_t{64} << 20;
  void* const large = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(large, MAP_FAILED);
  std::memset(large, 1, kBytes);
  const auto peak = PeakResidentBytes(getpid());
  ASSERT_EQ(munmap(large, kBytes), 0);
  ASSERT_TRUE(peak.ok()) << peak.status();
  EXPECT_GE(*peak, static_cast<int64_t>(kBytes));
  ASSERT_TRUE(ForgetPeak(getpid()).ok());
  EXPECT_LT(*PeakResidentBytes(getpid()), *peak);
}

TEST_F(DiskTest, AProcessThatIsGoneIsAnError) {
  EXPECT_FALSE(BytesWritten(-1).ok());
}

}  // namespace
}  // namespace ebb::bench
