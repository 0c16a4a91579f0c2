#include "data/dense_beside.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"
#include "data/dataset.h"
#include "data/formats/testing.h"
#include "data/keys.h"
#include "data/pack/packer.h"

namespace ebb::data {
namespace {

using As = RecordFeature::As;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Fields: 0 age, 1 price, 2 tags, 3 user. The first two are numbers.
SourceSpec Clicks(bool dense_beside) {
  SourceSpec spec;
  spec.kind = SourceKind::kJsonLines;
  spec.path = "f";
  spec.features = {{.name = "age", .as = As::kDense, .missing = 7},
                   {.name = "clicked", .as = As::kLabel},
                   {.name = "price", .as = As::kDense, .width = 2, .log = true},
                   {.name = "tags", .as = As::kKeys},
                   {.name = "user", .as = As::kKey}};
  spec.dense_beside = dense_beside;
  return spec;
}

constexpr char kClicks[] =
    R"({"user": "u1", "price": [0, 1], "tags": ["a", "b"], "clicked": 1}
{"user": "u2", "price": [3, 0], "tags": [], "clicked": 0, "age": 30}
{"user": "u1", "price": [8, 2], "tags": ["price"], "clicked": 1, "age": 0}
)";

OpenBytes Open() { return OpenMemory({{"f", kClicks}}); }

ExampleBatch All(const Dataset& data) {
  std::vector<int64_t> numbers(data.examples());
  std::iota(numbers.begin(), numbers.end(), 0);
  ExampleBatch batch;
  const absl::Status gathered = data.Gather(numbers, &batch);
  EXPECT_TRUE(gathered.ok()) << gathered;
  return batch;
}

// Each example as a text.
std::vector<std::string> TextsOf(const ExampleBatch& batch) {
  std::vector<std::string> texts;
  for (int64_t row = 0; row < batch.rows; ++row) {
    std::string text = absl::StrCat(batch.labels[row], "|");
    for (int64_t i = 0; i < batch.beside_width; ++i) {
      absl::StrAppend(&text, " ", batch.beside[row * batch.beside_width + i]);
    }
    for (int64_t e = batch.offsets[row]; e < batch.offsets[row + 1]; ++e) {
      absl::StrAppend(&text, " ", batch.fields[e], ":", batch.keys[e], ":",
                      batch.values[e]);
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

TEST(DenseBesideTest, NumbersStandBesideKeys) {
  const auto data = Dataset::Load(Clicks(true), Open());
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->features(), 4);
  const ExampleBatch batch = All(*data);
  EXPECT_EQ(batch.features, 2);
  EXPECT_EQ(batch.beside_width, 3);
  const auto log = [](double x) { return static_cast<float>(std::log1p(x)); };
  EXPECT_THAT(batch.beside,
              ElementsAre(7, 0, log(1), 30, log(3), 0, 0, log(8), log(2)));
  EXPECT_THAT(batch.offsets, ElementsAre(0, 3, 4, 6));
  // Keys are as without it; their fields are numbered anew.
  EXPECT_THAT(batch.keys,
              ElementsAre(KeyOf(2, "a"), KeyOf(2, "b"), KeyOf(3, "u1"),
                          KeyOf(3, "u2"), KeyOf(2, "price"), KeyOf(3, "u1")));
  EXPECT_THAT(batch.fields, ElementsAre(0, 0, 1, 1, 0, 1));
  EXPECT_THAT(batch.values, ElementsAre(1, 1, 1, 1, 1, 1));
}

// Models that do not take them so have the values of keys.
TEST(DenseBesideTest, NumbersAreEntriesElse) {
  const auto data = Dataset::Load(Clicks(false), Open());
  ASSERT_TRUE(data.ok()) << data.status();
  const ExampleBatch batch = All(*data);
  EXPECT_EQ(batch.features, 4);
  EXPECT_TRUE(batch.beside.empty());
  EXPECT_THAT(batch.offsets, ElementsAre(0, 6, 10, 15));
  // The index says the same, so jobs of all models share it.
  const auto other = Dataset::Load(Clicks(true), Open());
  EXPECT_EQ(data->index(), other->index());
  EXPECT_EQ(DenseShapeIn(data->index().meaning), "dense:0/1,1/2");
}

TEST(DenseBesideTest, APackedSetHasThemToo) {
  const TestFolder folder;
  const std::string set = folder / "set";
  const auto done =
      pack::PackSources({{"", Clicks(false)}}, set, {.window = 2}, Open());
  ASSERT_TRUE(done.ok()) << done.status();
  SourceSpec spec;
  spec.kind = SourceKind::kPacked;
  spec.path = set;
  spec.packed.keyed = true;
  spec.dense_beside = true;
  const auto packed = Dataset::Load(spec);
  ASSERT_TRUE(packed.ok()) << packed.status();
  EXPECT_EQ(DenseShapeIn(packed->index().meaning), "dense:0/1,1/2");
  const ExampleBatch found = All(*packed);
  const ExampleBatch wanted = All(*Dataset::Load(Clicks(true), Open()));
  EXPECT_EQ(found.features, wanted.features);
  EXPECT_EQ(found.beside_width, wanted.beside_width);
  EXPECT_THAT(TextsOf(found),
              ::testing::UnorderedElementsAreArray(TextsOf(wanted)));
  EXPECT_TRUE(Dataset::LoadIndexed(spec, packed->index()).ok());
  EXPECT_TRUE(Dataset::LoadLike(spec, packed->index()).ok());
  // Test data that was packed otherwise is refused.
  SourceSpec other = Clicks(false);
  other.features[0].as = As::kKeys;
  other.features[0].missing.reset();
  const std::string others = folder / "others";
  ASSERT_TRUE(
      pack::PackSources({{"", other}}, others, {.window = 2}, Open()).ok());
  spec.path = others;
  EXPECT_THAT(Dataset::LoadLike(spec, packed->index()).status().message(),
              HasSubstr("packed with other dense features"));
}

TEST(DenseBesideTest, AFieldIsOfNumbersOrOfKeys) {
  SourceSpec spec = Clicks(true);
  for (RecordFeature& feature : spec.features) {
    if (feature.as != As::kLabel) feature.field = 0;
  }
  const auto refused = Dataset::Load(spec, Open());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.status().message(),
              HasSubstr("several features have the field 0"));
  spec.dense_beside = false;
  EXPECT_TRUE(Dataset::Load(spec, Open()).ok());
}

TEST(DenseBesideTest, OtherMeaningsHaveNone) {
  for (const char* const meaning :
       {"", "csv columns=3,1,2", "images columns=28x28"}) {
    const auto beside = DenseBeside::Of(meaning, 4);
    ASSERT_TRUE(beside.ok()) << beside.status();
    EXPECT_EQ(beside->width(), 0);
    EXPECT_EQ(beside->fields(), 4);
  }
  for (const char* const bad :
       {"4/1", "1/x", "-1/1", "1/1,1/1", "1", "1/-1", "0/1048576,1/1"}) {
    EXPECT_FALSE(
        DenseBeside::Of(absl::StrCat("json columns=dense:", bad), 4).ok())
        << bad;
  }
}

// Data that is not what its index says.
TEST(DenseBesideTest, AnExampleWithOtherNumbersIsDamage) {
  const auto beside = DenseBeside::Of("json columns=dense:0/2", 2);
  ASSERT_TRUE(beside.ok());
  const std::vector<std::vector<Field>> wrong = {{0, 1}, {0, 0, 0}, {0, 0, 2}};
  for (const std::vector<Field>& fields : wrong) {
    ExampleBatch batch;
    batch.rows = 1;
    batch.fields = fields;
    batch.keys.assign(fields.size(), 5);
    batch.values.assign(fields.size(), 1);
    batch.offsets = {0, static_cast<int64_t>(fields.size())};
    EXPECT_EQ(beside->Split(&batch).code(), absl::StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace ebb::data
