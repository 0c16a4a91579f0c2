#include "tools/ebb/cluster/token_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "common/testing/test_folder.h"
#include "common/tls/job_token.h"

namespace ebb::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr JobId kJob(12);

class TokenFilesTest : public ::testing::Test {
 protected:
  unsigned Mode(const std::string& path) const {
    struct stat info = {};
    EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
    return info.st_mode & 0777;
  }

  const TestFolder test_;
  const std::string folder_ = test_ / "state/ebb/tokens";
};

TEST_F(TokenFilesTest, ANewOneIsFoundByTheJobsNumberAndIsPrivate) {
  const auto taken = TokenToSubmit::Take("", folder_, "request/1");
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(KnownToken(folder_, kJob), "");

  const auto kept = taken->Keep(kJob);

  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(*kept, folder_ + "/12.token");
  EXPECT_EQ(Mode(*kept), 0600U);
  EXPECT_EQ(Mode(folder_), 0700U);
  EXPECT_EQ(KnownToken(folder_, kJob), taken->token());
  EXPECT_EQ(KnownToken(folder_, JobId(13)), "");
  EXPECT_EQ(KnownToken("", kJob), "");
}

// The process ended after it asked, and nobody knows whether the job is there.
TEST_F(TokenFilesTest, TheSameSubmissionHasTheSameToken) {
  const auto first = TokenToSubmit::Take("", folder_, "one");
  const auto again = TokenToSubmit::Take("", folder_, "one");
  const auto other = TokenToSubmit::Take("", folder_, "two");
  ASSERT_TRUE(first.ok() && again.ok() && other.ok());
  EXPECT_EQ(first->token(), again->token());
  EXPECT_NE(first->token(), other->token());

  ASSERT_TRUE(again->Keep(kJob).ok());
  // A third try, after which the job is still that of the first.
  const auto late = TokenToSubmit::Take("", folder_, "one");
  ASSERT_TRUE(late.ok());
  ASSERT_TRUE(late->Keep(kJob).ok());
  EXPECT_EQ(KnownToken(folder_, kJob), first->token());
}

TEST_F(TokenFilesTest, ARefusedSubmissionLeavesNothing) {
  const auto taken = TokenToSubmit::Take("", folder_, "one");
  ASSERT_TRUE(taken.ok());
  taken->Drop();
  EXPECT_TRUE(fs::is_empty(folder_));
}

// Bug: it was thrown away with the second try, and nobody could reach the job.
TEST_F(TokenFilesTest, WhatAnEarlierTryLeftStays) {
  const auto first = TokenToSubmit::Take("", folder_, "one");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(*ReadJobToken(first->file()), first->token());
  // Nobody answered, but the job is there; the next try is refused.
  const auto second = TokenToSubmit::Take("", folder_, "one");
  ASSERT_TRUE(second.ok());
  second->Drop();
  EXPECT_EQ(*ReadJobToken(first->file()), first->token());
}

TEST_F(TokenFilesTest, ANamedFileIsReadOrWrittenAndStays) {
  const std::string file = test_ / "mine";
  const auto made = TokenToSubmit::Take(file, "", "one");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(Mode(file), 0600U);
  const auto read = TokenToSubmit::Take(file, "", "two");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(made->token(), read->token());
  EXPECT_EQ(*read->Keep(kJob), file);
  read->Drop();
  EXPECT_TRUE(fs::exists(file));
}

TEST_F(TokenFilesTest, WarnsOfOneThatAllCanRead) {
  const std::string file = test_ / "mine";
  ASSERT_TRUE(TokenToSubmit::Take(file, "", "one").ok());
  EXPECT_EQ(TokenFileWarning(file), "");
  ASSERT_EQ(chmod(file.c_str(), 0440), 0);
  EXPECT_EQ(TokenFileWarning(file), "");
  ASSERT_EQ(chmod(file.c_str(), 0644), 0);
  EXPECT_THAT(TokenFileWarning(file), HasSubstr("chmod 600"));
  EXPECT_EQ(TokenFileWarning(test_ / "none"), "");
  EXPECT_EQ(TokenFileWarning(""), "");
}

TEST_F(TokenFilesTest, WhatADeathLeftIsTheJobs) {
  const std::string folder = test_ / "tokens";
  const auto taken = TokenToSubmit::Take("", folder, "one");
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_TRUE(TokenToSubmit::KeepAnswered(folder, "other", JobId(6)).ok());
  EXPECT_EQ(KnownToken(folder, JobId(6)), "");
  EXPECT_TRUE(TokenToSubmit::KeepAnswered(folder, "one", JobId(7)).ok());
  EXPECT_EQ(KnownToken(folder, JobId(7)), taken->token());
  EXPECT_TRUE(TokenToSubmit::KeepAnswered(folder, "one", JobId(7)).ok());
  EXPECT_EQ(KnownToken(folder, JobId(7)), taken->token());
}

TEST_F(TokenFilesTest, WithoutAPlaceItSaysWhatToDo) {
  std::ofstream(test_ / "file") << "short";
  for (const auto& taken :
       {TokenToSubmit::Take("", "", "one"),
        TokenToSubmit::Take("", test_ / "file/in", "one")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(taken.status()));
    EXPECT_THAT(std::string(taken.status().message()),
                HasSubstr("--token-file"));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(
      TokenToSubmit::Take(test_ / "file", "", "one").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      TokenToSubmit::Take(test_ / "none/file", "", "one").status()));
}

TEST_F(TokenFilesTest, TheFolderIsTheUsers) {
  setenv("HOME", "/home/somebody", 1);
  unsetenv("XDG_STATE_HOME");
  EXPECT_EQ(TokenFolder(), "/home/somebody/.local/state/ebb/tokens");
  setenv("XDG_STATE_HOME", "/state", 1);
  EXPECT_EQ(TokenFolder(), "/state/ebb/tokens");
  unsetenv("XDG_STATE_HOME");
  unsetenv("HOME");
  EXPECT_EQ(TokenFolder(), "");
}

}  // namespace
}  // namespace ebb::tools
