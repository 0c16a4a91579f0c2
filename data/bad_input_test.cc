// Every reader over every kind of damage that its format can have: what the
// error says and where, and that leaving bad examples out leaves out these and
// nothing else.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "data/dataset.h"
#include "data/formats/testing.h"
#include "data/source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data {
namespace {

using internal::Gzip;
using internal::Idx;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A source of six examples with the labels 3, 1, 4, 1, 3, 4.
struct Format {
  std::string name;
  SourceSpec spec;
  std::vector<std::string> lines;  // Empty: it is not text.
  std::map<std::string, std::string> files = {};

  std::map<std::string, std::string> Files() const {
    if (lines.empty()) return files;
    return {{"d", absl::StrCat(absl::StrJoin(lines, "\n"), "\n")}};
  }
};

Format Csv() {
  return {.name = "Csv",
          .spec = {.kind = SourceKind::kCsv,
                   .path = "d",
                   .csv = {.categories_by_text = false}},
          .lines = {"1,2,3", "4,5,1", "6,7,4", "8,9,1", "0,1,3", "2,2,4"}};
}

Format Libsvm() {
  return {.name = "Libsvm",
          .spec = {.kind = SourceKind::kLibsvm, .path = "d"},
          .lines = {"3 1:2", "1 2:5", "4 1:1 2:4", "1 1:1", "3 2:1", "4 1:3"}};
}

Format LibsvmKeys() {
  Format format = Libsvm();
  format.name = "LibsvmKeys";
  format.spec.libsvm.keys = true;
  return format;
}

Format Libffm() {
  return {.name = "Libffm",
          .spec = {.kind = SourceKind::kLibffm, .path = "d"},
          .lines = {"3 0:1:2", "1 1:2:5", "4 0:1:1 1:2:4", "1 0:1:1", "3 1:2:1",
                    "4 0:1:3"}};
}

Format Ratings() {
  return {.name = "Ratings",
          .spec = {.kind = SourceKind::kRatings, .path = "d"},
          .lines = {"a,x,3", "b,x,1", "a,y,4", "b,y,1", "c,x,3", "c,y,4"}};
}

Format Criteo() {
  return {.name = "Criteo",
          .spec = {.kind = SourceKind::kCriteo,
                   .path = "d",
                   .criteo = {.numeric = 1, .categories = 1}},
          .lines = {"3\t1\ta", "1\t2\tb", "4\t3\ta", "1\t4\tb", "3\t\ta",
                    "4\t6\t"}};
}

Format IdxPair() {
  return {
      .name = "Idx",
      .spec = {.kind = SourceKind::kIdx, .path = "d"},
      .lines = {},
      .files = {{"d-images-idx3-ubyte", Idx({6, 1, 2}, "abcdefghijkl")},
                {"d-labels-idx1-ubyte", Idx({6}, "\x03\x01\x04\x01\x03\x04")}}};
}

std::vector<Format> Texts() {
  return {Csv(), Libsvm(), LibsvmKeys(), Libffm(), Ratings(), Criteo()};
}

std::vector<Format> Formats() {
  std::vector<Format> all = Texts();
  all.push_back(IdxPair());
  return all;
}

SourceSpec Skipping(SourceSpec spec) {
  spec.on_bad_example = OnBadExample::kSkip;
  return spec;
}

std::vector<float> Labels(const Dataset& data) {
  std::vector<int64_t> all(data.examples());
  for (int64_t i = 0; i < data.examples(); ++i) all[i] = i;
  ExampleBatch batch;
  EXPECT_TRUE(data.Gather(all, &batch).ok());
  std::vector<float> labels;
  for (const float label : batch.labels) {
    labels.push_back(data.index().classes[static_cast<size_t>(label)]);
  }
  return labels;
}

// --- One bad line ------------------------------------------------------------

struct BadLine {
  Format format;
  std::string name;
  std::string line;   // Instead of the third.
  std::string error;  // After "d:3: ".
};

using AddBadLine =
    std::function<void(const Format& format, const char* name,
                       const std::string& line, const std::string& error)>;

// A label that is no class, is out of range, is missing.
void AddBadLabels(const AddBadLine& add) {
  const std::string whole =
      " is not a whole number of at most 16777216; if labels are numbers to "
      "predict, take model: linear, or model.labels: values";
  add(Csv(), "LabelNoClass", "6,7,0.5", "label, column 3: class '0.5'" + whole);
  add(Csv(), "LabelTooLarge", "6,7,16777217",
      "label, column 3: class '16777217'" + whole);
  add(Csv(), "LabelMissing", "6,7,",
      "label, column 3: an empty field is no label; fill it in, or say "
      "data: {on_bad_example: skip}, which leaves such rows out");
  add(Ratings(), "LabelNoClass", "a,y,0.5", "label: class '0.5'" + whole);
  add(Ratings(), "LabelMissing", "a,y,",
      "label: an empty field is not a number");
  add(Criteo(), "LabelTooLarge", "-16777217\t3\ta",
      "label: class '-16777217'" + whole);
  add(Criteo(), "LabelMissing", "\t3\ta",
      "label: an empty field is not a number");
  for (const Format& pairs : {Libsvm(), LibsvmKeys(), Libffm()}) {
    const std::string feature = pairs.name == "Libffm" ? "0:1:1" : "1:1";
    add(pairs, "LabelNoClass", "0.5 " + feature, "label: class '0.5'" + whole);
    add(pairs, "LabelNan", "nan " + feature,
        "label: 'nan' is not a finite number");
    add(pairs, "LabelMissing", feature,
        "the line begins with '" + feature +
            "' instead of a label. If it is a label and its weight, remove the "
            "weights, which ebb does not know; if it is a feature, write a "
            "label before it");
    add(pairs, "QueryId", "4 qid:3 " + feature,
        "'qid:3' is the number of a query, for ranking, which ebb does not "
        "know; remove it, as `sed 's/ qid:[^ ]*//' d` does");
    add(pairs, "SeveralLabels", "4,1 " + feature,
        "label: '4,1' is not a number; if it is several labels of one example, "
        "which ebb does not learn, make a file for each");
  }
}

// Values.
void AddBadValues(const AddBadLine& add) {
  add(Csv(), "ValueNoNumber", "6,x,4", "column 2: 'x' is not a number");
  add(Csv(), "ValueTooLarge", "6,1e39,4",
      "column 2: '1e39' does not fit a 32-bit float");
  add(Csv(), "ValueMissing", "6,,4",
      "column 2 is missing (an empty field); name the column in ignore, or "
      "say missing: mean, or missing: and a number");
  add(Libsvm(), "ValueInfinite", "4 1:inf",
      "feature 1: 'inf' is not a finite number");
  add(LibsvmKeys(), "ValueMissing",
      "4 1:", "feature 1: an empty field is not a number");
  add(Libffm(), "ValueNoNumber", "4 0:1:x",
      "field 0, feature 1: 'x' is not a number");
  add(Criteo(), "ValueNoNumber", "4\tx\ta", "number 1: 'x' is not a number");
  add(Criteo(), "ValueNotWhole", "4\t0.5\ta",
      "number 1: '0.5' is not a whole number of at most 10^11; with numbers: "
      "value numbers are taken as they are");
}

// Indices that do not ascend, or are too large.
void AddBadIndices(const AddBadLine& add) {
  for (const Format& pairs : {Libsvm(), LibsvmKeys()}) {
    add(pairs, "NotAscending", "4 2:1 1:4",
        "feature id 1 stands after 2; the ids of a line ascend");
  }
  add(Libsvm(), "IndexTooLarge", "4 2147483648:1",
      "feature id 2147483648 in data of 2147483647 features, the most there "
      "can be");
  add(Libsvm(), "IndexBelowOne", "4 0:1",
      "feature id 0 is below 1; if ids count from 0 here, say zero_based: "
      "true");
  add(LibsvmKeys(), "IndexTooLarge", "4 18446744073709551616:1",
      "'18446744073709551616:1' is not a feature; write id:value, as in 7:1, "
      "with an id from 0 to 2^64 - 1");
  add(Libffm(), "IndexTooLarge", "4 0:18446744073709551616:1",
      "'0:18446744073709551616:1' is not a feature; write field:feature:value, "
      "as in 0:7:1, with a feature from 0 to 2^64 - 1");
  add(Libffm(), "FieldTooLarge", "4 65536:1:1",
      "field 65536 in data of 65536 fields, the most there can be; is the "
      "feature where the field should stand?");
}

// Rows of another width.
void AddBadWidths(const AddBadLine& add) {
  add(Csv(), "TooNarrow", "6,4", "the line has 2 fields, but the first one 3");
  add(Csv(), "TooWide", "6,7,4,4",
      "the line has 4 fields, but the first one 3; a value with ',' in it must "
      "be in quotes");
  add(Csv(), "QuoteNotClosed", "6,\"7,4",
      "column 2 begins with a quote that nothing closes; if quotes are "
      "characters like others in this file, say quotes: false");
  const std::string between =
      "the line has 2 fields between ',', the delimiter of the first line; "
      "user, item and rating are needed, and a time may follow";
  add(Ratings(), "TooNarrow", "a,y", between);
  add(Ratings(), "NoUser", ",y,4",
      "the user is missing; user, item and rating are needed");
  add(Criteo(), "TooNarrow", "4\t3",
      "the line has 2 fields between '\\t' instead of 3: a label, 1 numbers "
      "and "
      "1 categories; if the log has others, say so by numeric and categories");
  add(Libsvm(), "OtherFormat", "4 0:1:1",
      "feature id 0 is below 1; if ids count from 0 here, say zero_based: "
      "true");
  add(Libffm(), "OtherFormat", "4 1:1",
      "'1:1' is not a feature; write field:feature:value, as in 0:7:1, with a "
      "feature from 0 to 2^64 - 1");
}

// Text that is no UTF-8, and bytes that are no text.
void AddBadText(const AddBadLine& add) {
  add(Csv(), "NotUtf8", "6,\xe4,4", "column 2: '\\xe4' is not a number");
  add(Libsvm(), "NotUtf8", "4 \xe4:1",
      "'\\xe4:1' is not a feature; write id:value, as in 7:1");
  add(Libffm(), "NotUtf8", "\xe4 0:1:1", "label: '\\xe4' is not a number");
  add(Ratings(), "NotUtf8", "a,y,\xff\xfe",
      "label: '\\xff\\xfe' is not a number");
  add(Criteo(), "Nul", std::string("4\t\0\ta", 5),
      "number 1: '\\x00' is not a number");
}

std::vector<BadLine> BadLines() {
  std::vector<BadLine> all;
  const auto add = [&](const Format& format, const char* name,
                       const std::string& line, const std::string& error) {
    all.push_back({format, format.name + name, line, error});
  };
  AddBadLabels(add);
  AddBadValues(add);
  AddBadIndices(add);
  AddBadWidths(add);
  AddBadText(add);
  return all;
}

class BadLineTest : public testing::TestWithParam<BadLine> {
 protected:
  BadLineTest() {
    Format damaged = GetParam().format;
    damaged.lines[2] = GetParam().line;
    open_ = OpenMemory(damaged.Files());
  }
  const SourceSpec& spec() const { return GetParam().format.spec; }
  std::string error() const { return "d:3: " + GetParam().error; }

