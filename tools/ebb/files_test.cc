#include "tools/ebb/files.h"

#include <cstdlib>

#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::HasSubstr;

TEST(FilesTest, WhatWasWrittenIsRead) {
  const TestFolder folder;
  const std::string path = folder / "file";
  for (const size_t size : {0, 1, 65535, 65536, 200'000}) {
    const std::string content(size, 'x');
    ASSERT_TRUE(WriteFile(path, content).ok());
    const auto read = ReadFile(path);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, content);
  }
}

TEST(FilesTest, AFileThatIsNotThereIsAnError) {
  EXPECT_THAT(ReadFile("/nowhere").status().message(),
              HasSubstr("cannot read /nowhere"));
}

TEST(FilesTest, WhatCannotBeWrittenIsKnownBefore) {
  const TestFolder folder;
  const std::string path = folder / "file";
  EXPECT_TRUE(CheckWritable(path).ok());
  EXPECT_FALSE(ReadFile(path).ok());  // It left nothing.
  EXPECT_FALSE(ReadFile(path + ".new").ok());
  ASSERT_TRUE(WriteFile(path, "old").ok());
  EXPECT_TRUE(CheckWritable(path).ok());
  EXPECT_EQ(*ReadFile(path), "old");
  EXPECT_EQ(CheckWritable(path + "/in").code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(CheckWritable("/nowhere/at").message(),
              HasSubstr("cannot write /nowhere/at: No such file"));
  EXPECT_THAT(CheckWritable("/").message(), HasSubstr("Is a directory"));
}

// Bug: the program was aborted by an exception; so it was when a process died
// whose files were looked at.
TEST(FilesTest, AFolderCannotBeRead) {
  const auto read = ReadFile("/proc/self");
  ASSERT_FALSE(read.ok());
  EXPECT_THAT(read.status().message(), HasSubstr("cannot read /proc/self"));
}

}  // namespace
}  // namespace ebb::tools
