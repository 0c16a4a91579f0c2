#include "server/store/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "protocol/sealed.h"
#include "server/store/internal/store_test_util.h"

namespace ebb::server {
namespace {

using ::testing::HasSubstr;

Manifest Example() {
  Manifest manifest;
  manifest.key = {JobId(1), Generation(2), PartitionId(3), Term(4), 5};
  manifest.marks = "m";
  manifest.ledger = "le";
  manifest.updates = 300;
  manifest.oracle = {7, 0xffffffffffffffff};
  manifest.loss = {{6, {.loss_sum = 0.5, .examples = 8}}};
  manifest.arrays["w"] = {
      .floats = 100,
      .blocks = {{.number = 9, .floats = 64, .checksum = 1},
                 {.number = 10, .floats = 36, .checksum = 2}}};
  manifest.arrays["z"] = {};
  manifest.written_us = 64;
  manifest.rows = "r";
  return manifest;
}

// Written by hand from docs/formats/checkpoint.md. Signed numbers are doubled.
constexpr char kFirstVersion[] =
    "01"
    "02"
    "06"
    "04"
    "0a"                        // key
    "016d"                      // marks
    "026c65"                    // ledger
    "d804"                      // updates
    "0207ffffffffffffffffff01"  // oracle
    "010c"                      // loss: one epoch, 6
    "000000000000e03f"          //   0.5
    "10"                        //   8 examples
    "02"                        // arrays
    "0177c80102098001010a4802"  //   "w": 100 floats, 2 blocks
    "017a0000";                 //   "z": none
constexpr char kWritten[] = "8001";
constexpr char kRows[] = "0172";

TEST(ManifestTest, IsStoredAsDocumented) {
  EXPECT_EQ(EncodeManifest(Example()),
            Seal("EBBM", 3,
                 absl::HexStringToBytes(
                     absl::StrCat(kFirstVersion, kWritten, kRows))));
}

// Whoever knows of no operations can read what has none: the form is older.
TEST(ManifestTest, IsStoredAsDocumentedWithWhatClosedItsRounds) {
  Manifest manifest = Example();
  manifest.operations = {{3, "o"}, {4, ""}};
  manifest.item_losses = {{7, 0.5}};
  const std::string stored = EncodeManifest(manifest);
  EXPECT_EQ(stored, Seal("EBBM", 4,
                         absl::HexStringToBytes(absl::StrCat(
                             kFirstVersion, kWritten, kRows,
                             "02"                       // operations
                             "06016f"                   //   of round 3: "o"
                             "0800"                     //   of round 4: ""
                             "01"                       // item_losses
                             "0e000000000000e03f"))));  // of item 7: 0.5
  const auto back = DecodeManifest(stored);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, manifest);
}

TEST(ManifestTest, StillReadsTheFirstVersion) {
  const auto manifest =
      DecodeManifest(Seal("EBBM", 1, absl::HexStringToBytes(kFirstVersion)));
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  Manifest expected = Example();
  expected.written_us = 0;  // It was not noted then.
  expected.rows.clear();    // There were none.
  EXPECT_EQ(*manifest, expected);
}

TEST(ManifestTest, StillReadsTheSecondVersion) {
  const auto manifest = DecodeManifest(
      Seal("EBBM", 2,
           absl::HexStringToBytes(absl::StrCat(kFirstVersion, kWritten))));
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  Manifest expected = Example();
  expected.rows.clear();
  EXPECT_EQ(*manifest, expected);
}

TEST(ManifestTest, RefusesEveryTruncationAndEveryFlippedByte) {
  const std::string good = EncodeManifest(Example());
  for (size_t n = 0; n < good.size(); ++n) {
    EXPECT_EQ(DecodeManifest(good.substr(0, n)).status().code(),
              absl::StatusCode::kDataLoss);
    std::string flipped = good;
    flipped[n] ^= 1;
    EXPECT_EQ(DecodeManifest(flipped).status().code(),
              absl::StatusCode::kDataLoss);
  }
}

TEST(ManifestTest, RefusesBlocksThatAreNotTheArray) {
  for (const int64_t floats : {0, 99, 101}) {
    Manifest manifest = Example();
    manifest.arrays["w"].floats = floats;
    EXPECT_THAT(DecodeManifest(EncodeManifest(manifest)).status().message(),
                HasSubstr("array w"));
  }
  Manifest manifest = Example();
  manifest.arrays["w"].blocks[0].floats = -64;
  EXPECT_FALSE(DecodeManifest(EncodeManifest(manifest)).ok());
  manifest.arrays["w"].blocks[0].floats = 0;
  EXPECT_FALSE(DecodeManifest(EncodeManifest(manifest)).ok());
}

TEST(ManifestTest, RefusesABlockThatIsLargerThanThoseBeforeIt) {
  Manifest manifest = Example();
  manifest.arrays["w"].blocks[0].floats = 36;
  manifest.arrays["w"].blocks[1].floats = 64;
  // The last block may be shorter, never longer.
  EXPECT_THAT(DecodeManifest(EncodeManifest(manifest)).status().message(),
              HasSubstr("not the same size"));
}

TEST(ManifestTest, NamesEachBlockOnce) {
  Manifest manifest = Example();
  manifest.arrays["value:3"] = manifest.arrays["w"];
  const std::vector<StoredBlock> blocks = manifest.DistinctBlocks();
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[0].number, 9u);
  EXPECT_EQ(blocks[1].number, 10u);
}

