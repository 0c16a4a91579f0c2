#include "data/remote_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/objects/testing/s3_server.h"
#include "common/testing/test_folder.h"
#include "data/find_files.h"
#include "data/formats/testing.h"
#include "data/scheme.h"

namespace ebb::data {
namespace {

using internal::Gzip;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class RemoteFilesTest : public testing::Test {
 protected:
  RemoteFilesTest() {
    std::map<std::string, std::string> variables;
    for (const std::string& variable : server_.environment()) {
      const size_t equals = variable.find('=');
      variables[variable.substr(0, equals)] = variable.substr(equals + 1);
    }
    options_.environment = [variables](const char* name) -> std::string {
      const auto it = variables.find(name);
      return it == variables.end() ? "" : it->second;
    };
    options_.range_bytes = 10;
    options_.retries = server_.Options().retries;
  }

  void Put(const std::string& key, const std::string& bytes) {
    ASSERT_TRUE(PutObject(bucket_.get(), key, bytes).ok());
  }
  OpenBytes Open() {
    return WithRemoteFiles(OpenMemory({{"local", "here"}}), options_);
  }
  static absl::StatusOr<std::string> ReadAll(const OpenBytes& open,
                                             const std::string& path) {
    auto source = open(path);
    if (!source.ok()) return source.status();
    std::string all;
    std::vector<char> buffer(7);
    while (true) {
      const auto n = (*source)->Read(buffer);
      if (!n.ok()) return n.status();
      if (*n == 0) return all;
      all.append(buffer.data(), *n);
    }
  }

  S3Server& server_ = S3Server::Shared();
  std::unique_ptr<S3Objects> bucket_ = server_.Open();
  RemoteFilesOptions options_;
};

TEST_F(RemoteFilesTest, ReadsFilesPartByPart) {
  const std::string text = "0123456789abcdefghijklmnopqrstuvwxyz";
  Put("data/a.csv", text);
  Put("data/a.csv.gz", Gzip(text + text));
  Put("data/empty", "");
  Put("data/ten", "0123456789");
  const OpenBytes open = Open();
  EXPECT_EQ(ReadAll(open, "s3://bucket/data/a.csv").value(), text);
  EXPECT_EQ(ReadAll(open, "s3://bucket/data/a.csv.gz").value(), text + text);
  EXPECT_EQ(ReadAll(open, "s3://bucket/data/empty").value(), "");
  EXPECT_EQ(ReadAll(open, "s3://bucket/data/ten").value(), "0123456789");
  EXPECT_EQ(ReadAll(open, "local").value(), "here");
  server_.MakePublic();
  EXPECT_EQ(ReadAll(open, server_.endpoint() + "/bucket/data/a.csv.gz").value(),
            text + text);
}

TEST_F(RemoteFilesTest, FindsFilesOfFoldersAndPatterns) {
  for (const char* key : {"data/a.csv", "data/b.csv", "data/_SUCCESS", "other"})
    Put(key, "x");
  const OpenBytes open = Open();
  EXPECT_THAT(open.FilesOf("s3://bucket/data").value(),
              ElementsAre("s3://bucket/data/a.csv", "s3://bucket/data/b.csv"));
  EXPECT_THAT(open.FilesOf("s3://bucket/data/?.csv").value(),
              ElementsAre("s3://bucket/data/a.csv", "s3://bucket/data/b.csv"));
  EXPECT_THAT(open.FilesOf("s3://bucket/other").value(),
              ElementsAre("s3://bucket/other"));
  EXPECT_THAT(open.FilesOf("http://host/a.csv").value(),
              ElementsAre("http://host/a.csv"));
  EXPECT_EQ(open.FilesOf("http://host/*.csv").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(open.FilesOf("http://host/[ab].csv?x=1").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(open.FilesOf("s3://bucket").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(open.FilesOf("local").value(), ElementsAre("local"));
}

// Bug: the "?" of a URL made it a pattern.
TEST_F(RemoteFilesTest, AUrlMayHaveAQuery) {
  server_.MakePublic();
  Put("data/a b.csv", "1,2\n");
  const OpenBytes open = Open();
  for (const char* const end : {"a%20b.csv?download=1",
                                "a%20b.csv?X-Amz-Expires=3600&X-Amz-Signature="
                                "ab%2Bcd*[0]"}) {
    const std::string url =
        absl::StrCat(server_.endpoint(), "/bucket/data/", end);
    EXPECT_THAT(open.FilesOf(url).value(), ElementsAre(url));
    EXPECT_EQ(ReadAll(open, url).value(), "1,2\n");
  }
  const absl::Status missing =
      ReadAll(open, absl::StrCat(server_.endpoint(), "/bucket/x?secret=1"))
          .status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(missing.message(), Not(HasSubstr("secret")));
}

TEST_F(RemoteFilesTest, FailuresThatPassAreNotSeen) {
  const std::string text(100, 'x');
  Put("a", text);
  server_.SetFaults(R"([{"kind": "503 SlowDown", "skip": 2, "count": 3},
                        {"kind": "cut", "skip": 3, "count": 2},
                        {"kind": "reset", "skip": 5, "count": 2}])");
  EXPECT_EQ(ReadAll(Open(), "s3://bucket/a").value(), text);
}

// Bug: commands that waited for their data did not say so.
TEST_F(RemoteFilesTest, WhatFailsForLongIsToldOnce) {
  Put("a", "0123456789");
  std::vector<std::string> told;
  options_.retries.tell = [&](const std::string& why) { told.push_back(why); };
  options_.retries.tell_after = absl::ZeroDuration();
  server_.SetFaults(R"([{"kind": "503 SlowDown", "count": 3}])");
  EXPECT_EQ(ReadAll(Open(), "s3://bucket/a").value(), "0123456789");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_THAT(told[0], HasSubstr("s3://bucket/a: status 503 (SlowDown"));
  // A second has not passed.
  options_.retries.tell_after = absl::Minutes(1);
  server_.SetFaults(R"([{"kind": "503 SlowDown", "count": 1}])");
  EXPECT_EQ(ReadAll(Open(), "s3://bucket/a").value(), "0123456789");
  EXPECT_EQ(told.size(), 1u);
}

TEST_F(RemoteFilesTest, ARefusalIsAnAnswer) {
  options_.retries.tell = [](const std::string& why) {
    ADD_FAILURE() << "waits: " << why;
  };
  options_.retries.tell_after = absl::ZeroDuration();
  const OpenBytes open = Open();
  for (const char* fault : {"404 NoSuchBucket", "404 NoSuchKey", "404 NotFound",
                            "403 AccessDenied"}) {
    server_.SetFaults(absl::StrCat(R"([{"kind": ")", fault, R"("}])"));
    const int64_t before = server_.requests();
    EXPECT_FALSE(open("s3://bucket/a").ok()) << fault;
    EXPECT_EQ(server_.requests(), before + 1) << fault;
  }
  server_.SetFaults("[]");
}

TEST_F(RemoteFilesTest, AFileThatChangesIsNamed) {
  Put("a", "0123456789abcdefghij");
  const auto source = Open()("s3://bucket/a");
  ASSERT_TRUE(source.ok()) << source.status();
  Put("a", "9876543210abcdefghij");
  std::vector<char> buffer(64);
  absl::Status error;
  while (error.ok()) error = (*source)->Read(buffer).status();
  EXPECT_EQ(error.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(error.message(), HasSubstr("s3://bucket/a: it was changed"));
}

TEST_F(RemoteFilesTest, WhatIsMissingOrNotAllowedIsNamed) {
  EXPECT_EQ(ReadAll(Open(), "s3://bucket/none").status().code(),
            absl::StatusCode::kNotFound);
  Put("data/a", "1");
  Put("secret/a", "2");
  options_.sources = {"s3://bucket/data/"};
  const OpenBytes open = Open();
  EXPECT_EQ(ReadAll(open, "s3://bucket/data/a").value(), "1");
  const absl::Status refused = ReadAll(open, "s3://bucket/secret/a").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(refused.message(), HasSubstr("--sources"));
  EXPECT_EQ(open.FilesOf("s3://bucket/secret/").status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ReadAll(open, "http://169.254.169.254/latest").status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(RemoteFilesTest, PartsAreKept) {
  const TestFolder folder{TestFolder::On::kMemory};
  const std::string text(100, 'x');
  Put("a", text);
  options_.cache_folder = folder / "parts";
  EXPECT_EQ(ReadAll(Open(), "s3://bucket/a").value(), text);
  const int64_t before = server_.requests();
  EXPECT_EQ(ReadAll(Open(), "s3://bucket/a").value(), text);
  // One asks whether it is still the same.
  EXPECT_EQ(server_.requests(), before + 1);
  Put("a", "another");
  EXPECT_EQ(ReadAll(Open(), "s3://bucket/a").value(), "another");
}

TEST(RemoteFilesSourcesTest, AreBeginningsOfPaths) {
  EXPECT_EQ(ParseSources("all").value(), std::nullopt);
  EXPECT_THAT(*ParseSources("s3://b/,https://host/data/").value(),
              ElementsAre("s3://b/", "https://host/data/"));
  EXPECT_THAT(*ParseSources("").value(), testing::IsEmpty());
  for (const char* text :
       {"s3://b", "b/", "s3:///", "ftp://host/", "https:/"}) {
    EXPECT_EQ(ParseSources(text).status().code(),
              absl::StatusCode::kInvalidArgument)
        << text;
  }
}

// Bug: such paths were taken for files of this machine.
TEST(RemoteFilesPathTest, OtherSchemesSayWhatToWrite) {
  const OpenBytes open = WithRemoteFiles(OpenFile, {});
  const auto why = [&](absl::string_view path) {
    const absl::Status status = open.FilesOf(path).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(open(path).status(), status) << path;
    return std::string(status.message());
  };
  EXPECT_EQ(why("s3a://b/a.csv"),
            "s3a://b/a.csv: s3a:// is not read: write s3://b/a.csv");
  EXPECT_THAT(why("gs://b/*.csv"), HasSubstr("write s3://b/*.csv, and set "));
  EXPECT_THAT(why("file:///data/a.csv"),
              HasSubstr("write the path alone, /data/a.csv"));
  EXPECT_THAT(why("FILE://localhost/a"), HasSubstr("path alone, /a"));
  EXPECT_THAT(why("hdfs://h:9000/a"), HasSubstr("fetch it first"));
  EXPECT_THAT(std::string(FindFiles("s3://b/a").status().message()),
              HasSubstr("only files of this machine are read here"));
  EXPECT_FALSE(HasScheme("c:/a"));
  EXPECT_FALSE(HasScheme("/data/s3://a"));
  EXPECT_FALSE(HasScheme("a b://c"));
}

TEST(RemoteFilesPathTest, AreToldFromOthers) {
  EXPECT_TRUE(IsRemote("s3://b/a"));
  EXPECT_TRUE(IsRemote("https://h/a"));
  EXPECT_FALSE(IsRemote("ebb://a"));
  EXPECT_FALSE(IsRemote("/s3://"));
}

}  // namespace
}  // namespace ebb::data
