#include "data/generate/generator.h"

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "data/formats/testing.h"
#include "data/generate/analogies.h"
#include "data/generate/click_log.h"
#include "data/generate/clusters.h"
#include "data/generate/documents.h"
#include "data/generate/images.h"
#include "data/generate/linear.h"
#include "data/generate/ratings.h"
#include "data/keys.h"
#include "data/source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::generate {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// The files of a part.
std::vector<std::string> Make(Generator* generator, int64_t rows,
                              Part part = Part::kTrain) {
  std::vector<std::string> files(generator->Suffixes().size());
  generator->Start(part, rows, files);
  for (int64_t row = 0; row < rows; ++row) generator->Append(row, files);
  return files;
}

double Known(const Generator& generator, const std::string& name) {
  for (const Fact& fact : generator.Known()) {
    if (fact.name == name) return std::get<double>(fact.value);
  }
  ADD_FAILURE() << name;
  return 0;
}

uint64_t HashOf(const std::vector<std::string>& files) {
  uint64_t hash = 0;
  for (const std::string& file : files) {
    for (const char c : file) {
      hash = HashAppend(hash, static_cast<unsigned char>(c));
    }
  }
  return hash;
}

std::vector<std::string> Lines(const std::string& text) {
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

// --- What all of them promise ------------------------------------------------

struct Case {
  std::string name;
  std::function<std::unique_ptr<Generator>(uint64_t seed)> make;
  uint64_t hash;  // Of 100 rows of seed 1.
};

template <typename Made, typename Options>
Case CaseOf(std::string name, Options options, uint64_t hash) {
  const auto make = [options](uint64_t seed) {
    Options seeded = options;
    seeded.seed = seed;
    EXPECT_TRUE(seeded.Validate().ok()) << seeded.Validate();
    return std::make_unique<Made>(seeded);
  };
  return {std::move(name), make, hash};
}

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

class GeneratorTest : public ::testing::TestWithParam<Case> {};

// Whatever changes these bytes needs a new kVersion.
TEST_P(GeneratorTest, BytesAreTheSameEverywhere) {
  EXPECT_EQ(HashOf(Make(GetParam().make(1).get(), 100)), GetParam().hash);
}

TEST_P(GeneratorTest, MoreRowsBeginWithFewer) {
  const auto generator = GetParam().make(1);
  std::vector<std::string> few = Make(generator.get(), 10);
  std::vector<std::string> more = Make(generator.get(), 30);
  for (size_t i = 0; i < few.size(); ++i) {
    // Only IDX says how many there are.
    if (GetParam().name == "images") few[i][7] = more[i][7];
    EXPECT_THAT(more[i], StartsWith(few[i]));
  }
}

TEST_P(GeneratorTest, SeedsAndPartsDiffer) {
  const std::set<uint64_t> hashes = {
      HashOf(Make(GetParam().make(1).get(), 20)),
      HashOf(Make(GetParam().make(2).get(), 20)),
      HashOf(Make(GetParam().make(1).get(), 20, Part::kTest))};
  EXPECT_EQ(hashes.size(), 3);
}

INSTANTIATE_TEST_SUITE_P(
    All, GeneratorTest,
    ::testing::Values(
        CaseOf<ClickLog>("clicks", ClickOptions(), 0x4a6c6af455b47438),
        CaseOf<ClickLog>("aware",
                         ClickOptions{.format = ClickFormat::kLibffm,
                                      .fields = 3,
                                      .numeric = 2,
                                      .field_aware = true},
                         0x59d4aa09621c476d),
        CaseOf<ClickLog>("criteo",
                         ClickOptions{.format = ClickFormat::kCriteo,
                                      .numeric = 2},
                         0x7ceecc44feafcd50),
        CaseOf<Ratings>("ratings", RatingOptions{.time = true},
                        0xbbf85cfbb800973f),
        CaseOf<Linear>("linear", LinearOptions(), 0xbd45b5884a865264),
        CaseOf<Linear>("logistic",
                       LinearOptions{.logistic = true,
                                     .libsvm = true,
                                     .features = 1000,
                                     .density = 0.01},
                       0xebd77cccc693c1cf),
        CaseOf<Clusters>("clusters", ClusterOptions(), 0xde187cfe338d0672),
        CaseOf<Documents>("documents", DocumentOptions(), 0x35117f92c336977e),
        CaseOf<Images>("images", ImageOptions(), 0x951820ab4b48ee5d),
        CaseOf<Analogies>("analogies", AnalogyOptions(), 0x625828b69ca941b7)),
    [](const auto& info) { return info.param.name; });

// --- Analogies ---------------------------------------------------------------

TEST(AnalogiesTest, LinesAreAboutAWordAndItsProperties) {
  Analogies analogies({.first = 3, .second = 4, .length = 9, .noise = 0});
  std::vector<std::string> files(2);
  analogies.Start(Part::kTrain, 50, files);
  for (int64_t row = 0; row < 50; ++row) analogies.Append(row, files);
  for (const absl::string_view line :
       absl::StrSplit(files[0], '\n', absl::SkipEmpty())) {
    std::set<absl::string_view> subjects, first, second;
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    EXPECT_EQ(words.size(), 9u);
    for (const absl::string_view word : words) {
      if (absl::StrContains(word, 'n')) {
        (word[0] == 'p' ? first : second).insert(word.substr(0, 2));
      } else {
        subjects.insert(word);
      }
    }
    EXPECT_LE(subjects.size(), 1u) << line;
    EXPECT_LE(first.size(), 1u) << line;
    EXPECT_LE(second.size(), 1u) << line;
  }
  for (const absl::string_view line :
       absl::StrSplit(files[1], '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    ASSERT_EQ(words.size(), 4u);
    EXPECT_EQ(words[0].substr(0, 2), words[1].substr(0, 2));
    EXPECT_EQ(words[2].substr(0, 2), words[3].substr(0, 2));
    EXPECT_EQ(words[0].substr(2), words[2].substr(2));
    EXPECT_EQ(words[1].substr(2), words[3].substr(2));
    EXPECT_NE(words[0], words[1]);
    EXPECT_NE(words[0], words[2]);
  }
  EXPECT_EQ(std::get<int64_t>(analogies.Known()[0].value), 450);
}

// --- Clicks ------------------------------------------------------------------

TEST(ClickLogTest, TheTrueLossIsTheEntropyButForLuck) {
  for (const bool aware : {false, true}) {
    ClickLog clicks(
        {.fields = 6, .numeric = 2, .field_aware = aware, .rate = 0.1});
    Make(&clicks, 20'000);
    const double entropy = Known(clicks, "entropy");
    const double error = Known(clicks, "standard_error");
    EXPECT_NEAR(Known(clicks, "log_loss"), entropy, 4 * error);
    EXPECT_LT(error, 0.01);
    EXPECT_NEAR(Known(clicks, "positive_share"), 0.1, 0.015);
    // There is something to learn.
    EXPECT_LT(entropy + 10 * error, Known(clicks, "constant_log_loss"));
  }
}

TEST(ClickLogTest, InteractionsAreThereToBeLearned) {
  ClickLog linear({.rank = 0});
  ClickLog all({.rank = 4});
  Make(&linear, 20'000);
  Make(&all, 20'000);
  EXPECT_LT(Known(all, "entropy"), Known(linear, "entropy") - 0.02);
}

TEST(ClickLogTest, FormatsHoldTheSameRows) {
  const auto rows = [](ClickFormat format) {
    ClickLog clicks(
        {.format = format, .fields = 2, .numeric = 1, .vocabulary = {5, 50}});
    return Lines(Make(&clicks, 300)[0]);
  };
  const auto libsvm = rows(ClickFormat::kLibsvm);
  const auto libffm = rows(ClickFormat::kLibffm);
  const auto criteo = rows(ClickFormat::kCriteo);
  const auto csv = rows(ClickFormat::kCsv);
  EXPECT_EQ(csv[0], "label,I1,C1,C2");
  std::map<std::string, std::set<std::string>> hex_of;
  for (size_t row = 0; row < libsvm.size(); ++row) {
    const std::vector<std::string> words = absl::StrSplit(libsvm[row], ' ');
    ASSERT_EQ(words.size(), 4);
    EXPECT_THAT(words[1], StartsWith("1:"));
    EXPECT_EQ(libffm[row], words[0] + " 0:" + words[1] + " 1:" + words[2] +
                               " 2:" + words[3]);
    std::vector<std::string> cells = absl::StrSplit(criteo[row], '\t');
    EXPECT_EQ(csv[row + 1], absl::StrJoin(cells, ","));
    ASSERT_EQ(cells.size(), 4);
    EXPECT_EQ(cells[0], words[0]);
    EXPECT_EQ("1:" + cells[1], words[1]);
    hex_of[words[2]].insert("C1 " + cells[2]);
    hex_of[words[3]].insert("C2 " + cells[3]);
  }
  // A hexadecimal word for each value, and one only.
  std::set<std::string> hex;
  for (const auto& [id, of_id] : hex_of) {
    EXPECT_EQ(of_id.size(), 1);
    hex.insert(*of_id.begin());
  }
  EXPECT_EQ(hex.size(), hex_of.size());
  EXPECT_GT(hex.size(), 30);
}

TEST(ClickLogTest, ReadersTakeIt) {
  ClickLog clicks({.numeric = 2});
  const auto read =
      internal::ReadAll({.kind = SourceKind::kLibsvm, .path = "a"},
                        OpenMemory({{"a", Make(&clicks, 50)[0]}}));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->size(), 50);
  EXPECT_EQ(read->at(7).ids.size(), 12);
}

TEST(ClickLogTest, OptionsThatMakeNoSenseAreNamed) {
  const auto wrong = [](const ClickOptions& options) {
    return std::string(options.Validate().message());
  };
  EXPECT_THAT(wrong({.fields = 0}), HasSubstr("--fields"));
  EXPECT_THAT(wrong({.rank = -1}), HasSubstr("--rank is -1; write a number"));
  EXPECT_THAT(wrong({.vocabulary = {10, 0}}), HasSubstr("--vocabulary is 0"));
  EXPECT_THAT(wrong({.vocabulary = {1'000'000'000}}),
              HasSubstr("sum of all vocabularies, is 10000000000"));
  EXPECT_THAT(wrong({.exponents = {-1}}), HasSubstr("--exponent"));
  EXPECT_THAT(wrong({.fields = 500, .rank = 100, .field_aware = true}),
              HasSubstr("its square"));
  EXPECT_THAT(wrong({.rate = 1}), HasSubstr("--rate"));
  EXPECT_THAT(wrong({.linear = std::nan("")}), HasSubstr("--linear"));
}

// --- Ratings -----------------------------------------------------------------

TEST(RatingsTest, NobodyRatesAnItemTwice) {
  Ratings ratings({.users = 20, .items = 10});
  std::set<std::pair<std::string, std::string>> pairs;
  const std::string rows =
      Make(&ratings, 150)[0] + Make(&ratings, 50, Part::kTest)[0];
  for (const std::string& line : Lines(rows)) {
    const std::vector<std::string> cells = absl::StrSplit(line, ',');
    if (cells[0] != "user") pairs.emplace(cells[0], cells[1]);
  }
  EXPECT_EQ(pairs.size(), 200);
  EXPECT_TRUE(pairs.contains({"20", "10"}));
  EXPECT_EQ(ratings.most_rows(), 200);
}

TEST(RatingsTest, TheRmseIsTheNoiseAndTheRestIsAsAskedFor) {
  Ratings ratings({.noise = 0.3});
  double sum = 0;
  double squares = 0;
  constexpr int kRows = 20'000;
  for (const std::string& line : Lines(Make(&ratings, kRows)[0])) {
    const std::vector<std::string> cells = absl::StrSplit(line, ',');
    double rating = 0;
    if (!absl::SimpleAtod(cells[2], &rating)) continue;  // The header.
    sum += rating;
    squares += rating * rating;
  }
  EXPECT_NEAR(Known(ratings, "rmse"), 0.3, 0.01);
  const double mean = sum / kRows;
  EXPECT_NEAR(mean, 3.5, 0.1);
  // Two biases, the product and the noise.
  EXPECT_NEAR(squares / kRows - mean * mean,
              2 * 0.3 * 0.3 + 0.7 * 0.7 + 0.3 * 0.3, 0.1);
}

TEST(RatingsTest, DefaultsHaveEnoughRatingsForEachParameter) {
  const RatingOptions defaults;
  EXPECT_EQ(defaults.parameters(), 15'001);
  EXPECT_GT(1e6 / static_cast<double>(defaults.parameters()), 50);
}

// --- Linear ------------------------------------------------------------------

TEST(LinearTest, LabelsAreTheFunctionAndNoise) {
  Linear linear({.features = 3, .intercept = 2});
  std::vector<double> weights;
  for (const Fact& fact : linear.Model()) {
    if (fact.name == "weights") {
      weights = std::get<std::vector<double>>(fact.value);
    }
  }
  const auto read =
      internal::ReadAll({.path = "a", .label_kind = LabelKind::kReal},
                        OpenMemory({{"a", Make(&linear, 1000)[0]}}));
  ASSERT_TRUE(read.ok()) << read.status();
  double squares = 0;
  for (const auto& row : *read) {
    double error = 2 - row.label;
    for (int i = 0; i < 3; ++i) error += weights.at(i) * row.values[i];
    squares += error * error;
  }
  EXPECT_NEAR(std::sqrt(squares / 1000), Known(linear, "rmse"), 1e-5);
  EXPECT_NEAR(Known(linear, "rmse"), 0.1, 0.01);
}

TEST(LinearTest, RowsAreAsDenseAsAskedFor) {
  LinearOptions options = {.logistic = true, .features = 500, .density = 0.02};
  Linear table(options);
  options.libsvm = true;
  Linear sparse(options);
  const auto dense_rows = internal::ReadAll(
      {.path = "a"}, OpenMemory({{"a", Make(&table, 400)[0]}}));
  const auto sparse_rows =
      internal::ReadAll({.kind = SourceKind::kLibsvm, .path = "a"},
                        OpenMemory({{"a", Make(&sparse, 400)[0]}}));
  ASSERT_TRUE(dense_rows.ok()) << dense_rows.status();
  ASSERT_TRUE(sparse_rows.ok()) << sparse_rows.status();
  size_t present = 0;
  std::set<int32_t> ids;
  for (size_t row = 0; row < 400; ++row) {
    const auto& of = sparse_rows->at(row);
    present += of.ids.size();
    ids.insert(of.ids.begin(), of.ids.end());
    // Both formats hold the same.
    std::vector<float> values(500);
    for (size_t i = 0; i < of.ids.size(); ++i) {
      values[of.ids[i]] = of.values[i];
    }
    EXPECT_EQ(values, dense_rows->at(row).values);
    EXPECT_EQ(of.label, dense_rows->at(row).label);
  }
  EXPECT_NEAR(static_cast<double>(present) / 400, 10, 1);
  EXPECT_GT(ids.size(), 480);
  EXPECT_TRUE(ids.contains(499));
}

// --- Clusters and images -----------------------------------------------------

TEST(ClustersTest, PointsAreAroundTheirCentres) {
  Clusters clusters({.clusters = 4, .dimensions = 8, .spread = 0.5});
  const auto read = internal::ReadAll(
      {.path = "a"}, OpenMemory({{"a", Make(&clusters, 4000)[0]}}));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_NEAR(Known(clusters, "squared_distance"), 8 * 0.25, 0.1);
  EXPECT_GT(Known(clusters, "nearest_centre_accuracy"), 0.99);
  std::map<float, int> counts;
  for (const auto& row : *read) ++counts[row.label];
  ASSERT_EQ(counts.size(), 4);
  for (const auto& [label, count] : counts) EXPECT_NEAR(count, 1000, 200);
}

TEST(DocumentsTest, WordsComeFromTheirTopics) {
  Documents documents({.topics = 3, .vocabulary = 50, .words = 20});
  const std::vector<std::string> files = Make(&documents, 2000);
  SourceSpec spec = {
      .kind = SourceKind::kBags, .path = "a", .has_labels = false};
  spec.bags.vocabulary = "v";
  const auto read =
      internal::ReadAll(spec, OpenMemory({{"a", files[0]}, {"v", files[1]}}));
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 2000);
  const auto topics = std::get<std::vector<double>>(documents.Model()[0].value);
  ASSERT_EQ(topics.size(), 3 * 50);
  // Each topic makes as many words.
  std::vector<double> shares(50), found(50);
  for (size_t i = 0; i < topics.size(); ++i) shares[i % 50] += topics[i] / 3;
  double words = 0;
  for (const auto& document : *read) {
    for (size_t i = 0; i < document.ids.size(); ++i) {
      found[document.ids[i]] += document.values[i];
      words += document.values[i];
    }
  }
  EXPECT_NEAR(words / 2000, 20.5, 0.5);
  for (size_t i = 0; i < 50; ++i) {
    EXPECT_NEAR(found[i] / words, shares[i], 0.02) << i;
  }
  const double perplexity = Known(documents, "perplexity");
  EXPECT_GT(perplexity, 1);
  EXPECT_LT(perplexity, 50);
}

TEST(ImagesTest, ReadersTakeThem) {
  Images images({.classes = 3, .size = 9, .noise = 250});
  const std::vector<std::string> files = Make(&images, 200);
  const auto read =
      internal::ReadAll({.kind = SourceKind::kIdx, .path = "a"},
                        OpenMemory({{"a-images-idx3-ubyte", files[0]},
                                    {"a-labels-idx1-ubyte", files[1]}}));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->size(), 200);
  std::set<float> labels;
  for (const auto& row : *read) labels.insert(row.label);
  EXPECT_EQ(labels, (std::set<float>{0, 1, 2}));
  EXPECT_EQ(read->at(0).bytes.size(), 81);
  // Noise hides some of them.
  EXPECT_GT(Known(images, "nearest_pattern_accuracy"), 0.5);
  EXPECT_LT(Known(images, "nearest_pattern_accuracy"), 1);
}

// --- Read again --------------------------------------------------------------

std::vector<internal::ReadExample> ReadClicks(ClickFormat format,
                                              SourceSpec spec) {
  const ClickOptions options = {.seed = 3,
                                .format = format,
                                .fields = 3,
                                .numeric = 2,
                                .vocabulary = {5, 50}};
  ClickLog log(options);
  spec.path = "clicks";
  auto all =
      internal::ReadAll(spec, OpenMemory({{"clicks", Make(&log, 200)[0]}}));
  EXPECT_TRUE(all.ok()) << all.status();
  return all.ok() ? *std::move(all) : std::vector<internal::ReadExample>();
}

TEST(ReadingTest, ClickLogsAreTheSameExamplesInEveryFormat) {
  const CriteoOptions columns = {
      .numeric = 2, .categories = 3, .numbers = CriteoOptions::Numbers::kValue};
  const auto ffm =
      ReadClicks(ClickFormat::kLibffm, {.kind = SourceKind::kLibffm});
  const SourceSpec table = {.kind = SourceKind::kCriteo, .criteo = columns};
  const auto tsv = ReadClicks(ClickFormat::kCriteo, table);
  const auto csv = ReadClicks(ClickFormat::kCsv, table);
  const auto rows =
      ReadClicks(ClickFormat::kLibsvm,
                 {.kind = SourceKind::kLibsvm, .libsvm = {.keys = true}});
  ASSERT_EQ(ffm.size(), 200u);
  ASSERT_EQ(tsv.size(), 200u);
  ASSERT_EQ(csv.size(), 200u);
  ASSERT_EQ(rows.size(), 200u);
  // The numbers that libffm has are others than the hashes of the tables, but
  // there is one for one.
  std::map<uint64_t, uint64_t> hashes;
  std::map<uint64_t, uint64_t> numbers;
  for (size_t i = 0; i < ffm.size(); ++i) {
    EXPECT_EQ(ffm[i].label, tsv[i].label);
    EXPECT_EQ(ffm[i].label, rows[i].label);
    EXPECT_EQ(ffm[i].fields, tsv[i].fields);
    EXPECT_EQ(ffm[i].values, tsv[i].values);
    EXPECT_EQ(ffm[i].values, rows[i].values);
    EXPECT_EQ(ffm[i].keys, rows[i].keys);
    EXPECT_EQ(csv[i].keys, tsv[i].keys);
    ASSERT_EQ(ffm[i].keys.size(), 5u);
    ASSERT_EQ(tsv[i].keys.size(), 5u);
    for (size_t j = 0; j < 5; ++j) {
      const uint64_t number = ffm[i].keys[j];
      const uint64_t hash = tsv[i].keys[j];
      EXPECT_EQ(hashes.try_emplace(number, hash).first->second, hash);
      EXPECT_EQ(numbers.try_emplace(hash, number).first->second, number);
    }
  }
  EXPECT_GT(hashes.size(), 10u);
}

TEST(ReadingTest, RatingsAreOfTheirUsersAndItems) {
  Ratings ratings({.seed = 3, .users = 5, .items = 4, .time = true});
  const std::string text = Make(&ratings, 10)[0];
  const auto all = internal::ReadAll({.kind = SourceKind::kRatings,
                                      .path = "r",
                                      .label_kind = LabelKind::kReal},
                                     OpenMemory({{"r", text}}));
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 10u);
  const std::vector<std::string> lines = Lines(text);
  for (size_t i = 0; i < all->size(); ++i) {
    const std::vector<std::string> fields = absl::StrSplit(lines[i + 1], ',');
    float rating = 0;
    ASSERT_TRUE(absl::SimpleAtof(fields[2], &rating));
    EXPECT_EQ((*all)[i].label, rating);
    EXPECT_EQ((*all)[i].keys[0], KeyOf(0, fields[0]));
    EXPECT_EQ((*all)[i].keys[1], KeyOf(1, fields[1]));
  }
}

}  // namespace
}  // namespace ebb::data::generate
