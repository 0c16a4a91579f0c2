#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "common/testing/test_folder.h"
#include "data/byte_source.h"
#include "data/formats/testing.h"
#include "data/tokens/token_packer.h"
#include "data/tokens/token_reader.h"
#include "data/tokens/token_set.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::tokens {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using TokenFiles = std::map<std::string, std::string>;
using Sequence = std::vector<uint32_t>;

// The tokens 0, 1, .. as uint16.
std::string Ascending(int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    bytes.push_back(static_cast<char>(i & 255));
    bytes.push_back(static_cast<char>(i >> 8));
  }
  return bytes;
}

std::string BytesIn(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void PutBytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::vector<Sequence> SequencesIn(const std::string& folder) {
  const auto set = TokenSet::Open(folder);
  EXPECT_TRUE(set.ok()) << set.status();
  std::vector<Sequence> all;
  for (int64_t w = 0; w < set->footer().windows(); ++w) {
    Sequence tokens;
    const absl::Status read = set->Read(w, &tokens);
    EXPECT_TRUE(read.ok()) << read;
    const auto each = static_cast<size_t>(set->footer().length + 1);
    for (size_t at = 0; at < tokens.size(); at += each) {
      all.emplace_back(tokens.begin() + at, tokens.begin() + at + each);
    }
  }
  return all;
}

class TokenPackTest : public ::testing::Test {
 protected:
  // Packs a file of memory.
  absl::StatusOr<std::vector<PackedTokens>> Pack(
      const TokenFiles& files, const std::string& path,
      const PackTokensOptions& options, const std::string& dtype = "",
      std::optional<int64_t> document_end = std::nullopt) {
    const OpenBytes open = OpenMemory(files);
    const auto source = FindTokens(path, dtype, document_end, open);
    if (!source.ok()) return source.status();
    return PackTokens(*source, dest(), options, open);
  }
  std::string Error(const TokenFiles& files, const std::string& path,
                    const PackTokensOptions& options,
                    const std::string& dtype = "",
                    std::optional<int64_t> document_end = std::nullopt) {
    const auto packed = Pack(files, path, options, dtype, document_end);
    EXPECT_FALSE(packed.ok());
    EXPECT_EQ(packed.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_FALSE(std::filesystem::exists(dest()));
    return std::string(packed.status().message());
  }
  std::string dest() const { return folder_ / "packed"; }

  const TestFolder folder_{TestFolder::On::kMemory};
};

TEST_F(TokenPackTest, SequencesShareOneTokenAndStandByTheirHashes) {
  const auto packed =
      Pack({{"a.bin", Ascending(24)}}, "a.bin", {.length = 5}, "uint16");
  ASSERT_TRUE(packed.ok()) << packed.status();

  const TokenFooter& footer = packed->front().footer;
  EXPECT_EQ(footer.sequences, 4);
  EXPECT_EQ(footer.left_out, 3);
  EXPECT_EQ(footer.vocabulary, 24);
  EXPECT_EQ(footer.width, 2);
  std::vector<int64_t> order = {0, 1, 2, 3};
  std::ranges::sort(order, {}, [](int64_t i) {
    return HashAppend(HashAppend(HashAppend(0, 4), 1), i);
  });
  std::vector<Sequence> expected;
  for (const int64_t i : order) {
    Sequence one(6);
    std::iota(one.begin(), one.end(), 5 * i);
    expected.push_back(one);
  }
  EXPECT_EQ(SequencesIn(dest()), expected);
}

TEST_F(TokenPackTest, ManyBucketsGiveTheSameBytesAsOne) {
  const TokenFiles files = {{"a.bin", Ascending(5000)}};
  ASSERT_TRUE(Pack(files, "a.bin", {.length = 7, .window = 64}, "uint16").ok());
  const std::string one = BytesIn(absl::StrCat(dest(), "/footer.ebbt"));
  std::filesystem::remove_all(dest());
  const auto packed =
      Pack(files, "a.bin", {.length = 7, .window = 64, .memory_bytes = 1000},
           "uint16");
  ASSERT_TRUE(packed.ok()) << packed.status();

  EXPECT_EQ(BytesIn(absl::StrCat(dest(), "/footer.ebbt")), one);
  EXPECT_EQ(packed->front().footer.windows(), 12);
  std::set<uint32_t> firsts;
  for (const Sequence& sequence : SequencesIn(dest())) {
    firsts.insert(sequence.front());
    EXPECT_EQ(sequence.back(), sequence.front() + 7);
  }
  EXPECT_EQ(firsts.size(), 714u);
}

TEST_F(TokenPackTest, ATextIsBytesAndItsEnd) {
  const auto packed =
      Pack({{"t/a.txt", "ab"}, {"t/b.txt", "c\xff"}}, "t/*", {.length = 5});
  ASSERT_TRUE(packed.ok()) << packed.status();
  EXPECT_THAT(SequencesIn(dest()),
              ElementsAre(Sequence{'a', 'b', 256, 'c', 255, 256}));
  EXPECT_EQ(packed->front().footer.documents, 2);
  EXPECT_EQ(packed->front().footer.document_end, 256);
  EXPECT_EQ(packed->front().footer.vocabulary, 257);
}

TEST_F(TokenPackTest, ReadsArraysAndCompressedFiles) {
  using data::internal::BytesOf;
  using data::internal::Gzip;
  using data::internal::Npy;
  const Sequence expected = {1, 70000, 3};
  const std::string wide = BytesOf<uint32_t>({1, 70000, 3});
  const std::map<std::string, std::pair<std::string, std::string>> cases = {
      {"a.npy", {Npy("<u4", "(3,)", wide), ""}},
      {"a.npy.gz", {Gzip(Npy("<u4", "(3,)", wide)), ""}},
      {"a.bin", {wide, "uint32"}},
      {"a.bin.gz", {Gzip(wide), "uint32"}}};
  for (const auto& [name, file] : cases) {
    SCOPED_TRACE(name);
    const auto packed =
        Pack({{name, file.first}}, name, {.length = 2}, file.second);
    ASSERT_TRUE(packed.ok()) << packed.status();
    EXPECT_THAT(SequencesIn(dest()), ElementsAre(expected));
    EXPECT_EQ(packed->front().footer.width, 4);
    EXPECT_EQ(packed->front().footer.document_end, std::nullopt);
    std::filesystem::remove_all(dest());
  }
}

TEST_F(TokenPackTest, HoldsOutTheEndOfATextWithoutDocuments) {
  const auto packed = Pack({{"a.bin", Ascending(100)}}, "a.bin",
                           {.length = 4, .split = 0.2}, "uint16");
  ASSERT_TRUE(packed.ok()) << packed.status();
  EXPECT_EQ((*packed)[0].name, "train");
  EXPECT_EQ((*packed)[0].footer.sequences, 19);
  EXPECT_EQ((*packed)[1].footer.sequences, 4);
  for (const Sequence& one : SequencesIn(absl::StrCat(dest(), "/train"))) {
    EXPECT_LT(*std::ranges::max_element(one), 80u);
  }
  for (const Sequence& one : SequencesIn(absl::StrCat(dest(), "/test"))) {
    EXPECT_GE(*std::ranges::min_element(one), 80u);
  }
}

TEST_F(TokenPackTest, HoldsOutWholeDocuments) {
  // 40 documents of five tokens each; the last is without its end.
  std::string bytes;
  for (int document = 0; document < 40; ++document) {
    for (int i = 0; i < 4; ++i) bytes += {static_cast<char>(document + 1), 0};
    if (document < 39) bytes += {0, 0};
  }
  const auto packed = Pack({{"a.bin", bytes}}, "a.bin",
                           {.length = 4, .split = 0.25}, "uint16", 0);
  ASSERT_TRUE(packed.ok()) << packed.status();
  std::set<uint32_t> seen[2];
  for (const int i : {0, 1}) {
    for (const Sequence& one :
         SequencesIn(absl::StrCat(dest(), i == 0 ? "/train" : "/test"))) {
      seen[i].insert(one.begin(), one.end());
    }
    seen[i].erase(0);
  }
  EXPECT_EQ((*packed)[1].footer.documents, 10);
  EXPECT_EQ((*packed)[0].footer.documents, 30);
  for (const uint32_t document : seen[1])
    EXPECT_EQ(seen[0].count(document), 0u);
  EXPECT_GE(seen[1].size(), 9u);
}

TEST_F(TokenPackTest, RefusesWhatIsNoText) {
  EXPECT_THAT(Error({{"a.txt", ""}}, "a.txt", {.length = 2}),
              HasSubstr("a.txt is empty"));
  EXPECT_THAT(
      Error({{"a.txt", "ab"}}, "a.txt", {.length = 8}),
      AllOf(HasSubstr("a.txt would have 3 tokens"),
            HasSubstr("a sequence takes 9"), HasSubstr("smaller --tokens")));
  EXPECT_THAT(
      Error({{"a.txt", "abcdefgh"}}, "a.txt", {.length = 4, .split = 0.2}),
      HasSubstr("the test data of a.txt would have 2 tokens"));
  EXPECT_THAT(Error({{"a.bin", "ab"}}, "a.bin", {.length = 1}),
              AllOf(HasSubstr("a.bin"), HasSubstr("--dtype uint16")));
  EXPECT_THAT(Error({{"a.npz", "ab"}}, "a.npz", {.length = 1}),
              AllOf(HasSubstr("a.npz"), HasSubstr("numpy.save")));
  EXPECT_THAT(Error({{"a.parquet", "ab"}}, "a.parquet", {.length = 1}),
              HasSubstr("a.parquet is a table"));
  EXPECT_THAT(Error({{"a.yaml", "ab"}}, "a.yaml", {.length = 1}),
              HasSubstr("a.yaml is a job file"));
  EXPECT_THAT(Error({{"d/a.txt", "ab"}, {"d/b.npy", ""}}, "d/*", {.length = 1}),
              HasSubstr("d/a.txt and d/b.npy are of different kinds"));
  EXPECT_THAT(Error({{"a.txt", "ab"}}, "a.txt", {.length = 1}, "", 7),
              HasSubstr("--document-end 7"));
  EXPECT_THAT(Error({{"a.txt", "ab"}}, "a.txt", {.length = 0}),
              HasSubstr("--tokens 0"));
}

TEST_F(TokenPackTest, RefusesWrongArrays) {
  using data::internal::Npy;
  const auto error = [&](absl::string_view descr, absl::string_view shape,
                         const std::string& bytes) {
    return Error({{"a.npy", Npy(descr, shape, bytes)}}, "a.npy", {.length = 1});
  };
  const std::string eight(8, '\1');
  EXPECT_THAT(error("<i8", "(1,)", eight),
              AllOf(HasSubstr("a.npy: has dtype int64"),
                    HasSubstr("tokens.astype(\"uint16\")")));
  EXPECT_THAT(error("|u1", "(8,)", eight), HasSubstr("has dtype uint8"));
  EXPECT_THAT(error("<f4", "(2,)", eight), HasSubstr("has dtype float32"));
  EXPECT_THAT(error("|b1", "(8,)", eight), HasSubstr("has dtype bool,"));
  EXPECT_THAT(error(">u2", "(4,)", eight),
              AllOf(HasSubstr("big-endian"), HasSubstr("astype(\"<u2\")")));
  EXPECT_THAT(error("<u2", "(2, 2)", eight),
              AllOf(HasSubstr("shape (2, 2)"), HasSubstr("reshape(-1)")));
  EXPECT_THAT(error("<u2", "(9,)", eight), HasSubstr("copied whole"));
  EXPECT_THAT(error("<u2", "(3,)", eight), HasSubstr("goes on at byte"));
  EXPECT_THAT(error("<u2", "(0,)", ""), HasSubstr("a.npy is empty"));
  EXPECT_THAT(Error({{"a.npy", Npy("<u2", "(4,)", eight)}}, "a.npy",
                    {.length = 1}, "uint16"),
              HasSubstr("leave --dtype out"));
}

TEST_F(TokenPackTest, RefusesWrongNumbers) {
  const TokenFiles odd = {{"a.bin", "abc"}};
  EXPECT_THAT(Error(odd, "a.bin", {.length = 1}, "uint16"),
              AllOf(HasSubstr("a.bin ends within a token, at byte 3"),
                    HasSubstr("--dtype")));
  const TokenFiles some = {{"a.bin", Ascending(50)}};
  EXPECT_THAT(
      Error(some, "a.bin", {.length = 1, .vocabulary = 40}, "uint16"),
      AllOf(HasSubstr("a.bin has the token 49"), HasSubstr("--vocabulary 40")));
  EXPECT_THAT(Error(some, "a.bin", {.length = 1}, "uint16", 65536),
              HasSubstr("--dtype uint32"));
  EXPECT_THAT(Error(some, "a.bin", {.length = 1}, "uint16", 60),
              HasSubstr("a.bin has no token 60"));
  EXPECT_THAT(
      Error(some, "a.bin", {.length = 1, .vocabulary = 60}, "uint16", 60),
      HasSubstr("--vocabulary 61 has"));
  EXPECT_THAT(Error(some, "a.bin", {.length = 1, .split = 1.0}, "uint16"),
              HasSubstr("--split 1"));
  EXPECT_THAT(Error(some, "a.bin", {.length = 1, .window = 1 << 30}, "uint16"),
              HasSubstr("hint: --window 13107200"));
  const std::string header = data::internal::BytesOf<uint32_t>({20240520, 1});
  EXPECT_THAT(Error({{"a.bin", header}}, "a.bin", {.length = 1}, "uint16"),
              HasSubstr("llm.c"));
}

TEST_F(TokenPackTest, AFooterThatWasChangedIsRefused) {
  ASSERT_TRUE(
      Pack({{"a.bin", Ascending(50)}}, "a.bin", {.length = 4}, "uint16").ok());
  const std::string bytes = BytesIn(absl::StrCat(dest(), "/footer.ebbt"));
  const auto footer = TokenFooter::Decode(bytes);
  ASSERT_TRUE(footer.ok()) << footer.status();
  EXPECT_EQ(footer->Encode(), bytes);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] ^= 1;
    EXPECT_FALSE(TokenFooter::Decode(flipped).ok()) << i;
    EXPECT_FALSE(TokenFooter::Decode(bytes.substr(0, i)).ok()) << i;
  }
  EXPECT_FALSE(TokenFooter::Decode(bytes + "x").ok());
  std::string later = bytes;
  later[4] = 2;
  EXPECT_THAT(TokenFooter::Decode(later).status().message(),
              HasSubstr("has version 2"));
}

