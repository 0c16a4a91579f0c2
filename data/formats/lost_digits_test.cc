#include "data/formats/lost_digits.h"

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "data/dataset.h"
#include "data/formats/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kNow = 1700000000;
constexpr int kRows = 2000;

SourceSpec Table() { return {.kind = SourceKind::kCsv, .path = "t.csv"}; }

// A row of each i: `cell` and a label.
template <typename Cell>
std::string Rows(int rows, const Cell& cell) {
  std::string text = "time,y\n";
  for (int i = 0; i < rows; ++i)
    absl::StrAppend(&text, cell(i), ",", i % 2, "\n");
  return text;
}

std::string Seconds(int rows) {
  return Rows(rows, [](int i) { return kNow + 7 * i; });
}

// The only feature of all examples, and its origin.
std::vector<double> Numbers(const Dataset& data) {
  std::vector<int64_t> all(data.examples());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
  ExampleBatch batch;
  EXPECT_TRUE(data.Gather(all, &batch).ok());
  std::vector<double> numbers;
  for (const float value : batch.values) {
    numbers.push_back(static_cast<double>(value) +
                      data.index().encoding.OriginOf(0));
  }
  return numbers;
}

SourceSpec Plain(SourceSpec spec) {
  spec.standardise = false;
  return spec;
}

// Bug: seconds since 1970 stepped by 128.
TEST(LostDigitsTest, ATableKeepsEverySecond) {
  const auto data =
      Dataset::Load(Plain(Table()), OpenMemory({{"t.csv", Seconds(kRows)}}));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->index().encoding.origins,
              ElementsAre(kNow + 7 * kRows / 2 - 4));
  const std::vector<double> numbers = Numbers(*data);
  ASSERT_EQ(numbers.size(), kRows);
  for (int i = 0; i < kRows; ++i) EXPECT_EQ(numbers[i], kNow + 7 * i);
  EXPECT_THAT(data->remarks(),
              Contains(HasSubstr("column 1 ('time') is counted from 1700006996 "
                                 "on, as float32 would lose")));
}

TEST(LostDigitsTest, OtherDataIsCountedFromTheSameOrigin) {
  const auto train =
      Dataset::Load(Plain(Table()), OpenMemory({{"t.csv", Seconds(kRows)}}));
  ASSERT_TRUE(train.ok()) << train.status();
  const std::string other = Rows(3, [](int i) { return kNow + 50000 + i; });
  const auto test = Dataset::LoadLike(Plain(Table()), train->index(),
                                      OpenMemory({{"t.csv", other}}));
  ASSERT_TRUE(test.ok()) << test.status();
  EXPECT_THAT(Numbers(*test),
              ElementsAre(kNow + 50000, kNow + 50001, kNow + 50002));
  const auto again = Dataset::LoadIndexed(
      Plain(Table()), train->index(), OpenMemory({{"t.csv", Seconds(kRows)}}));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->index(), train->index());
  EXPECT_EQ(Numbers(*again), Numbers(*train));
  const auto decoded = Index::Decode(train->index().Encode());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, train->index());
}

// Bug: dates stepped by 169 s.
TEST(LostDigitsTest, ATableKeepsTheSecondsOfDates) {
  const std::string text = Rows(kRows, [](int i) {
    return absl::StrFormat("2024-%02d-03 11:%02d:%02d", 3 + i / 1000,
                           i / 60 % 60, i % 60);
  });
  const auto data =
      Dataset::Load(Plain(Table()), OpenMemory({{"t.csv", text}}));
  ASSERT_TRUE(data.ok()) << data.status();
  const std::vector<double> numbers = Numbers(*data);
  for (int i = 1; i < kRows; ++i) {
    if (i == 1000) continue;
    EXPECT_NEAR((numbers[i] - numbers[i - 1]) * 86400, 1, 0.2) << i;
  }
}

TEST(LostDigitsTest, ArraysKeepThem) {
  std::string doubles, whole, labels;
  for (int i = 0; i < kRows; ++i) {
    doubles += BytesOf<double>({static_cast<double>(kNow) + 0.25 * i});
    whole += BytesOf<int64_t>({kNow + i});
    labels += BytesOf<int64_t>({i % 2});
  }
  const std::string shape = absl::StrCat("(", kRows, ", 1)");
  const SourceSpec spec = {.kind = SourceKind::kNpy,
                           .npy = {.features = "X.npy", .labels = "y.npy"}};
  const std::string y = Npy("<i8", absl::StrCat("(", kRows, ",)"), labels);
  const auto load = [&](std::string X) {
    return Dataset::Load(spec,
                         OpenMemory({{"X.npy", std::move(X)}, {"y.npy", y}}));
  };
  const auto of_doubles = load(Npy("<f8", shape, doubles));
  ASSERT_TRUE(of_doubles.ok()) << of_doubles.status();
  EXPECT_EQ(Numbers(*of_doubles)[1001], kNow + 250.25);
  const auto of_whole = load(Npy("<i8", shape, whole));
  ASSERT_TRUE(of_whole.ok()) << of_whole.status();
  EXPECT_EQ(Numbers(*of_whole)[1001], kNow + 1001);
  // Bytes in the format of such training data are moved, too.
  const auto bytes = Dataset::LoadLike(
      {.kind = SourceKind::kNpy,
       .has_labels = false,
       .npy = {.features = "X.npy"}},
      of_whole->index(), OpenMemory({{"X.npy", Npy("|u1", "(1, 1)", "\x05")}}));
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_NEAR(Numbers(*bytes)[0], 5, 128);
}

