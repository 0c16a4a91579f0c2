#include "datasets/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace ebb::datasets {
namespace {

using ::testing::HasSubstr;

DataFile File(const std::string& path, const std::string& bytes) {
  DataFile file = {path, static_cast<int64_t>(bytes.size()), {}};
  for (size_t at = 0; at < bytes.size(); at += kChunkBytes) {
    file.chunks.push_back(ChecksumOf(bytes.substr(at, kChunkBytes)));
  }
  return file;
}

Manifest Example() {
  std::vector<DataFile> files;
  files.push_back(File("b/large", std::string(2 * kChunkBytes + 5, 'x')));
  files.push_back(File("a", ""));
  files.push_back(File("c", "123"));
  files.push_back(File("b/empty", ""));
  return *Manifest::Make(std::move(files));
}

TEST(ManifestTest, ChecksumsAreThoseOfXxhsum) {
  // xxhsum -H2 < /dev/null
  EXPECT_EQ(ChecksumOf("").ToHex(), "99aa06d3014798d86001c324468d497f");
}

TEST(ManifestTest, ChunksAreCountedOverFilesByPath) {
  const Manifest manifest = Example();

  ASSERT_EQ(manifest.files().size(), 4);
  EXPECT_EQ(manifest.files()[0].path, "a");
  EXPECT_EQ(manifest.files()[1].path, "b/empty");
  EXPECT_EQ(manifest.files()[2].path, "b/large");
  EXPECT_EQ(manifest.chunks(), 4);
  EXPECT_EQ(manifest.total_bytes(), 2 * kChunkBytes + 8);
  const Manifest::Place last_of_large = manifest.PlaceOf(2);
  EXPECT_EQ(last_of_large.file, 2);
  EXPECT_EQ(last_of_large.offset, 2 * kChunkBytes);
  EXPECT_EQ(last_of_large.size, 5);
  const Manifest::Place small = manifest.PlaceOf(3);
  EXPECT_EQ(small.file, 3);
  EXPECT_EQ(small.offset, 0);
  EXPECT_EQ(small.size, 3);
  EXPECT_EQ(manifest.ChecksumOfChunk(3), ChecksumOf("123"));
  EXPECT_EQ(manifest.Find("b/large"), 2);
  EXPECT_EQ(manifest.Find("b"), std::nullopt);
}

TEST(ManifestTest, DecodedItIsTheSame) {
  const Manifest manifest = Example();

  const auto read = Manifest::Decode(manifest.bytes());

  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->bytes(), manifest.bytes());
  EXPECT_EQ(read->id(), manifest.id());
  EXPECT_EQ(read->chunks(), manifest.chunks());
  EXPECT_EQ(read->files()[2].chunks, manifest.files()[2].chunks);
}

// Written by the first version; later ones must read it.
TEST(ManifestTest, AManifestOfVersionOneIsRead) {
  std::ifstream file("tests/golden/data_set_v1.bin", std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  ASSERT_FALSE(bytes.empty());

  const auto read = Manifest::Decode(bytes);

  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->bytes(), Example().bytes());
}

TEST(ManifestTest, OtherContentHasAnotherId) {
  const auto of = [](const std::string& path, const std::string& bytes) {
    return Manifest::Make({File(path, bytes)})->id();
  };
  EXPECT_EQ(of("a", "1"), of("a", "1"));
  EXPECT_NE(of("a", "1"), of("a", "2"));
  EXPECT_NE(of("a", "1"), of("b", "1"));
}

TEST(ManifestTest, EveryDamageIsFound) {
  const std::string good = Example().bytes();
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x20);
    EXPECT_FALSE(Manifest::Decode(bad).ok()) << i;
    EXPECT_TRUE(absl::IsDataLoss(Manifest::Decode(good.substr(0, i)).status()))
        << i;
  }
  EXPECT_FALSE(Manifest::Decode(good + "x").ok());
}

TEST(ManifestTest, ALaterVersionIsNamed) {
  std::string later = Example().bytes();
  later[8] = 2;

  const auto read = Manifest::Decode(later);

  EXPECT_TRUE(absl::IsFailedPrecondition(read.status())) << read.status();
  EXPECT_THAT(std::string(read.status().message()), HasSubstr("version 2"));
}

