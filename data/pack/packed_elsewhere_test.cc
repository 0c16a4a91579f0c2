// Packed sets in buckets and on web servers, read window by window.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/objects/testing/s3_server.h"
#include "common/testing/test_folder.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "data/pack/packed_set.h"
#include "data/pack/packer.h"
#include "data/reader.h"
#include "data/remote_files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::pack {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSet[] = "s3://bucket/sets/points";
constexpr int64_t kExamples = 100, kWindow = 10;

std::string ReadAllOf(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

class PackedElsewhereTest : public testing::Test {
 protected:
  PackedElsewhereTest() {
    std::map<std::string, std::string> variables;
    for (const std::string& variable : server_.environment()) {
      const size_t equals = variable.find('=');
      variables[variable.substr(0, equals)] = variable.substr(equals + 1);
    }
    options_.environment = [variables](const char* name) -> std::string {
      const auto it = variables.find(name);
      return it == variables.end() ? "" : it->second;
    };
    options_.retries = server_.Options().retries;
    std::string rows;
    for (int64_t i = 0; i < kExamples; ++i) {
      absl::StrAppend(&rows, i % 2, ",", i, ",", i * i, "\n");
    }
    SourceSpec spec;
    spec.kind = SourceKind::kCsv;
    spec.path = "points.csv";
    const auto packed =
        PackSources({{"", spec}}, local_, {.seed = 3, .window = kWindow},
                    OpenMemory({{spec.path, rows}}));
    EXPECT_TRUE(packed.ok()) << packed.status();
    for (const auto& file : std::filesystem::directory_iterator(local_)) {
      Put(file.path().filename(), ReadAllOf(file.path()));
    }
  }

  void Put(const std::string& name, const std::string& bytes) {
    const auto put =
        PutObject(bucket_.get(), absl::StrCat("sets/points/", name), bytes);
    ASSERT_TRUE(put.ok()) << put.status();
  }
  OpenBytes Open() const { return WithRemoteFiles(OpenFile, options_); }
  static SourceSpec SpecOf(const std::string& path) {
    SourceSpec spec;
    spec.kind = SourceKind::kPacked;
    spec.path = path;
    return spec;
  }
  absl::StatusOr<Dataset> Load(const std::string& path) const {
    return Dataset::Load(SpecOf(path), Open());
  }
  // The values of these examples, and their labels.
  static absl::StatusOr<std::vector<float>> ValuesOf(
      const Dataset& data, const std::vector<int64_t>& examples) {
    ExampleBatch batch;
    if (absl::Status status = data.Gather(examples, &batch); !status.ok()) {
      return status;
    }
    std::vector<float> values = batch.values;
    values.insert(values.end(), batch.labels.begin(), batch.labels.end());
    return values;
  }
  static std::vector<int64_t> All() {
    std::vector<int64_t> all(kExamples);
    std::iota(all.begin(), all.end(), 0);
    return all;
  }

  S3Server& server_ = S3Server::Shared();
  std::unique_ptr<S3Objects> bucket_ = server_.Open();
  RemoteFilesOptions options_;
  const TestFolder folder_{TestFolder::On::kMemory};
  const std::string local_ = folder_ / "points.packed";
};

TEST_F(PackedElsewhereTest, HasTheExamplesOfTheSameFolder) {
  const auto here = Dataset::Load(SpecOf(local_));
  ASSERT_TRUE(here.ok()) << here.status();
  server_.MakePublic();
  for (const std::string& path :
       {std::string(kSet), absl::StrCat(kSet, "/"),
        absl::StrCat(server_.endpoint(), "/bucket/sets/points")}) {
    const auto there = Load(path);
    ASSERT_TRUE(there.ok()) << there.status();
    EXPECT_EQ(there->window(), kWindow);
    EXPECT_EQ(there->index(), here->index());
    EXPECT_EQ(*ValuesOf(*there, All()), *ValuesOf(*here, All()));
    EXPECT_GT(there->memory_bytes(), here->memory_bytes());
  }
}

TEST_F(PackedElsewhereTest, IsReadWindowByWindow) {
  const auto data = Load(kSet);
  ASSERT_TRUE(data.ok()) << data.status();
  const int64_t before = server_.requests();
  ASSERT_TRUE(ValuesOf(*data, {20, 21, 29}).ok());
  // One says how long the file of windows is.
  EXPECT_EQ(server_.requests(), before + 2);
  ASSERT_TRUE(ValuesOf(*data, {25}).ok());
  EXPECT_EQ(server_.requests(), before + 2);
  ASSERT_TRUE(ValuesOf(*data, {30}).ok());
  EXPECT_EQ(server_.requests(), before + 3);
}

TEST_F(PackedElsewhereTest, WindowsAreKeptOnTheDisk) {
  options_.cache_folder = folder_ / "parts";
  const auto first = Load(kSet);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto values = ValuesOf(*first, All());
  ASSERT_TRUE(values.ok()) << values.status();
  const auto again = Load(kSet);
  const int64_t before = server_.requests();
  EXPECT_EQ(*ValuesOf(*again, All()), *values);
  // It asks once whether the windows are still the same.
  EXPECT_EQ(server_.requests(), before + 1);
}

TEST_F(PackedElsewhereTest, FailuresThatPassAreNotSeen) {
  const auto data = Load(kSet);
  ASSERT_TRUE(data.ok()) << data.status();
  server_.SetFaults(R"([{"kind": "503 SlowDown", "skip": 1, "count": 2},
                        {"kind": "cut", "skip": 3, "count": 2},
                        {"kind": "reset", "skip": 5, "count": 2}])");
  EXPECT_EQ(*ValuesOf(*data, All()),
            *ValuesOf(*Dataset::Load(SpecOf(local_)), All()));
}

