#include "data/folds.h"

#include <bit>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/dataset.h"
#include "data/reader.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

// A table of rows with the columns x, user and y; x is the row's number.
SourceSpec Table() {
  SourceSpec spec;
  spec.kind = SourceKind::kCsv;
  spec.path = "a.csv";
  spec.csv.ignore = {"user"};
  return spec;
}

std::string Rows(const std::vector<std::string>& user_and_class) {
  std::string text = "x,user,y\n";
  for (size_t row = 0; row < user_and_class.size(); ++row) {
    absl::StrAppend(&text, row, ",", user_and_class[row], "\n");
  }
  return text;
}

absl::StatusOr<Dataset> Part(SourceSpec spec, const Folds& folds,
                             Split::Part part, const std::string& text,
                             const Index* training = nullptr) {
  spec.split = Split{.seed = 1, .part = part, .folds = folds};
  const OpenBytes open = OpenMemory({{"a.csv", text}});
  return training == nullptr ? Dataset::Load(spec, open)
                             : Dataset::LoadLike(spec, *training, open);
}

// The numbers of the rows.
std::vector<int> RowsOf(const Dataset& data) {
  std::vector<int64_t> all(static_cast<size_t>(data.examples()));
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
  ExampleBatch batch;
  EXPECT_TRUE(data.Gather(all, &batch).ok());
  return {batch.values.begin(), batch.values.end()};
}

TEST(FoldsTest, MatchTheVectorsOfTheSpecification) {
  const auto folds = [](uint64_t seed, uint64_t stratum, int64_t count,
                        int64_t places) {
    std::vector<int64_t> found;
    for (int64_t place = 0; place < places; ++place) {
      found.push_back(FoldOf(seed, stratum, place, count));
    }
    return found;
  };
  EXPECT_THAT(folds(1, 0, 5, 15),
              ElementsAre(4, 2, 1, 3, 0, 3, 4, 0, 2, 1, 4, 0, 2, 1, 3));
  EXPECT_THAT(folds(7, 0, 3, 9), ElementsAre(1, 2, 0, 2, 0, 1, 1, 0, 2));
  EXPECT_THAT(folds(1, uint64_t{std::bit_cast<uint32_t>(2.0F)} + 1, 5, 10),
              ElementsAre(2, 1, 4, 0, 3, 2, 0, 4, 3, 1));
}

TEST(FoldsTest, EachExampleIsTestedOnInOneFold) {
  std::vector<std::string> rows;
  for (int i = 0; i < 23; ++i) rows.push_back(absl::StrCat("u,", i % 2));
  const std::string text = Rows(rows);
  std::multiset<int> tested;
  for (int64_t fold = 0; fold < 4; ++fold) {
    const Folds folds = {.count = 4, .test = fold};
    const auto train = Part(Table(), folds, Split::Part::kTrain, text);
    ASSERT_TRUE(train.ok()) << train.status();
    const auto test =
        Part(Table(), folds, Split::Part::kTest, text, &train->index());
    ASSERT_TRUE(test.ok()) << test.status();
    EXPECT_EQ(train->examples() + test->examples(), 23);
    EXPECT_GE(test->examples(), 5);
    EXPECT_LE(test->examples(), 6);
    const std::vector<int> held_out = RowsOf(*test);
    tested.insert(held_out.begin(), held_out.end());
    std::set<int> both(held_out.begin(), held_out.end());
    for (const int row : RowsOf(*train)) both.insert(row);
    EXPECT_EQ(both.size(), 23u);
    for (const int row : held_out) EXPECT_EQ(FoldOf(1, 0, row, 4), fold);
  }
  EXPECT_EQ(tested.size(), 23u);
  EXPECT_EQ(std::set<int>(tested.begin(), tested.end()).size(), 23u);
}

TEST(FoldsTest, StratifiedFoldsHaveEachClassInTheSameShare) {
  std::vector<std::string> rows;
  for (int i = 0; i < 100; ++i) {
    rows.push_back(i < 80 ? "u,common" : i < 95 ? "u,rare" : "u,scarce");
  }
  const std::string text = Rows(rows);
  for (int64_t fold = 0; fold < 5; ++fold) {
    const Folds folds = {.count = 5, .test = fold, .stratified = true};
    const auto train = Part(Table(), folds, Split::Part::kTrain, text);
    ASSERT_TRUE(train.ok()) << train.status();
    const auto test =
        Part(Table(), folds, Split::Part::kTest, text, &train->index());
    ASSERT_TRUE(test.ok()) << test.status();
    std::map<float, int> counts;
    for (const float label : test->labels()) ++counts[label];
    EXPECT_THAT(counts, ElementsAre(std::pair(0.F, 16), std::pair(1.F, 3),
                                    std::pair(2.F, 1)));
  }
}

