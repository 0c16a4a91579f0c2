#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "data/reader.h"
#include "data/source.h"
#include "data/words.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> WordsOf(absl::string_view line,
                                 bool lower_case = true) {
  WordCutter cutter(lower_case);
  cutter.Start(line);
  std::vector<std::string> all;
  absl::string_view word;
  while (cutter.Next(&word)) all.emplace_back(word);
  return all;
}

TEST(WordCutterTest, TakesLettersDigitsAndApostrophesWithin) {
  EXPECT_THAT(WordsOf("It's 'quoted', rock-'n'-roll in 1999: don\u2019t."),
              ElementsAre("it's", "quoted", "rock", "n", "roll", "in", "1999",
                          "don't"));
  EXPECT_THAT(WordsOf(" ''  -- "), IsEmpty());
}

TEST(WordCutterTest, KnowsLettersOfUnicode) {
  EXPECT_THAT(
      WordsOf("ÉCOLE straße ŽIVOT Ѓорѓи ΑΘΗΝΑ \U00010400"),
      ElementsAre("école", "straße", "život", "ѓорѓи", "αθηνα", "\U00010428"));
  EXPECT_THAT(WordsOf("École", false), ElementsAre("École"));
  // An accent of its own belongs to its letter; dashes and quotes end words.
  EXPECT_THAT(WordsOf("e\u0301t\u00e9\u2014\u201cund\u201d \u4e16\u754c"),
              ElementsAre("e\u0301t\u00e9", "und", "\u4e16\u754c"));
}

TEST(WordCutterTest, PassesOverWhatIsTooLongForAWord) {
  const std::string longest(kLongestWord, 'a');
  EXPECT_THAT(WordsOf(absl::StrCat(longest, " ", longest, "a b")),
              ElementsAre(longest, "b"));
}

TEST(WordCountsTest, OrdersByFallingCountAndThenByName) {
  WordCounts counts(100);
  for (const char* word : {"b", "a", "c", "b", "a", "d", "d", "d"}) {
    counts.Add(word);
  }
  Vocabulary chosen = counts.Choose(1, 100);
  EXPECT_THAT(chosen.words, ElementsAre("d", "a", "b", "c"));
  EXPECT_THAT(chosen.counts, ElementsAre(3, 2, 2, 1));
  EXPECT_THAT(counts.Choose(2, 2).words, ElementsAre("d", "a"));
  EXPECT_EQ(counts.total(), 8);
  EXPECT_EQ(counts.different(), 4);
}

TEST(WordCountsTest, ForgetsTheRareHalfAndSaysSo) {
  WordCounts counts(4);
  for (int i = 0; i < 3; ++i) counts.Add("often");
  for (const char* word : {"a", "b", "c"}) counts.Add(word);
  EXPECT_FALSE(counts.forgot());
  counts.Add("d");
  EXPECT_TRUE(counts.forgot());
  EXPECT_THAT(counts.Choose(1, 10).words, ElementsAre("often"));
}

SourceSpec Text(const DocumentOptions& options = {.least_count = 1}) {
  SourceSpec spec = {
      .kind = SourceKind::kText, .path = "novel", .has_labels = false};
  spec.documents = options;
  return spec;
}

Dataset Load(const std::string& text, const SourceSpec& spec = Text()) {
  auto data = Dataset::Load(spec, OpenMemory({{"novel", text}}));
  EXPECT_TRUE(data.ok()) << data.status();
  return *std::move(data);
}

