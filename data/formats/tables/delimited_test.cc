#include "data/formats/tables/delimited.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/byte_source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Record = std::vector<std::string>;

DelimitedRecords Open(const std::string& text, const std::string& delimiter,
                      bool quotes = true) {
  auto input = Input::Open("t", OpenMemory({{"t", text}}));
  return {*std::move(input),
          [=](absl::string_view) { return delimiter; },
          {.quotes = quotes}};
}

std::vector<Record> Read(const std::string& text,
                         const std::string& delimiter = ",",
                         bool quotes = true) {
  DelimitedRecords records = Open(text, delimiter, quotes);
  std::vector<Record> all;
  while (*records.Next()) {
    EXPECT_TRUE(records.status().ok()) << records.status();
    all.emplace_back(records.fields().begin(), records.fields().end());
  }
  return all;
}

TEST(DelimitedRecordsTest, CommentsBehindABadRecordAreNone) {
  auto input = Input::Open("t", OpenMemory({{"t", "a,\"b\n# c\nd,e\n"}}));
  input->SkipComments("#");
  DelimitedRecords records(*std::move(input),
                           [](absl::string_view) { return ","; }, {});
  ASSERT_TRUE(*records.Next());
  EXPECT_THAT(records.status().message(), HasSubstr("nothing closes"));
  ASSERT_TRUE(*records.Next());
  EXPECT_THAT(records.fields(), ElementsAre("d", "e"));
  EXPECT_EQ(records.Where(), "t:3");
  EXPECT_FALSE(*records.Next());
}

TEST(DelimitedRecordsTest, SplitsAtTheDelimiter) {
  const Record fields = {"1", "", "two words", ""};
  for (const char* delimiter : {",", ";", "|", "\t", "::", "\x01"}) {
    const std::string d = delimiter;
    const std::string bare = absl::StrCat("1", d, d, " two words", d, "\r\n");
    EXPECT_THAT(Read(bare, d), ElementsAre(fields)) << d;
    const std::string quoted = absl::StrCat("\"1\"", d, d, "\"two words\" ", d);
    EXPECT_THAT(Read(quoted, d), ElementsAre(fields)) << d;
  }
  EXPECT_THAT(Read("1 2\n", " "), ElementsAre(Record{"1", "2"}));
}

TEST(DelimitedRecordsTest, WhitespaceIsAnyRunOfIt) {
  EXPECT_THAT(Read("  1 \t 2   x \n\n   \n\"a b\"  \"c\"  \n", "whitespace"),
              ElementsAre(Record{"1", "2", "x"}, Record{"a b", "c"}));
}

TEST(DelimitedRecordsTest, QuotesAreNoPartOfAField) {
  EXPECT_THAT(Read("\"a\",\" b \" , \"c\"\"d\"\"\",\"\"\n"),
              ElementsAre(Record{"a", " b ", "c\"d\"", ""}));
  EXPECT_THAT(Read("5\" pipe,\"x,y\"\n"),
              ElementsAre(Record{"5\" pipe", "x,y"}));
}

TEST(DelimitedRecordsTest, AQuotedFieldMaySpanLines) {
  DelimitedRecords records = Open("u,\"a\r\n\r\nb\",v\nw,x,y\n", ",");
  ASSERT_TRUE(*records.Next());
  EXPECT_THAT(records.fields(), ElementsAre("u", "a\n\nb", "v"));
  EXPECT_EQ(records.Where(), "t:1");
  ASSERT_TRUE(*records.Next());
  EXPECT_THAT(records.fields(), ElementsAre("w", "x", "y"));
  EXPECT_EQ(records.Where(), "t:4");
  EXPECT_FALSE(*records.Next());
}

TEST(DelimitedRecordsTest, QuotesAreCharactersWhenToldSo) {
  EXPECT_THAT(Read("\"a,b\"\n", ",", false), ElementsAre(Record{"\"a", "b\""}));
}

