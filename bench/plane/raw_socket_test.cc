#include "bench/plane/raw_socket.h"

#include <gtest/gtest.h>

#include <bit>
#include <memory>

#include "common/testing/test_folder.h"
#include "common/tls/issue.h"

namespace ebb::bench {
namespace {

TEST(TransferTest, TheSumOfWordsIsThatOfTheWeights) {
  for (const size_t floats : {1, 6, 7, 8, 1000}) {
    AlignedFloats weights(floats);
    for (size_t i = 0; i < floats; ++i) weights.span()[i] = WeightAfter(5, i);
    EXPECT_EQ(SumAfter(5, static_cast<int64_t>(floats * sizeof(float))),
              WordSum(weights.bytes()));
  }
  EXPECT_EQ(WeightAfter(3, 8), -3 * 2.0f / 1024);
  EXPECT_EQ(std::bit_cast<uint32_t>(WeightAfter(0, 0)), 0u);
}

// Sizes that are no multiple of the writes; pulls check the values themselves.
class RawSocketTest : public testing::TestWithParam<bool> {
 protected:
  // The parameter: by TLS.
  absl::StatusOr<std::unique_ptr<RawSocket>> Start() {
    if (!GetParam()) return RawSocket::Start();
    EXPECT_TRUE(WriteAllRoles(folder_.path(), {}).ok());
    return RawSocket::Start(FilesIn(folder_.path(), "ps"),
                            FilesIn(folder_.path(), "worker"));
  }
  const TestFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Tls, RawSocketTest, testing::Bool());

TEST_P(RawSocketTest, PullsWhatWasPushed) {
  auto raw = Start();
  ASSERT_TRUE(raw.ok()) << raw.status();
  for (const int in_flight : {1, 8}) {
    Transfer transfer = {
        .bytes = 100'004, .operations = 9, .in_flight = in_flight};
    const auto pushed = (*raw)->Run(transfer, 4096);
    ASSERT_TRUE(pushed.ok()) << pushed.status();
    EXPECT_GT(pushed->seconds, 0);
    EXPECT_EQ(pushed->latencies.size(), in_flight == 1 ? 9u : 0u);
    transfer.direction = Direction::kPull;
    const auto pulled = (*raw)->Run(transfer, 65536);
    ASSERT_TRUE(pulled.ok()) << pulled.status();
    EXPECT_GT(pulled->seconds, 0);
  }
}

TEST_P(RawSocketTest, PingPongChangesNoValues) {
  auto raw = Start();
  ASSERT_TRUE(raw.ok()) << raw.status();
  const auto seconds = (*raw)->PingPong(4096, 5);
  ASSERT_TRUE(seconds.ok()) << seconds.status();
  EXPECT_EQ(seconds->size(), 5u);
  const auto pulled = (*raw)->Run(
      {.direction = Direction::kPull, .bytes = 4096, .operations = 1}, 4096);
  EXPECT_TRUE(pulled.ok()) << pulled.status();
}

}  // namespace
}  // namespace ebb::bench
