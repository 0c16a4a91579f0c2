#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/testing/test_folder.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "data/formats/images/image.h"
#include "data/formats/images/image_rows.h"
#include "data/formats/testing.h"
#include "data/pack/packer.h"
#include "data/reader.h"
#include "data/source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Files = std::map<std::string, std::string>;

std::vector<uint8_t> Bytes(const std::string& text) {
  return {text.begin(), text.end()};
}

absl::StatusOr<Image> Decode(const std::string& bytes,
                             const ImageOptions& options = {}) {
  Image image;
  const absl::Status status = DecodeImage(bytes, options, kMostPixels, &image);
  if (!status.ok()) return status;
  return image;
}

std::string Mistake(const std::string& bytes) {
  const absl::Status status = Decode(bytes).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

// --- Decoding ----------------------------------------------------------------

TEST(ImageTest, ReadsWhatImageMagickReads) {
  for (const std::string name :
       {"plain.png", "interlaced.png", "palette.png", "opaque.png",
        "baseline.jpg", "progressive.jpg"}) {
    const auto image = Decode(Golden(name));
    ASSERT_TRUE(image.ok()) << name << image.status();
    EXPECT_EQ(image->width, 6);
    EXPECT_EQ(image->height, 4);
    EXPECT_EQ(image->channels, 3);
    EXPECT_EQ(image->pixels, Bytes(Golden(name + ".rgb"))) << name;
  }
  for (const std::string name : {"grey.png", "bits.png", "grey.jpg"}) {
    const auto grey = Decode(Golden(name), {.grey = true});
    ASSERT_TRUE(grey.ok()) << name << grey.status();
    EXPECT_EQ(grey->pixels, Bytes(Golden(name + ".gray"))) << name;
    // In colour, each pixel has it three times.
    const auto colours = Decode(Golden(name));
    ASSERT_TRUE(colours.ok()) << name << colours.status();
    for (size_t i = 0; i < colours->pixels.size(); ++i) {
      EXPECT_EQ(colours->pixels[i], grey->pixels[i / 3]) << name;
    }
  }
}

TEST(ImageTest, ReadsThePixelsThatWereWritten) {
  const auto image = Decode(Golden("plain.png"));
  ASSERT_TRUE(image.ok()) << image.status();
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 6; ++x) {
      const uint8_t* const pixel = &image->pixels[(y * 6 + x) * 3];
      EXPECT_EQ(pixel[0], 40 * x);
      EXPECT_EQ(pixel[1], 60 * y);
      EXPECT_EQ(pixel[2], 10 * x + 5 * y);
    }
  }
}

// ITU-R 601 weighs red, green and blue so.
TEST(ImageTest, MakesColoursGrey) {
  const auto image = Decode(Golden("plain.png"), {.grey = true});
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->channels, 1);
  EXPECT_EQ(image->pixels[0], 0);
  // 0.299 * 160 + 0.114 * 40 = 52.4.
  EXPECT_EQ(image->pixels[4], 52);
  const auto jpeg = Decode(Golden("baseline.jpg"), {.grey = true});
  ASSERT_TRUE(jpeg.ok()) << jpeg.status();
  EXPECT_NEAR(jpeg->pixels[4], 52, 8);
}

TEST(ImageTest, ScalesToTheMeanOfAnArea) {
  const auto half = Decode(Golden("plain.png"), {.width = 3, .height = 2});
  ASSERT_TRUE(half.ok()) << half.status();
  EXPECT_EQ(half->width, 3);
  EXPECT_EQ(half->height, 2);
  // Red of columns 0 and 1, 2 and 3; green of rows 0 and 1.
  EXPECT_EQ(half->pixels[0], 20);
  EXPECT_EQ(half->pixels[3], 100);
  EXPECT_EQ(half->pixels[1], 30);
  // 6 columns become 4: a new one is all of one, and half of the next.
  const auto less =
      Decode(Golden("plain.png"), {.width = 4, .height = 4, .grey = false});
  ASSERT_TRUE(less.ok()) << less.status();
  EXPECT_EQ(less->pixels[0], 13);  // (0 + 40 / 2) / 1.5
  EXPECT_EQ(less->pixels[3], 67);  // (40 / 2 + 80) / 1.5
  const auto more = Decode(Golden("plain.png"), {.width = 12, .height = 8});
  ASSERT_TRUE(more.ok()) << more.status();
  EXPECT_EQ(more->pixels[0], more->pixels[3]);
  EXPECT_EQ(more->pixels[6], 40);
}

