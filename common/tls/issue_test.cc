// What is written is whole or not there, and nothing outlives its authority.
#include "common/tls/issue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "common/testing/test_folder.h"
#include "common/tls/certificate.h"
#include "common/tls/testing/odd_certificate.h"

namespace ebb {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class IssueTest : public ::testing::Test {
 protected:
  int Files() const {
    int files = 0;
    for (const auto& one : fs::directory_iterator(folder_.path())) {
      files += one.exists() ? 1 : 0;
    }
    return files;
  }

  const TestFolder folder_;
};

// No file becomes larger while it lives, as on a disk that is full.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_ = {};
  void (*const handler_)(int);
};

TEST_F(IssueTest, AFullDiskLeavesNothing) {
  const auto authority = MakeAuthority({});
  ASSERT_TRUE(authority.ok()) << authority.status();
  // Not the key, the key and not the certificate.
  for (const rlim_t most : {rlim_t{50}, rlim_t{400}}) {
    absl::Status written;
    {
      const FullDisk disk(most);
      written = WriteIdentity(folder_ / "ca", *authority);
    }
    EXPECT_FALSE(written.ok()) << most;
    EXPECT_THAT(std::string(written.message()),
                HasSubstr("cannot write " + folder_ / "ca."));
    EXPECT_EQ(Files(), 0) << most;
  }
  EXPECT_TRUE(WriteIdentity(folder_ / "ca", *authority).ok());
}

TEST_F(IssueTest, AFolderIsNotHalfFilled) {
  std::ofstream(folder_ / "viewer.pem") << "mine";

  const absl::Status written = WriteAllRoles(folder_.path(), {});

  EXPECT_TRUE(absl::IsAlreadyExists(written)) << written;
  EXPECT_EQ(Files(), 1);
  EXPECT_EQ(fs::file_size(folder_ / "viewer.pem"), 4);
}

TEST_F(IssueTest, AnAuthorityOutlivesWhatItSigns) {
  const absl::Time now = absl::Now();
  ASSERT_TRUE(
      WriteAllRoles(folder_.path(), {.valid = absl::Hours(24), .now = now})
          .ok());

  const auto worker =
      CheckIdentity(FilesIn(folder_.path(), "worker"), RoleSet::All(), now);

  ASSERT_TRUE(worker.ok()) << worker.status();
  EXPECT_LE(worker->not_after, now + absl::Hours(24));
  const auto authority = MakeAuthority({.valid = absl::Hours(24), .now = now});
  ASSERT_TRUE(authority.ok()) << authority.status();
  const auto read = ReadCertificate(authority->certificate);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_GT(read->not_after, now + absl::Hours(24 * 3649));
  const absl::Duration century = absl::Hours(24 * 36500);
  const auto long_lived = MakeAuthority({.valid = century, .now = now});
  ASSERT_TRUE(long_lived.ok()) << long_lived.status();
  EXPECT_TRUE(Issue(*long_lived, {.valid = century, .now = now}).ok());
}

TEST_F(IssueTest, NothingIsIssuedForLongerThanItsAuthority) {
  const absl::Time now = absl::Now();
  const auto authority = MakeAuthority({.now = now});
  ASSERT_TRUE(authority.ok()) << authority.status();
  const auto ends_soon =
      SignAnew(*authority, *authority, {.not_after = now + absl::Hours(60)});
  ASSERT_TRUE(ends_soon.ok()) << ends_soon.status();

  const auto year = Issue(*ends_soon, {.now = now});

  EXPECT_TRUE(absl::IsInvalidArgument(year.status())) << year.status();
  EXPECT_THAT(std::string(year.status().message()),
              AllOf(HasSubstr("the authority is valid until 20"),
                    HasSubstr("ask for at most 2 days")));
  EXPECT_TRUE(Issue(*ends_soon, {.valid = absl::Hours(48), .now = now}).ok());
  // It has ended.
  const auto late = Issue(
      *ends_soon, {.valid = absl::Hours(1), .now = now + absl::Hours(61)});
  EXPECT_TRUE(absl::IsInvalidArgument(late.status())) << late.status();
  EXPECT_THAT(std::string(late.status().message()),
              HasSubstr("make another authority"));
}

TEST_F(IssueTest, HostsMayBeAsLongAsDnsNames) {
  const auto authority = MakeAuthority({});
  ASSERT_TRUE(authority.ok()) << authority.status();
  const std::string label(63, 'a');
  const std::string longest =
      label + "." + label + "." + label + "." + std::string(61, 'a');

  EXPECT_TRUE(Issue(*authority, {.hosts = {longest}}).ok());
  for (const std::string& host : {longest + "a", std::string(64, 'a'),
                                  std::string("a..b"), std::string("a.")}) {
    const auto made = Issue(*authority, {.hosts = {host}});
    EXPECT_TRUE(absl::IsInvalidArgument(made.status())) << host;
    EXPECT_THAT(std::string(made.status().message()),
                HasSubstr("at most 63 between dots and 253 in all"));
  }
}

}  // namespace
}  // namespace ebb
