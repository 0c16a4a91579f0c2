#include "models/gpu/staging.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace ebb::models::gpu {
namespace {

// Begun chunks as "offset+bytes@slot", ended ones as "offset.".
std::string Chunks(int64_t bytes, int64_t most, int slot, int* next) {
  std::string text;
  *next = ForEachChunk(
      bytes, most, slot,
      [&](const Chunk& chunk) {
        absl::StrAppend(&text, chunk.offset, "+", chunk.bytes, "@", chunk.slot,
                        " ");
      },
      [&](const Chunk& chunk) { absl::StrAppend(&text, chunk.offset, ". "); });
  return text;
}

TEST(StagingTest, OneChunkIsBegunWhileTheOneBeforeIsUnderWay) {
  int next = -1;
  EXPECT_EQ(Chunks(10, 4, 0, &next), "0+4@0 4+4@1 0. 8+2@0 4. 8. ");
  EXPECT_EQ(next, 1);
}

TEST(StagingTest, TheSlotsGoOnFromCopyToCopy) {
  int next = -1;
  EXPECT_EQ(Chunks(3, 4, 1, &next), "0+3@1 0. ");
  EXPECT_EQ(next, 0);
  EXPECT_EQ(Chunks(8, 4, next, &next), "0+4@0 4+4@1 0. 4. ");
  EXPECT_EQ(next, 0);
}

TEST(StagingTest, NothingIsNoChunk) {
  int next = -1;
  EXPECT_EQ(Chunks(0, 4, 1, &next), "");
  EXPECT_EQ(next, 1);
}

}  // namespace
}  // namespace ebb::models::gpu
