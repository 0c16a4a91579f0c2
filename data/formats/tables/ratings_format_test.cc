#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/byte_source.h"
#include "data/formats/testing.h"
#include "data/keys.h"
#include "data/reader.h"
#include "data/source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

SourceSpec Ratings() {
  return {.kind = SourceKind::kRatings,
          .path = "r",
          .label_kind = LabelKind::kReal};
}

SourceSpec Unrated() {
  SourceSpec spec = Ratings();
  spec.has_labels = false;
  return spec;
}

std::vector<ReadExample> Read(const std::string& text,
                              const SourceSpec& spec = Ratings()) {
  auto all = ReadAll(spec, OpenMemory({{"r", text}}));
  EXPECT_TRUE(all.ok()) << all.status();
  return all.ok() ? *std::move(all) : std::vector<ReadExample>();
}

std::string ErrorOf(const std::string& text,
                    const SourceSpec& spec = Ratings()) {
  const auto all = ReadAll(spec, OpenMemory({{"r", text}}));
  EXPECT_EQ(all.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(all.status().message());
}

TEST(RatingsReaderTest, HasAUserAndAnItem) {
  const auto all = Read("17,ring,3.5\nann,17,-1\r\n\n");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].label, 3.5);
  EXPECT_THAT(all[0].fields, ElementsAre(0, 1));
  EXPECT_THAT(all[0].keys, ElementsAre(KeyOf(0, "17"), KeyOf(1, "ring")));
  EXPECT_THAT(all[0].values, ElementsAre(1, 1));
  EXPECT_EQ(all[1].label, -1);
  EXPECT_THAT(all[1].keys, ElementsAre(KeyOf(0, "ann"), KeyOf(1, "17")));
}

TEST(RatingsReaderTest, TakesTheFormsThatArePublished) {
  const std::vector<uint64_t> keys = {KeyOf(0, "1"), KeyOf(1, "661")};
  for (const char* text : {
           "userId,movieId,rating,timestamp\n1,661,3,978302109\n",
           "1::661::3::978302109\n",
           "1\t661\t3\t978302109\n",
           "user;item;rating\n1;661;3\n",
           "\xef\xbb\xbfuser , item , rating\r\n 1 , 661 , 3 \r\n",
       }) {
    const auto all = Read(text);
    ASSERT_EQ(all.size(), 1u) << text;
    EXPECT_EQ(all[0].label, 3) << text;
    EXPECT_EQ(all[0].keys, keys) << text;
  }
}

TEST(RatingsReaderTest, AHeaderHasNoNumber) {
  EXPECT_EQ(ErrorOf("1,661,good\n"), "r:1: label: 'good' is not a number");
  EXPECT_EQ(ErrorOf("ann,ring,\n"),
            "r:1: label: an empty field is not a number");
  EXPECT_EQ(ErrorOf("user,item,rating\nuser,item,rating\n"),
            "r:2: this line repeats the header, as in files that were joined; "
            "remove it, or give the files as a list");
}

TEST(RatingsReaderTest, RefusesOtherNumbersOfFields) {
  EXPECT_EQ(ErrorOf("1,2,3\n1,2\n"),
            "r:2: the line has 2 fields between ',', the delimiter of the "
            "first line; user, item and rating are needed, and a time may "
            "follow");
  EXPECT_THAT(ErrorOf("1\t2\t3\n1,2,3\n"), HasSubstr("1 field between '\\t'"));
  EXPECT_THAT(ErrorOf("1,2,3,4,5\n"), HasSubstr("has 5 fields"));
}

TEST(RatingsReaderTest, RefusesMissingUsersAndItems) {
  EXPECT_EQ(ErrorOf(",2,3\n"),
            "r:1: the user is missing; user, item and rating are needed");
  EXPECT_THAT(ErrorOf("1, ,3\n"), HasSubstr("the item is missing"));
}

TEST(RatingsReaderTest, RefusesRatingsThatAreNotFinite) {
  EXPECT_EQ(ErrorOf("1,2,3\n1,2,nan\n"),
            "r:2: label: 'nan' is not a finite number");
}

TEST(RatingsReaderTest, PredictsOfPairs) {
  for (const char* text : {"user,item\nann,ring\n", "ann,ring\n",
                           "user,item,rating\nann,ring,5\n"}) {
    const auto all = Read(text, Unrated());
    ASSERT_EQ(all.size(), 1u) << text;
    EXPECT_EQ(all[0].keys[1], KeyOf(1, "ring")) << text;
    EXPECT_EQ(all[0].label, 0) << text;
  }
  EXPECT_THAT(ErrorOf("ann\n", Unrated()),
              HasSubstr("user and item are needed"));
}

