#include "data/index.h"

#include <xxhash.h>

#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/bytes/fixed64.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data {
namespace {

using ::testing::HasSubstr;

// The content of the golden file. Another program wrote it.
Index Golden() {
  return {.meaning = "csv reader=1",
          .files = {{.bytes = 1000,
                     .hash_high = 0x0123456789abcdef,
                     .hash_low = 0xfedcba9876543210},
                    {.bytes = 7, .hash_high = 1, .hash_low = 2}},
          .examples = 150,
          .features = 3,
          .classes = {-1, 2},
          .mean = {5.5, -0.25, 1e-3},
          .stddev = {0.5, 0, 2}};
}

Index GoldenLeftOut() {
  Index index = Golden();
  index.left_out = 12;
  return index;
}

Index GoldenLabels() {
  Index index = GoldenLeftOut();
  index.classes.clear();
  index.labels = {.mean = 152.5, .stddev = 77.25};
  return index;
}

Index GoldenText() {
  using Kind = ColumnEncoding::Kind;
  Index index = Golden();
  index.features = 2 + 1 + 3 + 5;
  index.classes = {0, 2};
  index.mean.assign(11, 0.5);
  index.stddev.assign(11, 2);
  index.encoding.columns = {
      {.kind = Kind::kNumber},
      {.kind = Kind::kBoolean, .values = {"no", "yes"}},
      {.kind = Kind::kOneHot, .values = {"", "a\nb"}},
      {.kind = Kind::kDateParts, .order = DateOrder::kDayFirst},
      {.kind = Kind::kLeftOut},
      {.kind = Kind::kHashed, .buckets = 1}};
  index.encoding.classes = {"setosa", "versicolor", "virginica"};
  return index;
}

Index GoldenWords() {
  Index index = {.meaning = "text reader=1",
                 .files = {{.bytes = 1000,
                            .hash_high = 0x0123456789abcdef,
                            .hash_low = 0xfedcba9876543210}},
                 .examples = 150,
                 .left_out = 12,
                 .features = 1};
  index.encoding.vocabulary = {{"the", "école", "it's"}, {70, 9, 9}};
  return index;
}

Index GoldenOrigins() {
  Index index = Golden();
  index.encoding.origins = {0, 1.7e9, -0.5};
  return index;
}

std::string GoldenBytesOf(absl::string_view version) {
  std::ifstream file(absl::StrCat("tests/golden/data_index_v", version, ".bin"),
                     std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string GoldenBytes(int version = 1) {
  return GoldenBytesOf(absl::StrCat(version));
}

// With the checksum that its other bytes ask for.
std::string WithChecksum(std::string bytes) {
  bytes.resize(bytes.size() - 8);
  internal::PutFixed64(XXH64(bytes.data(), bytes.size(), 0), &bytes);
  return bytes;
}

TEST(IndexTest, ReadsAndWritesVersion1) {
  const std::string bytes = GoldenBytes();
  ASSERT_EQ(bytes.size(), 204u);
  const auto index = Index::Decode(bytes);
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(*index, Golden());
  EXPECT_EQ(Golden().Encode(), bytes);
}

TEST(IndexTest, ReadsAndWritesVersion2WhereExamplesWereLeftOut) {
  const std::string bytes = GoldenBytes(2);
  ASSERT_EQ(bytes.size(), 212u);
  const auto index = Index::Decode(bytes);
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(*index, GoldenLeftOut());
  EXPECT_EQ(GoldenLeftOut().Encode(), bytes);
}

TEST(IndexTest, ReadsAndWritesVersion3WhereLabelsAreNumbers) {
  const std::string bytes = GoldenBytes(3);
  ASSERT_EQ(bytes.size(), 244u);
  const auto index = Index::Decode(bytes);
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(*index, GoldenLabels());
  EXPECT_EQ(GoldenLabels().Encode(), bytes);
}

TEST(IndexTest, ReadsAndWritesVersion3WhereThereIsText) {
  const std::string bytes = GoldenBytesOf("3_text");
  const auto index = Index::Decode(bytes);
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(*index, GoldenText());
  EXPECT_EQ(GoldenText().Encode(), bytes);
  EXPECT_EQ(index->ClassText(1), "virginica");
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(Index::Decode(bytes.substr(0, length)).ok()) << length;
  }
}

TEST(IndexTest, ReadsAndWritesVersion4WhereThereAreWords) {
  const std::string bytes = GoldenBytes(4);
  const auto index = Index::Decode(bytes);
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(*index, GoldenWords());
  EXPECT_EQ(GoldenWords().Encode(), bytes);
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(Index::Decode(bytes.substr(0, length)).ok()) << length;
  }
}

TEST(IndexTest, ReadsAndWritesVersion5WhereThereAreOrigins) {
  const std::string bytes = GoldenBytes(5);
  const auto index = Index::Decode(bytes);
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(*index, GoldenOrigins());
  EXPECT_EQ(GoldenOrigins().Encode(), bytes);
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(Index::Decode(bytes.substr(0, length)).ok()) << length;
  }
}

