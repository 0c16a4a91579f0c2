// Data sets of several files, through all that reads them.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/formats/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data {
namespace {

using internal::Gzip;
using internal::Zstd;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Files = std::map<std::string, std::string>;

SourceSpec Table(const std::string& path = "parts") {
  return {.kind = SourceKind::kCsv, .path = path};
}

const Files kParts = {{"parts/a.csv", "1,2,0\n3,4,1"},
                      {"parts/b.csv.gz", Gzip("5,6,1\n")},
                      {"parts/c.csv.zst", Zstd("7,8,0\n9,9,1\n")}};

absl::StatusOr<Dataset> Load(const SourceSpec& spec, const Files& files) {
  return Dataset::Load(spec, OpenMemory(files));
}

std::vector<float> Values(const Dataset& data) {
  std::vector<int64_t> all;
  for (int64_t i = 0; i < data.examples(); ++i) all.push_back(i);
  ExampleBatch batch;
  EXPECT_TRUE(data.Gather(all, &batch).ok());
  return batch.values;
}

TEST(SeveralFilesTest, AreOneTable) {
  for (const char* const path : {"parts", "parts/", "parts/*", "*/?.csv*"}) {
    const auto data = Load(Table(path), kParts);
    ASSERT_TRUE(data.ok()) << data.status();
    EXPECT_THAT(Values(*data), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 9));
    EXPECT_EQ(data->index().files.size(), 3u);
  }
}

TEST(SeveralFilesTest, AListKeepsItsOrder) {
  SourceSpec spec = Table("parts/c.csv.zst");
  spec.further_paths = {"parts/[ab].*"};
  EXPECT_THAT(Values(*Load(spec, kParts)),
              ElementsAre(7, 8, 9, 9, 1, 2, 3, 4, 5, 6));
}

// The bytes are the same, whatever the paths: workers may have other folders.
TEST(SeveralFilesTest, TheIndexKnowsOrderAndContentButNoPaths) {
  const Index index = Load(Table(), kParts)->index();
  Files elsewhere;
  for (const auto& [path, bytes] : kParts) elsewhere["x/" + path] = bytes;
  EXPECT_EQ(Load(Table("x/parts"), elsewhere)->index(), index);
  SourceSpec turned = Table("parts/b.csv.gz");
  turned.further_paths = {"parts/a.csv", "parts/c.csv.zst"};
  EXPECT_NE(Load(turned, kParts)->index(), index);
}

TEST(SeveralFilesTest, RefusesAFileTwice) {
  SourceSpec spec = Table("parts/a.csv");
  spec.further_paths = {"parts"};
  EXPECT_EQ(Load(spec, kParts).status().message(),
            "parts/a.csv: the data names this file twice; its examples would "
            "count twice, so name it once");
}

TEST(SeveralFilesTest, MistakesNameTheirFile) {
  Files files = kParts;
  files["parts/b.csv.gz"] = Gzip("5,6,1\n5,1\n");
  EXPECT_THAT(Load(Table(), files).status().message(),
              HasSubstr("parts/b.csv.gz:2: the line has 2 fields"));
  files["parts/b.csv.gz"] = Gzip("5,6\n");
  EXPECT_THAT(Load(Table(), files).status().message(),
              HasSubstr("parts/b.csv.gz:1: the line has 2 fields"));
}

