// Cuts that are sealed in one thread while another pushes.
#include "server/rows/internal/row_packing.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "server/rows/row_table.h"
#include "server/rows/testing/row_disk.h"

namespace ebb::server {
namespace {

using Keys = std::vector<uint64_t>;

constexpr uint64_t kRows = 20'000;

Keys Draw(size_t count, uint64_t from, std::minstd_rand* random) {
  std::set<uint64_t> keys;
  while (keys.size() < count) keys.insert((*random)() % from);
  return {keys.begin(), keys.end()};
}

TEST(RowPackingTest, ACutStaysAsItWasWhileOthersPush) {
  const auto pool = MakeRowPool(1024, 20'000);
  const auto optimizer = MakeRowOptimizer(OptimizerKind::kAdagrad);
  const RowTableOptions options = {.table = "t",
                                   .width = 2,
                                   .init = InitRule::Uniform(1),
                                   .expire_after_examples = 100'000};
  auto made = RowTable::Create(options, optimizer, pool);
  ASSERT_TRUE(made.ok()) << made.status();
  const std::unique_ptr<RowTable> table = *std::move(made);
  std::minstd_rand random(1);
  int64_t now = 0;
  Keys all(kRows);
  for (uint64_t key = 0; key < kRows; ++key) all[key] = key;
  ASSERT_TRUE(PushRows(table.get(), all, 1, now).ok());
  RowDisk disk;
  int deltas = 0;
  for (int version = 0; version < 20; ++version) {
    const std::vector<float> weights = GatherRows(*table, all);
    auto cut = table->TakeCut();
    ASSERT_TRUE(cut.ok()) << cut.status();
    deltas += cut->NewBytes() < static_cast<int64_t>(kRows) * 8;
    std::thread seals([&] { cut->Seal(); });
    absl::Status pushed;
    for (int push = 0; push < 20 && pushed.ok(); ++push) {
      // New rows, too, and some expire.
      now += 1000;
      pushed.Update(
          PushRows(table.get(), Draw(100, kRows + 5000, &random), 1, now));
    }
    seals.join();
    ASSERT_TRUE(pushed.ok()) << pushed;
    ASSERT_TRUE(disk.Store(&*cut).ok());
    table->Written(cut->token);
    RowDisk read = disk;
    auto loaded = RowTable::FromCut(options, optimizer, pool,
                                    read.Load(pool.get()), true);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    ASSERT_EQ(GatherRows(**loaded, all), weights) << "version " << version;
  }
  EXPECT_GT(deltas, 10);
}

}  // namespace
}  // namespace ebb::server