TEST(ImageTest, ScalesAnyRowsAsTheMeanOfAll) {
  for (const auto& [width, height] : {std::pair{1, 1}, {7, 5}, {50, 3}}) {
    Image image;
    image.channels = 1;
    ImageRows rows(9, 6, {.width = width, .height = height, .grey = true},
                   &image);
    const std::vector<uint8_t> row(9, 201);
    for (int y = 0; y < 6; ++y) rows.Add(row.data());
    EXPECT_THAT(image.pixels, testing::Each(201)) << width;
    EXPECT_EQ(std::ssize(image.pixels), width * height);
  }
}

// Sums of so many pixels take more than 32 bits.
TEST(ImageTest, ScalesLargeAreas) {
  constexpr int64_t kWidth = int64_t{1} << 24;
  Image image;
  image.channels = 1;
  ImageRows rows(kWidth, 2, {.width = 1, .height = 1, .grey = true}, &image);
  std::vector<uint8_t> row(kWidth, 255);
  rows.Add(row.data());
  std::fill(row.begin(), row.end(), 253);
  rows.Add(row.data());
  EXPECT_THAT(image.pixels, ElementsAre(254));
}

TEST(ImageTest, ScalesLargeJpegsWhileItDecodes) {
  const auto small = Decode(Golden("large.jpg"), {.width = 6, .height = 4});
  ASSERT_TRUE(small.ok()) << small.status();
  const std::string wanted = Golden("plain.png.rgb");
  ASSERT_EQ(small->pixels.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(small->pixels[i], static_cast<uint8_t>(wanted[i]), 14) << i;
  }
}

TEST(ImageTest, NamesWhatItDoesNotTake) {
  EXPECT_THAT(Mistake(Golden("cmyk.jpg")),
              StartsWith("has the colours of print, CMYK, and ebb takes grey "
                         "and RGB; `mogrify -colorspace sRGB`"));
  EXPECT_THAT(Mistake(Golden("deep.png")),
              StartsWith("has 16 bits a value, and ebb takes 8; `mogrify "
                         "-depth 8`"));
  EXPECT_THAT(Mistake(Golden("transparent.png")),
              StartsWith("has transparent pixels, and ebb takes opaque ones"));
  EXPECT_THAT(Mistake(Golden("image.gif")),
              StartsWith("is a GIF image; ebb takes PNG and JPEG"));
  EXPECT_THAT(Mistake("notes\n"), StartsWith("begins with 'notes"));
  EXPECT_THAT(Mistake(""), StartsWith("is empty"));
}

TEST(ImageTest, NamesWhatIsCut) {
  for (const std::string name :
       {"plain.png", "interlaced.png", "baseline.jpg", "progressive.jpg"}) {
    const std::string whole = Golden(name);
    for (size_t bytes = 12; bytes < whole.size(); ++bytes) {
      const auto status = Decode(whole.substr(0, bytes)).status();
      // The last marker of a JPEG is two bytes.
      EXPECT_FALSE(status.ok()) << name << " " << bytes;
    }
    EXPECT_THAT(Mistake(whole.substr(0, whole.size() - 8)),
                StartsWith("is cut: the "))
        << name;
  }
}

TEST(ImageTest, NamesDamage) {
  std::string png = Golden("plain.png");
  png[png.size() - 20] ^= 1;  // In the checksum of the pixels.
  EXPECT_THAT(Mistake(png), StartsWith("is damaged, says libpng: "));
  std::string jpeg = Golden("baseline.jpg");
  jpeg[20] ^= 0xff;
  std::fill(jpeg.begin() + 200, jpeg.end() - 2, '\xff');
  EXPECT_THAT(Mistake(jpeg), HasSubstr("libjpeg: "));
}

std::string BigEndian(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(value >> shift));
  }
  return bytes;
}

std::string Checksum(const std::string& chunk) {
  return BigEndian(static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(chunk.data()),
            static_cast<uInt>(chunk.size()))));
}

