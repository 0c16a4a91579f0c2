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

// Bug: ids of 54 bits became equal without a word, before float32 was asked.
TEST(LostDigitsTest, NamesTheColumnOfNumbersThatNoDoubleTellsApart) {
  constexpr int64_t kId = int64_t{1} << 53;
  const std::string merged =
      " has 9007199254740992 and 9007199254740993, which are one number to "
      "ebb: it reads numbers as float64, whose steps are 2 there. ";
  const auto of_table = [&](bool minus) {
    const auto cell = [&](int i) {
      return absl::StrCat(minus ? "-" : "", kId + i % 2);
    };
    const auto data = Dataset::Load(Plain(Table()),
                                    OpenMemory({{"t.csv", Rows(kRows, cell)}}));
    EXPECT_TRUE(data.ok()) << data.status();
    return data->remarks();
  };
  EXPECT_THAT(of_table(false),
              Contains(absl::StrCat(
                  "column 1 ('time')", merged,
                  "If they are codes, name the column in categorical, or in "
                  "ignore; else make two columns of it")));
  EXPECT_THAT(of_table(true),
              Contains(HasSubstr("has -9007199254740992 and "
                                 "-9007199254740993, which are one number")));
  std::string signed_ids, ids, labels;
  for (int i = 0; i < kRows; ++i) {
    signed_ids += BytesOf<int64_t>({kId + i % 2});
    ids += BytesOf<uint64_t>({(uint64_t{1} << 63) + i % 2});
    labels += BytesOf<int64_t>({i % 2});
  }
  const auto of_array = [&](const char* type, const std::string& numbers) {
    const auto data = Dataset::Load(
        {.kind = SourceKind::kNpy,
         .npy = {.features = "X.npy", .labels = "y.npy"}},
        OpenMemory(
            {{"X.npy", Npy(type, absl::StrCat("(", kRows, ", 1)"), numbers)},
             {"y.npy", Npy("<i8", absl::StrCat("(", kRows, ",)"), labels)}}));
    EXPECT_TRUE(data.ok()) << data.status();
    return data->remarks();
  };
  EXPECT_THAT(of_array("<i8", signed_ids),
              Contains(HasSubstr("feature 1 of 1" + merged)));
  EXPECT_THAT(of_array("<u8", ids),
              Contains(HasSubstr("has 9223372036854775808 and "
                                 "9223372036854775809, which are one number")));
}

TEST(LostDigitsTest, LargeNumbersThatStayDifferentAreKept) {
  constexpr int64_t kId = int64_t{1} << 53;
  const auto data = Dataset::Load(
      Plain(Table()),
      OpenMemory({{"t.csv", Rows(kRows, [](int i) { return kId + 2 * i; })}}));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->remarks(), Not(Contains(HasSubstr("one number"))));
  const std::vector<double> numbers = Numbers(*data);
  EXPECT_EQ(numbers[7] - numbers[0], 14);
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

// The remarks on training data in `file`.
std::vector<std::string> RemarksOn(const SourceSpec& spec,
                                   const std::string& file) {
  const auto data = Dataset::Load(spec, OpenMemory({{spec.path, file}}));
  EXPECT_TRUE(data.ok()) << data.status();
  return data.ok() ? data->remarks() : std::vector<std::string>();
}

constexpr char kMerged[] =
    " has 16777217 and 16777216, which are one number to ebb: its features are "
    "float32, whose steps are 2 there. ";