  OpenBytes open_ = OpenFile;
};

INSTANTIATE_TEST_SUITE_P(Damages, BadLineTest, testing::ValuesIn(BadLines()),
                         [](const auto& info) { return info.param.name; });

TEST_P(BadLineTest, IsAnErrorWithItsPlace) {
  const absl::Status status = Dataset::Load(spec(), open_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), error());
  // Whatever bytes the file has: protocol buffers, logs and terminals take
  // text.
  EXPECT_TRUE(std::ranges::all_of(status.message(), absl::ascii_isprint));
}

TEST_P(BadLineTest, MayBeLeftOut) {
  const auto data = Dataset::Load(Skipping(spec()), open_);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->examples(), 5);
  EXPECT_EQ(data->index().left_out, 1);
  EXPECT_EQ(data->left_out().examples, 1);
  EXPECT_EQ(data->left_out().first, error());
  EXPECT_THAT(Labels(*data), ElementsAre(3, 1, 1, 3, 4));
  // A worker, elsewhere, leaves out the same.
  const auto again =
      Dataset::LoadIndexed(Skipping(spec()), data->index(), open_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->index(), data->index());
  EXPECT_EQ(Labels(*again), Labels(*data));
}

TEST_P(BadLineTest, IsLeftOutBeforeASplit) {
  SourceSpec spec = Skipping(this->spec());
  spec.split = Split{.test_fraction = 0.5, .seed = 3};
  // The same without the line.
  Format without = GetParam().format;
  without.lines.erase(without.lines.begin() + 2);
  const auto data = Dataset::Load(spec, open_);
  const auto expected = Dataset::Load(spec, OpenMemory(without.Files()));
  ASSERT_TRUE(data.ok()) << data.status();
  ASSERT_TRUE(expected.ok()) << expected.status();
  EXPECT_EQ(Labels(*data), Labels(*expected));
  EXPECT_EQ(data->index().left_out, 1);
}

