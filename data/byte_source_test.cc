#include "data/byte_source.h"

#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"
#include "data/compression/codec.h"
#include "data/formats/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data {
namespace {

using internal::Bzip2;
using internal::Gzip;
using internal::Lz4;
using internal::Xz;
using internal::Zstd;
using ::testing::HasSubstr;

// Reads to the end in pieces of `piece` bytes.
absl::StatusOr<std::string> Drain(
    absl::StatusOr<std::unique_ptr<ByteSource>> source, size_t piece) {
  if (!source.ok()) return source.status();
  std::string all;
  std::string buffer(piece, '\0');
  for (;;) {
    const absl::StatusOr<size_t> n = (*source)->Read(std::span<char>(buffer));
    if (!n.ok()) return n.status();
    if (*n == 0) return all;
    all.append(buffer, 0, *n);
  }
}

absl::StatusOr<std::string> DrainMemory(const std::string& bytes) {
  return Drain(OpenMemory({{"f", bytes}})("f"), 1000);
}

// The contract of the seam, over a file and over memory.
class ByteSourceTest : public testing::TestWithParam<bool> {
 protected:
  absl::StatusOr<std::unique_ptr<ByteSource>> Open(const std::string& bytes) {
    if (!GetParam()) return OpenMemory({{"f", bytes}})("f");
    const std::string path =
        absl::StrCat(testing::TempDir(), "/byte_source_test");
    std::FILE* const file = std::fopen(path.c_str(), "wb");
    std::fwrite(bytes.data(), 1, bytes.size(), file);
    std::fclose(file);
    return OpenFile(path);
  }
};

INSTANTIATE_TEST_SUITE_P(FileAndMemory, ByteSourceTest, testing::Bool());

TEST_P(ByteSourceTest, GivesPlainBytesInPiecesOfAnySize) {
  std::string bytes;
  for (int i = 0; i < 50000; ++i) absl::StrAppend(&bytes, i);
  for (const size_t piece : {1, 7, 1 << 20}) {
    EXPECT_EQ(*Drain(Open(bytes), piece), bytes);
  }
}

TEST_P(ByteSourceTest, StaysAtTheEnd) {
  for (const std::string& bytes : {std::string("ab"), Gzip("ab"), Zstd("ab"),
                                   Xz("ab"), Bzip2("ab"), Lz4("ab")}) {
    auto source = Open(bytes);
    std::string buffer(10, '\0');
    EXPECT_EQ(*(*source)->Read(std::span<char>(buffer)), 2u);
    EXPECT_EQ(*(*source)->Read(std::span<char>(buffer)), 0u);
    EXPECT_EQ(*(*source)->Read(std::span<char>(buffer)), 0u);
  }
}

TEST_P(ByteSourceTest, GivesTheShortestFiles) {
  EXPECT_EQ(*Drain(Open(""), 10), "");
  EXPECT_EQ(*Drain(Open("\x1f"), 10), "\x1f");
  EXPECT_EQ(*Drain(Open(Gzip("")), 10), "");
}

// --- Compressions ------------------------------------------------------------

struct Compression {
  std::string name;
  std::string (*compress)(absl::string_view);
  std::string (*other)(absl::string_view);  // Another one.
};

class CompressionTest : public testing::TestWithParam<Compression> {
 protected:
  static std::string Compress(absl::string_view bytes) {
    return GetParam().compress(bytes);
  }
};

INSTANTIATE_TEST_SUITE_P(All, CompressionTest,
                         testing::Values(Compression{"gzip", Gzip, Zstd},
                                         Compression{"zstd", Zstd, Gzip},
                                         Compression{"xz", Xz, Gzip},
                                         Compression{"bzip2", Bzip2, Xz},
                                         Compression{"lz4", Lz4, Bzip2}),
                         [](const auto& info) { return info.param.name; });

TEST_P(CompressionTest, IsDecompressedInPiecesOfAnySize) {
  std::string bytes;
  for (int i = 0; i < 50000; ++i) absl::StrAppend(&bytes, i);
  // Compresses well: much comes out of the last byte of the input.
  bytes += std::string(1 << 20, 'a');
  for (const size_t piece : {7, 1000, 1 << 22}) {
    const auto read = Drain(OpenMemory({{"f", Compress(bytes)}})("f"), piece);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(*read == bytes) << "in pieces of " << piece;
  }
}

TEST_P(CompressionTest, JoinsMembers) {
  EXPECT_EQ(*DrainMemory(Compress("ab") + Compress("") + Compress("cd")),
            "abcd");
}

// It accepts what `gzip -t` does: tapes and block copies leave zeros behind.
TEST_P(CompressionTest, PassesOverZerosAtTheEnd) {
  for (const size_t zeros : {1, 511, 200000}) {
    const auto read =
        DrainMemory(Compress("ab") + Compress("cd") + std::string(zeros, '\0'));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, "abcd");
  }
}