// A bomb: little more than a header.
TEST(ImageTest, RefusesBombsByTheirHeader) {
  // The header's chunk is at byte 12, with its checksum behind it.
  std::string png = Golden("plain.png");
  const auto resize = [&](uint32_t width, uint32_t height) {
    png.replace(16, 8, BigEndian(width) + BigEndian(height));
    png.replace(29, 4, Checksum(png.substr(12, 17)));
  };
  resize(1 << 15, (1 << 13) + 1);
  EXPECT_EQ(Mistake(png),
            "has 32768x8193 pixels; at most 268435456 are possible");
  resize(0x7fffffff, 0x7fffffff);
  EXPECT_THAT(Mistake(png), HasSubstr("x2147483647 pixels; at most"));
  // A row alone would be 1 GB.
  resize(1 << 28, 1);
  EXPECT_EQ(Decode(png, {.width = 8, .height = 4}).status().message(),
            "is 268435456 pixels wide; at most 1048576 are possible");
  resize(1 << 13, 1 << 13);
  EXPECT_THAT(Mistake(png),
              StartsWith("has 8192x8192 pixels, which would be "));
  std::string jpeg = Golden("baseline.jpg");
  const size_t frame = jpeg.find("\xff\xc0");
  jpeg.replace(frame + 5, 4, "\x40\x01\x40\x00", 4);
  EXPECT_EQ(Mistake(jpeg),
            "has 16384x16385 pixels; at most 268435456 are possible");
  jpeg.replace(frame + 5, 4, "\x10\x00\x10\x00", 4);
  EXPECT_THAT(Mistake(jpeg),
              StartsWith("has 4096x4096 pixels, which would be 50331648 "
                         "features; at most 16777216 are possible, so scale"));
  EXPECT_TRUE(
      ImageRows::Check(1 << 14, 1 << 14, {.width = 1, .height = 1}, kMostPixels)
          .ok());
}

// A JPEG with EXIF data that says so.
std::string Turned(char orientation) {
  std::string exif("Exif\0\0MM\0*\0\0\0\x08", 14);
  exif += std::string("\0\x01\x01\x12\0\x03\0\0\0\x01\0", 11) + orientation +
          std::string(6, '\0');
  std::string jpeg = Golden("baseline.jpg");
  const auto length = static_cast<char>(exif.size() + 2);
  jpeg.insert(2, std::string("\xff\xe1\0", 3) + length + exif);
  return jpeg;
}

TEST(ImageTest, RefusesWhatExifTurns) {
  EXPECT_TRUE(Decode(Turned(1)).ok());
  EXPECT_THAT(Mistake(Turned(6)),
              StartsWith("is turned or mirrored by its EXIF data (orientation "
                         "6), and ebb takes pixels as they stand; turn the "
                         "pixels, as `mogrify -auto-orient`"));
  // In a PNG it is a chunk, here before the last one.
  const std::string chunk(
      "eXIfII*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0",
      30);
  std::string png = Golden("plain.png");
  png.insert(png.size() - 12, BigEndian(26) + chunk + Checksum(chunk));
  EXPECT_THAT(Mistake(png), HasSubstr("by its EXIF data (orientation 8)"));
  using absl::string_view;
  EXPECT_EQ(ExifOrientation(string_view(
                "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0", 22)),
            3);
  // These have no orientation, or one that cannot be read.
  for (const string_view odd :
       {string_view(""), string_view("MM\0*\xff\xff\xff\xff", 8),
        string_view("II*\0\x08\0\0\0\xff\xff", 10)}) {
    EXPECT_EQ(ExifOrientation(odd), 1);
  }
}

// --- Folders -----------------------------------------------------------------

SourceSpec Folder() { return {.kind = SourceKind::kImages, .path = "d"}; }

Files Pets() {
  return {{"d/cat/1.png", Golden("plain.png")},
          {"d/cat/2.jpg", Golden("baseline.jpg")},
          {"d/cat-like/1.png", Golden("grey.png")},
          {"d/dog/1.png", Golden("interlaced.png")},
          {"d/dog/.hidden", "no image"}};
}

std::string ErrorOf(const SourceSpec& spec, const Files& files) {
  const absl::Status status = Dataset::Load(spec, OpenMemory(files)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

TEST(ImagesFormatTest, AFolderIsAClass) {
  const auto all = ReadAll(Folder(), OpenMemory(Pets()));
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 4);
  // In the order of their paths; the classes in the order of their names.
  std::vector<float> labels;
  for (const ReadExample& one : *all) labels.push_back(one.label);
  EXPECT_THAT(labels, ElementsAre(1, 0, 0, 2));
  EXPECT_EQ((*all)[1].bytes, Bytes(Golden("plain.png.rgb")));

  const auto data = Dataset::Load(Folder(), OpenMemory(Pets()));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->features(), 6 * 4 * 3);
  EXPECT_THAT(data->index().encoding.classes,
              ElementsAre("cat", "cat-like", "dog"));
  EXPECT_EQ(data->index().files.size(), 1);
}

