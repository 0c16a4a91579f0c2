#include "common/objects/internal/sigv4.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"

namespace ebb {
namespace {

using ::testing::EndsWith;

// The examples that AWS publishes, in "Examples of the complete Version 4
// signing process" and "Authenticating Requests: Using the Authorization
// Header".
constexpr char kIamSecret[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
constexpr char kS3Secret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

absl::Time At(absl::string_view text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime("%E4Y%m%dT%H%M%SZ", text, &time, &error))
      << error;
  return time;
}

std::string Hash(absl::string_view text) {
  const absl::string_view parts[] = {text};
  return HexSha256(parts);
}

TEST(SigV4Test, DerivesTheKeyOfADay) {
  EXPECT_EQ(absl::BytesToHexString(SigningKey(
                kIamSecret, {At("20150830T123600Z"), "us-east-1", "iam"})),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
}

TEST(SigV4Test, SignsListUsers) {
  UnsignedRequest request;
  request.method = "GET";
  request.path = "/";
  request.query = {{"Action", "ListUsers"}, {"Version", "2010-05-08"}};
  request.headers = {
      {"content-type", "application/x-www-form-urlencoded; charset=utf-8"},
      {"host", "iam.amazonaws.com"},
      {"x-amz-date", "20150830T123600Z"}};
  request.payload_sha256 = HexSha256({});
  EXPECT_EQ(Hash(CanonicalRequest(request)),
            "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59");
  EXPECT_EQ(Authorization(request, {"AKIDEXAMPLE", kIamSecret, ""},
                          {At("20150830T123600Z"), "us-east-1", "iam"}),
            "AWS4-HMAC-SHA256 "
            "Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date, "
            "Signature="
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

TEST(SigV4Test, SignsTheSimplestRequest) {
  UnsignedRequest request;
  request.method = "GET";
  request.path = "/";
  request.headers = {{"host", "example.amazonaws.com"},
                     {"x-amz-date", "20150830T123600Z"}};
  request.payload_sha256 = HexSha256({});
  EXPECT_THAT(
      Authorization(request, {"AKIDEXAMPLE", kIamSecret, ""},
                    {At("20150830T123600Z"), "us-east-1", "service"}),
      EndsWith("Signature="
               "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf"
               "31"));
}

// The examples for S3 differ in what they ask for.
std::string SignatureOf(UnsignedRequest request, absl::string_view body) {
  const absl::string_view parts[] = {body};
  request.payload_sha256 = HexSha256(parts);
  request.headers["host"] = "examplebucket.s3.amazonaws.com";
  request.headers["x-amz-date"] = "20130524T000000Z";
  request.headers["x-amz-content-sha256"] = request.payload_sha256;
  const std::string header =
      Authorization(request, {"AKIAIOSFODNN7EXAMPLE", kS3Secret, ""},
                    {At("20130524T000000Z"), "us-east-1", "s3"});
  return header.substr(header.rfind('=') + 1);
}

TEST(SigV4Test, SignsAGetOfARange) {
  EXPECT_EQ(SignatureOf({.method = "GET",
                         .path = "/test.txt",
                         .headers = {{"range", "bytes=0-9"}}},
                        ""),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(SigV4Test, SignsAPut) {
  EXPECT_EQ(
      SignatureOf({.method = "PUT",
                   .path = "/test$file.text",
                   .headers = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                               {"x-amz-storage-class", "REDUCED_REDUNDANCY"}}},
                  "Welcome to Amazon S3."),
      "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(SigV4Test, SignsAQuery) {
  EXPECT_EQ(
      SignatureOf({.method = "GET", .path = "/", .query = {{"lifecycle", ""}}},
                  ""),
      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_EQ(SignatureOf({.method = "GET",
                         .path = "/",
                         .query = {{"max-keys", "2"}, {"prefix", "J"}}},
                        ""),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(SigV4Test, EncodesAllButWhatIsUnreserved) {
  EXPECT_EQ(UriEncode("aZ09-._~/ +%\xc3\xa4", true),
            "aZ09-._~/%20%2B%25%C3%A4");
  EXPECT_EQ(UriEncode("a/b", false), "a%2Fb");
}

TEST(SigV4Test, HashesPartsAsOneText) {
  const absl::string_view parts[] = {"a", "", "bc"};
  EXPECT_EQ(HexSha256(parts),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace ebb
