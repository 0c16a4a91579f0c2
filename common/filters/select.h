// Which values of a gradient are sent now, and which wait.
#ifndef EBB_COMMON_FILTERS_SELECT_H_
#define EBB_COMMON_FILTERS_SELECT_H_

#include <span>

#include "common/filters/filter.h"

namespace ebb {

// Moves the values of `waiting` that the filter (threshold or top-k) sends to
// `sent`, of the same size. A moved value leaves 0; an unsent one is 0 in
// `sent`. So waiting + sent is the former waiting, to the bit. Among equal
// magnitudes top-k sends the first.
void Select(const Filter& filter, std::span<float> waiting,
            std::span<float> sent);

}  // namespace ebb

#endif  // EBB_COMMON_FILTERS_SELECT_H_