TEST_P(CompressionTest, RefusesWhatElseStandsAfterAMember) {
  for (const std::string& rest :
       {std::string("cd"), std::string("\0\0c", 3),
        std::string("\0", 1) + Compress("cd"), GetParam().other("cd")}) {
    const auto read = DrainMemory(Compress("ab") + rest);
    EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(read.status().message(),
                HasSubstr(absl::StrCat("of the compressed file: something else "
                                       "stands after the ",
                                       GetParam().name, " data; try `",
                                       GetParam().name, " -t`")));
  }
}

TEST_P(CompressionTest, NamesTheEndOfATruncatedFile) {
  const std::string whole = Compress("a text of some length");
  for (size_t length = internal::kMagicBytes; length < whole.size(); ++length) {
    const auto read = DrainMemory(whole.substr(0, length));
    EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(read.status().message(),
              absl::StrCat("f: at byte ", length,
                           " of the compressed file: the ", GetParam().name,
                           " data ends in the middle; was it copied whole?"));
  }
}

TEST_P(CompressionTest, RefusesDamage) {
  std::string bytes;
  for (int i = 0; i < 5000; ++i) absl::StrAppend(&bytes, i);
  std::string damaged = Compress(bytes);
  damaged[damaged.size() / 2] ^= 1;
  const auto read = DrainMemory(damaged);
  EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(
      read.status().message(),
      HasSubstr(absl::StrCat("the ", GetParam().name, " data is damaged (")));
}

TEST(GzipTest, NamesTheReasonOfTheLibrary) {
  std::string damaged = Gzip("a text of some length");
  damaged[damaged.size() - 6] ^= 1;  // In the checksum.
  EXPECT_THAT(DrainMemory(damaged).status().message(),
              HasSubstr("the gzip data is damaged (incorrect data check); try "
                        "`gzip -t`"));
}

TEST(CompressionNamesTest, TextMayBeginAsMagicDoes) {
  for (const std::string& text : {std::string("BZh9,a,b\n1,2,3\n"),
                                  std::string("BZh"), std::string("(\xb5/"),
                                  std::string("\xfd"
                                              "7zX")}) {
    EXPECT_EQ(*DrainMemory(text), text);
  }
}

// --- Bytes that are shown where they are -------------------------------------

class ShownBytesTest : public testing::Test {
 protected:
  ShownBytesTest() {
    std::mt19937_64 random(1);
    while (content_.size() < size_t{20} << 20) {
      const uint64_t number = random();
      content_.append(reinterpret_cast<const char*>(&number), sizeof(number));
    }
    Write(content_);
  }

