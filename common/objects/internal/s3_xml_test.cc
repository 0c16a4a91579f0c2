#include "common/objects/internal/s3_xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace ebb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kPage[] = R"(<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Name>bucket</Name><Prefix>a</Prefix><KeyCount>3</KeyCount>
  <MaxKeys>3</MaxKeys><IsTruncated>true</IsTruncated>
  <NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>
  <Contents><Key>a b &amp; &#x3c;c&gt;</Key>
    <LastModified>2026-11-26T12:00:00.000Z</LastModified>
    <ETag>"bf1d737a4d46a19f3bced6905cc8b902"</ETag><Size>142863</Size>
    <StorageClass>STANDARD</StorageClass></Contents>
  <Contents><Key>a</Key><Size>0</Size></Contents>
  <CommonPrefixes><Prefix>a-1/</Prefix></CommonPrefixes>
</ListBucketResult>)";

TEST(S3XmlTest, ReadsAList) {
  const auto page = ParseListing(kPage);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(page->objects, ElementsAre(ListedObject{"a", 0},
                                         ListedObject{"a b & <c>", 142863}));
  EXPECT_THAT(page->folders, ElementsAre("a-1/"));
  EXPECT_EQ(page->next, "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=");
  const auto empty = ParseListing("<ListBucketResult/>");
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->next, "");
}

TEST(S3XmlTest, AListThatIsCutIsNone) {
  const absl::string_view whole = kPage;
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto page = ParseListing(whole.substr(0, size));
    EXPECT_TRUE(absl::IsUnavailable(page.status())) << size;
  }
}

TEST(S3XmlTest, RefusesWhatCannotBe) {
  const auto why = [](absl::string_view inner) {
    return std::string(ParseListing(absl::StrCat("<ListBucketResult>", inner,
                                                 "</ListBucketResult>"))
                           .status()
                           .message());
  };
  EXPECT_THAT(why("<Contents><Size>1</Size></Contents>"), HasSubstr("no Key"));
  EXPECT_THAT(why("<Contents><Key>a</Key><Size>-1</Size></Contents>"),
              HasSubstr("Size"));
  EXPECT_THAT(why("<CommonPrefixes><Prefix>a</Prefix></CommonPrefixes>"),
              HasSubstr("does not end with /"));
  EXPECT_THAT(why("<IsTruncated>true</IsTruncated>"),
              HasSubstr("NextContinuationToken"));
  EXPECT_THAT(
      ParseListing("<html><body>Log in</body></html>").status().message(),
      HasSubstr("no ListBucketResult"));
}

TEST(S3XmlTest, ReadsErrors) {
  const S3Error error = ParseS3Error(
      "<Error><Code>NoSuchKey</Code><Message>The\nkey</Message>"
      "<Region>eu-west-1</Region></Error>");
  EXPECT_EQ(error.code, "NoSuchKey");
  EXPECT_EQ(error.message, "The key");
  EXPECT_EQ(error.region, "eu-west-1");
  EXPECT_EQ(ParseS3Error("nothing").code, "");
  EXPECT_EQ(ParseS3Error("").code, "");
}

TEST(S3XmlTest, UploadsInParts) {
  EXPECT_EQ(ParseUploadId("<InitiateMultipartUploadResult "
                          "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                          "<Key>k</Key><UploadId>a+/=</UploadId>"
                          "</InitiateMultipartUploadResult>"),
            "a+/=");
  EXPECT_EQ(ParseUploadId("<Error><Code>x</Code></Error>"), "");
  EXPECT_EQ(ParseUploadId("<html>"), "");
  EXPECT_EQ(CompleteUploadXml({{"\"a\"", "<&>"}}),
            "<CompleteMultipartUpload>"
            "<Part><PartNumber>1</PartNumber><ETag>\"a\"</ETag></Part>"
            "<Part><PartNumber>2</PartNumber><ETag>&lt;&amp;&gt;</ETag></Part>"
            "</CompleteMultipartUpload>");
  for (const char* const etag : {"&quot;e-2&quot;", "\"e-2\"", "e-2"}) {
    EXPECT_EQ(ParseCompletedUpload(
                  absl::StrCat("<CompleteMultipartUploadResult><ETag>", etag,
                               "</ETag></CompleteMultipartUploadResult>")),
              "\"e-2\"");
  }
  EXPECT_EQ(ParseCompletedUpload("<Error><Code>x</Code></Error>"), "");
}

}  // namespace
}  // namespace ebb
