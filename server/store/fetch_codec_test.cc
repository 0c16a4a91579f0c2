#include "server/store/fetch_codec.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/memory/block_pool.h"

namespace ebb::server {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Ne;
using ::testing::SizeIs;

constexpr int64_t kBlockBytes = 64;
constexpr int64_t kBlockFloats = 16;
constexpr int64_t kLastFloats = 5;

std::vector<float> Values(float first, int64_t count) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(first + 1.0f * i);
  return values;
}

// A partition of two blocks, the second used in part, goes from one pool to
// another.
class FetchCodecTest : public testing::Test {
 protected:
  FetchCodecTest() {
    blocks_ = *source_->AllocateMany(2);
    for (size_t i = 0; i < blocks_.size(); ++i) {
      std::ranges::copy(Values(100.0f * i, kBlockFloats),
                        blocks_[i].mutable_floats().begin());
    }
  }

  static std::shared_ptr<BlockPool> MakePool() {
    return *BlockPool::Create(
        {.block_bytes = kBlockBytes, .max_bytes = 1 << 12, .shared = false});
  }
  // The outline of the cut, as the target has it.
  Manifest Outline(bool sums_with_blocks) {
    FetchAnswer answer;
    answer.sums_with_blocks = sums_with_blocks;
    answer.cut.emplace();
    CutArray& weights = answer.cut->arrays["weights"];
    weights.blocks = blocks_;
    weights.floats = kBlockFloats + kLastFloats;
    const auto fetched = DecodeFetchReply(
        {}, EncodeFetchAnswer(ServerId(3), SessionId(4), std::move(answer)));
    EXPECT_TRUE(fetched.ok()) << fetched.status();
    return fetched->outline;
  }
  // The request for both blocks.
  FetchTask Both(bool sums_with_blocks) {
    FetchTask task;
    task.pool = target_;
    task.blocks = Outline(sums_with_blocks).arrays["weights"].blocks;
    for (const StoredBlock& block : task.blocks) {
      task.request.blocks.push_back(block.number);
    }
    task.request.sums_with_blocks = true;
    return task;
  }
  FetchReply Reply(bool sums_with_blocks) {
    FetchAnswer answer;
    answer.sums_with_blocks = sums_with_blocks;
    answer.blocks = {{blocks_[0], kBlockFloats}, {blocks_[1], kLastFloats}};
    return EncodeFetchAnswer(ServerId(3), SessionId(4), std::move(answer));
  }
  static void Flip(size_t byte, FetchReply* reply) {
    std::vector<std::byte> bytes(reply->values.size());
    reply->values.CopyTo(bytes);
    bytes[byte] ^= std::byte{1};
    reply->values = Payload::Of(std::move(bytes));
  }
  static void ExpectRefused(const absl::StatusOr<Fetched>& fetched,
                            const std::string& why) {
    EXPECT_EQ(fetched.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(fetched.status().message()), HasSubstr(why));
  }

  const std::shared_ptr<BlockPool> source_ = MakePool();
  const std::shared_ptr<BlockPool> target_ = MakePool();
  std::vector<BlockRef> blocks_;
};

TEST_F(FetchCodecTest, SumsComeWithTheBlocks) {
  EXPECT_THAT(Outline(true).arrays["weights"].blocks,
              Each(Field(&StoredBlock::checksum, 0)));
  const FetchReply reply = Reply(true);
  EXPECT_THAT(reply.sums, SizeIs(2));

  const auto fetched = DecodeFetchReply(Both(true), reply);
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  ASSERT_THAT(fetched->blocks, SizeIs(2));
  EXPECT_TRUE(
      std::ranges::equal(fetched->blocks[0].floats(), Values(0, kBlockFloats)));
  EXPECT_TRUE(std::ranges::equal(fetched->blocks[1].floats().first(kLastFloats),
                                 Values(100, kLastFloats)));
  EXPECT_THAT(fetched->blocks[1].floats().subspan(kLastFloats), Each(0.0f));
}

// The simplest damage, at every place.
TEST_F(FetchCodecTest, ABitThatChangesOnTheWayIsFound) {
  const FetchTask task = Both(true);
  const auto bytes = static_cast<size_t>(Reply(true).values.size());
  for (size_t byte = 0; byte < bytes; ++byte) {
    FetchReply reply = Reply(true);
    Flip(byte, &reply);
    ExpectRefused(DecodeFetchReply(task, reply), "another checksum");
  }
  for (uint64_t bit = 1; bit != 0; bit <<= 1) {
    FetchReply reply = Reply(true);
    reply.sums[1] ^= bit;
    ExpectRefused(DecodeFetchReply(task, reply), "another checksum");
  }
}

// Each block is whole, and comes with its own sum.
TEST_F(FetchCodecTest, ABlockInThePlaceOfAnotherIsFound) {
  FetchAnswer other;
  other.sums_with_blocks = true;
  other.blocks = {{blocks_[1], kBlockFloats}, {blocks_[0], kLastFloats}};
  ExpectRefused(
      DecodeFetchReply(Both(true), EncodeFetchAnswer(ServerId(3), SessionId(4),
                                                     std::move(other))),
      "another checksum");
}

TEST_F(FetchCodecTest, ContentsThatAreNotThoseOfTheCutAreFound) {
  const FetchTask task = Both(true);
  blocks_[0].mutable_floats()[0] = 7;
  ExpectRefused(DecodeFetchReply(task, Reply(true)), "another checksum");
  // Even if they are equal: what happened in between is not known.
  blocks_[0].mutable_floats()[0] = 0;
  ExpectRefused(DecodeFetchReply(task, Reply(true)), "another checksum");
}

TEST_F(FetchCodecTest, ASumForEachBlockMustBeThere) {
  FetchReply reply = Reply(true);
  reply.sums.pop_back();
  ExpectRefused(DecodeFetchReply(Both(true), reply),
                "1 checksums for 2 blocks");
  // Without any, those of the manifest count, and there are none.
  reply.sums.clear();
  ExpectRefused(DecodeFetchReply(Both(true), reply), "another checksum");
}

TEST_F(FetchCodecTest, AnOlderTargetHasTheSumsFromTheManifest) {
  EXPECT_THAT(Outline(false).arrays["weights"].blocks,
              ElementsAre(Field(&StoredBlock::checksum, Ne(0)),
                          Field(&StoredBlock::checksum, Ne(0))));
  EXPECT_THAT(Reply(false).sums, IsEmpty());
}

TEST_F(FetchCodecTest, ABlockOfAnOlderSourceIsCheckedByTheManifest) {
  const FetchTask task = Both(false);
  FetchReply reply = Reply(false);
  const auto fetched = DecodeFetchReply(task, reply);
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_TRUE(
      std::ranges::equal(fetched->blocks[0].floats(), Values(0, kBlockFloats)));
  Flip(5, &reply);
  ExpectRefused(DecodeFetchReply(task, reply), "another checksum");
}

}  // namespace
}  // namespace ebb::server