// "u1" and u1 were two users, without a word.
TEST(RatingsReaderTest, QuotesAreNoPartOfAKey) {
  const std::vector<uint64_t> keys = {KeyOf(0, "u1"), KeyOf(1, "a,\nb")};
  for (const char* text :
       {"\"u1\",\"a,\nb\",5\n", "u1,\"a,\nb\",\"5\"\n",
        "\"userId\",\"movieId\",\"rating\"\n\"u1\",\"a,\nb\",5\n"}) {
    const auto all = Read(text);
    ASSERT_EQ(all.size(), 1u) << text;
    EXPECT_EQ(all[0].keys, keys) << text;
    EXPECT_EQ(all[0].label, 5) << text;
  }
  SourceSpec spec = Ratings();
  spec.ratings.text.quotes = false;
  EXPECT_EQ(Read("\"u1\",2,3\n", spec)[0].keys[0], KeyOf(0, "\"u1\""));
}

// movieId was taken for the rating, without a word.
TEST(RatingsReaderTest, RecognisesTheColumnsOfAHeader) {
  const std::vector<uint64_t> keys = {KeyOf(0, "1"), KeyOf(1, "661")};
  for (const char* text : {
           "rating,userId,movieId\n3,1,661\n",
           "timestamp,Movie ID,User_ID,Rating\n9,661,1,3\n",
           ",user,item,genre,country,stars\n7,1,661,x,y,3\n",
           "user,thing,rating\n1,661,3\n",
       }) {
    const auto all = Read(text);
    ASSERT_EQ(all.size(), 1u) << text;
    EXPECT_EQ(all[0].label, 3) << text;
    EXPECT_EQ(all[0].keys, keys) << text;
  }
}

TEST(RatingsReaderTest, RefusesAHeaderWhoseOrderNobodyKnows) {
  EXPECT_EQ(ErrorOf("rating,person,movieId\n3,1,661\n"),
            "r:1: none of the columns 'rating', 'person', 'movieId' has a "
            "usual name of the user; name its column by user:");
  EXPECT_THAT(ErrorOf("a,b,c\n1,2,3\n"), HasSubstr("usual name of the user"));
  EXPECT_THAT(ErrorOf("user,item,movie,x\n1,2,3,4\n"),
              HasSubstr("usual name of the rating"));
}

TEST(RatingsReaderTest, TakesTheColumnsThatAreNamed) {
  SourceSpec spec = Ratings();
  spec.ratings.user = "person";
  spec.ratings.item = "thing";
  spec.ratings.rating = "4";
  const auto all = Read("x,thing,person,mark,y,z\n8,661,1,3,9,7\n", spec);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].label, 3);
  EXPECT_THAT(all[0].keys, ElementsAre(KeyOf(0, "1"), KeyOf(1, "661")));
  EXPECT_THAT(ErrorOf("1,2,3,4\n", spec),
              HasSubstr("no column 'person' among '1'"));
  spec.ratings = {.user = "3", .item = "1", .rating = "2"};
  EXPECT_EQ(Read("661,3,1\n", spec)[0].label, 3);
  spec.ratings = {.user = "2"};
  EXPECT_EQ(ErrorOf("661,3,1\n", spec),
            "r:1: column 2 would be both user and item; name each by user: and "
            "item:");
}

TEST(RatingsReaderTest, EachPartMayHaveTheHeader) {
  SourceSpec spec = Ratings();
  spec.further_paths = {"s"};
  const auto all =
      ReadAll(spec, OpenMemory({{"r", "rating,user,item\n3,1,661\n"},
                                {"s", "rating,user,item\n4,2,661\n"}}));
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[1].label, 4);
}

// Another order at prediction changed user and item without a word.
TEST(RatingsReaderTest, FindsTheColumnsOfTheTrainingDataByName) {
  const std::vector<uint64_t> keys = {KeyOf(0, "1"), KeyOf(1, "661")};
  SourceSpec spec = Ratings();
  spec.ratings = {.user = "1", .item = "2", .rating = "3"};
  spec.like = ColumnNames{{"who", "what"}, "mark"};
  for (const char* text :
       {"who,what,mark\n1,661,3\n", "mark,what,who\n3,661,1\n",
        "movieId,userId,mark\n661,1,3\n", "1,661,3\n"}) {
    const auto all = Read(text, spec);
    ASSERT_EQ(all.size(), 1u) << text;
    EXPECT_EQ(all[0].label, 3) << text;
    EXPECT_EQ(all[0].keys, keys) << text;
  }
  EXPECT_EQ(ErrorOf("who,thing,mark\n1,661,3\n", spec),
            "r:1: there is no column 'what', which is the item of the training "
            "data, among 'who', 'thing', 'mark'");
  spec.has_labels = false;
  EXPECT_EQ(Read("what,who\n661,1\n", spec)[0].keys, keys);
  EXPECT_THAT(ErrorOf("filmId,person\n661,1\n", spec),
              HasSubstr("no column 'who', which is the user of the training"));
}

