#include "common/storage/store_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"

namespace ebb {
namespace {

using ::testing::HasSubstr;

class StoreFolderTest : public testing::Test {
 protected:
  static void Write(const std::string& path) { std::ofstream(path) << "x"; }

  const TestFolder root_;
};

TEST_F(StoreFolderTest, CreatesTheFolderAndItsParents) {
  const auto folder = StoreFolder::Lock(root_ / "a/b");
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_TRUE(std::filesystem::is_directory(root_ / "a/b"));
  EXPECT_EQ(folder->File("db"), root_ / "a/b/db");
}

TEST_F(StoreFolderTest, IsForOneAtATime) {
  {
    const auto first = StoreFolder::Lock(root_.path());
    ASSERT_TRUE(first.ok());
    const auto second = StoreFolder::Lock(root_.path());
    EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(second.status().message(),
                HasSubstr(absl::StrCat("in use by process ", getpid())));
  }
  EXPECT_TRUE(StoreFolder::Lock(root_.path()).ok());
}

TEST_F(StoreFolderTest, AFileInTheWayIsNamed) {
  Write(root_ / "file");
  const auto folder = StoreFolder::Lock(root_ / "file/store");
  EXPECT_EQ(folder.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(folder.status().message(), HasSubstr(root_ / "file/store"));
}

// Bug: the hint was to look at the disk, and that it is tried again.
TEST_F(StoreFolderTest, AFileIsNoFolder) {
  Write(root_ / "file");
  for (const std::string& path : {root_ / "file", root_ / "file/store"}) {
    const std::string message(StoreFolder::Lock(path).status().message());
    EXPECT_THAT(message, HasSubstr("a file is in its place, or in that of a "
                                   "folder above: name a folder"));
    EXPECT_THAT(message, testing::Not(HasSubstr("again")));
  }
}

TEST_F(StoreFolderTest, SettingAsideKeepsWhatWasSetAsideBefore) {
  const auto folder = StoreFolder::Lock(root_.path());
  ASSERT_TRUE(folder.ok());
  for (const char* expected : {"/db.damaged-1", "/db.damaged-2"}) {
    Write(root_ / "db");
    const auto aside = folder->SetAside("db");
    ASSERT_TRUE(aside.ok()) << aside.status();
    EXPECT_EQ(*aside, root_.path() + expected);
    EXPECT_TRUE(std::filesystem::exists(*aside));
    EXPECT_FALSE(folder->Has("db"));
  }
}

TEST_F(StoreFolderTest, RemovingNothingIsNoError) {
  const auto folder = StoreFolder::Lock(root_.path());
  ASSERT_TRUE(folder.ok());
  EXPECT_TRUE(folder->Remove("nothing").ok());
  std::filesystem::create_directories(root_ / "some/thing");
  EXPECT_TRUE(folder->Remove("some").ok());
  EXPECT_FALSE(folder->Has("some"));
}

TEST(CodeOfSystemErrorTest, TellsFullFromForbiddenFromBroken) {
  const auto code = [](int error) {
    return CodeOfSystemError(
        absl::StrCat("IO error: While appending to f: ", std::strerror(error)));
  };
  EXPECT_EQ(code(ENOSPC), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code(EDQUOT), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code(EACCES), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(EROFS), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(EIO), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace ebb
