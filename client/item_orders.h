// Which examples stand at a place. It keeps the orders of a few items, as
// batches of one follow each other, and others are asked for ahead. Beside the
// one that was used last it keeps at most kMostBytes.
#ifndef EBB_CLIENT_ITEM_ORDERS_H_
#define EBB_CLIENT_ITEM_ORDERS_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <vector>

#include "absl/status/statusor.h"
#include "common/ids.h"
#include "data/order.h"
#include "protocol/plan.h"

namespace ebb::client {

// Thread-compatible.
class ItemOrders {
 public:
  static constexpr int64_t kMostBytes = int64_t{64} << 20;

  // window: of the order (data::ShardLayout).
  ItemOrders(const JobPlan& plan, int64_t window,
             int64_t most_bytes = kMostBytes);

  // The numbers of the examples [begin, end) of the item. InvalidArgument: it
  // has no such place.
  absl::StatusOr<std::vector<int64_t>> ExamplesAt(ItemId item, int64_t begin,
                                                  int64_t end);

  // How many orders it keeps.
  size_t kept() const { return kept_.size(); }

 private:
  struct Kept {
    ItemId item;
    std::vector<int64_t> order;
  };

  // Forgets the orders that were used longest ago.
  void Trim();

  const data::Order order_;
  const int64_t most_bytes_;
  std::list<Kept> kept_;  // Used last first.
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_ITEM_ORDERS_H_