TEST(RatingsReaderTest, KeepsTheNamesAndTheOrderOfAHeader) {
  const auto read = [](const std::string& text, const SourceSpec& spec) {
    auto reader = *OpenReader(spec, OpenMemory({{"r", text}}));
    Example example;
    EXPECT_TRUE(reader->Next(&example).ok());
    return reader;
  };
  const auto other = read("rating,userId,movieId\n3,1,661\n", Ratings());
  EXPECT_EQ(other->Names(), (ColumnNames{{"userId", "movieId"}, "rating"}));
  EXPECT_EQ(other->ColumnOrder(), "2,3,1");
  EXPECT_EQ(read("user,item,rating\n1,2,3\n", Ratings())->ColumnOrder(), "");
  EXPECT_EQ(read("item,user\n1,2\n", Unrated())->ColumnOrder(), "2,1");
  const auto none = read("1,661,3\n", Ratings());
  EXPECT_EQ(none->Names(), std::nullopt);
  EXPECT_EQ(none->ColumnOrder(), "");
}

// The column that a job names for ratings need not be there to predict.
TEST(RatingsReaderTest, DataToPredictFromHasNoRating) {
  SourceSpec spec = Unrated();
  spec.ratings = {.user = "who", .item = "what", .rating = "mark"};
  EXPECT_EQ(Read("what,who\n661,1\n", spec)[0].keys[0], KeyOf(0, "1"));
}

// Surprise issue 87: the root of the mean squared error was 1614.
TEST(RatingsReaderTest, PointsOutAnOrderThatIsNotTheUsual) {
  const auto remarks = [](const std::string& text) {
    auto reader = *OpenReader(Ratings(), OpenMemory({{"r", text}}));
    Example example;
    while (*reader->Next(&example)) {
    }
    return reader->Remarks();
  };
  std::string other;
  std::string usual;
  std::string late;
  for (int i = 0; i < 60; ++i) {
    const std::string ids = absl::StrCat(i % 30, ",", 10 * i);
    other += absl::StrCat(1 + i % 5, ",", ids, "\n");
    usual += absl::StrCat(ids, ",", 1 + i % 5, "\n");
    late += absl::StrCat(ids, ",", 97830210 + i, ",", i % 9 * 0.5, "\n");
  }
  EXPECT_THAT(
      remarks(other),
      ElementsAre("column 3 is read as the rating, but has 60 "
                  "different whole numbers up to 590, as ids do; "
                  "column 1 has 5 from 1 to 5, as ratings do. If "
                  "column 1 is the rating, name the columns: user: 2, item: 3, "
                  "rating: 1"));
  EXPECT_THAT(remarks(late),
              ElementsAre(HasSubstr("user: 1, item: 2, rating: 4")));
  EXPECT_THAT(remarks(usual), ElementsAre());
  EXPECT_THAT(remarks("user,item,rating\n" + other), ElementsAre());
  EXPECT_THAT(ErrorOf("5,u1,B00\n"),
              HasSubstr("'B00' is not a number; without a header the columns "
                        "are user, item, rating. If column 1 is the rating, "
                        "name the columns: user: 2, item: 3, rating: 1"));
}

TEST(RatingsReaderTest, SuggestsTheDelimiterThatIsThere) {
  EXPECT_EQ(ErrorOf("1 661 3\n2 661 4\n"),
            "r:1: the line has no ',', but 3 parts between ' '; if that is the "
            "delimiter, say delimiter: whitespace");
}

TEST(RatingsReaderTest, SplitsAtTheDelimiterThatIsNamed) {
  SourceSpec spec = Ratings();
  for (const char* delimiter : {"|", "\x01", " ", "::"}) {
    spec.ratings.text.delimiter = delimiter;
    const std::string text = std::string("1") + delimiter + "661" + delimiter;
    EXPECT_EQ(Read(text + "3\n", spec)[0].keys[1], KeyOf(1, "661"));
  }
  spec.ratings.text.delimiter = kWhitespace;
  EXPECT_EQ(Read("1   661\t3\n", spec)[0].keys[1], KeyOf(1, "661"));
}

}  // namespace
}  // namespace ebb::data::internal
