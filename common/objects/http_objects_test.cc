#include "common/objects/http_objects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/objects/testing/s3_server.h"

namespace ebb {
namespace {

using ::testing::HasSubstr;

// A public bucket is a web server, too.
class HttpObjectsTest : public testing::Test {
 protected:
  HttpObjectsTest() {
    server_.MakePublic();
    EXPECT_TRUE(PutObject(bucket_.get(), "data/a b", "0123456789").ok());
    HttpObjectsOptions options{
        .base_url = absl::StrCat(server_.endpoint(), "/bucket/data/")};
    options.retries.first_wait = absl::Milliseconds(1);
    store_ = *HttpObjects::Open(options);
  }

  S3Server& server_ = S3Server::Shared();
  std::unique_ptr<S3Objects> bucket_ = server_.Open();
  std::unique_ptr<HttpObjects> store_;
};

TEST_F(HttpObjectsTest, ReadsFilesAndParts) {
  EXPECT_EQ(store_->Get("a b", {})->bytes, "0123456789");
  const auto part = store_->Get("a b", {.offset = 3, .bytes = 4});
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(part->bytes, "3456");
  EXPECT_EQ(part->size, 10u);
  EXPECT_EQ(store_->Get("a b", {.offset = 10, .bytes = 4}).status().code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(store_->Get("none", {}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(HttpObjectsTest, AFileThatChangesIsNoticed) {
  const auto first = store_->Get("a b", {.offset = 0, .bytes = 4});
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(PutObject(bucket_.get(), "data/a b", "abcdefghij").ok());
  const GetOptions rest{.offset = 4, .bytes = 4, .if_match = first->etag};
  EXPECT_EQ(store_->Get("a b", rest).status().code(),
            absl::StatusCode::kAborted);
  // Also by a server that ignores conditions.
  server_.SetFaults(R"([{"kind": "no_conditions", "count": 9}])");
  EXPECT_EQ(store_->Get("a b", rest).status().code(),
            absl::StatusCode::kAborted);
}

TEST_F(HttpObjectsTest, RepeatsWhatFailsInPassing) {
  for (const char* kind : {"503 SlowDown", "reset", "cut"}) {
    server_.SetFaults(
        absl::StrCat(R"([{"kind": ")", kind, R"(", "count": 2}])"));
    const auto content = store_->Get("a b", {});
    ASSERT_TRUE(content.ok()) << kind << ": " << content.status();
    EXPECT_EQ(content->bytes, "0123456789");
  }
}

// Bug: three places had three lists of statuses that may pass.
TEST_F(HttpObjectsTest, DoesNotRepeatWhatWillNotPass) {
  server_.SetFaults(R"([{"kind": "501 NotImplemented", "count": 1}])");
  const absl::Status refused = store_->Get("a b", {}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(refused.message(), HasSubstr("unexpected status 501"));
  for (const int status : {408, 429, 500, 502, 503, 504, 522}) {
    EXPECT_TRUE(StatusMayPass(status)) << status;
  }
  for (const int status : {200, 206, 304, 400, 404, 412, 501, 505, 507}) {
    EXPECT_FALSE(StatusMayPass(status)) << status;
  }
}

TEST_F(HttpObjectsTest, SaysWhatAServerCannot) {
  server_.SetFaults(R"([{"kind": "no_ranges", "count": 1}])");
  const absl::Status ranges =
      store_->Get("a b", {.offset = 1, .bytes = 2}).status();
  EXPECT_EQ(ranges.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(ranges.message(), HasSubstr("does not read parts"));
  EXPECT_EQ(PutObject(store_.get(), "a", "").status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(store_->List({}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(store_->Delete("a").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(HttpObjects::Open({.base_url = "ftp://host/"}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ebb
