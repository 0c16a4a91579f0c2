#include "common/objects/web_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/objects/internal/s3_xml.h"
#include "common/objects/testing/s3_server.h"
#include "common/testing/test_folder.h"

namespace ebb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class WebIdentityTest : public testing::Test {
 protected:
  void Write(const std::string& token) {
    std::ofstream(folder_ / "token") << token << "\n";
  }
  Environment environment() {
    return [this](const char* name) -> std::string {
      const auto it = variables_.find(name);
      return it == variables_.end() ? "" : it->second;
    };
  }

  const TestFolder folder_{TestFolder::On::kMemory};
  S3Server& server_ = S3Server::Shared();
  std::map<std::string, std::string> variables_ = {
      {"AWS_WEB_IDENTITY_TOKEN_FILE", folder_ / "token"},
      {"AWS_ROLE_ARN", "arn:aws:iam::1:role/trainer"},
      {"AWS_ENDPOINT_URL_STS", server_.endpoint()}};
};

TEST_F(WebIdentityTest, ATokenGivesKeysThatSignRequests) {
  Write("good");
  S3Options options = server_.Options();
  options.environment = environment();
  const auto store = S3Objects::Open(options).value();
  const auto put = PutObject(store.get(), "a", "x");
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(store->Get("a", {})->bytes, "x");
}

TEST_F(WebIdentityTest, TheServiceIsAskedAgainBeforeTheKeysExpire) {
  Write("good");
  CredentialsSource source(environment());
  const absl::Time now = absl::Now();
  ASSERT_TRUE(source.Get(now).ok());
  const int64_t asked = server_.requests();
  EXPECT_TRUE(source.Get(now + absl::Minutes(50)).ok());
  EXPECT_EQ(server_.requests(), asked);
  EXPECT_TRUE(source.Get(now + absl::Minutes(56)).ok());
  EXPECT_EQ(server_.requests(), asked + 1);
}

TEST_F(WebIdentityTest, KeysServeToTheirEndWhenTheServiceIsAway) {
  Write("good");
  CredentialsSource source(environment());
  const absl::Time now = absl::Now();
  ASSERT_TRUE(source.Get(now).ok());
  server_.SetFaults(
      R"([{"kind": "503 SlowDown", "method": "POST", "count": 9}])");
  EXPECT_TRUE(source.Get(now + absl::Minutes(56)).ok());
  EXPECT_EQ(source.Get(now + absl::Minutes(61)).status().code(),
            absl::StatusCode::kUnavailable);
  server_.SetFaults("[]");
  EXPECT_TRUE(source.Get(now + absl::Minutes(62)).ok());
}

TEST_F(WebIdentityTest, AServiceThatIsBusyIsAskedAgain) {
  Write("good");
  S3Options options = server_.Options();
  options.environment = environment();
  for (const char* const kind : {"503 SlowDown", "400 Throttling"}) {
    server_.SetFaults(absl::StrCat(R"([{"kind": ")", kind,
                                   R"(", "method": "POST", "count": 2}])"));
    const auto store = S3Objects::Open(options).value();
    const auto put = PutObject(store.get(), "a", "x");
    EXPECT_TRUE(put.ok()) << kind << ": " << put.status();
  }
}

TEST_F(WebIdentityTest, ARefusalIsNamedWithoutTheToken) {
  Write("stolen");
  CredentialsSource source(environment());
  const absl::Status refused = source.Get(absl::Now()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(refused.message(),
              AllOf(HasSubstr("InvalidIdentityToken"),
                    HasSubstr("role/trainer"), Not(HasSubstr("stolen"))));
  Write("good");
  variables_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/other";
  EXPECT_THAT(source.Get(absl::Now()).status().message(),
              HasSubstr("AccessDenied"));
}

TEST_F(WebIdentityTest, WhatIsMissingIsNamed) {
  CredentialsSource source(environment());
  EXPECT_THAT(source.Get(absl::Now()).status().message(),
              HasSubstr(folder_ / "token"));
  variables_["AWS_ENDPOINT_URL_STS"] = "sts.example.org";
  EXPECT_THAT(WebIdentityOf(environment()).status().message(),
              HasSubstr("https://HOST"));
  variables_.erase("AWS_ROLE_ARN");
  EXPECT_THAT(WebIdentityOf(environment()).status().message(),
              HasSubstr("AWS_ROLE_ARN"));
  variables_.erase("AWS_WEB_IDENTITY_TOKEN_FILE");
  variables_["AWS_ROLE_ARN"] = "for other programs";
  EXPECT_FALSE(WebIdentityOf(environment())->has_value());
}

TEST_F(WebIdentityTest, TheRegionNamesTheService) {
  variables_.erase("AWS_ENDPOINT_URL_STS");
  variables_["AWS_REGION"] = "eu-central-1";
  EXPECT_EQ((*WebIdentityOf(environment()))->endpoint,
            "https://sts.eu-central-1.amazonaws.com");
}

TEST(AssumedRoleTest, AnotherDocumentHasNoKeys) {
  for (const char* const xml :
       {"", "<html/>", "<ListBucketResult/>",
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>"
        "<Credentials><AccessKeyId>a</AccessKeyId><SecretAccessKey>s"
        "</SecretAccessKey><SessionToken>t</SessionToken><Expiration>soon"
        "</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
        "</AssumeRoleWithWebIdentityResponse>"}) {
    EXPECT_EQ(ParseAssumedRole(xml).status().code(),
              absl::StatusCode::kUnavailable)
        << xml;
  }
}

}  // namespace
}  // namespace ebb
