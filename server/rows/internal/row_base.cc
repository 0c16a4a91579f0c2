#include "server/rows/internal/row_base.h"

namespace ebb::server::internal {

void RowBase::SetRun(int64_t first, int64_t end, RowCutOutline* outline) const {
  const auto counters = [&](int64_t place) {
    return std::min(place * block_bytes_, counter_count_);
  };
  outline->first_counter = counters(first);
  outline->end_counter = counters(end);
  outline->first_block = std::max<int64_t>(first - counter_places_, 0);
  outline->end_block = std::max<int64_t>(end - counter_places_, 0);
  outline->kept_block = outline->first_block;
  for (int64_t place = std::max(first, counter_places_); place < end; ++place) {
    if (HasRows(place)) ++outline->blocks;
  }
}

RowCutOutline RowBase::All() const {
  RowCutOutline outline = {.capacity = rows_.numbers().capacity()};
  SetRun(0, places(), &outline);
  return outline;
}

}  // namespace ebb::server::internal