// --- The whole file ----------------------------------------------------------

struct BadFile {
  Format format;
  std::string name;
  std::map<std::string, std::string> files;
  absl::StatusCode code;
  std::string error;
};

std::vector<BadFile> BadFiles() {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  std::vector<BadFile> all;
  for (const Format& format : Formats()) {
    const std::string first = format.Files().begin()->first;
    const auto add = [&](const char* name, absl::StatusCode code,
                         const std::string& error, auto change) {
      auto files = format.Files();
      for (auto& [path, bytes] : files) bytes = change(bytes);
      all.push_back({format, format.name + name, files, code, error});
    };
    using Bytes = const std::string&;
    const bool text = !format.lines.empty();
    add("GzipCut", absl::StatusCode::kDataLoss, first + ": at byte ",
        [](Bytes bytes) {
          const std::string zipped = Gzip(bytes);
          return zipped.substr(0, zipped.size() / 2);
        });
    add("GzipDamaged", absl::StatusCode::kDataLoss, first + ": at byte ",
        [](Bytes bytes) {
          std::string zipped = Gzip(bytes);
          zipped[zipped.size() - 6] ^= 1;  // Of its checksum.
          return zipped;
        });
    const std::string none = format.name == "Csv"
                                 ? "d: is empty; a line for each example is "
                                   "needed"
                             : text ? "d has no examples"
                                    : first +
                                          ": ends at byte 0, within its "
                                          "header";
    add("Empty", kInvalid, none, [](Bytes) { return std::string(); });
    add("EmptyGzip", kInvalid, none, [](Bytes) { return Gzip(""); });
    if (!text) continue;
    add("OnlyBlankLines", kInvalid, none,
        [](Bytes) { return std::string("\n\r\n\n"); });
    add("Utf16", kInvalid,
        "d: is text in UTF-16; make it UTF-8, as `iconv -f UTF-16 -t UTF-8 d` "
        "does",
        [](Bytes bytes) {
          std::string wide = "\xff\xfe";
          for (const char c : bytes) wide += {c, '\0'};
          return wide;
        });
    add("Utf16WithoutMark", kInvalid,
        "d: is text in UTF-16LE; make it UTF-8, as `iconv -f UTF-16LE -t UTF-8 "
        "d` does",
        [](Bytes bytes) {
          std::string wide;
          for (const char c : bytes) wide += {c, '\0'};
          return wide;
        });
    add("OldMacLines", kInvalid,
        "d: its lines end with a carriage return (CR) alone, as old Macs wrote "
        "them; write line feeds instead, as `tr '\\r' '\\n' < d` does",
        [](Bytes bytes) {
          std::string old(bytes);
          std::replace(old.begin(), old.end(), '\n', '\r');
          return old;
        });
    add("OneEndlessLine", kInvalid, "d:1: the line is longer than 16 MiB",
        [](Bytes) { return std::string((16 << 20) + 1, '1'); });
  }
  const auto idx = [&](const char* name, const std::string& images,
                       const std::string& labels, const std::string& error) {
    all.push_back(
        {IdxPair(),
         absl::StrCat("Idx", name),
         {{"d-images-idx3-ubyte", images}, {"d-labels-idx1-ubyte", labels}},
         kInvalid,
         error});
  };
  const std::string images = Idx({2, 1, 2}, "abcd");
  const std::string labels = Idx({2}, "\x03\x01");
  idx("Cut", images.substr(0, images.size() - 1), labels,
      "d-images-idx3-ubyte: ends at byte 19, within example 2 of the 2 that "
      "its header promises; was it copied whole?");
  idx("LabelsCut", images, labels.substr(0, labels.size() - 1),
      "d-labels-idx1-ubyte: ends at byte 9, within example 2 of the 2");
  idx("GoesOn", images + "e", labels,
      "d-images-idx3-ubyte: goes on at byte 20, after the 2 examples");
  idx("OtherNumbers", images, Idx({3}, "\x03\x01\x01"),
      "d-images-idx3-ubyte: has 2 examples, but d-labels-idx1-ubyte has 3 "
      "labels");
  idx("NoIdx", labels, labels, "d-images-idx3-ubyte: has magic 0x00000801");
  idx("NoExamples", Idx({0, 1, 2}, ""), Idx({0}, ""), "d has no examples");
  return all;
}