TEST(SeveralFilesTest, MayEachHaveTheHeaderButNoOther) {
  const std::string first = "a,b,y\n1,2,0\n";
  const auto values = [&](const std::string& second) {
    return Values(*Load(Table("p"), {{"p/1", first}, {"p/2", second}}));
  };
  EXPECT_THAT(values("a,b,y\n3,4,1\n"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(values("3,4,1\n"), ElementsAre(1, 2, 3, 4));  // By `split`.
  EXPECT_THAT(Load(Table("p"), {{"p/1", first}, {"p/2", "b,a,y\n3,4,1\n"}})
                  .status()
                  .message(),
              HasSubstr("p/2:1: this first line of the file has 'b' of the "
                        "first file's header, but is another one"));
}

// Words where all others have numbers were read as an example.
TEST(SeveralFilesTest, AHeaderOfAnotherTextIsNoExample) {
  const auto error = [](const std::string& first, const std::string& second) {
    return std::string(
        Load(Table("p"), {{"p/1", first}, {"p/2", second}}).status().message());
  };
  EXPECT_EQ(error("a,b,y\n1,2,0\n3,4,1\n", "length,width,kind\n5,6,1\n"),
            "p/2:1: this first line of the file is a header: it has 'length', "
            "'width', 'kind' where the lines before have numbers. The first "
            "file has another one there, 'a', 'b', 'y'; give all files the "
            "same columns in the same order, with the same header or none");
  EXPECT_EQ(error("1,2,0\n3,4,1\n", "a,b,y\n5,6,1\n"),
            "p/2:1: this first line of the file is a header: it has 'a', 'b', "
            "'y' where the lines before have numbers. The first file has none; "
            "remove this line, or give all files the same header");
  EXPECT_THAT(error("name,b,y\nu,2,0\nv,4,1\n", "who,width,kind\nw,6,1\n"),
              HasSubstr("it has 'width', 'kind' where the lines"));
  EXPECT_THAT(error("a,b,y\n1,2,0\n", "B,A,Y\n1,2,0\n"),
              HasSubstr("is another one"));
}

// The dates of a folder are one column, so its files are compared, too.
TEST(SeveralFilesTest, SaysThatTheTimeZonesOfFilesDiffer) {
  const Files files = {
      {"p/1", "d,y\n2021-03-04T10:00:00Z,0\n2021-03-04T11:00:00Z,1\n"},
      {"p/2", "d,y\n2021-03-04 10:00,0\n"}};
  const auto found = FindEncoding(Table("p"), OpenMemory(files));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->remarks,
              Contains(HasSubstr("In 1 of 3 rows it has no time zone, as in "
                                 "the others, and counts as UTC")));
}

TEST(SeveralFilesTest, TheCaseOfAHeaderDoesNotMatter) {
  const Files files = {{"p/1", "a,b,y\n1,2,0\n"}, {"p/2", "A,B,Y\n3,4,1\n"}};
  const auto data = Load(Table("p"), files);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(Values(*data), ElementsAre(1, 2, 3, 4));
}

// Codes and typing errors stand among numbers, too.
TEST(SeveralFilesTest, AWordInOneColumnIsNoHeader) {
  std::string first = "color,code,y\n";
  for (int i = 0; i < 8; ++i) first += "red,1,0\nblue,2,1\n";
  const auto data = Load(Table("p"), {{"p/1", first}, {"p/2", "red,3+,0\n"}});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->examples(), 17);
  SourceSpec told = Table("p");
  told.csv.header = CsvOptions::Header::kNo;
  const auto words =
      Load(told, {{"p/1", "1,2,0\n3,4,1\n"}, {"p/2", "x,z,1\n"}});
  ASSERT_TRUE(words.ok()) << words.status();
  EXPECT_EQ(words->examples(), 3);
}

// The second record says what the first line is, but not that of another file.
TEST(SeveralFilesTest, TheFirstFileMayHaveAHeaderAlone) {
  const Files files = {{"parts/a.csv", "a,b,y\n"},
                       {"parts/b.csv", "a,b,y\n1,2,0\n"},
                       {"parts/c.csv", "a,b,y\n3,4,1\n"}};
  const auto data = Load(Table(), files);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(Values(*data), ElementsAre(1, 2, 3, 4));
  Files other = files;
  other["parts/b.csv"] = "b,a,y\n1,2,0\n";
  EXPECT_THAT(Load(Table(), other).status().message(),
              HasSubstr("parts/b.csv:1: this first line of the file has 'b' of "
                        "the first file's header"));
}

TEST(SeveralFilesTest, PlacesNameTheirFile) {
  const auto data = Load(Table(), kParts);
  const auto place = PlaceOf(Table(), data->index(), 3, OpenMemory(kParts),
                             [] { return false; });
  EXPECT_EQ(*place, "parts/c.csv.zst:1");
}

