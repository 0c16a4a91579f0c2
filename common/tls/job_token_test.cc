#include "common/tls/job_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <set>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"

namespace ebb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kToken(43, 'x');

TEST(JobTokenTest, EachIsAnotherAndCanBeWrittenAnywhere) {
  std::set<std::string> tokens;
  for (int i = 0; i < 100; ++i) {
    const std::string token = NewJobToken();
    EXPECT_EQ(token.size(), 43U);
    EXPECT_EQ(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "abcdefghijklmnopqrstuvwxyz0123456789-_"),
              std::string::npos);
    tokens.insert(token);
  }
  EXPECT_EQ(tokens.size(), 100U);
}

// FIPS 180-2, appendix B.1.
TEST(JobTokenTest, HashIsSha256) {
  EXPECT_EQ(absl::BytesToHexString(JobTokenHash("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// Computed by Python's hmac of the same 34 bytes.
TEST(JobTokenTest, WorkersTokenIsOfItsKeyItsJobAndItsSession) {
  const std::string key(kTokenBytes, 'k');
  const std::string token = WorkerToken(key, JobId(1), SessionId(2));
  EXPECT_EQ(absl::BytesToHexString(token),
            "79c93e0da06382226114d0858b8fa4d0140156bc81ffc39cbdf8c711ab54797a");
  EXPECT_NE(token,
            WorkerToken(std::string(kTokenBytes, 'l'), JobId(1), SessionId(2)));
  EXPECT_NE(token, WorkerToken(key, JobId(2), SessionId(2)));
  EXPECT_NE(token, WorkerToken(key, JobId(1), SessionId(1)));
  EXPECT_NE(token, WorkerToken(key, JobId(2), SessionId(1)));
}

TEST(JobTokenTest, SecretsAreTheSameWholeOrNotAtAll) {
  EXPECT_TRUE(SameSecret("abc", "abc"));
  EXPECT_TRUE(SameSecret("", ""));
  EXPECT_FALSE(SameSecret("abc", "abd"));
  EXPECT_FALSE(SameSecret("abc", "ab"));
  EXPECT_FALSE(SameSecret("abc", ""));
}

TEST(JobTokenTest, AFileOfItIsItsOwnersAlone) {
  const TestFolder folder;
  const std::string file = folder / "token";

  ASSERT_TRUE(WriteJobToken(file, kToken).ok());

  struct stat info = {};
  ASSERT_EQ(stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  const auto read = ReadJobToken(file);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, kToken);
  EXPECT_TRUE(absl::IsAlreadyExists(WriteJobToken(file, kToken)));
  EXPECT_TRUE(
      absl::IsInvalidArgument(WriteJobToken(folder / "none/token", kToken)));
}

TEST(JobTokenTest, WhatIsNoTokenIsNotQuoted) {
  const TestFolder folder;
  EXPECT_TRUE(absl::IsNotFound(ReadJobToken(folder / "none").status()));
  int files = 0;
  for (const std::string& text :
       {std::string(), std::string("short-secret"),
        absl::StrCat(kToken, " ", kToken), absl::StrCat(kToken, "\n", kToken),
        std::string(257, 'y'), std::string(5000, 'y'), kToken + '\x01'}) {
    const std::string file = folder / std::to_string(files++);
    std::ofstream(file) << text;
    const absl::Status status = ReadJobToken(file).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(file), Not(HasSubstr("short-secret")),
                      Not(HasSubstr("xxx")), Not(HasSubstr("yyy"))));
  }
}

}  // namespace
}  // namespace ebb
