#include "common/regular_file.h"

#include <sys/stat.h>

#include <fstream>
#include <string>

#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using testing::HasSubstr;

std::string Why(const std::string& path) {
  return std::string(OpenRegularFile(path, "it").status().message());
}

TEST(RegularFileTest, OpensAFile) {
  TestFolder folder;
  std::ofstream(folder / "a") << "a";
  EXPECT_TRUE(OpenRegularFile(folder / "a", "it").ok());
  EXPECT_TRUE(CheckReadable(folder / "a").ok());
}

TEST(RegularFileTest, SaysWhatElseIsThere) {
  TestFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(Why(folder / "pipe"),
            "it: is a named pipe (FIFO); name a regular file, which can be "
            "read again");
  EXPECT_EQ(Why(folder.path()), "it: is a folder; name the file in it");
  EXPECT_THAT(Why("/dev/null"), HasSubstr("it: is a character device"));
  EXPECT_EQ(CheckReadable(folder / "pipe").message(),
            "is a named pipe (FIFO); name a regular file, which can be read "
            "again");
}

TEST(RegularFileTest, NamesWhatIsNotThere) {
  const auto missing = OpenRegularFile("/no/such", "it");
  EXPECT_TRUE(absl::IsNotFound(missing.status()));
  EXPECT_THAT(missing.status().message(), HasSubstr("it: cannot be opened"));
  EXPECT_TRUE(CheckReadable("/no/such").ok());
}

}  // namespace
}  // namespace ebb
