#include "server/incoming_move.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/memory/block_pool.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;

constexpr int64_t kFloats = int64_t{1} << 19;  // 2 MiB: two in each request.
constexpr absl::Duration kRetry = absl::Milliseconds(50);

// Twelve blocks, 1 to 12: more than are asked for at once.
class IncomingMoveTest : public testing::Test {
 protected:
  IncomingMoveTest() {
    auto record = std::make_shared<JobRecord>();
    record->id = JobId(7);
    MoveIn order;
    order.record = record;
    order.generation = Generation(1);
    order.partition = PartitionId(0);
    order.source = SessionId(11);
    order.source_address = "a:1";
    order.source_term = Term(5);
    order.term = Term(9);
    pool_ = *BlockPool::Create(
        {.block_bytes = 64, .max_bytes = 1 << 16, .shared = false});
    move_.emplace(order, pool_);
  }

  std::vector<FetchTask> Ask() {
    std::vector<FetchTask> tasks;
    while (auto task = move_->Next(now_)) tasks.push_back(*std::move(task));
    return tasks;
  }
  void Answer(const FetchTask& task, absl::StatusOr<Fetched> fetched) {
    const auto status =
        move_->OnFetched(task.request, std::move(fetched), now_);
    EXPECT_TRUE(status.ok()) << status;
  }
  void AnswerCut(const FetchTask& task, uint64_t blocks) {
    Fetched fetched;
    fetched.outline.key = {JobId(7), Generation(1), PartitionId(0), Term(9), 0};
    StoredArray& array = fetched.outline.arrays["w"];
    for (uint64_t i = 1; i <= blocks; ++i) array.blocks.push_back({i, kFloats});
    array.floats = kFloats * static_cast<int64_t>(blocks);
    Answer(task, std::move(fetched));
  }
  void AnswerBlocks(const FetchTask& task) {
    Fetched fetched;
    fetched.blocks =
        *pool_->AllocateMany(static_cast<int64_t>(task.blocks.size()));
    Answer(task, std::move(fetched));
  }
  // The numbers of the blocks of each request.
  static std::vector<std::vector<uint64_t>> Of(
      const std::vector<FetchTask>& tasks) {
    std::vector<std::vector<uint64_t>> numbers;
    for (const FetchTask& task : tasks) numbers.push_back(task.request.blocks);
    return numbers;
  }

  absl::Time now_ = absl::UnixEpoch();
  std::shared_ptr<BlockPool> pool_;
  std::optional<IncomingMove> move_;
};

TEST_F(IncomingMoveTest, FourRequestsForBlocksAreUnderWay) {
  const std::vector<FetchTask> cut = Ask();
  ASSERT_EQ(cut.size(), 1);
  EXPECT_TRUE(cut[0].request.blocks.empty());
  AnswerCut(cut[0], 12);

  const std::vector<FetchTask> asked = Ask();
  EXPECT_THAT(Of(asked), ElementsAre(ElementsAre(1, 2), ElementsAre(3, 4),
                                     ElementsAre(5, 6), ElementsAre(7, 8)));
  EXPECT_EQ(move_->NextTry(), absl::InfiniteFuture());
  AnswerBlocks(asked[2]);
  EXPECT_THAT(Of(Ask()), ElementsAre(ElementsAre(9, 10)));
}

TEST_F(IncomingMoveTest, TheLastCutWaitsForAllBlocksInAnyOrder) {
  AnswerCut(Ask()[0], 6);
  const std::vector<FetchTask> asked = Ask();
  ASSERT_EQ(asked.size(), 3);
  AnswerBlocks(asked[2]);
  AnswerBlocks(asked[0]);
  EXPECT_TRUE(Ask().empty());
  AnswerBlocks(asked[1]);

  const std::vector<FetchTask> last = Ask();
  ASSERT_EQ(last.size(), 1);
  EXPECT_TRUE(last[0].request.freeze);
  AnswerCut(last[0], 6);
  ASSERT_TRUE(move_->complete());
  EXPECT_EQ(move_->TakeCut().arrays.at("w").blocks.size(), 6);
}

TEST_F(IncomingMoveTest, ALostAnswerIsAskedForAgainAndTheOthersCount) {
  AnswerCut(Ask()[0], 8);
  const std::vector<FetchTask> asked = Ask();
  ASSERT_EQ(asked.size(), 4);
  Answer(asked[1], absl::UnavailableError("lost"));
  AnswerBlocks(asked[0]);
  AnswerBlocks(asked[3]);
  EXPECT_TRUE(Ask().empty());
  EXPECT_EQ(move_->NextTry(), now_ + kRetry);

  now_ += kRetry;
  const std::vector<FetchTask> again = Ask();
  EXPECT_THAT(Of(again), ElementsAre(ElementsAre(3, 4)));
  // An answer that comes late is not taken for another's.
  AnswerBlocks(asked[0]);
  AnswerBlocks(asked[2]);
  EXPECT_TRUE(Ask().empty());
  AnswerBlocks(again[0]);
  EXPECT_TRUE(Ask().at(0).request.freeze);
}

TEST_F(IncomingMoveTest, ASourceThatIsGoneForLongEndsTheMove) {
  AnswerCut(Ask()[0], 8);
  std::vector<FetchTask> asked = Ask();
  now_ += absl::Seconds(2);
  for (const FetchTask& task : asked) {
    Answer(task, absl::UnavailableError("gone"));
  }
  now_ += absl::Seconds(2);
  asked = Ask();
  ASSERT_EQ(asked.size(), 4);
  const absl::Status status =
      move_->OnFetched(asked[0].request, absl::UnavailableError("gone"), now_);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

}  // namespace
}  // namespace ebb::server
