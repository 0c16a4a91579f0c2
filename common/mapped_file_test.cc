#include "common/mapped_file.h"

#include <sys/stat.h>

#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using ::testing::HasSubstr;

TEST(MappedFileTest, HasTheBytesOfTheFile) {
  const TestFolder folder;
  std::ofstream(folder / "file") << "bytes";
  const auto file = MappedFile::Open(folder / "file");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->bytes(), "bytes");
  std::ofstream(folder / "empty") << "";
  EXPECT_EQ(MappedFile::Open(folder / "empty")->bytes(), "");
}

// Bug: a pipe without a writer was waited for, without end.
TEST(MappedFileTest, RefusesWhatIsNotAFile) {
  const TestFolder folder;
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {pipe, std::string("/dev/null")}) {
    const absl::Status refused = MappedFile::Open(path).status();
    EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
    EXPECT_THAT(std::string(refused.message()),
                HasSubstr(path + ": it is a pipe, a socket or a device"));
  }
  EXPECT_THAT(std::string(MappedFile::Open(folder.path()).status().message()),
              HasSubstr("Is a directory"));
  EXPECT_TRUE(absl::IsNotFound(MappedFile::Open(folder / "none").status()));
}

}  // namespace
}  // namespace ebb