TEST_F(TokenPackTest, AFooterThatSaysWhatCannotBeIsRefused) {
  const TokenFooter good = {.length = 4,
                            .width = 2,
                            .window = 8,
                            .sequences = 3,
                            .vocabulary = 9,
                            .document_end = 8,
                            .hashes = {std::string(32, 'x')}};
  ASSERT_EQ(*TokenFooter::Decode(good.Encode()), good);
  const auto refused = [&](auto change) {
    TokenFooter bad = good;
    change(&bad);
    return !TokenFooter::Decode(bad.Encode()).ok();
  };
  EXPECT_TRUE(refused([](TokenFooter* f) { f->length = 0; }));
  EXPECT_TRUE(refused([](TokenFooter* f) { f->width = 3; }));
  EXPECT_TRUE(refused([](TokenFooter* f) { f->window = 0; }));
  EXPECT_TRUE(refused([](TokenFooter* f) { f->window = 1 << 30; }));
  EXPECT_TRUE(refused([](TokenFooter* f) { f->sequences = 0; }));
  EXPECT_TRUE(refused([](TokenFooter* f) { f->sequences = 9; }));
  EXPECT_TRUE(refused([](TokenFooter* f) { f->vocabulary = 65537; }));
  EXPECT_TRUE(refused([](TokenFooter* f) { f->document_end = 9; }));
  EXPECT_TRUE(refused([](TokenFooter* f) { f->hashes.clear(); }));
}