  void Write(absl::string_view bytes) {
    std::ofstream(path_, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  std::unique_ptr<ByteSource> Open() const { return *OpenFile(path_); }

  const TestFolder folder_;
  const std::string path_ = folder_ / "file";
  std::string content_;
};

TEST_F(ShownBytesTest, AreThoseOfTheFileInPiecesOfAnySize) {
  for (const size_t piece : {size_t{1000}, size_t{700'001}, size_t{9} << 20}) {
    const auto source = Open();
    std::string all;
    for (;;) {
      const auto shown = source->Show(piece);
      ASSERT_TRUE(shown.ok()) << shown.status();
      ASSERT_TRUE(shown->has_value());
      const absl::string_view view = (*shown)->substr(0, piece);
      all.append(view.data(), view.size());
      source->Pass(view.size());
      if (view.size() < piece) break;
    }
    EXPECT_TRUE(all == content_) << piece;
    EXPECT_EQ(**source->Show(1), "");
    EXPECT_TRUE(source->CheckUnchanged().ok());
  }
}

TEST_F(ShownBytesTest, AreNotReadUntilTheyArePassed) {
  const auto source = Open();
  ASSERT_TRUE(*source->Show(100));
  source->Pass(10);
  std::string read(20, '\0');
  ASSERT_EQ(*source->Read(std::span<char>(read)), 20u);
  EXPECT_EQ(read, content_.substr(10, 20));
  EXPECT_EQ((**source->Show(5)).substr(0, 5), content_.substr(30, 5));
  // Beyond what is mapped.
  std::string large(size_t{12} << 20, '\0');
  ASSERT_EQ(*source->Read(std::span<char>(large)), large.size());
  EXPECT_EQ((**source->Show(5)).substr(0, 5),
            content_.substr(30 + large.size(), 5));
}

TEST_F(ShownBytesTest, ThereAreNoneOfSmallAndCompressedFilesAndOfMemory) {
  for (const std::string& bytes :
       {content_.substr(0, 1000), Lz4(content_), Gzip("")}) {
    Write(bytes);
    const auto source = Open();
    EXPECT_FALSE(*source->Show(1));
    const std::string plain = *DrainMemory(bytes);
    std::string read(plain.size() + 1, '\0');
    size_t n = 0;
    for (;;) {
      const auto more = source->Read(std::span<char>(read).subspan(n));
      ASSERT_TRUE(more.ok()) << more.status();
      if (*more == 0) break;
      n += *more;
    }
    EXPECT_TRUE(read.substr(0, n) == plain);
  }
  EXPECT_FALSE(*(*OpenMemory({{"f", content_}})("f"))->Show(1));
}

// Reading a mapped page that is gone would end the process.
TEST_F(ShownBytesTest, AFileThatBecomesShorterIsAnError) {
  const auto source = Open();
  const auto shown = source->Show(1000);
  ASSERT_TRUE(*shown);
  std::filesystem::resize_file(path_, size_t{2} << 20);
  const std::string used(**shown);
  EXPECT_EQ(used.substr(0, 1000), content_.substr(0, 1000));
  source->Pass(used.size());
  const std::string message = absl::StrCat(
      path_,
      ": had 20971520 bytes when it was opened, and 2097152 while it was "
      "read; read it again when nothing changes it");
  EXPECT_EQ(source->CheckUnchanged(), absl::UnavailableError(message));
  EXPECT_EQ(source->Show(1).status(), absl::UnavailableError(message));
}

TEST_F(ShownBytesTest, AFileThatIsWrittenToIsAnErrorAtItsEndAtTheLatest) {
  const auto source = Open();
  for (size_t passed = 0; passed < content_.size();) {
    const auto shown = source->Show(1);
    ASSERT_TRUE(shown.ok()) << shown.status();
    passed += (*shown)->size();
    source->Pass((*shown)->size());
  }
  const auto time = std::filesystem::last_write_time(path_);
  std::fstream(path_, std::ios::binary | std::ios::in | std::ios::out) << "x";
  // The clock of a file system may stand still for some milliseconds.
  std::filesystem::last_write_time(path_, time + std::chrono::seconds(1));
  EXPECT_EQ(source->Show(1).status(),
            absl::UnavailableError(absl::StrCat(
                path_,
                ": was written to while it was read; read it again when "
                "nothing changes it")));
}

TEST(OpenFileTest, NamesAPathThatIsNotThere) {
  const auto file = OpenFile("/no/such/file");
  EXPECT_EQ(file.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(file.status().message(),
              HasSubstr("/no/such/file: cannot be opened"));
}

TEST(OpenFileTest, RefusesAFolder) {
  const auto file = OpenFile(testing::TempDir());
  EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(file.status().message(), HasSubstr("is a folder"));
}

// Opening a pipe without a writer waited for ever.
TEST(OpenFileTest, RefusesWhatIsNoRegularFile) {
  const std::string path =
      absl::StrCat(testing::TempDir(), "/byte_source.pipe");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(OpenFile(path).status().message(),
            absl::StrCat(path,
                         ": is a named pipe (FIFO); name a regular file, which "
                         "can be read again"));
  std::remove(path.c_str());
  EXPECT_THAT(OpenFile("/dev/zero").status().message(),
              HasSubstr("/dev/zero: is a character device"));
}

}  // namespace
}  // namespace ebb::data
