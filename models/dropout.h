// Which units a batch drops: a function of its place in the data, so that a
// batch computed again, by whomever, drops the same.
//
//   stream = HashAppend over seed, epoch, shard, position, layer
//   unit j draws the low (j even) or high (j odd) 32 bits of
//   HashAppend(stream, j / 2), and is dropped if they are below rate * 2^32.
#ifndef EBB_MODELS_DROPOUT_H_
#define EBB_MODELS_DROPOUT_H_

#include <cstdint>

#include "models/backend.h"

namespace ebb::models {

// mask(rows, columns): 0 or 1 / (1 - rate). Requires rate in [0, 1).
void FillDropoutMask(const DropoutKey& key, float rate, int64_t rows,
                     int64_t columns, float* mask);

}  // namespace ebb::models

#endif  // EBB_MODELS_DROPOUT_H_
