#include "common/objects/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

#include "common/testing/test_folder.h"

namespace ebb {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Environment Of(std::map<std::string, std::string> variables) {
  return [variables](const char* name) -> std::string {
    const auto it = variables.find(name);
    return it == variables.end() ? "" : it->second;
  };
}

constexpr char kFile[] =
    "# a comment\n[default]\naws_access_key_id = one\n"
    "aws_secret_access_key=a=b\n\n[ other ]\r\naws_access_key_id = two\r\n"
    "aws_secret_access_key = c\r\naws_session_token = t\r\n[half]\n"
    "aws_access_key_id = hidden\n";

TEST(CredentialsTest, ReadsSections) {
  EXPECT_EQ(ParseCredentials(kFile, "default").value(),
            (Credentials{"one", "a=b", ""}));
  EXPECT_EQ(ParseCredentials(kFile, "other").value(),
            (Credentials{"two", "c", "t"}));
  EXPECT_EQ(ParseCredentials(kFile, "none").status().code(),
            absl::StatusCode::kNotFound);
  const absl::Status half = ParseCredentials(kFile, "half").status();
  EXPECT_EQ(half.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(half.message(), Not(HasSubstr("hidden")));
}

TEST(CredentialsTest, TheEnvironmentComesFirst) {
  CredentialsSource source(Of({{"AWS_ACCESS_KEY_ID", "a"},
                               {"AWS_SECRET_ACCESS_KEY", "s"},
                               {"AWS_SESSION_TOKEN", "t"},
                               {"AWS_SHARED_CREDENTIALS_FILE", "/none"}}));
  EXPECT_EQ(source.Get(absl::UnixEpoch())->value(),
            (Credentials{"a", "s", "t"}));
  CredentialsSource half(Of({{"AWS_ACCESS_KEY_ID", "a"}}));
  EXPECT_THAT(half.Get(absl::UnixEpoch()).status().message(),
              HasSubstr("AWS_SECRET_ACCESS_KEY"));
}

TEST(CredentialsTest, NoneIsNoError) {
  CredentialsSource none(Of({{"HOME", "/no/such/home"}}));
  EXPECT_EQ(none.Get(absl::UnixEpoch()).value(), std::nullopt);
  CredentialsSource named(Of({{"AWS_SHARED_CREDENTIALS_FILE", "/none"}}));
  EXPECT_EQ(named.Get(absl::UnixEpoch()).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(CredentialsTest, AFileIsReadAgain) {
  const TestFolder folder{TestFolder::On::kMemory};
  const std::string path = folder / "credentials";
  std::ofstream(path) << kFile;
  CredentialsSource source(
      Of({{"AWS_SHARED_CREDENTIALS_FILE", path}, {"AWS_PROFILE", "other"}}));
  const absl::Time start = absl::UnixEpoch();
  EXPECT_EQ(source.Get(start)->value().access_key, "two");
  std::ofstream(path) << "[other]\naws_access_key_id=3\n"
                         "aws_secret_access_key=4\n";
  EXPECT_EQ(source.Get(start + absl::Seconds(59))->value().access_key, "two");
  EXPECT_EQ(source.Get(start + absl::Seconds(60))->value().access_key, "3");
  std::ofstream(path) << kFile;
  source.Expire();
  EXPECT_EQ(source.Get(start + absl::Seconds(61))->value().access_key, "two");
}

}  // namespace
}  // namespace ebb
