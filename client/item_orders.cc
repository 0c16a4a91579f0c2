#include "client/item_orders.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::client {

namespace {

// The item in work, and those that a worker holds beside it.
constexpr size_t kMostItems = 4;

}  // namespace

ItemOrders::ItemOrders(const JobPlan& plan, int64_t window, int64_t most_bytes)
    : order_(plan.seed, {plan.examples, plan.shard_size, window}),
      most_bytes_(most_bytes) {}

void ItemOrders::Trim() {
  int64_t bytes = 0;
  auto one = std::next(kept_.begin());  // The newest stays, however large.
  for (size_t kept = 1; one != kept_.end() && kept < kMostItems;
       ++one, ++kept) {
    bytes += static_cast<int64_t>(one->order.size() * sizeof(int64_t));
    if (bytes > most_bytes_) break;
  }
  kept_.erase(one, kept_.end());
}

absl::StatusOr<std::vector<int64_t>> ItemOrders::ExamplesAt(ItemId item,
                                                            int64_t begin,
                                                            int64_t end) {
  auto kept = std::find_if(kept_.begin(), kept_.end(), [item](const Kept& one) {
    return one.item == item;
  });
  if (kept == kept_.end()) {
    EBB_ASSIGN_OR_RETURN(std::vector<int64_t> order, order_.Of(item));
    kept_.push_front({item, std::move(order)});
  } else {
    kept_.splice(kept_.begin(), kept_, kept);
  }
  Trim();
  const std::vector<int64_t>& order = kept_.front().order;
  const auto size = static_cast<int64_t>(order.size());
  if (begin < 0 || begin > end || end > size) {
    return absl::InvalidArgumentError(
        absl::StrCat("examples ", begin, " to ", end, " of item ",
                     ToString(item), ", which has ", size));
  }
  return std::vector<int64_t>(order.begin() + begin, order.begin() + end);
}

}  // namespace ebb::client