TEST_F(PackedElsewhereTest, WhatDoesNotAnswerIsAwayAndLaterThere) {
  options_.retries.patience = absl::Milliseconds(50);
  const auto data = Load(kSet);
  ASSERT_TRUE(data.ok()) << data.status();
  server_.SetFaults(R"([{"kind": "503 SlowDown", "count": 1000000}])");
  EXPECT_EQ(ValuesOf(*data, {0}).status().code(),
            absl::StatusCode::kUnavailable);
  server_.SetFaults("[]");
  EXPECT_TRUE(ValuesOf(*data, {0}).ok());
}

TEST_F(PackedElsewhereTest, WindowsThatChangeOrAreOthersAreNamed) {
  const std::string path = absl::StrCat(local_, "/", WindowsName(0));
  const std::string good = ReadAllOf(path);
  const auto code = [&](const Dataset& data) {
    const absl::Status status = ValuesOf(data, All()).status();
    EXPECT_THAT(std::string(status.message()), HasSubstr(kSet));
    return status.code();
  };
  // After the footer, and after the first window.
  for (const bool after_a_window : {false, true}) {
    Put(WindowsName(0), good);
    const auto data = Load(kSet);
    ASSERT_TRUE(data.ok()) << data.status();
    if (after_a_window) {
      ASSERT_TRUE(ValuesOf(*data, {0}).ok());
    }
    std::string other = good;
    for (char& byte : other) byte = static_cast<char>(byte ^ 1);
    Put(WindowsName(0), other);
    EXPECT_EQ(code(*data), absl::StatusCode::kDataLoss) << after_a_window;
  }
  Put(WindowsName(0), good + "more");
  EXPECT_EQ(code(*Load(kSet)), absl::StatusCode::kDataLoss);
  Put(WindowsName(0), "");
  EXPECT_EQ(code(*Load(kSet)), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(
      bucket_->Delete(absl::StrCat("sets/points/", WindowsName(0))).ok());
  EXPECT_EQ(code(*Load(kSet)), absl::StatusCode::kNotFound);
}

// Bug: a file that was put there anew stayed lost until the worker was new.
TEST_F(PackedElsewhereTest, WhatIsMendedIsReadAgain) {
  const auto data = Load(kSet);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_TRUE(data->fetches());
  const std::string good = ReadAllOf(absl::StrCat(local_, "/", WindowsName(0)));
  std::string other = good;
  for (char& byte : other) byte = static_cast<char>(byte ^ 1);
  Put(WindowsName(0), other);
  EXPECT_EQ(ValuesOf(*data, {0}).status().code(), absl::StatusCode::kDataLoss);
  Put(WindowsName(0), good);
  EXPECT_TRUE(ValuesOf(*data, All()).ok());
}

// Bug: examples were blamed for a key that ran out.
TEST_F(PackedElsewhereTest, ARefusalLaterIsAnOutage) {
  const auto data = Load(kSet);
  ASSERT_TRUE(data.ok()) << data.status();
  server_.SetFaults(R"([{"kind": "403 AccessDenied", "count": 1000000}])");
  EXPECT_EQ(ValuesOf(*data, {0}).status().code(),
            absl::StatusCode::kUnavailable);
  server_.SetFaults("[]");
  EXPECT_TRUE(ValuesOf(*data, {0}).ok());
}

TEST_F(PackedElsewhereTest, WhatIsNoSetIsNamed) {
  const auto why = [&](const std::string& path) {
    return std::string(Load(path).status().message());
  };
  EXPECT_THAT(why("s3://bucket/sets/none"),
              HasSubstr("s3://bucket/sets/none is no packed set"));
  ASSERT_TRUE(PutObject(bucket_.get(), "sets/two/train/footer.ebbp", "x").ok());
  EXPECT_THAT(why("s3://bucket/sets/two"),
              HasSubstr("its parts are s3://bucket/sets/two/train and"));
  ASSERT_TRUE(PutObject(bucket_.get(), "sets/words/footer.ebbt", "x").ok());
  EXPECT_THAT(why("s3://bucket/sets/words"), HasSubstr("has packed tokens"));
  Put("footer.ebbp", "no footer");
  EXPECT_THAT(why(kSet), HasSubstr("s3://bucket/sets/points/footer.ebbp"));
  // Workers are told which places they may read.
  options_.sources = {"s3://bucket/other/"};
  EXPECT_EQ(Load(kSet).status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(why("https://host/points?signature=secret"),
              AllOf(HasSubstr("a packed set has several files"),
                    Not(HasSubstr("secret"))));
  EXPECT_THAT(why("gs://bucket/points"), HasSubstr("write s3://bucket/points"));
  const absl::Status local = Dataset::Load(SpecOf(kSet)).status();
  EXPECT_THAT(std::string(local.message()),
              AllOf(HasSubstr(kSet), HasSubstr("only files of this machine")));
}

TEST_F(PackedElsewhereTest, IsReadFromItsFirstExampleToItsLast) {
  const auto reader = OpenReader(SpecOf(kSet), Open(), {});
  ASSERT_TRUE(reader.ok()) << reader.status();
  int64_t examples = 0;
  Example example;
  for (absl::StatusOr<bool> more = true; *more;) {
    more = (*reader)->Next(&example);
    ASSERT_TRUE(more.ok()) << more.status();
    examples += *more ? 1 : 0;
  }
  EXPECT_EQ(examples, kExamples);
  const auto prints = FingerprintFiles(SpecOf(kSet), Open());
  ASSERT_TRUE(prints.ok()) << prints.status();
  EXPECT_EQ((*prints)[0].fingerprint,
            (*FingerprintFiles(SpecOf(local_), OpenFile))[0].fingerprint);
}

}  // namespace
}  // namespace ebb::data::pack