TEST(LostDigitsTest, MissingValuesAndTheScaleAreFromTheOrigin) {
  SourceSpec spec = Plain(Table());
  spec.scale = 2;
  spec.csv.missing = CsvOptions::Missing::kConstant;
  spec.csv.missing_value = static_cast<double>(kNow) + 5;
  const auto data =
      Dataset::Load(spec, OpenMemory({{"t.csv", Seconds(kRows) + ",1\n"}}));
  ASSERT_TRUE(data.ok()) << data.status();
  const std::vector<double> numbers = Numbers(*data);
  EXPECT_EQ(numbers[1], 2 * (kNow + 7));
  EXPECT_EQ(numbers.back(), 2 * (kNow + 5));
}

TEST(LostDigitsTest, TextBesideThemKeepsItsFeatures) {
  const std::string text = Rows(kRows, [](int i) {
    return absl::StrCat(i % 3 == 0 ? "a" : "b", ",", kNow + i);
  });
  const auto data =
      Dataset::Load(Plain(Table()), OpenMemory({{"t.csv", "kind," + text}}));
  ASSERT_TRUE(data.ok()) << data.status();
  const std::vector<double>& origins = data->index().encoding.origins;
  ASSERT_EQ(origins.size(), 4);  // a, b, other, time
  EXPECT_EQ(origins[0] + origins[1] + origins[2], 0);
  EXPECT_NEAR(origins[3], kNow, kRows);
}

TEST(LostDigitsTest, ColumnsThatLoseNothingStayAsTheyAre) {
  const auto origins_of = [](const auto& cell) {
    const auto data = Dataset::Load(Plain(Table()),
                                    OpenMemory({{"t.csv", Rows(kRows, cell)}}));
    EXPECT_TRUE(data.ok()) << data.status();
    EXPECT_THAT(data->remarks(), Not(Contains(HasSubstr("float32"))));
    return data->index().encoding.origins.size();
  };
  EXPECT_EQ(origins_of([](int i) { return 1990 + i % 40; }), 0);
  EXPECT_EQ(origins_of([](int i) { return 1000 + std::sin(i) * 30; }), 0);
  EXPECT_EQ(origins_of([](int i) {
              return absl::StrFormat("%.17g", 1000 + std::sin(i) * 30);
            }),
            0);
  EXPECT_EQ(origins_of([](int i) { return 0.1 * i; }), 0);
  EXPECT_EQ(origins_of([](int i) {
              return absl::StrFormat("2024-03-%02d", 1 + i % 28);
            }),
            0);
  // Far apart: all stay different.
  EXPECT_EQ(origins_of([](int i) { return int64_t{1001} * 1000 * i + 3; }), 0);
}

// Bug: ids became equal without a word.
TEST(LostDigitsTest, NamesTheColumnThatNoOriginKeeps) {
  const std::string text =
      Rows(kRows, [](int i) { return i % 2 * 800000000 + 100000000 + i; });
  const auto data =
      Dataset::Load(Plain(Table()), OpenMemory({{"t.csv", text}}));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(
      data->remarks(),
      Contains(HasSubstr("column 1 ('time') has 900000001 and 900000003, which "
                         "are one number to ebb: its features are float32, "
                         "whose steps are 64 there. If they are codes, name "
                         "the column in categorical")));
  // Other formats have no origins. So they cannot be test data beside them.
  const auto train =
      Dataset::Load(Plain(Table()), OpenMemory({{"t.csv", Seconds(kRows)}}));
  const auto test = Dataset::LoadLike(
      {.kind = SourceKind::kIdx,
       .has_labels = false,
       .idx = {.images = "images"}},
      train->index(), OpenMemory({{"images", Idx({1, 1}, "a")}}));
  EXPECT_THAT(std::string(test.status().message()),
              HasSubstr("is read as idx, which keeps fewer digits than the "
                        "training data, read as csv"));
}

}  // namespace
}  // namespace ebb::data::internal
