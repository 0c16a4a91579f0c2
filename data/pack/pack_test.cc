#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/kill_point.h"
#include "common/testing/test_folder.h"
#include "data/byte_source.h"
#include "data/bytes/fixed64.h"
#include "data/dataset.h"
#include "data/formats/testing.h"
#include "data/order.h"
#include "data/pack/footer.h"
#include "data/pack/packed_set.h"
#include "data/pack/packer.h"
#include "data/pack/running_hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::pack {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

using Files = std::map<std::string, std::string>;

std::string ReadAllOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void WriteAllOf(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// The examples of a data set as texts, in their order: of equal ones, equal
// texts.
std::vector<std::string> TextsOf(const Dataset& data) {
  std::vector<int64_t> all(data.examples());
  std::iota(all.begin(), all.end(), 0);
  ExampleBatch batch;
  const absl::Status gathered = data.Gather(all, &batch);
  EXPECT_TRUE(gathered.ok()) << gathered;
  EXPECT_EQ(batch.rows, data.examples());
  std::vector<std::string> texts;
  for (int64_t row = 0; row < batch.rows; ++row) {
    std::string text;
    if (!batch.labels.empty()) absl::StrAppend(&text, batch.labels[row], "|");
    if (data.sparse() || data.keyed()) {
      for (int64_t i = batch.offsets[row]; i < batch.offsets[row + 1]; ++i) {
        absl::StrAppend(&text, " ");
        if (data.sparse()) absl::StrAppend(&text, batch.ids[i]);
        if (data.keyed()) {
          absl::StrAppend(&text, batch.fields[i], ":", batch.keys[i]);
        }
        absl::StrAppend(&text, ":", batch.values[i]);
      }
    } else {
      for (int64_t j = 0; j < data.features(); ++j) {
        absl::StrAppend(&text, " ", batch.values[row * data.features() + j]);
      }
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

class PackTest : public testing::Test {
 protected:
  // Packs `spec`, and compares the set with what the source itself gives,
  // whichever way both are read.
  void RoundTrip(const SourceSpec& spec, const Files& files, bool keyed,
                 const PackOptions& options) {
    const OpenBytes open = OpenMemory(files);
    const std::string folder = folder_ / absl::StrCat("set-", ++sets_);
    SourceSpec plain = spec;
    plain.scale = 1;
    plain.standardise = plain.standardise_labels = false;
    const auto packed = PackSources({{"", plain}}, folder, options, open);
    ASSERT_TRUE(packed.ok()) << packed.status();
    const auto expected = Dataset::Load(spec, open);
    ASSERT_TRUE(expected.ok()) << expected.status();
    SourceSpec read = spec;
    read.kind = SourceKind::kPacked;
    read.path = folder;
    read.packed.keyed = keyed;
    const auto found = Dataset::Load(read);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->window(), options.window);
    EXPECT_EQ(found->order_version(), kWindowOrderVersion);
    EXPECT_EQ(found->features(), expected->features());
    EXPECT_EQ(found->entries(), expected->entries());
    EXPECT_NEAR(found->mean_row_sum(), expected->mean_row_sum(), 1e-6);
    EXPECT_EQ(found->index().classes, expected->index().classes);
    EXPECT_EQ(found->index().mean, expected->index().mean);
    EXPECT_EQ(found->index().stddev, expected->index().stddev);
    EXPECT_EQ(found->index().labels, expected->index().labels);
    EXPECT_LE(found->memory_bytes(), 2 * kMostWindowBytes);
    std::vector<std::string> texts = TextsOf(*found);
    std::vector<std::string> wanted = TextsOf(*expected);
    EXPECT_NE(texts, wanted);  // Shuffled.
    std::ranges::sort(texts);
    std::ranges::sort(wanted);
    EXPECT_EQ(texts, wanted);
    const auto indexed = Dataset::LoadIndexed(read, found->index());
    EXPECT_TRUE(indexed.ok()) << indexed.status();
  }

  // A set of 40 examples in windows of 8.
  std::string PackNumbers(const PackOptions& options = {.window = 8}) {
    std::string folder = folder_ / absl::StrCat("set-", ++sets_);
    const auto packed =
        PackSources({{"", {.path = "n.csv"}}}, folder, options, numbers_);
    EXPECT_TRUE(packed.ok()) << packed.status();
    return folder;
  }

  static std::string Numbers() {
    std::string text;
    for (int i = 0; i < 40; ++i) absl::StrAppend(&text, i, ",", i % 2, "\n");
    return text;
  }

  const TestFolder folder_;
  const OpenBytes numbers_ = OpenMemory({{"n.csv", Numbers()}});
  int sets_ = 0;
};

TEST_F(PackTest, GivesBackBytes) {
  std::string images, labels;
  for (int i = 0; i < 50; ++i) {
    for (int j = 0; j < 6; ++j) images.push_back(static_cast<char>(7 * i + j));
    labels.push_back(static_cast<char>(i % 3));
  }
  SourceSpec spec = {.kind = SourceKind::kIdx, .path = "m"};
  const Files files = {
      {"m-images-idx3-ubyte", internal::Idx({50, 2, 3}, images)},
      {"m-labels-idx1-ubyte", internal::Idx({50}, labels)}};
  spec.scale = 1.0 / 255;
  RoundTrip(spec, files, false, {.window = 16});
  spec.standardise = true;
  RoundTrip(spec, files, false, {.window = 7, .compress = false});
}

TEST_F(PackTest, GivesBackNumbersAndText) {
  std::string table = "age,city,price\n";
  for (int i = 0; i < 60; ++i) {
    absl::StrAppend(&table, i % 5 == 0 ? "" : absl::StrCat(20 + i), ",",
                    i % 2 == 0 ? "Ulm" : "Bonn", ",", 1.5 * i + 0.25, "\n");
  }
  SourceSpec spec = {.path = "t.csv", .label_kind = LabelKind::kReal};
  spec.csv.missing = CsvOptions::Missing::kMean;
  spec.standardise = true;
  spec.standardise_labels = true;
  RoundTrip(spec, {{"t.csv", table}}, false, {.window = 16});
}

TEST_F(PackTest, KeepsTheOriginsOfColumns) {
  std::string text = "time,y\n", test = "time,y\n";
  for (int i = 0; i < 100; ++i) {
    absl::StrAppend(&text, 1700000000 + i, ",", i % 2, "\n");
    absl::StrAppend(&test, 1700000000 + 3 * i, ",", i % 2, "\n");
  }
  const SourceSpec spec = {.path = "t.csv"};
  const Files files = {{"t.csv", text}, {"test.csv", test}};
  RoundTrip(spec, files, false, {.window = 16});
  const std::string folder = folder_ / "both";
  ASSERT_TRUE(PackSources({{"train", spec}, {"test", {.path = "test.csv"}}},
                          folder, {.window = 16}, OpenMemory(files))
                  .ok());
  SourceSpec read = {.kind = SourceKind::kPacked, .path = folder + "/train"};
  read.scale = 2;
  const auto train = Dataset::Load(read);
  ASSERT_TRUE(train.ok()) << train.status();
  ASSERT_EQ(train->index().encoding.origins.size(), 1);
  EXPECT_NEAR(train->index().encoding.origins[0], 3400000000.0, 100);
  read.path = folder + "/test";
  const auto like = Dataset::LoadLike(read, train->index());
  ASSERT_TRUE(like.ok()) << like.status();
  // Another set has other origins.
  ASSERT_TRUE(PackSources({{"", {.path = "test.csv"}}}, folder_ / "alone",
                          {.window = 16}, OpenMemory(files))
                  .ok());
  read.path = folder_ / "alone";
  EXPECT_THAT(
      std::string(Dataset::LoadLike(read, train->index()).status().message()),
      HasSubstr("packed with other categories or origins than the training"));
}

TEST_F(PackTest, TreesTellMissingValuesFromOthers) {
  std::string table = "age,price\n";
  for (int i = 0; i < 20; ++i) {
    absl::StrAppend(&table, i % 4 == 0 ? "" : absl::StrCat(i * i), ",", i,
                    "\n");
  }
  SourceSpec spec = {.path = "t.csv", .label_kind = LabelKind::kReal};
  for (const auto missing :
       {CsvOptions::Missing::kKeep, CsvOptions::Missing::kMean}) {
    spec.csv.missing = missing;
    const std::string folder =
        folder_ / absl::StrCat("gaps-", static_cast<int>(missing));
    const auto packed = PackSources({{"", spec}}, folder, {.window = 8},
                                    OpenMemory({{"t.csv", table}}));
    ASSERT_TRUE(packed.ok()) << packed.status();
    for (const bool keep : {true, false}) {
      SourceSpec read = {.kind = SourceKind::kPacked,
                         .path = folder,
                         .label_kind = LabelKind::kReal};
      read.packed.keep_missing = keep;
      const auto data = Dataset::Load(read);
      ASSERT_TRUE(data.ok()) << data.status();
      ASSERT_TRUE(Dataset::LoadIndexed(read, data->index()).ok());
      std::vector<int64_t> all(20);
      std::iota(all.begin(), all.end(), 0);
      ExampleBatch batch;
      ASSERT_TRUE(data->Gather(all, &batch).ok());
      const auto gaps = std::ranges::count_if(
          batch.values, [](float value) { return std::isnan(value); });
      const auto means = std::ranges::count(
          batch.values, static_cast<float>(data->index().mean[0]));
      EXPECT_EQ(gaps, keep ? 5 : 0);
      EXPECT_EQ(means, keep ? 0 : 5);
    }
  }
}

TEST_F(PackTest, AModelThatLooksAtNoLabelsNeedsNone) {
  SourceSpec spec = {.path = "t.csv", .has_labels = false};
  const std::string folder = folder_ / "bare";
  ASSERT_TRUE(PackSources({{"", spec}}, folder, {.window = 2},
                          OpenMemory({{"t.csv", "1,2\n3,4\n5,6\n"}}))
                  .ok());
  SourceSpec read = {.kind = SourceKind::kPacked,
                     .path = folder,
                     .label_kind = LabelKind::kReal};
  EXPECT_THAT(Dataset::Load(read).status().message(),
              HasSubstr("was packed without labels"));
  read.looks_at_labels = false;
  const auto data = Dataset::Load(read);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_FALSE(data->has_labels());
  ExampleBatch batch;
  ASSERT_TRUE(data->Gather(std::vector<int64_t>{0, 2}, &batch).ok());
  EXPECT_EQ(batch.rows, 2);
  EXPECT_TRUE(batch.labels.empty());
}

TEST_F(PackTest, GivesBackSparseRowsAndKeys) {
  std::string rows, fields;
  for (int i = 0; i < 40; ++i) {
    absl::StrAppend(&rows, i % 2, " ", 1 + i % 3, ":", 0.5 + i, " 9:1\n");
    absl::StrAppend(&fields, i % 2, " 0:", 100 + i, ":1 2:", i % 7, ":1\n");
  }
  SourceSpec spec = {.kind = SourceKind::kLibsvm, .path = "r"};
  RoundTrip(spec, {{"r", rows}}, false, {.window = 8});
  spec.scale = 0.5;
  RoundTrip(spec, {{"r", rows}}, false, {.window = 64});
  RoundTrip({.kind = SourceKind::kLibffm, .path = "r"}, {{"r", fields}}, true,
            {.window = 8});
}

// Few bytes of memory: buckets are cut again and again.
TEST_F(PackTest, TheMemoryChangesNothing) {
  const std::string large = PackNumbers();
  const std::string small = PackNumbers({.window = 8, .memory_bytes = 64});
  EXPECT_EQ(ReadAllOf(large + "/windows-00000.ebbp"),
            ReadAllOf(small + "/windows-00000.ebbp"));
  EXPECT_EQ(ReadAllOf(large + "/footer.ebbp"),
            ReadAllOf(small + "/footer.ebbp"));
  EXPECT_NE(ReadAllOf(large + "/footer.ebbp"),
            ReadAllOf(PackNumbers({.seed = 2, .window = 8}) + "/footer.ebbp"));
}

TEST_F(PackTest, BothPartsOfASplitShareTheirConstants) {
  SourceSpec train = {.path = "n.csv"}, test = {.path = "n.csv"};
  train.split = Split{0.3, 1, Split::Part::kTrain};
  test.split = Split{0.3, 1, Split::Part::kTest};
  const std::string folder = folder_ / "sets";
  const auto packed = PackSources({{"train", train}, {"test", test}}, folder,
                                  {.window = 8}, numbers_);
  ASSERT_TRUE(packed.ok()) << packed.status();
  const SourceSpec first = {.kind = SourceKind::kPacked,
                            .path = folder + "/train"};
  const SourceSpec second = {.kind = SourceKind::kPacked,
                             .path = folder + "/test"};
  const auto trained = Dataset::Load(first);
  ASSERT_TRUE(trained.ok()) << trained.status();
  const auto tested = Dataset::LoadLike(second, trained->index());
  ASSERT_TRUE(tested.ok()) << tested.status();
  EXPECT_EQ(trained->examples() + tested->examples(), 40);
  std::vector<std::string> all = TextsOf(*trained);
  for (const std::string& text : TextsOf(*tested)) all.push_back(text);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), 40u);
}

// Killed anywhere, there is no set or all of it, and packing again makes the
// set that would have been.
TEST_F(PackTest, BeginsAgainAfterAKill) {
  const std::string expected = PackNumbers();
  for (const absl::string_view point : PackKillPoints()) {
    const std::string folder = folder_ / absl::StrCat("killed-", point);
    const pid_t child = fork();
    if (child == 0) {
      PackOptions options = {.window = 8};
      options.kill_points = *KillPoints::Parse(point, PackKillPoints());
      PackSources({{"", {.path = "n.csv"}}}, folder, options, numbers_)
          .IgnoreError();
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << point;
    const auto again =
        PackSources({{"", {.path = "n.csv"}}}, folder, {.window = 8}, numbers_);
    EXPECT_EQ(absl::IsAlreadyExists(again.status()), point == "renamed")
        << again.status();
    EXPECT_EQ(ReadAllOf(folder + "/footer.ebbp"),
              ReadAllOf(expected + "/footer.ebbp"))
        << point;
    if (again.ok()) {
      EXPECT_FALSE(std::filesystem::exists(folder + ".packing"));
    }
  }
}

// Bug: the folder of work stayed after an error, as a wrong key of the job.
TEST_F(PackTest, LeavesNothingAfterAnError) {
  for (const char* const path : {"n.csv", "none.csv"}) {
    const std::string folder = folder_ / "wrong";
    const auto packed = PackSources(
        {{"", {.path = path, .csv = {.label = "none"}}}}, folder, {}, numbers_);
    EXPECT_FALSE(packed.ok());
    EXPECT_FALSE(std::filesystem::exists(folder));
    EXPECT_FALSE(std::filesystem::exists(folder + ".packing"));
  }
}

TEST_F(PackTest, NamesADamagedWindow) {
  const std::string folder = PackNumbers();
  const std::string path = folder + "/windows-00000.ebbp";
  std::string bytes = ReadAllOf(path);
  const auto set = PackedSet::Open(folder);
  ASSERT_TRUE(set.ok()) << set.status();
  bytes[static_cast<size_t>((*set)->footer().windows[2].offset)] ^= 1;
  WriteAllOf(path, bytes);
  const auto data =
      Dataset::Load({.kind = SourceKind::kPacked, .path = folder});
  ASSERT_TRUE(data.ok()) << data.status();  // Only used windows are read.
  ExampleBatch batch;
  EXPECT_TRUE(data->Gather(std::vector<int64_t>{0, 15}, &batch).ok());
  for (int i = 0; i < 2; ++i) {
    const absl::Status damaged = data->Gather(std::vector<int64_t>{16}, &batch);
    EXPECT_EQ(damaged.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(damaged.message(),
                AllOf(HasSubstr(path), HasSubstr("window 2 is damaged"),
                      HasSubstr("pack again")));
  }
  WriteAllOf(path, bytes.substr(0, bytes.size() - 1));
  EXPECT_THAT(PackedSet::Open(folder).status().message(),
              HasSubstr("but the footer says"));
  std::filesystem::remove(path);
  EXPECT_THAT(PackedSet::Open(folder).status().message(),
              HasSubstr("is missing"));
}

// Reads each window once, so that no other is in memory afterwards than the
// last two.
absl::Status UseAll(const Dataset& data) {
  ExampleBatch batch;
  for (int64_t at = 0; at < data.examples(); at += data.window()) {
    absl::Status status = data.Gather(std::vector<int64_t>{at}, &batch);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// A window that was checked is not checked again. But a set that is packed anew
// while a job reads it, or is damaged, must not be taken for the same.
TEST_F(PackTest, ChecksAWindowAgainIfItsFileChanged) {
  for (const bool compress : {true, false}) {
    const std::string folder = PackNumbers({.window = 8, .compress = compress});
    const std::string path = folder + "/windows-00000.ebbp";
    const auto data =
        Dataset::Load({.kind = SourceKind::kPacked, .path = folder});
    ASSERT_TRUE(data.ok()) << data.status();
    ASSERT_TRUE(UseAll(*data).ok());
    ASSERT_TRUE(UseAll(*data).ok());
    const std::string sound = ReadAllOf(path);
    std::string bytes = sound;
    // The clock of a file system may stand still for some milliseconds.
    auto time = std::filesystem::last_write_time(path);
    const auto write = [&](const std::string& content) {
      WriteAllOf(path, content);
      std::filesystem::last_write_time(path, time += std::chrono::seconds(1));
    };
    const auto set = PackedSet::Open(folder);
    ASSERT_TRUE(set.ok()) << set.status();
    bytes[static_cast<size_t>((*set)->footer().windows[2].offset)] ^= 1;
    write(bytes);
    EXPECT_TRUE(absl::IsDataLoss(UseAll(*data))) << UseAll(*data);
    write(sound);
    EXPECT_TRUE(UseAll(*data).ok()) << UseAll(*data);
    // Another set of the same name would do so, too.
    std::filesystem::remove(path);
    write(bytes);
    EXPECT_TRUE(absl::IsDataLoss(UseAll(*data))) << UseAll(*data);
  }
}

// A mapped window of a file that is cut is an error, and not a signal. Bug: one
// of a file that another process wrote to had what was written.
TEST_F(PackTest, AFileThatIsCutWhileItIsUsedIsAnError) {
  std::string table;
  for (int i = 0; i < 4096; ++i) absl::StrAppend(&table, i, ",", i % 2, "\n");
  const std::string folder = folder_ / "set";
  const auto packed = PackSources({{"", {.path = "n.csv"}}}, folder,
                                  {.window = 4096, .compress = false},
                                  OpenMemory({{"n.csv", table}}));
  ASSERT_TRUE(packed.ok()) << packed.status();
  const auto data =
      Dataset::Load({.kind = SourceKind::kPacked, .path = folder});
  ASSERT_TRUE(data.ok()) << data.status();
  std::vector<int64_t> all(4096);
  std::iota(all.begin(), all.end(), 0);
  ExampleBatch before, batch;
  ASSERT_TRUE(data->Gather(all, &before).ok());
  const std::string path = folder + "/windows-00000.ebbp";
  const std::string sound = ReadAllOf(path);
  std::filesystem::resize_file(path, 0);
  const absl::Status cut = data->Gather(all, &batch);
  EXPECT_TRUE(absl::IsDataLoss(cut)) << cut;
  EXPECT_THAT(cut.message(), HasSubstr("ends at byte 0"));
  WriteAllOf(path, sound);
  ASSERT_TRUE(data->Gather(all, &batch).ok());
  EXPECT_EQ(batch.values, before.values);

  // The clock of a file system may stand still for some milliseconds.
  auto time = std::filesystem::last_write_time(path);
  const auto write_in_place = [&](char byte) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(sound.size() / 2));
    file.put(byte);
    file.close();
    std::filesystem::last_write_time(path, time += std::chrono::seconds(1));
  };
  const char whole = sound[sound.size() / 2];
  write_in_place(static_cast<char>(whole ^ 1));
  const absl::Status damaged = data->Gather(all, &batch);
  EXPECT_TRUE(absl::IsDataLoss(damaged)) << damaged;
  EXPECT_THAT(damaged.message(), HasSubstr("window 0 is damaged"));
  write_in_place(whole);
  ASSERT_TRUE(data->Gather(all, &batch).ok());
  EXPECT_EQ(batch.values, before.values);
}

// Every later release must read version 1 of the format.
TEST_F(PackTest, ReadsTheGoldenSet) {
  const auto golden = Dataset::Load(
      {.kind = SourceKind::kPacked, .path = "tests/golden/packed_v1"});
  ASSERT_TRUE(golden.ok()) << golden.status();
  EXPECT_EQ(golden->window(), 8);
  const auto now =
      Dataset::Load({.kind = SourceKind::kPacked, .path = PackNumbers()});
  ASSERT_TRUE(now.ok()) << now.status();
  EXPECT_EQ(TextsOf(*golden), TextsOf(*now));  // In this order, too.
  EXPECT_EQ(golden->index().mean, now->index().mean);
}

TEST_F(PackTest, RefusesDamagedFooters) {
  const std::string folder = PackNumbers();
  const std::string path = folder + "/footer.ebbp";
  const std::string bytes = ReadAllOf(path);
  ASSERT_TRUE(Footer::Decode(bytes).ok());
  EXPECT_EQ(Footer::Decode(bytes)->Encode(), bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto cut = Footer::Decode(bytes.substr(0, size));
    EXPECT_EQ(cut.status().code(), absl::StatusCode::kDataLoss) << size;
  }
  std::string other = bytes.substr(0, 4);
  internal::PutFixed64(2, &other);
  WriteAllOf(path, other + bytes.substr(12));
  const absl::Status newer = PackedSet::Open(folder).status();
  EXPECT_EQ(newer.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(newer.message(), AllOf(HasSubstr(path), HasSubstr("version 2"),
                                     HasSubstr("pack again")));
}

// Bug: such a set ended the program when its examples were gathered.
TEST_F(PackTest, RefusesFootersWithoutFeatures) {
  const std::string folder = PackNumbers();
  const std::string path = folder + "/footer.ebbp";
  Footer footer = *Footer::Decode(ReadAllOf(path));
  footer.layout = Layout::kBytes;
  footer.index.features = 0;
  footer.index.mean.clear();
  footer.index.stddev.clear();
  footer.names.reset();
  const std::string windows = ReadAllOf(folder + "/windows-00000.ebbp");
  for (WindowEntry& window : footer.windows) {
    window.columns.back() = {};
    RunningHash labels;
    labels.Add(windows.data() + window.offset,
               static_cast<size_t>(window.columns.front().stored_bytes));
    window.hash = labels.Get();
  }
  WriteAllOf(path, footer.Encode());
  SourceSpec spec = {.kind = SourceKind::kPacked, .path = folder};
  spec.standardise = true;
  const auto data = Dataset::Load(spec);
  EXPECT_EQ(data.status().code(), absl::StatusCode::kDataLoss);
  if (!data.ok()) return;
  ExampleBatch batch;
  const absl::Status gathered = data->Gather(std::vector<int64_t>{0}, &batch);
  ADD_FAILURE() << gathered;
}

// Bug: the sum of their sizes overflowed.
TEST_F(PackTest, RefusesFootersWithFilesOfAnySize) {
  const std::string folder = PackNumbers();
  Footer footer = *Footer::Decode(ReadAllOf(folder + "/footer.ebbp"));
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  footer.file_bytes = {kMost, kMost};
  EXPECT_TRUE(absl::IsDataLoss(Footer::Decode(footer.Encode()).status()));
}

// Bug: such numbers became infinite.
TEST_F(PackTest, RefusesNumbersThatTheScaleMakesTooLarge) {
  const OpenBytes open = OpenMemory({{"n.csv", "1e30,0\n2e30,1\n"}});
  const std::string folder = folder_ / "large";
  ASSERT_TRUE(PackSources({{"", {.path = "n.csv"}}}, folder, {}, open).ok());
  SourceSpec spec = {.kind = SourceKind::kPacked, .path = folder};
  spec.scale = 1e20;
  const auto data = Dataset::Load(spec);
  ASSERT_TRUE(data.ok()) << data.status();
  ExampleBatch batch;
  const absl::Status gathered = data->Gather(std::vector<int64_t>{0}, &batch);
  EXPECT_TRUE(absl::IsInvalidArgument(gathered)) << gathered;
  EXPECT_THAT(gathered.message(), HasSubstr("scale"));
}

TEST_F(PackTest, RefusesWhatCannotBePacked) {
  const std::string folder = PackNumbers();
  const auto again = PackSources(
      {{"", {.kind = SourceKind::kPacked, .path = folder}}}, folder_ / "b", {});
  EXPECT_THAT(again.status().message(), HasSubstr("is a packed set already"));
  const auto there =
      PackSources({{"", {.path = "n.csv"}}}, folder, {}, numbers_);
  EXPECT_TRUE(absl::IsAlreadyExists(there.status()));
  PackOptions stopped;
  stopped.progress = [](const PackProgress&) { return true; };
  std::string many;
  for (int i = 0; i < 5000; ++i) absl::StrAppend(&many, i, ",0\n");
  EXPECT_TRUE(
      absl::IsCancelled(PackSources({{"", {.path = "m"}}}, folder_ / "c",
                                    stopped, OpenMemory({{"m", many}}))
                            .status()));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "c"));
}

TEST_F(PackTest, AModelMustFitThePackedExamples) {
  const std::string folder = PackNumbers();
  SourceSpec spec = {.kind = SourceKind::kPacked, .path = folder};
  spec.packed.keyed = true;
  EXPECT_THAT(Dataset::Load(spec).status().message(),
              HasSubstr("learns from 64-bit keys"));
}

// Bug: labels with digits after the point were left out as bad examples.
TEST_F(PackTest, SkippingKeepsLabelsThatAreNumbers) {
  std::string text;
  for (int i = 0; i < 60; ++i) {
    absl::StrAppend(&text, i, ",", i % 6 == 0 ? i + 0.5 : i, "\n");
  }
  SourceSpec spec = {.path = "n.csv"};
  spec.on_bad_example = OnBadExample::kSkip;
  const auto packed = PackSources({{"", spec}}, folder_ / "p", {},
                                  OpenMemory({{"n.csv", text}}));
  ASSERT_TRUE(packed.ok()) << packed.status();
  EXPECT_EQ((*packed)[0].examples, 60);
  EXPECT_EQ((*packed)[0].left_out, 0);
  EXPECT_EQ((*packed)[0].classes, 0);
}

// Bug: a price that only the test data has was none of the classes.
TEST_F(PackTest, WholeNumbersMayBeValues) {
  for (const double last : {1007.0, 1007.5}) {
    std::string text, more;
    for (int i = 0; i < 40; ++i) absl::StrAppend(&text, i, ",", 100 + i, "\n");
    for (int i = 0; i < 9; ++i) absl::StrAppend(&more, i, ",", last - i, "\n");
    const std::string folder = absl::StrCat(folder_ / "v", last);
    const auto packed =
        PackSources({{"train", {.path = "a"}}, {"test", {.path = "b"}}}, folder,
                    {}, OpenMemory({{"a", text}, {"b", more}}));
    ASSERT_TRUE(packed.ok()) << packed.status();
    SourceSpec train = {.kind = SourceKind::kPacked, .path = folder + "/train"};
    SourceSpec test = {.kind = SourceKind::kPacked, .path = folder + "/test"};
    EXPECT_THAT(Dataset::LoadLike(test, Dataset::Load(train)->index())
                    .status()
                    .message(),
                AnyOf(HasSubstr("no class of the training data"),
                      HasSubstr("are not classes")));
    train.label_kind = test.label_kind = LabelKind::kReal;
    const auto trained = Dataset::Load(train);
    ASSERT_TRUE(trained.ok()) << trained.status();
    const auto tested = Dataset::LoadLike(test, trained->index());
    ASSERT_TRUE(tested.ok()) << tested.status();
    EXPECT_EQ(tested->examples(), 9);
  }
}

// Bug: columns were taken by place, whatever they were called.
TEST_F(PackTest, ColumnsAreThoseOfTheTrainingData) {
  std::string rows;
  for (int i = 0; i < 40; ++i) absl::StrAppend(&rows, i, ",7,", i % 2, "\n");
  const OpenBytes open =
      OpenMemory({{"a", "x,y,l\n" + rows}, {"b", "y,x,l\n" + rows}});
  const auto pack = [&](const std::string& name) {
    const std::string folder = folder_ / ("of-" + name);
    EXPECT_TRUE(PackSources({{"", {.path = name}}}, folder, {}, open).ok());
    return SourceSpec{.kind = SourceKind::kPacked, .path = folder};
  };
  const auto trained = Dataset::Load(pack("a"));
  ASSERT_TRUE(trained.ok()) << trained.status();
  SourceSpec other = pack("b");
  other.like = trained->names();
  ASSERT_TRUE(other.like.has_value());
  EXPECT_THAT(Dataset::LoadLike(other, trained->index()).status().message(),
              HasSubstr("with the column y as number 1, but the training data "
                        "has x"));
}

// Bug: keys of different formats were taken for the same.
TEST_F(PackTest, RowsOfKeysComeFromTheSameFormat) {
  std::string ratings = "user,item,rating\n", ffm;
  for (int i = 0; i < 40; ++i) {
    absl::StrAppend(&ratings, i, ",", i, ",", i % 5 + 1, "\n");
    absl::StrAppend(&ffm, i % 2, " 0:", i, ":1 1:", i, ":1\n");
  }
  const OpenBytes open = OpenMemory({{"r", ratings}, {"f", ffm}});
  const auto pack = [&](const std::string& name, SourceKind kind) {
    const std::string folder = folder_ / ("of-" + name);
    const auto packed =
        PackSources({{"", {.kind = kind, .path = name}}}, folder, {}, open);
    EXPECT_TRUE(packed.ok()) << packed.status();
    SourceSpec spec = {.kind = SourceKind::kPacked, .path = folder};
    spec.packed.keyed = true;
    spec.label_kind = LabelKind::kReal;
    return spec;
  };
  const SourceSpec train = pack("r", SourceKind::kRatings);
  const auto trained = Dataset::Load(train);
  ASSERT_TRUE(trained.ok()) << trained.status();
  EXPECT_TRUE(Dataset::LoadIndexed(train, trained->index()).ok());
  EXPECT_THAT(
      Dataset::LoadLike(pack("f", SourceKind::kLibffm), trained->index())
          .status()
          .message(),
      HasSubstr("was packed from libffm, but the training data from ratings"));
  SourceSpec classes = train;
  classes.label_kind = LabelKind::kClass;
  EXPECT_THAT(Dataset::Load(classes).status().message(),
              HasSubstr("was packed from ratings"));
}

// Bug: a folder of this name was removed, also if packing had not made it.
TEST_F(PackTest, LeavesFoldersOfOthersAlone) {
  const std::string work = folder_ / "set.packing";
  std::filesystem::create_directory(work);
  WriteAllOf(work + "/thesis.txt", "mine");
  EXPECT_TRUE(absl::IsAlreadyExists(
      PackSources({{"", {.path = "n.csv"}}}, folder_ / "set", {}, numbers_)
          .status()));
  EXPECT_EQ(ReadAllOf(work + "/thesis.txt"), "mine");
}

}  // namespace
}  // namespace ebb::data::pack