TEST(ManifestTest, NoPathLeavesItsFolder) {
  for (const char* path :
       {"", "/", "/etc/passwd", "..", "../a", "a/../b", "a//b", "a/", "./a",
        "a/.", ".ebb-data", "a/.ebb", "a\nb", "a\x7f"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckPath(path))) << path;
    EXPECT_FALSE(Manifest::Make({File(path, "1")}).ok()) << path;
  }
  for (const char* path : {"a", "a b/c", ".hidden", "a..b", "é", "...x"}) {
    EXPECT_TRUE(CheckPath(path).ok()) << CheckPath(path);
  }
  EXPECT_FALSE(CheckPath(std::string(256, 'a')).ok());
  std::string deep = "a";
  for (int i = 0; i < kMaxDepth; ++i) deep += "/a";
  EXPECT_FALSE(CheckPath(deep).ok());
  EXPECT_TRUE(CheckPath(deep.substr(2)).ok());
}

TEST(ManifestTest, NamesAreShortAndPlain) {
  for (const char* name :
       {"", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "\xc3\xa9"}) {
    EXPECT_FALSE(CheckSetName(name).ok()) << name;
  }
  EXPECT_FALSE(CheckSetName(std::string(64, 'a')).ok());
  for (const char* name : {"a", "fashion-mnist", "A.b_c-1", "0"}) {
    EXPECT_TRUE(CheckSetName(name).ok()) << name;
  }
}

TEST(ManifestTest, APathIsThereOnceAndNoFolder) {
  EXPECT_THAT(
      std::string(
          Manifest::Make({File("a", "1"), File("a", "2")}).status().message()),
      HasSubstr("twice"));
  // With one between them.
  EXPECT_THAT(std::string(Manifest::Make({File("a", "1"), File("a-b", "2"),
                                          File("a/b/c", "3")})
                              .status()
                              .message()),
              HasSubstr("a file and a folder"));
}

TEST(ManifestTest, SizesAndChecksumsFitTogether) {
  EXPECT_FALSE(Manifest::Make({{"a", 1, {}}}).ok());
  EXPECT_FALSE(Manifest::Make({{"a", 0, {Checksum()}}}).ok());
  EXPECT_FALSE(Manifest::Make({{"a", -1, {}}}).ok());
  EXPECT_FALSE(Manifest::Make({{"a", kChunkBytes + 1, {Checksum()}}}).ok());
  // The largest file that a manifest can name; no disk may have it.
  const int64_t chunks = kMaxManifestBytes / 16 + 1;
  EXPECT_THAT(std::string(Manifest::Make({{"a", chunks * kChunkBytes,
                                           std::vector<Checksum>(chunks)}})
                              .status()
                              .message()),
              HasSubstr("too large"));
}

TEST(ManifestTest, UrisNameTheirSetWhateverFollows) {
  for (const char* const uri : {"ebb://mnist", "ebb://mnist/", "ebb://mnist/a/",
                                "ebb://mnist/a/*.csv"}) {
    EXPECT_EQ(*SetOfUri(uri), "mnist") << uri;
  }
  for (const char* const other : {"mnist/a", "ebb:///a", "ebb://*/a"}) {
    EXPECT_FALSE(SetOfUri(other).ok()) << other;
  }
  EXPECT_EQ(UriOf("mnist", "a/b.csv"), "ebb://mnist/a/b.csv");
}

TEST(ManifestTest, UrisAreTakenApart) {
  const auto uri = ParseUri("ebb://mnist/a/b.csv");
  ASSERT_TRUE(uri.has_value());
  EXPECT_EQ(uri->set, "mnist");
  EXPECT_EQ(uri->path, "a/b.csv");
  for (const char* other :
       {"/data/a", "ebb:/a/b", "ebb://", "ebb://a", "ebb://a/", "ebb:///b",
        "ebb://a/../b", "ebb://../b", "http://a/b"}) {
    EXPECT_FALSE(ParseUri(other).has_value()) << other;
  }
  EXPECT_TRUE(IsUri("ebb://a"));
  EXPECT_FALSE(IsUri("a/ebb://"));
}

}  // namespace
}  // namespace ebb::datasets
