// A sample of the examples of a data set.
#ifndef EBB_DATA_SAMPLE_H_
#define EBB_DATA_SAMPLE_H_

#include <cstdint>
#include <vector>

namespace ebb::data {

// Draws `count` different numbers below `all`, ascending; all of them if these
// are no more.
std::vector<int64_t> DrawSample(int64_t all, int64_t count, uint64_t seed);

}  // namespace ebb::data

#endif  // EBB_DATA_SAMPLE_H_
