// The rule of tables of statistics, such as BatchNorm's.
#ifndef EBB_OPTIMIZER_AVERAGE_H_
#define EBB_OPTIMIZER_AVERAGE_H_

#include <memory>

#include "optimizer/optimizer.h"

namespace ebb {

// w' = w + (1 - (1 - m)^B) (x - w), with x = G / N, the mean of a statistic
// over the examples N of B batches, and m the share of a batch.
//
// Neither the rate nor a factor for late gradients applies. The average that
// moves is that of the server, not the one that was pulled. So it is the same
// however late a push is, and a run of batches counts like its batches.
std::unique_ptr<Optimizer> MakeAverageRule(double share);

}  // namespace ebb

#endif  // EBB_OPTIMIZER_AVERAGE_H_