class BadFileTest : public testing::TestWithParam<BadFile> {};

INSTANTIATE_TEST_SUITE_P(Damages, BadFileTest, testing::ValuesIn(BadFiles()),
                         [](const auto& info) { return info.param.name; });

TEST_P(BadFileTest, IsAnErrorWhateverBecomesOfBadExamples) {
  const OpenBytes open = OpenMemory(GetParam().files);
  for (const SourceSpec& spec :
       {GetParam().format.spec, Skipping(GetParam().format.spec)}) {
    const absl::Status status = Dataset::Load(spec, open).status();
    EXPECT_EQ(status.code(), GetParam().code) << status;
    EXPECT_THAT(std::string(status.message()), StartsWith(GetParam().error));
  }
}

// --- What all formats have in common ----------------------------------------

class FormatTest : public testing::TestWithParam<Format> {};

INSTANTIATE_TEST_SUITE_P(Formats, FormatTest, testing::ValuesIn(Formats()),
                         [](const auto& info) { return info.param.name; });

TEST_P(FormatTest, NothingIsLeftOutOfGoodData) {
  const OpenBytes open = OpenMemory(GetParam().Files());
  const auto stopping = Dataset::Load(GetParam().spec, open);
  const auto skipping = Dataset::Load(Skipping(GetParam().spec), open);
  ASSERT_TRUE(stopping.ok()) << stopping.status();
  ASSERT_TRUE(skipping.ok()) << skipping.status();
  EXPECT_THAT(Labels(*skipping), ElementsAre(3, 1, 4, 1, 3, 4));
  EXPECT_EQ(skipping->index().left_out, 0);
  // The policy is a part of what data means, and nothing else differs.
  Index index = skipping->index();
  EXPECT_NE(index.meaning, stopping->index().meaning);
  index.meaning = stopping->index().meaning;
  EXPECT_EQ(index, stopping->index());
}