TEST(SeveralFilesTest, NamesTheFileThatWasAdded) {
  const Index index = Load(Table(), kParts)->index();
  for (const char* const name : {"parts/0.csv", "parts/aa.csv", "parts/z"}) {
    Files more = kParts;
    more[name] = "0,0,0\n";
    const auto data = Dataset::LoadIndexed(Table(), index, OpenMemory(more));
    EXPECT_EQ(data.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(data.status().message(),
                HasSubstr(std::string(name) +
                          " is not among the 3 files of parts that were "
                          "indexed (6 bytes, hash "));
  }
}

TEST(SeveralFilesTest, NamesWhereAFileIsMissing) {
  const Index index = Load(Table(), kParts)->index();
  const auto without = [&](const std::string& name) {
    Files less = kParts;
    less.erase(name);
    return std::string(Dataset::LoadIndexed(Table(), index, OpenMemory(less))
                           .status()
                           .message());
  };
  EXPECT_THAT(without("parts/a.csv"),
              HasSubstr("parts has 2 files, but 3 were indexed: one before "
                        "parts/b.csv.gz is missing, with 11 bytes, hash "));
  EXPECT_THAT(without("parts/c.csv.zst"),
              HasSubstr("one after parts/b.csv.gz is missing, with 12 bytes"));
}

TEST(SeveralFilesTest, NamesTheFileThatChanged) {
  const Index index = Load(Table(), kParts)->index();
  Files other = kParts;
  other["parts/b.csv.gz"] = Gzip("5,6,0\n");
  EXPECT_THAT(Dataset::LoadIndexed(Table(), index, OpenMemory(other))
                  .status()
                  .message(),
              HasSubstr("parts/b.csv.gz is not the file that was indexed: "
                        "expected 6 bytes"));
}

TEST(SeveralFilesTest, RowsOfPairsAndCommentsAreReadFromAll) {
  SourceSpec spec = {.kind = SourceKind::kLibsvm,
                     .path = "p",
                     .comment = "%",
                     .libsvm = {.keys = true}};
  const auto data = Load(spec, {{"p/1", "% x\n1 3:1\n0\n"}, {"p/2", "1 4:1"}});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->examples(), 3);
  EXPECT_THAT(spec.Meaning(), HasSubstr(" comment='%'"));
}

TEST(SeveralFilesTest, OptionsThatIdxFilesDoNotTakeAreRefused) {
  SourceSpec spec = {.kind = SourceKind::kIdx, .path = "p"};
  spec.further_paths = {"q"};
  EXPECT_THAT(spec.Validate().message(), HasSubstr("one pair of files"));
  spec.further_paths.clear();
  spec.comment = "#";
  EXPECT_THAT(spec.Validate().message(), HasSubstr("leave out comment"));
}

// Two examples of three features, and their labels.
Files Arrays() {
  using internal::BytesOf;
  using internal::Npy;
  return {
      {"X.npy", Npy("<f4", "(2, 3)", BytesOf<float>({1, 2, 3, -4, 0.5, 6}))},
      {"y.npy", Npy("<i8", "(2,)", BytesOf<int64_t>({7, 3}))}};
}

SourceSpec ArraySpec() {
  return {.kind = SourceKind::kNpy,
          .npy = {.features = "X.npy", .labels = "y.npy"}};
}

TEST(NpyFilesTest, HaveAFingerprintEach) {
  const auto loaded = Dataset::Load(ArraySpec(), OpenMemory(Arrays()));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->index().files.size(), 2u);
  EXPECT_TRUE(
      Dataset::LoadIndexed(ArraySpec(), loaded->index(), OpenMemory(Arrays()))
          .ok());
  Files changed = Arrays();
  changed["y.npy"].back() = 1;
  const absl::Status other =
      Dataset::LoadIndexed(ArraySpec(), loaded->index(), OpenMemory(changed))
          .status();
  EXPECT_EQ(other.code(), absl::StatusCode::kFailedPrecondition) << other;
  EXPECT_THAT(other.message(), HasSubstr("y.npy is not the file"));
}

TEST(NpyFilesTest, AreStandardisedAsTablesAre) {
  SourceSpec spec = ArraySpec();
  spec.standardise = true;
  const auto loaded = Dataset::Load(spec, OpenMemory(Arrays()));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ExampleBatch batch;
  ASSERT_TRUE(loaded->Gather(std::vector<int64_t>{0, 1}, &batch).ok());
  EXPECT_THAT(batch.values, ElementsAre(1, 1, -1, -1, -1, 1));
  EXPECT_THAT(batch.labels, ElementsAre(1, 0));
  EXPECT_EQ(loaded->class_places(), "label 7 at y.npy[0], label 3 at y.npy[1]");
}

}  // namespace
}  // namespace ebb::data
