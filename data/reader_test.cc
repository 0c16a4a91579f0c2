#include "data/reader.h"

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/formats/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data {
namespace {

using internal::Gzip;
using internal::Idx;
using internal::ReadAll;
using internal::ReadExample;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// One source of four examples with the labels 3, 1, 4, 1 and two features.
struct Case {
  std::string name;
  SourceSpec spec;
  std::map<std::string, std::string> files;
};

std::vector<Case> Cases() {
  return {
      {"Idx",
       {.kind = SourceKind::kIdx, .path = "d"},
       {{"d-images-idx3-ubyte", Idx({4, 1, 2}, "abcdefgh")},
        {"d-labels-idx1-ubyte", Idx({4}, "\x03\x01\x04\x01")}}},
      {"Csv",
       {.kind = SourceKind::kCsv, .path = "d.csv"},
       {{"d.csv", "1,2,3\n4,5,1\n6,7,4\n8,9,1\n"}}},
      {"Libsvm",
       {.kind = SourceKind::kLibsvm, .path = "d"},
       {{"d", "3 1:2\n1 2:5\n4 1:1 2:4\n1\n"}}},
      {"LibsvmKeys",
       {.kind = SourceKind::kLibsvm, .path = "d", .libsvm = {.keys = true}},
       {{"d", "3 1:2\n1 2:5\n4 1:1 2:4\n1 9:1\n"}}},
      {"Libffm",
       {.kind = SourceKind::kLibffm, .path = "d"},
       {{"d", "3 0:1:2\n1 1:2:5\n4 0:1:1 1:2:4\n1 0:5:1\n"}}},
      {"Ratings",
       {.kind = SourceKind::kRatings, .path = "d"},
       {{"d", "a,x,3\nb,x,1\na,y,4\nb,y,1\n"}}},
      {"Criteo",
       {.kind = SourceKind::kCriteo,
        .path = "d",
        .criteo = {.numeric = 1, .categories = 1}},
       {{"d", "3\t1\ta\n1\t\tb\n4\t5\t\n1\t1\ta\n"}}},
  };
}

std::vector<float> Labels(const std::vector<ReadExample>& examples) {
  std::vector<float> labels;
  for (const ReadExample& example : examples) labels.push_back(example.label);
  return labels;
}

// The contract of the seam, for every format.
class ReaderTest : public testing::TestWithParam<Case> {
 protected:
  std::unique_ptr<Reader> Open(
      const std::map<std::string, std::string>& files) const {
    auto reader = OpenReader(GetParam().spec, OpenMemory(files));
    EXPECT_TRUE(reader.ok()) << reader.status();
    return *std::move(reader);
  }
  static std::vector<FileFingerprint> FingerprintsAtEnd(Reader& reader) {
    Example example;
    while (*reader.Next(&example)) {
    }
    return reader.Fingerprints();
  }
};

INSTANTIATE_TEST_SUITE_P(Formats, ReaderTest, testing::ValuesIn(Cases()),
                         [](const auto& info) { return info.param.name; });

TEST_P(ReaderTest, GivesTheExamplesInTheOrderOfTheFile) {
  const auto all = ReadAll(GetParam().spec, OpenMemory(GetParam().files));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT(Labels(*all), ElementsAre(3, 1, 4, 1));
}

TEST_P(ReaderTest, KnowsWidthAndStaysAtTheEnd) {
  const auto reader = Open(GetParam().files);
  Example example;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(*reader->Next(&example));
    const bool bytes = reader->layout() == Layout::kBytes;
    const bool dense = reader->layout() == Layout::kDense;
    EXPECT_EQ(example.bytes.size(), bytes ? 2u : 0u);
    EXPECT_EQ(example.values.size(),
              dense ? 2u : example.ids.size() + example.keys.size());
    EXPECT_EQ(example.fields.size(), example.keys.size());
    EXPECT_THAT(reader->Where(), HasSubstr("d"));
  }
  EXPECT_EQ(reader->features(), GetParam().spec.libsvm.keys ? 1 : 2);
  EXPECT_FALSE(*reader->Next(&example));
  EXPECT_FALSE(*reader->Next(&example));
}

TEST_P(ReaderTest, FingerprintsTheBytesHoweverCompressed) {
  std::map<std::string, std::string> zipped = GetParam().files;
  for (auto& [path, bytes] : zipped) bytes = Gzip(bytes);
  std::map<std::string, std::string> changed = GetParam().files;
  changed.begin()->second.back() ^= 1;
  const auto plain = FingerprintsAtEnd(*Open(GetParam().files));
  EXPECT_EQ(plain.size(), GetParam().files.size());
  EXPECT_EQ(FingerprintsAtEnd(*Open(zipped)), plain);
  const auto other = FingerprintFiles(GetParam().spec, OpenMemory(changed));
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_NE((*other)[0].fingerprint, plain[0]);
  EXPECT_EQ((*other)[0].path, GetParam().files.begin()->first);
}

TEST_P(ReaderTest, ASplitGivesEachExampleToOnePart) {
  SourceSpec spec = GetParam().spec;
  spec.split = Split{.test_fraction = 0.5, .seed = 3};
  const OpenBytes open = OpenMemory(GetParam().files);
  std::vector<float> expected_train;
  std::vector<float> expected_test;
  const std::vector<float> labels = {3, 1, 4, 1};
  for (int i = 0; i < 4; ++i) {
    (Selects(*spec.split, i) ? expected_train : expected_test)
        .push_back(labels[i]);
  }
  ASSERT_FALSE(expected_train.empty());
  ASSERT_FALSE(expected_test.empty());
  EXPECT_EQ(Labels(*ReadAll(spec, open)), expected_train);
  spec.split->part = Split::Part::kTest;
  EXPECT_EQ(Labels(*ReadAll(spec, open)), expected_test);
}

TEST_P(ReaderTest, PassesOnWhatTheMediumSays) {
  std::map<std::string, std::string> cut = GetParam().files;
  for (auto& [path, bytes] : cut) {
    bytes = Gzip(bytes);
    bytes.resize(bytes.size() - 1);
  }
  EXPECT_EQ(ReadAll(GetParam().spec, OpenMemory(cut)).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadAll(GetParam().spec, OpenMemory({})).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_P(ReaderTest, RefusesAnInvalidSpec) {
  SourceSpec spec = GetParam().spec;
  spec.scale = 0;
  EXPECT_EQ(OpenReader(spec, OpenMemory(GetParam().files)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(FingerprintTest, IsTheHashThatXxhsumPrints) {
  // printf '1,2,3\n' | xxhsum -H2
  const auto files =
      FingerprintFiles({.kind = SourceKind::kCsv, .path = "a.csv"},
                       OpenMemory({{"a.csv", "1,2,3\n"}}));
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(ToString((*files)[0].fingerprint),
            "6 bytes, hash ecebf578672aec28176c0c5b71488d0c");
}

}  // namespace
}  // namespace ebb::data
