#include "bench/common/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace ebb::bench {
namespace {

using ::testing::HasSubstr;

Row RowOf(double ours, std::optional<Bound> bound) {
  const std::vector<double> limits = {10, 10, 10};
  return MakeRow("push 4 MiB", "GB/s", std::vector<double>{1, ours, ours},
                 limits, bound);
}
constexpr Bound kBound{Bound::Kind::kAtLeast, 0.8};

TEST(RowsTest, TheTableSaysWhatHoldsAndWhatDoesNot) {
  const std::vector<Row> rows = {RowOf(9, kBound), RowOf(7, kBound),
                                 RowOf(2, std::nullopt)};
  EXPECT_EQ(RowsText(rows, "RAW"),
            "                  RAW  EBB  RATIO     SPREAD  NEEDS\n"
            "push 4 MiB  GB/s   10    9   0.90  0.10-0.90  >= 0.8  holds\n"
            "push 4 MiB  GB/s   10    7   0.70  0.10-0.70  >= 0.8  MISSED\n"
            "push 4 MiB  GB/s   10    2   0.20  0.10-0.20\n");
}

TEST(RowsTest, JsonHasEveryFigure) {
  tools::Json json = tools::Json::Object();
  const std::vector<Row> rows = {RowOf(7, kBound), RowOf(2, std::nullopt)};
  AddRows(rows, &json);
  EXPECT_EQ(json.ToLine(),
            "{\"rows\": [{\"what\": \"push 4 MiB\", \"measure\": \"GB/s\", "
            "\"limit\": 10, \"ours\": 7, \"ratio\": 0.7, \"lowest_ratio\": "
            "0.1, \"highest_ratio\": 0.7, \"pairs\": 3, \"at_least\": 0.8, "
            "\"holds\": false}, {\"what\": \"push 4 MiB\", \"measure\": "
            "\"GB/s\", \"limit\": 10, \"ours\": 2, \"ratio\": 0.2, "
            "\"lowest_ratio\": 0.1, \"highest_ratio\": 0.2, \"pairs\": 3}], "
            "\"all_hold\": false}");
}

}  // namespace
}  // namespace ebb::bench
