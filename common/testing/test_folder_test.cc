#include "common/testing/test_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "absl/strings/str_cat.h"

namespace ebb {
namespace {

namespace fs = std::filesystem;
using ::testing::StartsWith;

// The environment has another value while it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (before_) {
      setenv(name_, before_->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* const name_;
  std::optional<std::string> before_;
};

TEST(TestFolderTest, IsNewAndEmptyAndEndsWithAllThatItHolds) {
  std::optional<TestFolder> folder(std::in_place);
  const TestFolder other;
  EXPECT_NE(folder->path(), other.path());
  EXPECT_TRUE(fs::is_empty(folder->path()));
  EXPECT_EQ(*folder / "a", folder->path() + "/a");
  fs::create_directories(*folder / "a/b");
  std::ofstream(*folder / "a/b/c") << "text";

  const std::string path = folder->path();
  folder.reset();
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(fs::exists(other.path()));
}

TEST(TestFolderTest, LiesWhereTheEnvironmentSays) {
  const TestFolder above;
  fs::create_directories(above / "general");
  fs::create_directories(above / "of_tests");
  const Variable general("TMPDIR", above / "general/");
  const std::string name = "/ebb_TestFolderTest_";
  {
    const Variable none("TEST_TMPDIR", "");
    const TestFolder folder;
    EXPECT_THAT(folder.path(), StartsWith(above / "general" + name));
  }
  const Variable of_tests("TEST_TMPDIR", above / "of_tests");
  const TestFolder folder;
  EXPECT_THAT(folder.path(), StartsWith(above / "of_tests" + name));
}

TEST(TestFolderTest, IsKeptForWhoWantsToLook) {
  const TestFolder above;
  const Variable of_tests("TEST_TMPDIR", above.path());
  std::string kept;
  {
    TestFolder folder;
    folder.Keep();
    kept = folder.path();
  }
  EXPECT_TRUE(fs::is_directory(kept));
}

TEST(TestFolderDeathTest, EndsWhoCannotHaveIt) {
  const TestFolder above;
  const Variable of_tests("TEST_TMPDIR", above / "none");
  EXPECT_DEATH(TestFolder(), "cannot make the test's folder");
}

}  // namespace
}  // namespace ebb
