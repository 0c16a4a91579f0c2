#include "data/byte_source.h"

#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "data/internal/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data {
namespace {

using internal::Gzip;
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

TEST_P(ByteSourceTest, DecompressesGzip) {
  std::string bytes;
  for (int i = 0; i < 50000; ++i) absl::StrAppend(&bytes, i);
  for (const size_t piece : {1, 7, 1 << 20}) {
    EXPECT_EQ(*Drain(Open(Gzip(bytes)), piece), bytes);
  }
}

TEST_P(ByteSourceTest, StaysAtTheEnd) {
  for (const std::string& bytes : {std::string("ab"), Gzip("ab")}) {
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

TEST_P(ByteSourceTest, JoinsGzipMembers) {
  EXPECT_EQ(*Drain(Open(Gzip("ab") + Gzip("") + Gzip("cd")), 10), "abcd");
}

TEST(GzipTest, NamesTheEndOfATruncatedFile) {
  const std::string whole = Gzip("a text of some length");
  for (size_t length = 2; length < whole.size(); ++length) {
    const auto read = DrainMemory(whole.substr(0, length));
    EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(read.status().message(),
              absl::StrCat("f: at byte ", length,
                           " of the compressed file: the gzip data ends in "
                           "the middle; was it copied whole?"));
  }
}

TEST(GzipTest, RefusesDamage) {
  std::string damaged = Gzip("a text of some length");
  damaged[damaged.size() - 6] ^= 1;  // In the checksum.
  const auto read = DrainMemory(damaged);
  EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(read.status().message(), HasSubstr("incorrect data check"));
}

TEST(GzipTest, RefusesOtherBytesAfterAMember) {
  const auto read = DrainMemory(Gzip("ab") + "cd");
  EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(read.status().message(), HasSubstr("incorrect header check"));
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

}  // namespace
}  // namespace ebb::data
