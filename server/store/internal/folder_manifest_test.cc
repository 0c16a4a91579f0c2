#include "server/store/internal/folder_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "protocol/sealed.h"
#include "server/store/internal/folder_layout.h"
#include "server/store/internal/pack_plan.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

FolderManifest Example() {
  FolderManifest manifest;
  manifest.version.key = {JobId(1), Generation(2), PartitionId(3), Term(4), 5};
  manifest.version.arrays["w"] = {
      .floats = 100,
      .blocks = {{.number = 1, .floats = 64, .checksum = 1},
                 {.number = 0, .floats = 36, .checksum = 2}}};
  manifest.packs = {{{Term(4), 6}, 168}, {{Term(3), 300}, 1000}};
  manifest.places = {{.pack = 0, .offset = 0}, {.pack = 1, .offset = 720}};
  return manifest;
}

// Written by hand from docs/formats/shared-checkpoints.md.
TEST(FolderManifestTest, HasItsDocumentedForm) {
  FolderManifest manifest;
  manifest.version.key = {JobId(1), Generation(2), PartitionId(3), Term(4), 5};
  manifest.packs = {{{Term(4), 6}, 300}};
  manifest.places = {{.pack = 0, .offset = 24}};
  const std::string inner = EncodeManifest(manifest.version);
  const std::string body =
      absl::StrCat(std::string(1, static_cast<char>(inner.size())), inner,
                   absl::HexStringToBytes("01"     // One file:
                                          "04"     // of term 4,
                                          "06"     // number 6,
                                          "ac02"   // of 300 bytes.
                                          "01"     // One place:
                                          "00"     // in file 0
                                          "18"));  // at 24.
  EXPECT_EQ(EncodeFolderManifest(manifest), Seal("EBBV", 1, body));
  const auto decoded = DecodeFolderManifest(Seal("EBBV", 1, body));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, manifest);
}

TEST(FolderManifestTest, DecodesWhatWasEncoded) {
  const auto decoded = DecodeFolderManifest(EncodeFolderManifest(Example()));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, Example());
}

TEST(FolderManifestTest, RefusesPlacesThatAreNone) {
  const auto refused = [](auto change) {
    FolderManifest manifest = Example();
    change(&manifest);
    const auto decoded = DecodeFolderManifest(EncodeFolderManifest(manifest));
    EXPECT_TRUE(absl::IsDataLoss(decoded.status())) << decoded.status();
  };
  refused([](FolderManifest* m) { m->places.pop_back(); });
  refused([](FolderManifest* m) { m->places[1].pack = 2; });
  refused([](FolderManifest* m) { m->places[1].offset = 721; });
  refused([](FolderManifest* m) { m->places[1].offset = ~uint64_t{0}; });
  refused([](FolderManifest* m) { m->packs[0].bytes = 167; });
  // Its bytes, times four, are few again.
  refused([](FolderManifest* m) {
    m->version.arrays["w"].floats += int64_t{1} << 62;
    m->version.arrays["w"].blocks[0].floats += int64_t{1} << 62;
  });
}

TEST(FolderManifestTest, RefusesBytesThatAreNone) {
  const std::string bytes = EncodeFolderManifest(Example());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_TRUE(
        absl::IsDataLoss(DecodeFolderManifest(bytes.substr(0, size)).status()))
        << size;
  }
  EXPECT_TRUE(absl::IsDataLoss(
      DecodeFolderManifest(Seal("EBBV", 1, "nothing of it")).status()));
  const auto newer = DecodeFolderManifest(Seal("EBBV", 2, ""));
  EXPECT_TRUE(absl::IsFailedPrecondition(newer.status()));
  EXPECT_THAT(newer.status().message(), HasSubstr("version 2"));
}

TEST(FolderLayoutTest, NamesAreReadAsTheyAreWritten) {
  EXPECT_EQ(JobFolderName(JobId(18446744073709551615u)),
            "job-18446744073709551615");
  EXPECT_EQ(ParseJobFolder("job-18446744073709551615"),
            JobId(18446744073709551615u));
  EXPECT_EQ(ParseServerFolder(ServerFolderName(ServerId(7))), ServerId(7));
  EXPECT_EQ(ParsePartitionFolder(PartitionFolderName(PartitionId(0))),
            PartitionId(0));
  const TermFolder open{Term(4), ServerId(2), Term(4)};
  const TermFolder taken{Term(4), ServerId(2), Term(9)};
  EXPECT_EQ(open.Name(), "t4-s2");
  EXPECT_EQ(taken.Name(), "t4-s2.of9");
  EXPECT_EQ(ParseTermFolder("t4-s2"), open);
  EXPECT_EQ(ParseTermFolder("t4-s2.of9"), taken);
  const VersionFile version{Generation(3), 12};
  EXPECT_EQ(version.Name(), "g3-12.version");
  EXPECT_EQ(ParseVersionFile("g3-12.version"), version);
  EXPECT_TRUE(IsNewVersionFile("g3-12.version.new"));
  EXPECT_EQ(ParsePackFile(PackFile(8)), 8u);
}

TEST(FolderLayoutTest, OtherNamesAreNone) {
  for (const char* name :
       {"", "job-", "job-01", "job-1x", "job-18446744073709551616", "job--1"}) {
    EXPECT_FALSE(ParseJobFolder(name).has_value()) << name;
  }
  for (const char* name : {"t4", "t4-s", "t4-s2.of", "t4-s2.of4", "t4-s2.of3",
                           "t4-s2.", "t4-s-2", "t4-s2147483648", "t04-s2"}) {
    EXPECT_FALSE(ParseTermFolder(name).has_value()) << name;
  }
  for (const char* name : {"g3-12.versio", "g3.version", "g3--1.version",
                           "g3-12.version.new", "3-12.version"}) {
    EXPECT_FALSE(ParseVersionFile(name).has_value()) << name;
  }
  EXPECT_FALSE(IsNewVersionFile("x.new"));
  EXPECT_FALSE(ParsePackFile("values").has_value());
  EXPECT_FALSE(ParsePackFile("1.value").has_value());
}

TEST(PackPlanTest, LeavesFilesOfWhichLittleIsNeeded) {
  EXPECT_THAT(PacksToLeave({{{Term(1), 1}, {300, 99}},
                            {{Term(1), 2}, {300, 100}},
                            {{Term(1), 3}, {300, 0}}}),
              ElementsAre(PackName{Term(1), 1}));
}

TEST(PackPlanTest, MergesTheSmallestFilesWhenThereAreMany) {
  std::map<PackName, PackUse> packs;
  for (uint64_t i = 0; i < kMostPacks; ++i) packs[{Term(1), i}] = {10, 10};
  EXPECT_THAT(PacksToLeave(packs), IsEmpty());
  packs[{Term(2), 1}] = {1'000'000, 1'000'000};
  // All but the one that is larger than all others together.
  EXPECT_THAT(PacksToLeave(packs), SizeIs(kMostPacks));
  EXPECT_FALSE(PacksToLeave(packs).contains({Term(2), 1}));
}

}  // namespace
}  // namespace ebb::server