// Of every format, for the training data decides.
TEST_P(FormatTest, LeavesOutTestExamplesOfOtherClasses) {
  Format training = GetParam();
  if (training.lines.empty()) {
    training.files = {{"d-images-idx3-ubyte", Idx({2, 1, 2}, "abcd")},
                      {"d-labels-idx1-ubyte", Idx({2}, "\x03\x01")}};
  } else {
    training.lines.resize(2);
  }
  const auto train = Dataset::Load(training.spec, OpenMemory(training.Files()));
  ASSERT_TRUE(train.ok()) << train.status();
  const OpenBytes open = OpenMemory(GetParam().Files());
  const absl::Status stopped =
      Dataset::LoadLike(GetParam().spec, train->index(), open).status();
  EXPECT_THAT(stopped.message(),
              HasSubstr("label 4 is none of the 2 classes of the training "
                        "data, 1 to 3"));
  const auto test =
      Dataset::LoadLike(Skipping(GetParam().spec), train->index(), open);
  ASSERT_TRUE(test.ok()) << test.status();
  EXPECT_THAT(Labels(*test), ElementsAre(3, 1, 1, 3));
  EXPECT_EQ(test->index().left_out, 2);
  EXPECT_EQ(test->left_out().first, stopped.message());
}

class TextTest : public testing::TestWithParam<Format> {};

