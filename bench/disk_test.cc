#include "bench/disk.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tools/ebb/files.h"

namespace ebb::bench {
namespace {

class DiskTest : public testing::Test {
 protected:
  DiskTest() { std::filesystem::create_directories(folder_ + "/below"); }
  ~DiskTest() override { std::filesystem::remove_all(folder_); }
  const std::string folder_ =
      testing::TempDir() + "/disk_test." + std::to_string(getpid());
};

TEST_F(DiskTest, ReadsAllFilesBelowAFolder) {
  ASSERT_TRUE(tools::WriteFile(folder_ + "/a", "12345").ok());
  ASSERT_TRUE(tools::WriteFile(folder_ + "/below/b", "678").ok());
  ASSERT_TRUE(DropFromCache(folder_).ok());
  EXPECT_EQ(*ReadAll(folder_), 8);
}

TEST_F(DiskTest, AFolderThatIsNotThereIsNamed) {
  const auto read = ReadAll(folder_ + "/none");
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.status().message().find("/none"), std::string::npos);
}

TEST_F(DiskTest, APeakIsForgotten) {
  std::string large(64 << 20, 'x');
  const auto peak = PeakResidentBytes(getpid());
  ASSERT_TRUE(peak.ok()) << peak.status();
  EXPECT_GE(*peak, 64 << 20);
  large.clear();
  large.shrink_to_fit();
  ASSERT_TRUE(ForgetPeak(getpid()).ok());
  EXPECT_LT(*PeakResidentBytes(getpid()), *peak);
}

TEST_F(DiskTest, AProcessThatIsGoneIsAnError) {
  EXPECT_FALSE(BytesWritten(-1).ok());
}

}  // namespace
}  // namespace ebb::bench
