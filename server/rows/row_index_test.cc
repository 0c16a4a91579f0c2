#include "server/rows/row_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<uint32_t> RowsOf(const RowIndex& index, uint32_t hash) {
  std::vector<uint32_t> rows;
  for (size_t at = index.Find(hash); index.Has(at, hash); ++at) {
    rows.push_back(index.RowAt(at));
  }
  std::ranges::sort(rows);
  return rows;
}

TEST(RowIndexTest, FindsAllRowsOfAHash) {
  RowIndex index;
  EXPECT_THAT(RowsOf(index, 5), IsEmpty());
  index.Insert(5, 100);
  index.Insert(6, 101);
  index.Insert(5, 102);
  EXPECT_THAT(RowsOf(index, 5), ElementsAre(100, 102));
  EXPECT_THAT(RowsOf(index, 6), ElementsAre(101));
  index.Erase(5, 100);
  EXPECT_THAT(RowsOf(index, 5), ElementsAre(102));
  EXPECT_THAT(RowsOf(index, 6), ElementsAre(101));
  EXPECT_EQ(index.size(), 2u);
}

// The hashes at both ends, and that of empty entries.
TEST(RowIndexTest, TheHighestHashIsAHashLikeOthers) {
  RowIndex index;
  EXPECT_THAT(RowsOf(index, 0xffffffff), IsEmpty());
  for (uint32_t row = 0; row < 100; ++row) index.Insert(0xffffffff, row);
  index.Insert(0, 1000);
  EXPECT_EQ(RowsOf(index, 0xffffffff).size(), 100u);
  EXPECT_THAT(RowsOf(index, 0), ElementsAre(1000));
  for (uint32_t row = 0; row < 100; ++row) index.Erase(0xffffffff, row);
  EXPECT_THAT(RowsOf(index, 0xffffffff), IsEmpty());
  EXPECT_THAT(RowsOf(index, 0), ElementsAre(1000));
}

TEST(RowIndexTest, AgreesWithAMapWhateverTheHashes) {
  for (const uint32_t hashes : {3u, 40u, 5000u, 0xffffffffu}) {
    std::mt19937 random(hashes);
    RowIndex index;
    std::multimap<uint32_t, uint32_t> model;
    uint32_t next = 0;
    for (int step = 0; step < 20000; ++step) {
      // Grows, then shrinks.
      if (model.empty() || random() % 10 < (step < 10000 ? 7 : 3)) {
        const uint32_t hash = random() % hashes * (0xffffffffu / hashes);
        index.Insert(hash, next);
        model.emplace(hash, next++);
      } else {
        auto it = model.lower_bound(random() % hashes * (0xffffffffu / hashes));
        if (it == model.end()) it = model.begin();
        index.Erase(it->first, it->second);
        model.erase(it);
      }
      const uint32_t hash = random() % hashes * (0xffffffffu / hashes);
      std::vector<uint32_t> expected;
      const auto [first, last] = model.equal_range(hash);
      for (auto it = first; it != last; ++it) expected.push_back(it->second);
      std::ranges::sort(expected);
      ASSERT_EQ(RowsOf(index, hash), expected) << hashes << " step " << step;
      if (hashes == 3 && step > 2000) break;  // Long runs.
    }
    ASSERT_EQ(index.size(), model.size());
    for (const auto& [hash, row] : model) {
      const std::vector<uint32_t> rows = RowsOf(index, hash);
      ASSERT_TRUE(std::ranges::binary_search(rows, row));
    }
  }
}

TEST(RowIndexTest, TakesSixteenBytesPerRowAtMost) {
  RowIndex index;
  size_t most = 0;
  for (uint32_t row = 0; row < 100000; ++row) {
    index.Insert(RowIndex::HashOf(row), row);
    if (row > 10000) most = std::max(most, index.bytes() * 100 / (row + 1));
  }
  EXPECT_LE(most, 1700u);  // Hundredths.
  RowIndex reserved;
  reserved.Reserve(100000);
  const size_t before = reserved.bytes();
  for (uint32_t row = 0; row < 100000; ++row) {
    reserved.Insert(RowIndex::HashOf(row), row);
  }
  EXPECT_EQ(reserved.bytes(), before);
  EXPECT_LE(before, 1070000u);
}

TEST(RowIndexTest, KeysThatCountUpHaveHashesOfTheirOwn) {
  std::map<uint32_t, int> by_hash;
  for (uint64_t key = 0; key < 10000; ++key) {
    ++by_hash[RowIndex::HashOf(key << 20)];
  }
  EXPECT_GE(by_hash.size(), 9995u);  // 0.01 collisions are to be expected.
}

}  // namespace
}  // namespace ebb::server
