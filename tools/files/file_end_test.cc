#include "tools/files/file_end.h"

#include <string>

#include "common/testing/test_folder.h"
#include "gtest/gtest.h"
#include "tools/files/files.h"

namespace ebb::tools {
namespace {

TEST(FileEndTest, OnlyTheEndOfALongFileIsRead) {
  const TestFolder folder;
  const std::string path = folder / "log";
  ASSERT_TRUE(WriteFile(path, "0123456789").ok());
  EXPECT_EQ(ReadEnd(path, 0, 99), "0123456789");
  EXPECT_EQ(ReadEnd(path, 0, 3), "789");
  EXPECT_EQ(ReadEnd(path, 8, 3), "89");
  EXPECT_EQ(ReadEnd(path, 10, 3), "");
  EXPECT_EQ(ReadEnd(path, 99, 3), "");
  EXPECT_EQ(ReadEnd(folder / "none", 0, 3), "");
  EXPECT_EQ(ReadEnd(folder.path(), 0, 3), "");
}

// Bug: whole logs were read, which may be as large as the disk.
TEST(FileEndTest, OnlyTheLastWholeLinesOfALogAreRead) {
  const TestFolder folder;
  const std::string path = folder / "log";
  ASSERT_TRUE(WriteFile(path, "one\ntwo").ok());
  EXPECT_EQ(ReadLastLines(path), "one\ntwo");
  const std::string line(99, 'x');
  std::string log;
  while (log.size() < size_t{4} << 20) log += line + "\n";
  ASSERT_TRUE(WriteFile(path, log + "the last").ok());
  const std::string end = ReadLastLines(path);
  EXPECT_LT(end.size(), size_t{2} << 20);
  EXPECT_EQ(end.substr(0, 100), line + "\n");
  EXPECT_EQ(end.substr(end.size() - 9), "\nthe last");
  EXPECT_EQ(ReadLastLines(folder / "none"), "");
}

}  // namespace
}  // namespace ebb::tools