// Found by thinking of a test folder that lacks a class: its numbers must be
// those of the training data.
TEST(ImagesFormatTest, TestDataTakesTheClassesOfTheTrainingData) {
  const auto train = Dataset::Load(Folder(), OpenMemory(Pets()));
  ASSERT_TRUE(train.ok()) << train.status();
  SourceSpec spec = {.kind = SourceKind::kImages, .path = "t/"};
  const auto test = Dataset::LoadLike(
      spec, train->index(), OpenMemory({{"t/dog/7.png", Golden("plain.png")}}));
  ASSERT_TRUE(test.ok()) << test.status();
  ExampleBatch batch;
  const std::vector<int64_t> first = {0};
  ASSERT_TRUE(test->Gather(first, &batch).ok());
  EXPECT_THAT(batch.labels, ElementsAre(2));
  const auto other =
      Dataset::LoadLike(spec, train->index(),
                        OpenMemory({{"t/fish/7.png", Golden("plain.png")}}));
  EXPECT_EQ(other.status().message(),
            "t/fish/7.png: its folder 'fish' is no class of the training "
            "data, which are cat, cat-like, dog");
}

TEST(ImagesFormatTest, ImagesWithoutClassesMayBeInOneFolder) {
  SourceSpec spec = Folder();
  spec.has_labels = false;
  EXPECT_EQ(ReadAll(spec, OpenMemory(Pets()))->size(), 4);
  spec.path = "flat";
  const OpenBytes flat = OpenMemory({{"flat/1.png", Golden("plain.png")},
                                     {"flat/2.png", Golden("plain.png")}});
  EXPECT_EQ(ReadAll(spec, flat)->size(), 2);
  spec.path = "flat/2.png";
  EXPECT_EQ(ReadAll(spec, flat)->size(), 1);
  spec.path = "flat";
  spec.has_labels = true;
  const auto labelled = Dataset::Load(spec, flat).status();
  EXPECT_EQ(labelled.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(labelled.message()),
              StartsWith("flat: there is no image in a folder of it; it has a "
                         "folder for each class"));
}

TEST(ImagesFormatTest, NamesImagesBesideTheFoldersOfClasses) {
  for (const std::string name : {"d/1.png", "d/e.JPG", "d/z.jpeg"}) {
    Files files = Pets();
    files[name] = Golden("plain.png");
    const std::string expected = absl::StrCat(
        name,
        ": stands beside the folders of the classes; move it into one of them");
    EXPECT_EQ(ErrorOf(Folder(), files), expected);
    SourceSpec spec = Folder();
    spec.has_labels = false;
    EXPECT_EQ(ErrorOf(spec, files), expected);
  }
  // Other files say something about them, and a class may be called so.
  Files files = Pets();
  files["d/README.md"] = "x";
  files["d/.1.png"] = "x";
  files["d/a.png/1.png"] = Golden("plain.png");
  const auto data = Dataset::Load(Folder(), OpenMemory(files));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->index().encoding.classes.size(), 4);
}

// A web server lists no files, but an image to predict from may be there.
TEST(ImagesFormatTest, AnImageNeedsNoList) {
  const OpenBytes open(
      OpenMemory({{"w/1.png", Golden("plain.png")}}),
      [](absl::string_view path) -> absl::StatusOr<std::vector<std::string>> {
        if (absl::StrContains(path, "*")) {
          return absl::InvalidArgumentError("lists no files");
        }
        return std::vector<std::string>{std::string(path)};
      });
  const auto one = ReadAll(
      {.kind = SourceKind::kImages, .path = "w/1.png", .has_labels = false},
      open);
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->size(), 1);
}

