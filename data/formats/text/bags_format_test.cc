#include <string>
#include <vector>

#include "data/byte_source.h"
#include "data/formats/testing.h"
#include "data/reader.h"
#include "data/source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

SourceSpec Bags(const std::string& vocabulary = "") {
  SourceSpec spec = {
      .kind = SourceKind::kBags, .path = "news", .has_labels = false};
  spec.bags.vocabulary = vocabulary;
  return spec;
}

std::vector<ReadExample> Read(const std::string& text) {
  auto all = ReadAll(Bags(), OpenMemory({{"news", text}}));
  EXPECT_TRUE(all.ok()) << all.status();
  return all.ok() ? *std::move(all) : std::vector<ReadExample>();
}

std::string ErrorOf(const std::string& text, const std::string& vocabulary = "",
                    const std::string& words = "") {
  const auto all =
      ReadAll(Bags(vocabulary), OpenMemory({{"news", text}, {"words", words}}));
  EXPECT_EQ(all.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(all.status().message());
}

TEST(BagsReaderTest, ReadsWordsInAnyOrder) {
  const auto all = Read("2 0:1 6:3\n\n3 5:1\t2:10 4:2\r\n");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THAT(all[0].ids, ElementsAre(0, 6));
  EXPECT_THAT(all[0].values, ElementsAre(1, 3));
  EXPECT_THAT(all[1].ids, ElementsAre(2, 4, 5));
  EXPECT_THAT(all[1].values, ElementsAre(10, 2, 1));
}

TEST(BagsReaderTest, ADocumentWithoutWordsIsAnExample) {
  const auto all = Read("1 3:1\n0\n");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THAT(all[1].ids, IsEmpty());
}

TEST(BagsReaderTest, TheVocabularySaysHowManyWordsThereAre) {
  const OpenBytes open =
      OpenMemory({{"news", "1 1:2\n"}, {"words", "tax\n rain \nthe\n"}});
  auto reader = OpenReader(Bags("words"), open);
  ASSERT_TRUE(reader.ok()) << reader.status();
  Example example;
  ASSERT_TRUE(*(*reader)->Next(&example));
  EXPECT_THAT(example.ids, ElementsAre(1));
  EXPECT_FALSE(*(*reader)->Next(&example));
  EXPECT_EQ((*reader)->features(), 3);
  ASSERT_TRUE((*reader)->Names().has_value());
  EXPECT_THAT((*reader)->Names()->features, ElementsAre("tax", "rain", "the"));
  // Both files are part of what the data is.
  EXPECT_EQ((*reader)->Fingerprints().size(), 2u);
}

TEST(BagsReaderTest, WithoutAVocabularyTheHighestWordDoes) {
  auto reader =
      OpenReader(Bags(), OpenMemory({{"news", "1 3:1\n1 8:1\n1 2:1\n"}}));
  ASSERT_TRUE(reader.ok()) << reader.status();
  Example example;
  while (*(*reader)->Next(&example)) {
  }
  EXPECT_EQ((*reader)->features(), 9);
  EXPECT_FALSE((*reader)->Names().has_value());
}

TEST(BagsReaderTest, RefusesWordsBeyondTheVocabulary) {
  EXPECT_EQ(ErrorOf("1 2:1\n", "words", "a\nb\n"),
            "news:1: word 2 in a vocabulary of 2 words, whose numbers begin "
            "with 0");
  EXPECT_THAT(ErrorOf("1 2147483647:1\n"), HasSubstr("the most words"));
  // Bug: a file without words was a vocabulary of 0 words.
  EXPECT_EQ(ErrorOf("1 0:1\n", "words", ""),
            "news:1: the vocabulary, words, has no words");
}

// Bug: topics then had numbers instead of words, and nothing said why.
TEST(BagsReaderTest, RefusesAVocabularyThatHasAWordTwice) {
  EXPECT_EQ(ErrorOf("1 2:1\n", "words", "tax\nrain\ntax\n"),
            "words:3: the vocabulary has 'tax' twice, for words 0 and 2; give "
            "each number a word of its own");
}

TEST(BagsReaderTest, RefusesCountsThatAreNotWholeNumbersFromOneUp) {
  EXPECT_EQ(ErrorOf("1 2:0\n"),
            "news:1: word 2: count '0' is not a whole number from 1 to "
            "16777216; leave out words that a document has not");
  EXPECT_THAT(ErrorOf("1 2:1.5\n"), HasSubstr("count '1.5' is not a whole"));
  // Bug: it was to be left out, as a count of 0 is.
  EXPECT_EQ(ErrorOf("1 2:-1\n"),
            "news:1: word 2: count '-1' is not a whole number from 1 to "
            "16777216");
  EXPECT_THAT(ErrorOf("1 2:16777217\n"), HasSubstr("is not a whole number"));
}

TEST(BagsReaderTest, RefusesLinesThatAreNoDocuments) {
  EXPECT_EQ(ErrorOf("1 2:1\n2 2:1\n"),
            "news:2: the line says 2 different words, and has 1");
  EXPECT_THAT(ErrorOf("+1 2:1\n"), HasSubstr("is not the number of different"));
  EXPECT_THAT(ErrorOf("1 rain:1\n"), HasSubstr("is not a word; write word"));
  EXPECT_THAT(ErrorOf("1 2\n"), HasSubstr("is not a word; write word:count"));
  EXPECT_THAT(ErrorOf("2 5:1 5:1\n"), HasSubstr("word 5 stands there twice"));
  EXPECT_THAT(ErrorOf("3 5:1 4:1 5:1\n"), HasSubstr("word 5 stands there"));
}

// Bug: what followed was passed over.
TEST(BagsReaderTest, RefusesComments) {
  EXPECT_THAT(ErrorOf("1 0:1 # a word\n"), HasSubstr("begins no comment"));
  EXPECT_THAT(ErrorOf("1 0:1\n# 1 2:1\n"), HasSubstr("news:2"));
}

TEST(BagsReaderTest, RefusesOptionsThatWouldChangeCounts) {
  SourceSpec spec = Bags();
  spec.scale = 0.5;
  EXPECT_THAT(spec.Validate().message(), HasSubstr("scale 0.5"));
  spec = Bags();
  spec.has_labels = true;
  EXPECT_THAT(spec.Validate().message(), HasSubstr("no labels"));
  spec = Bags();
  spec.comment = "#";
  EXPECT_THAT(spec.Validate().message(), HasSubstr("no comments"));
  EXPECT_THAT(ErrorOf("1 2:1\n", "news"), HasSubstr("vocabulary too"));
}

}  // namespace
}  // namespace ebb::data::internal
