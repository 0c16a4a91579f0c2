// Which examples stand at a place. It keeps the orders of a few items, as
// batches of one follow each other, and others are asked for ahead.
#ifndef EBB_CLIENT_ITEM_ORDERS_H_
#define EBB_CLIENT_ITEM_ORDERS_H_

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
  explicit ItemOrders(const JobPlan& plan);

  // The numbers of the examples [begin, end) of the item. InvalidArgument: it
  // has no such place.
  absl::StatusOr<std::vector<int64_t>> ExamplesAt(ItemId item, int64_t begin,
                                                  int64_t end);

 private:
  struct Kept {
    ItemId item;
    std::vector<int64_t> order;
  };

  const data::Order order_;
  std::list<Kept> kept_;  // Used last first.
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_ITEM_ORDERS_H_
