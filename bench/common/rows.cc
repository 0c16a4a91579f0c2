#include "bench/common/rows.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "tools/text/console.h"

namespace ebb::bench {

std::string RowsText(std::span<const Row> rows, const std::string& limit) {
  tools::TextTable table({"", "", limit, "EBB", "RATIO", "SPREAD", "NEEDS", ""},
                         {2, 3, 4, 5});
  for (const Row& row : rows) {
    const std::string verdict = row.holds() ? "holds" : "MISSED";
    table.Add({row.what, row.measure, absl::StrFormat("%.3g", row.limit),
               absl::StrFormat("%.3g", row.ours),
               absl::StrFormat("%.2f", row.ratio.median),
               absl::StrFormat("%.2f-%.2f", row.ratio.low, row.ratio.high),
               row.bound ? row.bound->ToString() : "",
               row.bound ? verdict : ""});
  }
  return table.ToString();
}

void AddRows(std::span<const Row> rows, tools::Json* json) {
  tools::Json list = tools::Json::List();
  for (const Row& row : rows) {
    tools::Json one = tools::Json::Object();
    one["what"] = row.what;
    one["measure"] = row.measure;
    one["limit"] = row.limit;
    one["ours"] = row.ours;
    one["ratio"] = row.ratio.median;
    one["lowest_ratio"] = row.ratio.low;
    one["highest_ratio"] = row.ratio.high;
    one["pairs"] = row.ratio.pairs;
    if (row.bound) {
      const bool least = row.bound->kind == Bound::Kind::kAtLeast;
      one[least ? "at_least" : "at_most"] = row.bound->value;
      one["holds"] = row.holds();
    }
    list.Add(std::move(one));
  }
  (*json)["rows"] = std::move(list);
  (*json)["all_hold"] = AllHold(rows);
}

}  // namespace ebb::bench
