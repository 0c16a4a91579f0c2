#include "common/tls/identity_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "common/testing/test_folder.h"
#include "common/tls/issue.h"

namespace ebb {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class IdentityWatchTest : public ::testing::Test {
 protected:
  IdentityWatchTest() {
    EXPECT_TRUE(WriteAllRoles(folder_.path(), {}).ok());
    CopyFrom("worker");
  }

  TlsFiles Own() const { return FilesIn(folder_.path(), "own"); }
  // Replaces the file by another one, as mounted secrets are replaced.
  void Copy(const std::string& name, const std::string& kind) {
    const std::string to = folder_ / "own" + kind;
    fs::copy_file(folder_ / name + kind, to + ".new");
    fs::rename(to + ".new", to);
  }
  void CopyFrom(const std::string& name) {
    Copy(name, ".key");
    Copy(name, ".pem");
  }

  const TestFolder folder_;
};

TEST_F(IdentityWatchTest, FilesThatStayAreNoNews) {
  IdentityWatch watch(Own(), {Role::kWorker});

  EXPECT_FALSE(watch.Look(absl::Now()).has_value());
  EXPECT_FALSE(watch.Look(absl::Now()).has_value());
}

TEST_F(IdentityWatchTest, AnotherRoleIsToldOnceAndSoIsItsMend) {
  IdentityWatch watch(Own(), {Role::kWorker});

  CopyFrom("client");

  EXPECT_FALSE(watch.Look(absl::Now()).has_value());
  const auto wrong = watch.Look(absl::Now());
  ASSERT_TRUE(wrong.has_value());
  EXPECT_THAT(std::string(wrong->status().message()),
              HasSubstr("is of the role client; here one of worker"));
  EXPECT_FALSE(watch.Look(absl::Now()).has_value());
  // The same mistake once more.
  CopyFrom("client");
  EXPECT_FALSE(watch.Look(absl::Now()).has_value());
  EXPECT_FALSE(watch.Look(absl::Now()).has_value());

  CopyFrom("worker");

  EXPECT_FALSE(watch.Look(absl::Now()).has_value());
  const auto right = watch.Look(absl::Now());
  ASSERT_TRUE(right.has_value());
  ASSERT_TRUE(right->ok()) << right->status();
  EXPECT_EQ(*(*right)->role, Role::kWorker);
}

TEST_F(IdentityWatchTest, FilesThatAreReplacedOneByOneAreNoMistake) {
  IdentityWatch watch(Own(), RoleSet::All());

  Copy("viewer", ".key");
  EXPECT_FALSE(watch.Look(absl::Now()).has_value());
  Copy("viewer", ".pem");
  EXPECT_FALSE(watch.Look(absl::Now()).has_value());

  const auto news = watch.Look(absl::Now());
  ASSERT_TRUE(news.has_value());
  EXPECT_TRUE(news->ok()) << news->status();
}

TEST_F(IdentityWatchTest, AFileThatIsGoneIsTold) {
  IdentityWatch watch(Own(), {Role::kWorker});

  fs::remove(Own().key);

  EXPECT_FALSE(watch.Look(absl::Now()).has_value());
  const auto news = watch.Look(absl::Now());
  ASSERT_TRUE(news.has_value());
  EXPECT_THAT(std::string(news->status().message()),
              HasSubstr("--tls-key: cannot read " + Own().key));
}

}  // namespace
}  // namespace ebb