TEST(ImagesFormatTest, AFolderWhoseNameIsAPatternIsItself) {
  const std::string png = Golden("plain.png");
  const OpenBytes open = OpenMemory({{"d1/x/1.png", png},
                                     {"d2/x/1.png", png},
                                     {"d[1]/y/1.png", png},
                                     {"d*\\?/z/1.png", png},
                                     {"d2/x/2.png", png},
                                     {"d[2]/1.png", png}});
  const auto classes =
      [&](const std::string& path) -> std::vector<std::string> {
    const auto data =
        Dataset::Load({.kind = SourceKind::kImages, .path = path}, open);
    EXPECT_TRUE(data.ok()) << data.status();
    if (!data.ok()) return {};
    return data->index().encoding.classes;
  };
  EXPECT_THAT(classes("d[1]"), ElementsAre("y"));
  EXPECT_THAT(classes("d*\\?"), ElementsAre("z"));
  EXPECT_THAT(classes("d?"), ElementsAre("x"));
  // Without classes it may have no folders.
  SourceSpec flat = {
      .kind = SourceKind::kImages, .path = "d[2]", .has_labels = false};
  EXPECT_EQ(ReadAll(flat, open)->size(), 1);
  flat.path = "d?";
  EXPECT_EQ(ReadAll(flat, open)->size(), 3);

  const TestFolder folder;
  for (const std::string name : {"e1/x", "e[1]/y"}) {
    std::filesystem::create_directories(folder / name);
    std::ofstream(folder / (name + "/1.png")) << png;
  }
  const auto data = Dataset::Load(
      {.kind = SourceKind::kImages, .path = folder / "e[1]"}, OpenFile);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->index().encoding.classes, ElementsAre("y"));
}

TEST(ImagesFormatTest, AllImagesHaveOneSize) {
  Files files = Pets();
  files["d/dog/2.jpg"] = Golden("large.jpg");
  EXPECT_EQ(ErrorOf(Folder(), files),
            "d/dog/2.jpg: has 96x64 pixels, but d/cat-like/1.png has 6x4; all "
            "images have one size: size: 6x4 scales them to it");
  SourceSpec scaled = Folder();
  scaled.image = {.width = 3, .height = 2, .grey = true};
  const auto data = Dataset::Load(scaled, OpenMemory(files));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->features(), 6);
  EXPECT_EQ(data->examples(), 5);
}

TEST(ImagesFormatTest, BadImagesStopOrAreLeftOut) {
  Files files = Pets();
  files["d/cat-like/0.png"] = Golden("plain.png").substr(0, 60);
  files["d/dog/thumbs.db"] = "x";
  EXPECT_EQ(ErrorOf(Folder(), files),
            "d/cat-like/0.png: is cut: the PNG image ends within it; was it "
            "copied whole?");
  SourceSpec spec = Folder();
  spec.on_bad_example = OnBadExample::kSkip;
  const auto data = Dataset::Load(spec, OpenMemory(files));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->examples(), 4);
  EXPECT_EQ(data->index().left_out, 2);
  for (auto& [path, bytes] : files) {
    if (path < "d/d") bytes = "bad";
  }
  EXPECT_THAT(ErrorOf(spec, files), StartsWith("d: 5 of 6 examples are bad"));
}

// Their numbers would be those of other classes.
TEST(ImagesFormatTest, ClassesOfTrainingAndTestDataHaveOneForm) {
  const std::string png = Golden("plain.png");
  const OpenBytes open = OpenMemory(
      {{"d/1/a.png", png},
       {"d/2/b.png", png},
       {"i-images-idx3-ubyte", Idx({2, 1, 72}, std::string(144, 'x'))},
       {"i-labels-idx1-ubyte", Idx({2}, std::string("\1\2"))}});
  const SourceSpec numbers = {.kind = SourceKind::kIdx, .path = "i"};
  const auto by_number = Dataset::Load(numbers, open);
  ASSERT_TRUE(by_number.ok()) << by_number.status();
  const auto by_name = Dataset::Load(Folder(), open);
  ASSERT_TRUE(by_name.ok()) << by_name.status();
  EXPECT_EQ(
      Dataset::LoadLike(Folder(), by_number->index(), open).status().message(),
      "d names its classes by folders, but those of the training data are "
      "numbers; give both in one form");
  EXPECT_EQ(
      Dataset::LoadLike(numbers, by_name->index(), open).status().message(),
      "i has numbers as labels, but the classes of the training data have "
      "names, as '1'; give both in one form");
  // Without labels nothing is numbered.
  SourceSpec unlabelled = Folder();
  unlabelled.has_labels = false;
  EXPECT_TRUE(
      Dataset::LoadLike(unlabelled, by_number->index(), open).status().ok());

  const TestFolder folder;
  const std::string packed = folder / "packed";
  ASSERT_TRUE(pack::PackSources({{"", numbers}}, packed, {}, open).ok());
  const auto train =
      Dataset::Load({.kind = SourceKind::kPacked, .path = packed});
  ASSERT_TRUE(train.ok()) << train.status();
  EXPECT_THAT(
      std::string(
          Dataset::LoadLike(Folder(), train->index(), open).status().message()),
      StartsWith("d names its classes by folders"));
}

