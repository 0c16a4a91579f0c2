#include "server/row_arrays.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "optimizer/word_rules.h"
#include "server/memory/block_pool.h"
#include "server/rows/row_table.h"

namespace ebb::server {
namespace {

using ::testing::SizeIs;

class RowArraysTest : public testing::Test {
 protected:
  RowTableOptions Options(int64_t width) {
    RowTableOptions options;
    options.table = "t";
    options.width = width;
    return options;
  }
  // With rows for the keys [0, rows), each full of its key.
  std::unique_ptr<RowTable> Table(int64_t width, uint64_t rows) {
    auto table = *RowTable::Create(Options(width), optimizer_, pool_);
    std::vector<uint64_t> keys;
    std::vector<float> sums;
    for (uint64_t key = 0; key < rows; ++key) {
      keys.push_back(key);
      sums.insert(sums.end(), width, static_cast<float>(key));
    }
    RowUpdatePtr update = *table->Prepare(keys, 1);
    table->Compute(update.get(), GradientView(sums), {});
    table->Commit(std::move(update));
    return table;
  }

  std::shared_ptr<BlockPool> pool_ =
      *BlockPool::Create({.block_bytes = 256, .shared = false});
  std::shared_ptr<const Optimizer> optimizer_ = MakeAdditiveRule();
};

TEST_F(RowArraysTest, RowsComeBackAsTheyWere) {
  Cut cut;
  for (const uint64_t rows : {100, 0, 3}) {
    AddRows(*Table(2, rows)->TakeWholeCut(), &cut);
  }
  SealRows(&cut);
  EXPECT_THAT(cut.row_cuts, SizeIs(0));
  const std::string sealed = cut.rows;
  SealRows(&cut);  // Once more it changes nothing.
  EXPECT_EQ(cut.rows, sealed);
  auto back = TakeRows(3, &cut);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(cut.arrays.empty());
  for (const auto& [t, rows] : {std::pair{0, 100}, {1, 0}, {2, 3}}) {
    auto table = RowTable::FromCut(Options(2), optimizer_, pool_,
                                   std::move((*back)[t]), false);
    ASSERT_TRUE(table.ok()) << table.status();
    EXPECT_EQ((*table)->Statistics().rows, rows);
    for (int key = 0; key < rows; ++key) {
      std::vector<float> row(2);
      (*table)->Gather(std::vector{static_cast<uint64_t>(key)}, row);
      EXPECT_EQ(row, std::vector<float>(2, static_cast<float>(key)));
    }
  }
}

TEST_F(RowArraysTest, WhatIsStoredIsNamed) {
  auto table = Table(2, 100);
  Cut first;
  AddRows(*table->TakeCut(), &first);
  const uint64_t token = first.row_cuts[0].token;
  SealRows(&first);
  table->Written(token);
  Cut second;
  AddRows(*table->TakeCut(), &second);
  SealRows(&second);
  ASSERT_EQ(second.arrays.size(), first.arrays.size());
  for (const auto& [name, array] : second.arrays) {
    const CutArray& before = first.arrays.at(name);
    EXPECT_EQ(array.floats, before.floats);
    for (size_t i = 0; i < array.blocks.size(); ++i) {
      EXPECT_FALSE(array.at_hand(i));
      EXPECT_EQ(array.content_id(i), before.content_id(i));
      EXPECT_EQ(array.UsedCount(i), before.UsedCount(i));
    }
  }
}

TEST_F(RowArraysTest, RefusesWhatIsOfOtherTables) {
  Cut cut;
  AddRows(*Table(2, 3)->TakeWholeCut(), &cut);
  SealRows(&cut);
  const std::string sealed = cut.rows;
  const auto refused = [&](size_t tables) {
    Cut copy = cut;
    return TakeRows(tables, &copy).status().code() ==
           absl::StatusCode::kDataLoss;
  };
  EXPECT_TRUE(refused(0));
  EXPECT_TRUE(refused(2));
  EXPECT_FALSE(refused(1));
  for (size_t n = 0; n < sealed.size(); ++n) {
    cut.rows = sealed.substr(0, n);
    EXPECT_TRUE(refused(1)) << n;
  }
}

}  // namespace
}  // namespace ebb::server