TEST(DelimitedRecordsTest, SaysWhatIsWrongWithQuotesAndGoesOn) {
  DelimitedRecords records = Open("\"a\"b,c\nd,e\nf,\"g\nh,i\n", ",");
  ASSERT_TRUE(*records.Next());
  EXPECT_THAT(records.status().message(),
              HasSubstr("t:1: column 1 goes on with 'b' after its closing"));
  ASSERT_TRUE(*records.Next());
  EXPECT_TRUE(records.status().ok());
  EXPECT_THAT(records.fields(), ElementsAre("d", "e"));
  ASSERT_TRUE(*records.Next());
  EXPECT_THAT(records.status().message(),
              HasSubstr("t:3: column 2 begins with a quote that nothing"));
  ASSERT_TRUE(*records.Next());
  EXPECT_THAT(records.fields(), ElementsAre("h", "i"));
  EXPECT_EQ(records.Where(), "t:4");
  EXPECT_FALSE(*records.Next());
}

TEST(DelimitedRecordsTest, SuggestsTheDelimiterThatIsThere) {
  DelimitedRecords records = Open("\"a\";\"b\"\n\"a\"\t\"b\"\n", ",");
  ASSERT_TRUE(*records.Next());
  EXPECT_THAT(records.status().message(),
              HasSubstr("is ';' the delimiter? Then say delimiter: \";\""));
  ASSERT_TRUE(*records.Next());
  EXPECT_THAT(records.status().message(), HasSubstr("say delimiter: tab"));
}

// A quote that nothing closes must not cost the memory or the time of a file.
TEST(DelimitedRecordsTest, AQuotedFieldIsBounded) {
  std::string text = "\"";
  for (int i = 0; i < 1 << 20; ++i) text += "0123456789abcdefgh\n";
  DelimitedRecords records = Open(text + "\"\n", ",");
  ASSERT_TRUE(*records.Next());
  EXPECT_FALSE(records.status().ok());
  ASSERT_TRUE(*records.Next());
  EXPECT_EQ(records.Where(), "t:2");
}

TEST(DelimitedRecordsTest, GuessesUntilItIsSettled) {
  auto input = Input::Open("t", OpenMemory({{"t", "a;b\nc,d\ne;f\n"}}));
  DelimitedRecords records(
      *std::move(input),
      [](absl::string_view line) {
        return line.find(';') == absl::string_view::npos ? "," : ";";
      },
      {});
  ASSERT_TRUE(*records.Next());
  EXPECT_EQ(records.fields().size(), 2u);
  ASSERT_TRUE(*records.Next());
  EXPECT_EQ(records.fields().size(), 2u);
  EXPECT_EQ(records.DelimiterName(), "','");
  records.Settle();
  ASSERT_TRUE(*records.Next());
  EXPECT_EQ(records.fields().size(), 1u);
}

TEST(DelimitedRecordsTest, LooksAheadByOneRecord) {
  DelimitedRecords records = Open("a,b\n\"c\nd\",e\nf\n", ",");
  ASSERT_TRUE(*records.Next());
  ASSERT_NE(records.Peek(), nullptr);
  EXPECT_THAT(*records.Peek(), ElementsAre("c\nd", "e"));
  EXPECT_THAT(records.fields(), ElementsAre("a", "b"));
  EXPECT_EQ(records.Where(), "t:1");
  ASSERT_TRUE(*records.Next());
  EXPECT_THAT(records.fields(), ElementsAre("c\nd", "e"));
  EXPECT_EQ(records.Where(), "t:2");
  ASSERT_TRUE(*records.Next());
  EXPECT_THAT(records.fields(), ElementsAre("f"));
  EXPECT_EQ(records.Peek(), nullptr);
  EXPECT_THAT(records.fields(), ElementsAre("f"));
  EXPECT_FALSE(*records.Next());
}

}  // namespace
}  // namespace ebb::data::internal
