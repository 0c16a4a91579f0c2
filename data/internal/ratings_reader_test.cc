#include <string>
#include <vector>

#include "data/byte_source.h"
#include "data/internal/testing.h"
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
  EXPECT_EQ(ErrorOf("1,661,good\n"),
            "r:1: the rating is 'good', which is not a number; nor is the line "
            "a header, for it has the number '1'");
  EXPECT_EQ(ErrorOf("ann,ring,\n"),
            "r:1: label: an empty field is not a number");
  EXPECT_EQ(ErrorOf("user,item,rating\nuser,item,rating\n"),
            "r:2: label: 'rating' is not a number");
}

TEST(RatingsReaderTest, RefusesOtherNumbersOfFields) {
  EXPECT_EQ(ErrorOf("1,2,3\n1,2\n"),
            "r:2: the line has 2 fields between ',', the delimiter of the "
            "first line; user, item and rating are needed, and a time may "
            "follow");
  EXPECT_THAT(ErrorOf("1\t2\t3\n1,2,3\n"), HasSubstr("1 fields between '\\t'"));
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

}  // namespace
}  // namespace ebb::data::internal
