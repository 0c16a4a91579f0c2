#include "bench/data/data_files.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bench/data/bare_images.h"
#include "bench/data/bare_records.h"
#include "common/testing/test_folder.h"
#include "data/reader.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/files/files.h"

namespace ebb::bench {
namespace {

struct Read {
  std::vector<float> labels;
  std::vector<float> values;
  std::vector<uint8_t> bytes;
};

Read ReadAll(const data::SourceSpec& spec) {
  Read read;
  const auto reader = data::OpenReader(spec);
  EXPECT_TRUE(reader.ok()) << reader.status();
  data::Example example;
  while (reader.ok()) {
    const auto more = (*reader)->Next(&example);
    EXPECT_TRUE(more.ok()) << more.status();
    if (!more.ok() || !*more) break;
    read.labels.push_back(example.label);
    read.values.insert(read.values.end(), example.values.begin(),
                       example.values.end());
    read.bytes.insert(read.bytes.end(), example.bytes.begin(),
                      example.bytes.end());
  }
  return read;
}

ImageSet Twenty() {
  auto set = ReadImageSet("", 20);
  EXPECT_TRUE(set.ok()) << set.status();
  for (size_t i = 0; i < set->labels.size(); ++i) {
    set->labels[i] = static_cast<uint8_t>(i / 2);
  }
  return *std::move(set);
}

TEST(DataFilesTest, ImagesAreTheSameInEachFormat) {
  const TestFolder folder;
  const ImageSet set = Twenty();
  ASSERT_EQ(set.images(), 20);
  ASSERT_TRUE(WriteImageFiles(set, 20, ImageFile::kPng, folder / "png").ok());
  ASSERT_TRUE(WriteImageRecords(set, 20, folder / "records").ok());
  ASSERT_TRUE(WriteIdx(set, 20, folder / "idx").ok());
  const Read png = ReadAll({.kind = data::SourceKind::kImages,
                            .path = folder / "png",
                            .image = {.grey = true}});
  const Read records = ReadAll(ImageRecords(set, folder / "records"));
  const Read idx =
      ReadAll({.kind = data::SourceKind::kIdx, .path = folder / "idx"});
  // Files are sorted by class and number, as these images are.
  for (const Read* read : {&png, &records, &idx}) {
    EXPECT_EQ(read->bytes, set.pixels);
    EXPECT_THAT(read->labels, testing::ElementsAreArray(set.labels));
  }
}

TEST(DataFilesTest, BareLibrariesDecodeImages) {
  const TestFolder folder;
  const ImageSet set = MakeColourImages(16, 1);
  std::vector<uint8_t> pixels(static_cast<size_t>(set.bytes()));
  ASSERT_TRUE(WriteImageFiles(set, 1, ImageFile::kPng, folder / "png").ok());
  const auto png = tools::ReadFile(folder / "png/0/0000000.png");
  ASSERT_TRUE(png.ok());
  ASSERT_TRUE(DecodeBarePng(*png, &pixels));
  EXPECT_EQ(pixels, set.pixels);
  EXPECT_FALSE(DecodeBarePng(png->substr(0, 40), &pixels));
  // Colours would be coarser than pixels.
  const ImageSet grey = Twenty();
  pixels.resize(static_cast<size_t>(grey.bytes()));
  ASSERT_TRUE(WriteImageFiles(grey, 1, ImageFile::kJpeg, folder / "jpeg").ok());
  const auto jpeg = tools::ReadFile(folder / "jpeg/0/0000000.jpg");
  ASSERT_TRUE(jpeg.ok());
  ASSERT_TRUE(DecodeBareJpeg(*jpeg, &pixels));
  for (size_t i = 0; i < pixels.size(); ++i) {
    EXPECT_NEAR(pixels[i], grey.pixels[i], 60) << i;
  }
  EXPECT_FALSE(DecodeBareJpeg("no image", &pixels));
}

TEST(DataFilesTest, BareLibrariesDecodeImagesInRecords) {
  const TestFolder folder;
  const ImageSet set = Twenty();
  const std::string path = folder / "records";
  ASSERT_TRUE(WriteJpegRecords(set, 20, path).ok());
  ASSERT_TRUE(
      WriteImageFiles(set, 20, ImageFile::kJpeg, folder / "files").ok());
  const Read files = ReadAll({.kind = data::SourceKind::kImages,
                              .path = folder / "files",
                              .image = {.grey = true}});
  Read records;
  const auto take = [&](int64_t label, std::span<const uint8_t> pixels) {
    records.labels.push_back(static_cast<float>(label));
    records.bytes.insert(records.bytes.end(), pixels.begin(), pixels.end());
  };
  ASSERT_TRUE(ReadJpegRecords(path, set.bytes(), take).ok());
  EXPECT_EQ(records.bytes, files.bytes);
  EXPECT_EQ(records.labels, files.labels);
  const auto file = tools::ReadFile(path);
  ASSERT_TRUE(file.ok());
  std::string damaged = *file;
  damaged[damaged.size() / 2] ^= 1;
  for (const std::string& bad :
       {damaged, file->substr(0, file->size() - 1), *file + "rest"}) {
    ASSERT_TRUE(tools::WriteFile(path, bad).ok());
    EXPECT_TRUE(absl::IsDataLoss(ReadJpegRecords(path, set.bytes(), take)));
  }
}

TEST(DataFilesTest, RecordsAreTheSameInAllFormats) {
  const TestFolder folder;
  for (const RecordKind kind :
       {RecordKind::kNumbers, RecordKind::kList, RecordKind::kClicks}) {
    ASSERT_TRUE(
        WriteRecords(kind, 30, folder / "json", folder / "records").ok());
    const Read json = ReadAll({.kind = data::SourceKind::kJsonLines,
                               .path = folder / "json",
                               .features = FeaturesOf(kind)});
    const Read records = ReadAll({.kind = data::SourceKind::kTfRecord,
                                  .path = folder / "records",
                                  .features = FeaturesOf(kind)});
    EXPECT_EQ(json.labels.size(), 30u);
    EXPECT_EQ(json.labels, records.labels);
    ASSERT_TRUE(WriteMessages(kind, 30, folder / "types", folder / "pb").ok());
    const Read messages =
        ReadAll(Messages(kind, folder / "types", folder / "pb"));
    EXPECT_EQ(json.labels, messages.labels);
    ASSERT_EQ(json.values.size(), records.values.size());
    ASSERT_EQ(json.values.size(), messages.values.size());
    for (size_t i = 0; i < json.values.size(); ++i) {
      EXPECT_NEAR(json.values[i], records.values[i], 1e-5) << NameOf(kind);
      EXPECT_NEAR(json.values[i], messages.values[i], 1e-5) << NameOf(kind);
    }
  }
}

TEST(DataFilesTest, RowsAreThoseOfTheRawFile) {
  const TestFolder folder;
  ASSERT_TRUE(WriteRows(5, 3, folder / "records", folder / "raw").ok());
  const Read rows = ReadAll(Rows(3, folder / "records"));
  const auto raw = tools::ReadFile(folder / "raw");
  ASSERT_TRUE(raw.ok());
  EXPECT_EQ(*raw, std::string(reinterpret_cast<const char*>(rows.values.data()),
                              rows.values.size() * sizeof(float)));
  ASSERT_TRUE(WriteBlobs(2, 100, folder / "blobs").ok());
  EXPECT_EQ(ReadAll(Blobs(100, folder / "blobs")).bytes.size(), 200u);
}

}  // namespace
}  // namespace ebb::bench