std::string ErrorOf(const std::string& text, const SourceSpec& spec = Text()) {
  const auto data = Dataset::Load(spec, OpenMemory({{"novel", text}}));
  EXPECT_EQ(data.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(data.status().message());
}

// The documents, as their words: "the cat", and "the:2 cat:1" of counts.
std::vector<std::string> Documents(const Dataset& data,
                                   const Vocabulary& vocabulary,
                                   bool counts = false) {
  std::vector<std::string> all;
  ExampleBatch batch;
  for (int64_t i = 0; i < data.examples(); ++i) {
    EXPECT_TRUE(data.Gather(std::vector<int64_t>{i}, &batch).ok());
    std::string text;
    for (size_t w = 0; w < batch.values.size(); ++w) {
      const uint64_t word = counts ? batch.ids[w] : batch.keys[w];
      absl::StrAppend(&text, w > 0 ? " " : "", vocabulary.words[word]);
      if (counts) absl::StrAppend(&text, ":", batch.values[w]);
    }
    all.push_back(text);
  }
  return all;
}
std::vector<std::string> Documents(const Dataset& data) {
  return Documents(data, data.index().encoding.vocabulary);
}

TEST(TextTest, EmptyLinesEndParagraphs) {
  const Dataset data = Load("\n  \nThe cat\r\nsat.\n\n\nThe dog\n \t\nRan");
  EXPECT_THAT(Documents(data), ElementsAre("the cat sat", "the dog", "ran"));
  EXPECT_THAT(data.index().encoding.vocabulary.words,
              ElementsAre("the", "cat", "dog", "ran", "sat"));
  EXPECT_THAT(data.index().encoding.vocabulary.counts,
              ElementsAre(2, 1, 1, 1, 1));
  EXPECT_TRUE(data.keyed());
  EXPECT_EQ(data.features(), 1);
  EXPECT_FALSE(data.has_labels());
}

// Bug: they were passed over, as comments of libsvm are.
TEST(TextTest, LinesThatBeginWithAHashAreText) {
  const std::string text = "# The cat\n#sat\n\n# the\n";
  EXPECT_THAT(Documents(Load(text)), ElementsAre("the cat sat", "the"));
  EXPECT_THAT(Documents(Load(text, Text({.lines = true, .least_count = 1}))),
              ElementsAre("the cat", "sat", "the"));
}

TEST(TextTest, LinesCanBeDocuments) {
  const Dataset data =
      Load("the cat\nsat\n\n", Text({.lines = true, .least_count = 1}));
  EXPECT_THAT(Documents(data), ElementsAre("the cat", "sat"));
}

TEST(TextTest, AFileEndsADocument) {
  SourceSpec spec = Text();
  spec.further_paths = {"second"};
  const auto data = Dataset::Load(
      spec, OpenMemory({{"novel", "a b\n"}, {"second", "\nb c\n\na"}}));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(Documents(*data), ElementsAre("a b", "b c", "a"));
}

TEST(TextTest, CountsTheWordsOfADocument) {
  const Dataset data =
      Load("b a b c b\n\na", Text({.least_count = 1, .counts = true}));
  EXPECT_THAT(Documents(data, data.index().encoding.vocabulary, true),
              ElementsAre("b:3 a:1 c:1", "a:1"));
}

TEST(TextTest, CutsLongDocumentsIntoEvenPieces) {
  const Dataset data =
      Load("a b a b a b a\n\nb a b", Text({.least_count = 1, .longest = 3}));
  EXPECT_THAT(Documents(data), ElementsAre("a b", "a b", "a b a", "b a b"));
}

TEST(TextTest, LeavesRareAndStopWordsOut) {
  const Dataset data =
      Load("The cat and the dog and a bird\ncat dog THE",
           Text({.least_count = 2, .most_words = 2, .stop_words = {"The"}}));
  EXPECT_THAT(data.index().encoding.vocabulary.words,
              ElementsAre("and", "cat"));
  EXPECT_THAT(Documents(data), ElementsAre("cat and and cat"));
  EXPECT_THAT(data.remarks(),
              ElementsAre(HasSubstr("a vocabulary of 2 words, from 'and' (2 "
                                    "times) to 'cat' (2); other words are "
                                    "50.0 %")));
}

TEST(TextTest, LeavesDocumentsWithoutWordsOutAndCountsThem) {
  const Dataset data = Load("a a b\n\nrare\n\nb a\n\nb",
                            Text({.least_count = 2, .least_words = 2}));
  EXPECT_THAT(Documents(data), ElementsAre("a a b", "b a"));
  EXPECT_THAT(data.remarks(),
              ElementsAre(HasSubstr("a vocabulary"),
                          "2 of 4 documents have fewer than 2 words of the "
                          "vocabulary and are left out"));
  EXPECT_EQ(data.index().left_out, 0);
}

TEST(TextTest, OtherDataHasTheVocabularyOfTheTrainingData) {
  const Dataset train = Load("a b a\n\nb c");
  const auto test = Dataset::LoadLike(
      Text(), train.index(), OpenMemory({{"novel", "z c a z\n\nz\n\nb"}}));
  ASSERT_TRUE(test.ok()) << test.status();
  EXPECT_THAT(Documents(*test, train.index().encoding.vocabulary),
              ElementsAre("c a", "b"));
  EXPECT_EQ(test->index().encoding, train.index().encoding);
  EXPECT_THAT(test->remarks(), ElementsAre(HasSubstr("1 of 3 documents has no "
                                                     "word")));
}

TEST(TextTest, AStoredIndexReadsTheSame) {
  const auto open = OpenMemory({{"novel", "a b a\n\nb c"}});
  const Dataset train = Load("a b a\n\nb c");
  const auto decoded = Index::Decode(train.index().Encode());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, train.index());
  const auto again = Dataset::LoadIndexed(Text(), *decoded, open);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(Documents(*again), Documents(train));
  SourceSpec other = Text();
  other.documents.lower_case = false;
  EXPECT_EQ(Dataset::LoadIndexed(other, *decoded, open).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(TextTest, NamesTheLineThatIsNotUtf8) {
  const std::string text = "a b\n\na b\nb \xe9 a\n\nb a\n";
  EXPECT_THAT(ErrorOf(text), HasSubstr("novel:4: "));
  EXPECT_THAT(ErrorOf(text), HasSubstr("iconv"));
  SourceSpec spec = Text();
  spec.on_bad_example = OnBadExample::kSkip;
  const Dataset data = Load(text, spec);
  EXPECT_THAT(Documents(data), ElementsAre("a b", "b a"));
  EXPECT_EQ(data.index().left_out, 1);
}

TEST(TextTest, RefusesTextWithoutAVocabulary) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("novel has no words"));
  EXPECT_THAT(ErrorOf("... --\n"), HasSubstr("novel has no words"));
  EXPECT_THAT(ErrorOf("la la la"),
              HasSubstr("its vocabulary would be one word, 'la'"));
  EXPECT_THAT(ErrorOf("a a a b", Text({.least_count = 2})),
              HasSubstr("say a smaller least_count"));
  EXPECT_THAT(ErrorOf("a b c", Text({.least_count = 5})),
              HasSubstr("none of its 3 different words occurs 5 times"));
  EXPECT_THAT(ErrorOf("a b", Text({.least_count = 1, .most_words = 1})),
              HasSubstr("larger most_words"));
  EXPECT_THAT(ErrorOf("a b", Text({.least_count = 1, .least_words = 9})),
              HasSubstr("has no examples"));
}

TEST(TextTest, SaysWhereADocumentBegins) {
  const auto open = OpenMemory({{"novel", "a b\n\n\nb a\nb\n\na"}});
  const auto train = Dataset::Load(Text(), open);
  ASSERT_TRUE(train.ok()) << train.status();
  const auto place =
      PlaceOf(Text(), train->index(), 1, open, [] { return false; });
  ASSERT_TRUE(place.ok()) << place.status();
  EXPECT_EQ(*place, "novel:4");
}

TEST(TextTest, HasNoLabelsAndNoScale) {
  SourceSpec spec = Text();
  spec.has_labels = true;
  EXPECT_THAT(std::string(spec.Validate().message()), HasSubstr("no labels"));
  spec = Text();
  spec.scale = 2;
  EXPECT_THAT(std::string(spec.Validate().message()), HasSubstr("scale 2"));
  spec = Text();
  spec.documents.stop_words = {"the"};
  EXPECT_EQ(spec.Meaning(),
            "text reader=1 labels=none scale=1 standardise=no "
            "document=paragraph lower_case=yes least_count=1 most_words=100000 "
            "least_words=1 view=words longest=0 stop_words=['the']");
}

}  // namespace
}  // namespace ebb::data::internal