INSTANTIATE_TEST_SUITE_P(Formats, TextTest, testing::ValuesIn(Texts()),
                         [](const auto& info) { return info.param.name; });

TEST_P(TextTest, BlankLinesAreNoExamples) {
  Format format = GetParam();
  format.lines.insert(format.lines.begin() + 2, "");
  format.lines.insert(format.lines.end(), {"", "\r", ""});
  const auto data = Dataset::Load(format.spec, OpenMemory(format.Files()));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(Labels(*data), ElementsAre(3, 1, 4, 1, 3, 4));
}

TEST_P(TextTest, ALastLineMayLackItsEnd) {
  auto files = GetParam().Files();
  files["d"].pop_back();
  const auto data = Dataset::Load(GetParam().spec, OpenMemory(files));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->examples(), 6);
}

TEST_P(TextTest, MoreBadThanGoodIsNotLeftOut) {
  Format format = GetParam();
  const std::string bad = "what is this";
  format.lines[1] = format.lines[2] = format.lines[4] = bad;
  const auto half =
      Dataset::Load(Skipping(format.spec), OpenMemory(format.Files()));
  ASSERT_TRUE(half.ok()) << half.status();
  EXPECT_EQ(half->examples(), 3);
  EXPECT_EQ(half->index().left_out, 3);
  format.lines[5] = bad;
  const absl::Status status =
      Dataset::Load(Skipping(format.spec), OpenMemory(format.Files())).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              StartsWith("d: 4 of 6 examples are bad, more than could be left "
                         "out; is it read as what it is? The first: d:2: "));
}

// So that no worker trains on other examples than the job was submitted with.
TEST_P(TextTest, RefusesAnIndexThatLeftOutOthers) {
  Format format = GetParam();
  format.lines[2] = "what is this";
  const OpenBytes open = OpenMemory(format.Files());
  const auto data = Dataset::Load(Skipping(format.spec), open);
  ASSERT_TRUE(data.ok()) << data.status();
  Index other = data->index();
  other.left_out = 0;
  other.examples = 6;
  const absl::Status status =
      Dataset::LoadIndexed(Skipping(format.spec), other, open).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(),
            "d has 5 examples and 1 that are left out here, but was indexed "
            "with 6 examples and 0 that are left out; run the release here "
            "that the job was submitted with, and wait until the file is whole "
            "if it is being written");
  // One policy is not the other.
  EXPECT_THAT(
      Dataset::LoadIndexed(format.spec, data->index(), open).status().message(),
      HasSubstr("was indexed with other options"));
}

// The first line says what is between fields, unless it is bad itself.
TEST_P(TextTest, ABadFirstLineIsLeftOutAlone) {
  Format format = GetParam();
  if (format.name == "Csv") return;  // Its first line says how wide it is.
  format.lines[0] = "what is this";
  const auto data =
      Dataset::Load(Skipping(format.spec), OpenMemory(format.Files()));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(Labels(*data), ElementsAre(1, 4, 1, 3, 4));
  EXPECT_EQ(data->index().left_out, 1);
}

TEST(TestDataTest, LeavesOutExamplesWithoutAPlaceInTheTrainingData) {
  const OpenBytes open =
      OpenMemory({{"train.svm", "0 1:1\n1 2:1\n"},
                  {"test.svm", "0 1:1\n1 3:1\n1 1:1\n"},
                  {"train.ffm", "0 0:1:1\n1 1:1:1\n"},
                  {"test.ffm", "0 0:1:1\n1 2:1:1\n1 0:1:1\n"}});
  for (const auto kind : {SourceKind::kLibsvm, SourceKind::kLibffm}) {
    const std::string end = kind == SourceKind::kLibsvm ? ".svm" : ".ffm";
    const auto train =
        Dataset::Load({.kind = kind, .path = "train" + end}, open);
    ASSERT_TRUE(train.ok()) << train.status();
    const auto test = Dataset::LoadLike(
        Skipping({.kind = kind, .path = "test" + end}), train->index(), open);
    ASSERT_TRUE(test.ok()) << test.status();
    EXPECT_EQ(test->examples(), 2);
    EXPECT_THAT(test->left_out().first, StartsWith("test" + end + ":2: "));
  }
}

}  // namespace
}  // namespace ebb::data
