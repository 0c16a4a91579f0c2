// Which values of a gradient are sent now, and which wait.
#ifndef EBB_COMMON_FILTERS_SELECT_H_
#define EBB_COMMON_FILTERS_SELECT_H_

#include <span>

#include "common/filters/filter.h"

namespace ebb {

// Moves what the filter (threshold or top-k) sends of `waiting` to `sent`, of
// the same size; what is moved leaves 0, and what is not sent is 0 in `sent`.
// So waiting + sent is what waiting was, to the bit. Of equal magnitudes top-k
// sends the first.
void Select(const Filter& filter, std::span<float> waiting,
            std::span<float> sent);

}  // namespace ebb

#endif  // EBB_COMMON_FILTERS_SELECT_H_
