#include <map>
#include <string>
#include <utility>
#include <vector>

#include "data/byte_source.h"
#include "data/formats/testing.h"
#include "data/reader.h"
#include "data/source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kImages[] = "d/train-images-idx3-ubyte";
constexpr char kLabels[] = "d/train-labels-idx1-ubyte";

SourceSpec IdxSpec() { return {.kind = SourceKind::kIdx, .path = "d/train"}; }

// Two images of 1 x 3 pixels.
std::string Images() { return Idx({2, 1, 3}, "\x01\x02\x03\xff\x05\x06"); }
std::string Labels() { return Idx({2}, "\x04\x09"); }

absl::Status ErrorOf(std::map<std::string, std::string> files) {
  return ReadAll(IdxSpec(), OpenMemory(std::move(files))).status();
}

std::string Message(const std::string& images, const std::string& labels) {
  const absl::Status status = ErrorOf({{kImages, images}, {kLabels, labels}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

TEST(IdxReaderTest, ReadsImagesBesideTheirLabels) {
  const auto all = ReadAll(
      IdxSpec(), OpenMemory({{kImages, Images()}, {kLabels, Labels()}}));
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 2u);
  EXPECT_THAT((*all)[0].bytes, ElementsAre(1, 2, 3));
  EXPECT_EQ((*all)[0].label, 4);
  EXPECT_THAT((*all)[1].bytes, ElementsAre(255, 5, 6));
  EXPECT_EQ((*all)[1].label, 9);
}

TEST(IdxReaderTest, FindsFilesWithAndWithoutGz) {
  const auto all = ReadAll(
      IdxSpec(), OpenMemory({{std::string(kImages) + ".gz", Gzip(Images())},
                             {kLabels, Labels()}}));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->size(), 2u);
}

TEST(IdxReaderTest, TakesFilesByTheirNames) {
  SourceSpec spec = {.kind = SourceKind::kIdx,
                     .idx = {.images = "x", .labels = "y"}};
  const OpenBytes open = OpenMemory({{"x", Images()}, {"y", Labels()}});
  EXPECT_EQ(ReadAll(spec, open)->size(), 2u);
  spec.has_labels = false;
  spec.idx.labels.clear();
  const auto unlabelled = ReadAll(spec, open);
  ASSERT_TRUE(unlabelled.ok()) << unlabelled.status();
  EXPECT_EQ((*unlabelled)[1].label, 0);
}

TEST(IdxReaderTest, SaysWhichFileIsNotThere) {
  const absl::Status status = ErrorOf({{kImages, Images()}});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(),
            "d/train-labels-idx1-ubyte[.gz]: there is no such file; an IDX "
            "path is what comes before -images-idx3-ubyte");
}

TEST(IdxReaderTest, RefusesAnotherMagic) {
  EXPECT_EQ(Message(Labels(), Labels()),
            "d/train-images-idx3-ubyte: has magic 0x00000801; a file of "
            "examples has 0x00000803 (unsigned bytes, 3 dimensions; 2 or more "
            "will do)");
  EXPECT_EQ(Message(Images(), Images()),
            "d/train-labels-idx1-ubyte: has magic 0x00000803; a file of "
            "labels has 0x00000801 (unsigned bytes)");
  std::string floats = Images();
  floats[2] = 0x0d;
  EXPECT_THAT(Message(floats, Labels()), HasSubstr("has magic 0x00000d03"));
}

TEST(IdxReaderTest, RefusesATruncatedFile) {
  const std::string images = Images();
  EXPECT_EQ(Message(images.substr(0, images.size() - 1), Labels()),
            "d/train-images-idx3-ubyte: ends at byte 21, within example 2 of "
            "the 2 that its header promises; was it copied whole?");
  EXPECT_EQ(Message(images, Labels().substr(0, 9)),
            "d/train-labels-idx1-ubyte: ends at byte 9, within example 2 of "
            "the 2 that its header promises; was it copied whole?");
  EXPECT_EQ(Message(images.substr(0, 7), Labels()),
            "d/train-images-idx3-ubyte: ends at byte 7, within its header; an "
            "IDX file begins with its magic and dimensions");
}

TEST(IdxReaderTest, RefusesBytesAfterTheLastExample) {
  EXPECT_EQ(Message(Images() + "x", Labels()),
            "d/train-images-idx3-ubyte: goes on at byte 22, after the 2 "
            "examples that its header promises");
}

TEST(IdxReaderTest, RefusesImagesAndLabelsOfDifferentData) {
  EXPECT_EQ(Message(Images(), Idx({3}, "\x01\x02\x03")),
            "d/train-images-idx3-ubyte: has 2 examples, but "
            "d/train-labels-idx1-ubyte has 3 labels; the two files belong to "
            "different data");
}

TEST(IdxReaderTest, RefusesImpossibleDimensions) {
  EXPECT_THAT(Message(Idx({2, 0, 3}, ""), Labels()),
              HasSubstr("dimension 2 is 0, so an example would have 0 bytes"));
  EXPECT_THAT(Message(Idx({2, 4096, 0xffffffff}, ""), Labels()),
              HasSubstr("dimension 3 is 4294967295, so an example would have "
                        "17592186040320 bytes; between 1 and 16777216"));
}

}  // namespace
}  // namespace ebb::data::internal
