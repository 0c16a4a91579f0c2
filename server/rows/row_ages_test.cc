#include "server/rows/row_ages.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "server/rows/row_options.h"
#include "server/rows/row_set.h"

namespace ebb::server {
namespace {

TEST(RowAgesTest, ARowLivesAsLongAsItShould) {
  const RowAges ages(1000);  // Units of 3, 334 to a life.
  EXPECT_EQ(ages.unit_examples(), 3);
  const uint32_t touched = ages.UnitOf(300);
  EXPECT_FALSE(ages.Expired(touched, ages.UnitOf(1300)));
  EXPECT_TRUE(ages.Expired(touched, ages.UnitOf(1300 + 6)));
}

TEST(RowAgesTest, ForEverIsForEver) {
  RowAges ages(0);
  EXPECT_FALSE(ages.expires());
  EXPECT_FALSE(ages.Expired(0, ages.UnitOf(int64_t{1} << 62)));
  ages.Add(0);
  ages.Advance(4000000000u);
  EXPECT_EQ(ages.expired(), 0);
}

// Beyond the last unit time stands still.
TEST(RowAgesTest, TheLastUnitNeverEnds) {
  RowAges ages(1);
  EXPECT_EQ(ages.UnitOf(0xfffffffd), 0xfffffffdu);
  EXPECT_EQ(ages.UnitOf(int64_t{1} << 62), 0xfffffffeu);
  ages.Advance(0xfffffffe);
  ages.Add(0xfffffffe);
  ages.Advance(0xfffffffe);
  EXPECT_EQ(ages.expired(), 0);
}

TEST(RowAgesTest, CountsLikeAListOfRows) {
  for (const int64_t life : {1, 5, 255, 300, 5000}) {
    std::mt19937 random(static_cast<uint32_t>(life));
    RowAges ages(life);
    std::vector<uint32_t> rows;
    int64_t now = 0;
    const auto expired = [&](uint32_t at) {
      int64_t count = 0;
      for (const uint32_t touched : rows) count += ages.Expired(touched, at);
      return count;
    };
    for (int step = 0; step < 2000; ++step) {
      const int64_t later =
          now + (random() % 50 == 0 ? 3 * life : random() % (life / 8 + 2));
      ASSERT_EQ(ages.ExpiredAt(ages.UnitOf(later)), expired(ages.UnitOf(later)))
          << "life " << life << " step " << step;
      now = later;
      ages.Advance(ages.UnitOf(now));
      ASSERT_EQ(ages.expired(), expired(ages.now()));
      if (!rows.empty() && random() % 2 == 0) {
        const size_t i = random() % rows.size();
        ages.Remove(rows[i]);
        rows[i] = rows.back();
        rows.pop_back();
      }
      ages.Add(ages.now());
      rows.push_back(ages.now());
    }
  }
}

TEST(RowSetTest, HoldsNumbers) {
  RowSet set;
  set.Resize(130);
  for (const uint32_t row : {0u, 63u, 64u, 129u}) set.Add(row);
  set.Remove(64);
  EXPECT_EQ(set.Count(), 3);
  std::vector<uint32_t> rows;
  set.ForEach([&](uint32_t row) { rows.push_back(row); });
  EXPECT_EQ(rows, (std::vector<uint32_t>{0, 63, 129}));
  RowSet more;
  more.Resize(200);
  more.Add(199);
  more.AddAll(set);
  EXPECT_EQ(more.Count(), 4);
  set.Resize(129);
  EXPECT_EQ(set.Count(), 2);
  set.Resize(130);
  EXPECT_FALSE(set.Has(129));
}

// The number of units was an overflow, and gigabytes were counted.
TEST(RowAgesTest, TheLongestLifeHasAsManyUnitsAsAnyOther) {
  RowTableOptions options;
  options.table = "t";
  options.expire_after_examples = RowTableOptions::kMaxExpiry;
  EXPECT_TRUE(options.Validate().ok());
  RowAges ages(options.expire_after_examples);
  ages.Add(0);
  EXPECT_EQ(ages.ExpiredAt(ages.UnitOf(options.expire_after_examples)), 0);
  ++options.expire_after_examples;
  EXPECT_EQ(options.Validate().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ebb::server