TEST(FoldsTest, AGroupIsInOneFold) {
  std::vector<std::string> rows;
  for (int i = 0; i < 60; ++i) {
    rows.push_back(absl::StrCat("u", i * 7 % 12, ",", i % 2));
  }
  const std::string text = Rows(rows);
  std::map<std::string, int64_t> fold_of;
  std::vector<int> users(3);
  for (int64_t fold = 0; fold < 3; ++fold) {
    const Folds folds = {.count = 3, .test = fold, .group = "user"};
    const auto train = Part(Table(), folds, Split::Part::kTrain, text);
    ASSERT_TRUE(train.ok()) << train.status();
    const auto test =
        Part(Table(), folds, Split::Part::kTest, text, &train->index());
    ASSERT_TRUE(test.ok()) << test.status();
    for (const int row : RowsOf(*test)) {
      const std::string user = absl::StrCat("u", row * 7 % 12);
      const auto [known, is_new] = fold_of.emplace(user, fold);
      EXPECT_EQ(known->second, fold) << user;
      if (is_new) ++users[static_cast<size_t>(fold)];
    }
  }
  EXPECT_EQ(fold_of.size(), 12u);
  EXPECT_THAT(users, ElementsAre(4, 4, 4));
}

TEST(FoldsTest, AFoldWithoutAClassIsAnError) {
  std::vector<std::string> rows;
  for (int i = 0; i < 40; ++i) {
    rows.push_back(i < 37 ? "u,common" : "u,rare");
  }
  Folds folds = {.count = 5, .test = 0, .stratified = true};
  const auto stratified = Part(Table(), folds, Split::Part::kTrain, Rows(rows));
  EXPECT_EQ(stratified.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(stratified.status().message(),
              HasSubstr("(they count from 0) has no example of the class rare, "
                        "which has 3; figures of classes need an example of "
                        "each class in each fold; take at most 3 folds, or "
                        "leave the class out"));
  EXPECT_EQ(stratified.status().GetPayload(kFoldWithoutClass), "2");
  // A fold for each example.
  folds = {.count = 40, .test = 0, .stratified = true};
  EXPECT_THAT(
      Part(Table(), folds, Split::Part::kTrain, Rows(rows)).status().message(),
      AllOf(HasSubstr("leave-one-out is for values only"),
            HasSubstr("take at most 3 folds")));
  rows.back() = "u,once";
  EXPECT_THAT(std::string(Part(Table(), folds, Split::Part::kTrain, Rows(rows))
                              .status()
                              .message()),
              EndsWith("for values only; leave the class out"));
  folds = {.count = 5, .test = 0, .stratified = true};
  // Enough of them, which stand where chance does not reach every fold.
  rows.assign(60, "u,0");
  for (int64_t row = 0; row < 60; ++row) {
    if (FoldOf(1, 0, row, 5) < 2) rows[static_cast<size_t>(row)] = "u,1";
  }
  folds.stratified = false;
  EXPECT_THAT(
      Part(Table(), folds, Split::Part::kTrain, Rows(rows)).status().message(),
      HasSubstr("take stratified: true"));
}

TEST(FoldsTest, TooFewExamplesOrGroupsAreAnError) {
  const std::string text = Rows({"a,0", "a,1", "b,0", "b,1", "b,1"});
  EXPECT_THAT(
      Part(Table(), {.count = 7}, Split::Part::kTrain, text).status().message(),
      HasSubstr("a.csv has 5 examples, too few for 7 folds; take at most 5 "
                "folds"));
  EXPECT_THAT(
      Part(Table(), {.count = 3, .group = "user"}, Split::Part::kTrain, text)
          .status()
          .message(),
      HasSubstr("a.csv has 2 different values in the column 'user', too few "
                "for 3 folds"));
  EXPECT_THAT(
      Part(Table(), {.count = 2, .group = "usr"}, Split::Part::kTrain, text)
          .status()
          .message(),
      HasSubstr("usr"));
}

TEST(FoldsTest, WrongFoldsAreRefused) {
  const auto refused = [](const Folds& folds, SourceSpec spec) {
    spec.split = Split{.folds = folds};
    return std::string(spec.Validate().message());
  };
  EXPECT_THAT(refused({.count = 1}, Table()),
              HasSubstr("there are 1 folds, not 2 to 1000"));
  EXPECT_THAT(refused({.count = 3, .test = 3}, Table()),
              HasSubstr("fold 3 is not one of 3"));
  EXPECT_THAT(
      refused({.count = 3, .stratified = true, .group = "user"}, Table()),
      HasSubstr("cannot be stratified"));
  SourceSpec numbers = Table();
  numbers.label_kind = LabelKind::kReal;
  EXPECT_THAT(refused({.count = 3, .stratified = true}, numbers),
              HasSubstr("need labels that are classes"));
  SourceSpec libsvm = Table();
  libsvm.kind = SourceKind::kLibsvm;
  EXPECT_THAT(refused({.count = 3, .group = "user"}, libsvm),
              HasSubstr("libsvm has no columns"));
}

TEST(FoldsTest, AnIndexIsOfItsFold) {
  SourceSpec one = Table();
  one.split = Split{.seed = 7, .folds = {.count = 5, .test = 2}};
  EXPECT_THAT(one.Meaning(), HasSubstr(" folds=train/2/5/7 "));
  one.split->folds.stratified = true;
  EXPECT_THAT(one.Meaning(), HasSubstr(" folds=train/2/5/stratified/7 "));
  one.split->folds = {.count = 5, .test = 2, .group = "user"};
  EXPECT_THAT(one.Meaning(), HasSubstr(" folds=train/2/5/group='user'/7 "));
}

}  // namespace
}  // namespace ebb::data
