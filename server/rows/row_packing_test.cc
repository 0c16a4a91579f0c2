// Cuts that are sealed in one thread while another pushes.
#include "server/rows/internal/row_packing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "server/rows/row_table.h"
#include "server/rows/testing/row_disk.h"

namespace ebb::server {
namespace {

using Keys = std::vector<uint64_t>;

constexpr uint64_t kRows = 20'000;
constexpr uint64_t kKeys = 4000;

Keys Draw(size_t count, uint64_t from, std::minstd_rand* random) {
  std::set<uint64_t> keys;
  while (keys.size() < count) keys.insert((*random)() % from);
  return {keys.begin(), keys.end()};
}

TEST(RowPackingTest, ACutStaysAsItWasWhileOthersPush) {
  const auto pool = MakeRowPool(1024, 20'000);
  const auto optimizer = MakeRowOptimizer(v1::Optimizer::KIND_ADAGRAD);
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
    deltas += cut->NewBytes() < cut->Bytes();
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

// The end of a cut, before it is sealed or after.
enum class End { kWritten, kMergedBack, kForgotten, kTableGone };

// Of loads of one instant: that they are alike, and go on alike.
void ExpectAlike(RowTable* a, RowTable* b, std::minstd_rand* random) {
  Keys all(kKeys);
  std::iota(all.begin(), all.end(), 0);
  int64_t now = a->now();
  for (int push = 0; push < 4; ++push) {
    ASSERT_EQ(GatherRows(*a, all), GatherRows(*b, all)) << push;
    ASSERT_EQ(a->Statistics().rows, b->Statistics().rows) << push;
    ASSERT_EQ(a->Statistics().created, b->Statistics().created) << push;
    ASSERT_EQ(a->Statistics().expired, b->Statistics().expired) << push;
    ASSERT_EQ(a->Statistics().evicted, b->Statistics().evicted) << push;
    now += 500;
    const Keys keys = Draw(50, kKeys, random);
    ASSERT_TRUE(PushRows(a, keys, 1, now).ok());
    ASSERT_TRUE(PushRows(b, keys, 1, now).ok());
  }
}

void CutAndPush(uint32_t seed) {
  std::minstd_rand random(seed);
  const auto draw = [&](uint32_t below) { return random() % below; };
  const auto pool = MakeRowPool(1024, 40'000);
  const auto optimizer = MakeRowOptimizer(v1::Optimizer::KIND_ADAGRAD);
  RowTableOptions options = {
      .table = "t", .width = 2, .init = InitRule::Uniform(1)};
  if (draw(2) == 0) options.expire_after_examples = 30'000;
  if (draw(2) == 0) {
    options.max_rows = 2500;
    options.at_limit = RowTableOptions::AtLimit::kEvict;
  }
  if (draw(3) == 0) {
    options.admission = {
        .kind = RowAdmission::Kind::kCount, .count = 2, .counters = 5000};
  }
  auto made = RowTable::Create(options, optimizer, pool);
  ASSERT_TRUE(made.ok()) << made.status();
  std::unique_ptr<RowTable> table = *std::move(made);
  const auto load = [&](RowDisk disk) {
    auto loaded =
        RowTable::FromCut(options, optimizer, pool, disk.Load(pool.get()),
                          /*stored=*/false);
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    return loaded.ok() ? *std::move(loaded) : nullptr;
  };
  int64_t now = 0;
  const auto push = [&](size_t keys) {
    now += 200 + draw(300);
    return PushRows(table.get(), Draw(keys, kKeys, &random), 1, now);
  };
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(push(2000).ok());
  RowDisk disk;
  std::shared_ptr<const RowView> view;
  for (int version = 0; version < 12; ++version) {
    auto cut = table->TakeCut();
    ASSERT_TRUE(cut.ok()) << cut.status();
    // The same instant, in blocks that nobody writes to.
    auto whole = table->TakeWholeCut();
    ASSERT_TRUE(whole.ok()) << whole.status();
    RowDisk expected;
    if (draw(2) == 0) {
      ASSERT_TRUE(expected.Store(&*whole).ok());
      *whole = {};  // So that rows are written where they are.
    }
    const uint64_t token = cut->token;
    const End end = static_cast<End>(draw(8) < 5 ? 0 : 1 + draw(3));
    const uint32_t before = draw(12), after = draw(12);
    std::thread seals([&] { cut->Seal(); });
    for (uint32_t i = 0; i < before; ++i) {
      EXPECT_TRUE(push(1 + draw(150)).ok());
      if (draw(8) == 0) view = *table->Pin();
      if (draw(8) == 0) view.reset();
      if (draw(8) == 0) {  // An update that is dropped.
        auto update = table->Prepare(Draw(20, kKeys, &random), now);
        EXPECT_TRUE(update.ok()) << update.status();
      }
    }
    if (end == End::kMergedBack) table->MergeBack(token);
    if (end == End::kForgotten) table->ForgetStored();
    if (end == End::kTableGone) {
      table.reset();
    } else {
      for (uint32_t i = 0; i < after; ++i) {
        EXPECT_TRUE(push(1 + draw(150)).ok());
      }
    }
    seals.join();
    if (expected.empty()) {
      ASSERT_TRUE(expected.Store(&*whole).ok());
    }
    RowDisk stored = disk;
    ASSERT_TRUE(stored.Store(&*cut).ok());
    const auto a = load(stored), b = load(expected);
    ASSERT_TRUE(a != nullptr && b != nullptr);
    ExpectAlike(a.get(), b.get(), &random);
    if (testing::Test::HasFatalFailure()) return;
    *cut = {};
    if (end == End::kWritten) {
      table->Written(token);
      disk = std::move(stored);
    } else if (end == End::kTableGone) {
      disk = std::move(stored);
      auto again =
          RowTable::FromCut(options, optimizer, pool, disk.Load(pool.get()),
                            /*stored=*/true);
      ASSERT_TRUE(again.ok()) << again.status();
      table = *std::move(again);
      now = std::max(now, table->now());
    }
  }
}

TEST(RowPackingTest, WhateverBecomesOfACutItIsOneInstant) {
  for (uint32_t seed = 1; seed <= 4; ++seed) {
    CutAndPush(seed);
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ebb::server