TEST_F(TokenPackTest, DamagedWindowsAreNamed) {
  ASSERT_TRUE(Pack({{"a.bin", Ascending(50)}}, "a.bin",
                   {.length = 4, .window = 5}, "uint16")
                  .ok());
  const std::string path = absl::StrCat(dest(), "/window-00001.ebbt");
  std::string bytes = BytesIn(path);
  bytes[7] ^= 4;
  PutBytes(path, bytes);
  const auto set = TokenSet::Open(dest());
  ASSERT_TRUE(set.ok()) << set.status();
  Sequence tokens;
  EXPECT_TRUE(set->Read(0, &tokens).ok());
  EXPECT_THAT(set->Read(1, &tokens).message(),
              AllOf(HasSubstr("window-00001.ebbt"), HasSubstr("window 1 is "),
                    HasSubstr("pack again")));

  PutBytes(path, bytes.substr(1));
  EXPECT_THAT(TokenSet::Open(dest()).status().message(),
              AllOf(HasSubstr("window-00001.ebbt has 49 bytes instead of 50")));
  std::filesystem::remove(path);
  EXPECT_THAT(TokenSet::Open(dest()).status().message(),
              AllOf(HasSubstr("window-00001.ebbt"), HasSubstr("not whole")));
  EXPECT_THAT(TokenSet::Open(folder_.path()).status().message(),
              HasSubstr("has no packed tokens"));
}

// Every later release must read version 1 of the format. The order of sequences
// stays, too, as the numbers of examples in a job are those of a set.
TEST_F(TokenPackTest, PacksAndReadsTheGoldenSet) {
  const TokenFiles texts = {{"a/1.txt", "Workers come"},
                            {"a/2.txt", "and go."}};
  const auto packed = Pack(texts, "a", {.length = 4, .seed = 7, .window = 3});
  ASSERT_TRUE(packed.ok()) << packed.status();
  const std::string golden = "tests/golden/tokens_v1";
  EXPECT_EQ(SequencesIn(golden), SequencesIn(dest()));
  for (const char* file :
       {"footer.ebbt", "window-00000.ebbt", "window-00001.ebbt"}) {
    EXPECT_EQ(BytesIn(absl::StrCat(golden, "/", file)),
              BytesIn(absl::StrCat(dest(), "/", file)))
        << file;
  }
}

}  // namespace
}  // namespace ebb::data::tokens
