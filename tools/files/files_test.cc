#include "tools/files/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "common/fd.h"
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

// Bug: a file took its place, also that of /dev/null, if root said so.
TEST(FilesTest, WhatIsNoFileIsWrittenAsItStands) {
  const TestFolder folder;
  const std::string file = folder / "file", link = folder / "link";
  const std::string pipe = folder / "pipe", null = folder / "null";
  ASSERT_EQ(symlink("file", link.c_str()), 0);
  ASSERT_EQ(symlink("/dev/null", null.c_str()), 0);
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const Fd reader(open(pipe.c_str(), O_RDWR));
  for (const std::string& path : {link, pipe, null}) {
    EXPECT_TRUE(CheckWritable(path).ok()) << path;
    EXPECT_TRUE(WriteFile(path, "content").ok()) << path;
    EXPECT_FALSE(std::filesystem::exists(path + ".new")) << path;
  }
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(*ReadFile(file), "content");
  EXPECT_TRUE(std::filesystem::is_symlink(null));
  EXPECT_TRUE(std::filesystem::is_character_file(null));
  char content[8] = {};
  EXPECT_EQ(read(reader.get(), content, 7), 7);
  EXPECT_STREQ(content, "content");
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