// Both have 24 pixels.
TEST(ImagesFormatTest, TestDataHasTheShapeOfTheTrainingData) {
  const OpenBytes open = OpenMemory(Pets());
  SourceSpec tall = Folder();
  tall.image = {.width = 4, .height = 6};
  const std::string expected =
      "d has images of 4x6 pixels, but the training data of 6x4; size: 6x4 "
      "scales them to it";
  const auto train = Dataset::Load(Folder(), open);
  ASSERT_TRUE(train.ok()) << train.status();
  EXPECT_EQ(Dataset::LoadLike(tall, train->index(), open).status().message(),
            expected);
  const auto other = Dataset::Load(tall, open);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(
      Dataset::LoadLike(Folder(), other->index(), open).status().message(),
      "d has images of 6x4 pixels, but the training data of 4x6; size: 4x6 "
      "scales them to it");
  SourceSpec same = Folder();
  same.image = {.width = 6, .height = 4};
  EXPECT_TRUE(Dataset::LoadLike(same, train->index(), open).ok());
  EXPECT_TRUE(
      Dataset::LoadIndexed(same, Dataset::Load(same, open)->index(), open)
          .ok());

  // Packed images keep theirs.
  const TestFolder folder;
  const std::string packed = folder / "packed";
  ASSERT_TRUE(pack::PackSources({{"", Folder()}}, packed, {}, open).ok());
  const SourceSpec set = {.kind = SourceKind::kPacked, .path = packed};
  const auto from = Dataset::Load(set);
  ASSERT_TRUE(from.ok()) << from.status();
  EXPECT_EQ(Dataset::LoadLike(tall, from->index(), open).status().message(),
            expected);
  EXPECT_TRUE(Dataset::LoadLike(Folder(), from->index(), open).ok());
  EXPECT_TRUE(Dataset::LoadIndexed(set, from->index()).ok());
  EXPECT_THAT(
      std::string(Dataset::LoadLike(set, other->index()).status().message()),
      HasSubstr(" has images of 6x4 pixels, but the training data of 4x6"));
}

// Its bytes do not tell the class of an image.
TEST(ImagesFormatTest, FilesAreKnownByTheirNamesToo) {
  const auto data = Dataset::Load(Folder(), OpenMemory(Pets()));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_TRUE(
      Dataset::LoadIndexed(Folder(), data->index(), OpenMemory(Pets())).ok());
  Files moved = Pets();
  moved["d/dog/9.png"] = Golden("plain.png");
  moved.erase("d/cat/1.png");
  const absl::Status status =
      Dataset::LoadIndexed(Folder(), data->index(), OpenMemory(moved)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              StartsWith("d is not the file that was indexed"));
}

TEST(ImagesFormatTest, FolderNamesAreNumbersForAModelOfNumbers) {
  SourceSpec spec = Folder();
  spec.label_kind = LabelKind::kReal;
  EXPECT_THAT(ErrorOf(spec, Pets()),
              HasSubstr("its folder names a class, 'cat-like', but the model "
                        "predicts numbers"));
  const auto all =
      ReadAll(spec, OpenMemory({{"d/2.5/1.png", Golden("plain.png")}}));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ((*all)[0].label, 2.5);
}

TEST(ImagesFormatTest, RefusesOptionsThatDoNotFit) {
  SourceSpec spec = Folder();
  spec.image = {.width = 5};
  EXPECT_THAT(std::string(spec.Validate().message()),
              StartsWith("size 5x0 is not between"));
  spec.image = {.width = 16384, .height = 16384};
  EXPECT_FALSE(spec.Validate().ok());
  spec.image = {};
  spec.comment = "#";
  EXPECT_FALSE(spec.Validate().ok());
  EXPECT_THAT(Folder().Meaning(), HasSubstr(" colours=rgb"));
}

TEST(ImagesFormatTest, PackedImagesKeepTheNamesOfTheirClasses) {
  const TestFolder folder;
  const std::string packed = folder / "packed";
  const auto facts =
      pack::PackSources({{"", Folder()}}, packed, {}, OpenMemory(Pets()));
  ASSERT_TRUE(facts.ok()) << facts.status();
  const auto data =
      Dataset::Load({.kind = SourceKind::kPacked, .path = packed});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->examples(), 4);
  EXPECT_THAT(data->index().encoding.classes,
              ElementsAre("cat", "cat-like", "dog"));
}

}  // namespace
}  // namespace ebb::data::internal