TEST(IndexTest, RefusesOriginsThatContradictIt) {
  const auto refuses = [](std::vector<double> origins) {
    Index index = Golden();
    index.encoding.origins = std::move(origins);
    return !Index::Decode(index.Encode()).ok();
  };
  EXPECT_FALSE(refuses({1, 0, 0}));
  EXPECT_TRUE(refuses({0, 0, 0}));
  EXPECT_TRUE(refuses({1, 2}));
  EXPECT_TRUE(refuses({1, 2, std::numeric_limits<double>::infinity()}));
  EXPECT_TRUE(refuses({1, 2, std::numeric_limits<double>::quiet_NaN()}));
  EXPECT_TRUE(refuses({1, 2, 1e39}));  // float32 cannot hold the difference.
}

TEST(IndexTest, RefusesAVocabularyThatContradictsItself) {
  const auto refuses = [](const auto& change) {
    Index index = GoldenWords();
    change(&index.encoding.vocabulary);
    return !Index::Decode(index.Encode()).ok();
  };
  EXPECT_FALSE(refuses([](Vocabulary*) {}));
  EXPECT_TRUE(refuses([](Vocabulary* all) { all->words[2] = "the"; }));
  EXPECT_TRUE(refuses([](Vocabulary* all) { all->counts[1] = -1; }));
  EXPECT_TRUE(refuses([](Vocabulary* all) { all->counts.pop_back(); }));
}

TEST(IndexTest, RefusesAnotherVersionThanItsSectionsNeed) {
  for (const auto& [version, other] :
       {std::pair(3, 4), std::pair(4, 3), std::pair(4, 5), std::pair(5, 3)}) {
    std::string bytes = GoldenBytes(version);
    bytes[8] = static_cast<char>(other);
    EXPECT_EQ(Index::Decode(WithChecksum(bytes)).status().code(),
              absl::StatusCode::kDataLoss);
  }
}

TEST(IndexTest, RefusesTextThatContradictsItself) {
  const auto refuses = [](const auto& change) {
    Index index = GoldenText();
    change(&index);
    return !Index::Decode(index.Encode()).ok();
  };
  EXPECT_FALSE(refuses([](Index*) {}));
  EXPECT_TRUE(refuses([](Index* i) { i->encoding.classes.pop_back(); }));
  EXPECT_TRUE(refuses([](Index* i) { i->encoding.columns.pop_back(); }));
  EXPECT_TRUE(refuses([](Index* i) { i->classes = {0, 1.5}; }));
  EXPECT_TRUE(refuses([](Index* i) {
    i->encoding.columns[1].values = {"no", "no"};
  }));
  EXPECT_TRUE(refuses([](Index* i) { i->encoding.columns[0].buckets = 3; }));
  EXPECT_TRUE(refuses(
      [](Index* i) { i->encoding.columns[0].order = DateOrder::kDayFirst; }));
}