TEST(SealedBlockTest, IsServedOnlyAsTheBlockItIs) {
  const std::vector<float> floats = {1.0f, -2.5f, 0.0f};
  const SealedBlock sealed = SealBlock(floats);
  const std::string bytes =
      sealed.head + std::string(sealed.floats) + sealed.tail;
  const StoredBlock block{
      .number = 4, .floats = 3, .checksum = sealed.checksum};
  const auto back = UnsealBlock(block, bytes);
  ASSERT_TRUE(back.ok()) << back.status();
  // 1.0, -2.5, 0.0 in little-endian IEEE 754.
  EXPECT_EQ(absl::BytesToHexString(*back), "0000803f000020c000000000");

  for (size_t n = 0; n < bytes.size(); ++n) {
    std::string flipped = bytes;
    flipped[n] ^= 0x80;
    EXPECT_EQ(UnsealBlock(block, flipped).status().code(),
              absl::StatusCode::kDataLoss);
    EXPECT_FALSE(UnsealBlock(block, bytes.substr(0, n)).ok());
  }
  // Sound blocks, but not this one.
  const std::vector<float> other = {1.0f, -2.5f, 1.0f};
  const SealedBlock wrong = SealBlock(other);
  EXPECT_EQ(
      UnsealBlock(block, wrong.head + std::string(wrong.floats) + wrong.tail)
          .status()
          .code(),
      absl::StatusCode::kDataLoss);
  StoredBlock longer = block;
  longer.floats = 4;
  EXPECT_FALSE(UnsealBlock(longer, bytes).ok());
}

TEST(StoredJobTest, EveryFieldComesBack) {
  const StoredJob job = MakeJob(3, "job");
  const auto back = DecodeStoredJob(EncodeStoredJob(job));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->record->id, JobId(3));
  EXPECT_EQ(back->record->name, "job");
  EXPECT_EQ(back->generation, job.generation);
  EXPECT_EQ(back->rollback.versions, job.rollback.versions);
  EXPECT_EQ(back->known_servers, job.known_servers);
}

TEST(StoredJobTest, TheRateFactorComesBackAndIsChecked) {
  StoredJob job = MakeJob(3, "job");
  job.rollback.rate_factor = 0.125;
  job.rollback.nonfinite = 3;
  const auto back = DecodeStoredJob(EncodeStoredJob(job));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->rollback, job.rollback);
  job.rollback.rate_factor = 0;
  EXPECT_EQ(DecodeStoredJob(EncodeStoredJob(job)).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(StoredJobTest, StillReadsTheFirstVersion) {
  // The bytes of MakeJob's by an ebb that had no rate factor.
  const auto job = DecodeStoredJob(absl::HexStringToBytes(
      "45424253010000008200000000000000724542424a060000005a00000000000000"
      "03036a6f6202c80114010200000080800208000000000401000000060000a09c01"
      "060d73706563696669636174696f6e000000000000000000000000000000000000"
      "000000000000000000000000000000000000000202000000f6d142ecacdc526507"
      "020307000a060307020a0802000a966cc92ab5088036"));
  ASSERT_TRUE(job.ok()) << job.status();
  const StoredJob same = MakeJob(3, "job");
  EXPECT_EQ(job->record->name, "job");
  EXPECT_EQ(job->generation, same.generation);
  EXPECT_EQ(job->rollback, same.rollback);
  EXPECT_EQ(job->rollback.rate_factor, 1);
  EXPECT_EQ(job->known_servers, same.known_servers);
}

TEST(StoredJobTest, RefusesEveryTruncationAndEveryFlippedByte) {
  const std::string good = EncodeStoredJob(MakeJob(3, "job"));
  for (size_t n = 0; n < good.size(); ++n) {
    EXPECT_FALSE(DecodeStoredJob(good.substr(0, n)).ok());
    std::string flipped = good;
    flipped[n] ^= 4;
    EXPECT_EQ(DecodeStoredJob(flipped).status().code(),
              absl::StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace ebb::server
