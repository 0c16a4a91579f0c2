#include "client/item_orders.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::client {

namespace {

// The item in work, and those that a worker holds beside it.
constexpr size_t kMostItems = 4;

}  // namespace

ItemOrders::ItemOrders(const JobPlan& plan)
    : order_(plan.seed, {plan.examples, plan.shard_size}) {}

absl::StatusOr<std::vector<int64_t>> ItemOrders::ExamplesAt(ItemId item,
                                                            int64_t begin,
                                                            int64_t end) {
  auto kept = std::find_if(kept_.begin(), kept_.end(), [item](const Kept& one) {
    return one.item == item;
  });
  if (kept == kept_.end()) {
    EBB_ASSIGN_OR_RETURN(std::vector<int64_t> order, order_.Of(item));
    if (kept_.size() >= kMostItems) kept_.pop_back();
    kept_.push_front({item, std::move(order)});
  } else {
    kept_.splice(kept_.begin(), kept_, kept);
  }
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