TEST(IndexTest, HashIsThatOfTheSpecification) {
  EXPECT_EQ(Golden().Hash(), 0xb1cd22f6a4f5e20fu);
  EXPECT_EQ(GoldenLeftOut().Hash(), 0x11ab7b21bd0f5516u);
  EXPECT_EQ(GoldenLabels().Hash(), 0xc41ab7a7a7f4fe91u);
}

TEST(IndexTest, HashDependsOnEveryField) {
  const uint64_t hash = Golden().Hash();
  Index index = Golden();
  index.meaning += " ";
  EXPECT_NE(index.Hash(), hash);
  index = Golden();
  ++index.files[1].hash_low;
  EXPECT_NE(index.Hash(), hash);
  index = Golden();
  ++index.examples;
  EXPECT_NE(index.Hash(), hash);
  index = Golden();
  index.classes.pop_back();
  EXPECT_NE(index.Hash(), hash);
  index = Golden();
  index.stddev[2] = 3;
  EXPECT_NE(index.Hash(), hash);
}

TEST(IndexTest, AnIndexOfSparseDataHasNoMoments) {
  Index index = Golden();
  index.mean.clear();
  index.stddev.clear();
  const auto decoded = Index::Decode(index.Encode());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, index);
}

TEST(IndexTest, RefusesEveryFlippedBit) {
  for (const int version : {1, 2, 3, 4, 5}) {
    const std::string bytes = GoldenBytes(version);
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      std::string damaged = bytes;
      damaged[bit / 8] ^= static_cast<char>(1 << bit % 8);
      EXPECT_FALSE(Index::Decode(damaged).ok()) << bit;
    }
  }
}

TEST(IndexTest, RefusesEveryOtherLength) {
  const std::string bytes = GoldenBytes();
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_EQ(Index::Decode(bytes.substr(0, length)).status().code(),
              absl::StatusCode::kDataLoss)
        << length;
  }
  EXPECT_EQ(Index::Decode(bytes + "x").status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(IndexTest, NamesALaterVersion) {
  std::string bytes = GoldenBytes();
  bytes[8] = 6;
  const absl::Status status = Index::Decode(bytes).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("version 6 of the format"));
}

TEST(IndexTest, RefusesContentThatContradictsItself) {
  // Each has a right checksum.
  Index index = Golden();
  index.features = 4;
  EXPECT_FALSE(Index::Decode(index.Encode()).ok());
  index = Golden();
  index.classes = {2, 2};
  EXPECT_FALSE(Index::Decode(index.Encode()).ok());
  index = Golden();
  index.stddev[0] = -1;
  EXPECT_FALSE(Index::Decode(index.Encode()).ok());
  index = Golden();
  index.examples = -1;
  EXPECT_FALSE(Index::Decode(index.Encode()).ok());
}

TEST(IndexTest, RefusesAnIndexOfVersion2ThatLeavesNothingOut) {
  std::string bytes = GoldenBytes(2);
  bytes[bytes.size() - 16] = 0;  // The count.
  EXPECT_EQ(Index::Decode(WithChecksum(bytes)).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(IndexTest, RefusesSectionsThatDoNotAscendOrThatItDoesNotKnow) {
  const std::string good = GoldenBytes(3);
  // The tag of the last section, before 8 bytes of length, 16 and 8.
  const size_t tag = good.size() - 40;
  ASSERT_EQ(good[tag], 2);
  for (const char other : {0, 1, 3}) {
    std::string bytes = good;
    bytes[tag] = other;
    EXPECT_EQ(Index::Decode(WithChecksum(bytes)).status().code(),
              absl::StatusCode::kDataLoss);
  }
}

TEST(IndexTest, RefusesAnIndexOfVersion3ThatVersion2CouldHold) {
  std::string bytes = GoldenBytes(3);
  bytes.erase(bytes.size() - 40, 32);  // All of the second section.
  bytes[16] = static_cast<char>(bytes[16] - 32);
  EXPECT_EQ(Index::Decode(WithChecksum(bytes)).status().code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace ebb::data