// Bug: ids in records became equal without a word.
TEST(LostDigitsTest, NamesTheFeatureOfRecords) {
  using As = RecordFeature::As;
  const SourceSpec dense = {.kind = SourceKind::kJsonLines,
                            .path = "f",
                            .features = {{.name = "x"},
                                         {.name = "id", .width = 2},
                                         {.name = "y", .as = As::kLabel}}};
  const auto rows = [](int64_t first) {
    std::string text;
    for (int i = 0; i < kRows; ++i) {
      absl::StrAppend(&text, "{\"x\": ", i % 7, ", \"id\": [1, ", first + i % 2,
                      "], \"w\": \"a\", \"y\": ", i % 2, "}\n");
    }
    return text;
  };
  EXPECT_THAT(RemarksOn(dense, rows(16777216)),
              ElementsAre(absl::StrCat("feature \"id[1]\"", kMerged,
                                       "If they are codes, say as: key; else "
                                       "make two features of it")));
  EXPECT_THAT(RemarksOn(dense, rows(16777214)), ElementsAre());
  EXPECT_THAT(RemarksOn(dense, rows(int64_t{1} << 53)),
              ElementsAre(HasSubstr("feature \"id[1]\" has 9007199254740992 "
                                    "and 9007199254740993, which are one")));
  // A scale does not tell them apart, and neither does a key beside them.
  SourceSpec scaled = dense;
  scaled.scale = 0.5;
  EXPECT_THAT(
      RemarksOn(scaled, rows(16777216)),
      ElementsAre(HasSubstr("\" has 8388608.5 and 8388608, which are")));
  SourceSpec beside = dense;
  beside.features.insert(beside.features.begin(),
                         {.name = "w", .as = As::kKey});
  EXPECT_THAT(RemarksOn(beside, rows(16777216)),
              ElementsAre(HasSubstr(absl::StrCat("\"id[1]\"", kMerged))));
  SourceSpec log = dense;
  log.features[1].log = true;
  EXPECT_THAT(
      RemarksOn(log, rows(16777216)),
      ElementsAre(HasSubstr("feature \"id[1]\" (log: true) has 16.6355")));
}

// Bug: values of libsvm data became equal without a word.
TEST(LostDigitsTest, NamesTheFeatureOfLibsvmData) {
  SourceSpec spec = {.kind = SourceKind::kLibsvm, .path = "f"};
  const auto rows = [](int64_t first) {
    std::string text;
    for (int i = 0; i < kRows; ++i) {
      absl::StrAppend(&text, i % 2, " 1:3 4:", first + i % 2, "\n");
    }
    return text;
  };
  const std::string remark = absl::StrCat(
      "feature 4", kMerged,
      "If they are codes, give each an id of its own with the value 1; else "
      "make two features of it");
  EXPECT_THAT(RemarksOn(spec, rows(16777216)), Contains(remark));
  EXPECT_THAT(RemarksOn(spec, rows(16777214)),
              Not(Contains(HasSubstr("one number"))));
  EXPECT_THAT(RemarksOn(spec, rows(int64_t{1} << 53)),
              Contains(HasSubstr("feature 4 has 9007199254740992 and "
                                 "9007199254740993, which are one")));
  spec.libsvm.keys = true;
  EXPECT_THAT(RemarksOn(spec, rows(16777216)), Contains(remark));
}

// Bug: neither values beside the field of a libffm row nor those of a large key
// were looked at.
TEST(LostDigitsTest, NamesTheFieldAndTheKeyOfSparseRows) {
  constexpr absl::string_view kKey = "18446744073709551615";
  const auto rows = [&](absl::string_view front, int64_t first) {
    std::string text;
    for (int i = 0; i < kRows; ++i) {
      absl::StrAppend(&text, i % 2, " ", front, kKey, ":", first + i % 2, "\n");
    }
    return text;
  };
  const absl::string_view advice =
      "If they are codes, give each an id of its own with the value 1; else "
      "make two features of it";
  const SourceSpec libffm = {.kind = SourceKind::kLibffm, .path = "f"};
  EXPECT_THAT(RemarksOn(libffm, rows("0:7:1 2:", 16777216)),
              ElementsAre(absl::StrCat("feature ", kKey, " of field 2", kMerged,
                                       advice)));
  EXPECT_THAT(RemarksOn(libffm, rows("2:", 16777214)), ElementsAre());
  EXPECT_THAT(RemarksOn(libffm, rows("2:", int64_t{1} << 53)),
              ElementsAre(HasSubstr(" of field 2 has 9007199254740992 and "
                                    "9007199254740993, which are one")));
  // The same key of another field is another feature.
  std::string fields;
  for (int i = 0; i < kRows; ++i) {
    absl::StrAppend(&fields, "1 0:7:16777216 1:7:16777217\n");
  }
  EXPECT_THAT(RemarksOn(libffm, fields), ElementsAre());
  EXPECT_THAT(
      RemarksOn(
          {.kind = SourceKind::kLibsvm, .path = "f", .libsvm = {.keys = true}},
          rows("7:1 ", 16777216)),
      ElementsAre(absl::StrCat("feature ", kKey, kMerged, advice)));
}

}  // namespace
}  // namespace ebb::data::internal
