#include "models/dropout.h"

#include "common/example_hash.h"

namespace ebb::models {

void FillDropoutMask(const DropoutKey& key, float rate, int64_t rows,
                     int64_t columns, float* mask) {
  const auto limit = static_cast<uint64_t>(double{rate} * 0x1p32);
  const float values[2] = {0.0f, 1.0f / (1.0f - rate)};
  uint64_t item = HashAppend(0, key.seed);
  item = HashAppend(item, static_cast<uint64_t>(key.epoch));
  item = HashAppend(item, static_cast<uint64_t>(key.shard));
  for (int64_t row = 0; row < rows; ++row) {
    const auto position = static_cast<uint64_t>(key.first_position + row);
    const uint64_t stream = HashAppend(HashAppend(item, position),
                                       static_cast<uint64_t>(key.layer));
    float* out = mask + row * columns;
    int64_t j = 0;
    for (; j + 1 < columns; j += 2) {
      const uint64_t bits = HashAppend(stream, j / 2);
      out[j] = values[(bits & 0xffffffff) >= limit];
      out[j + 1] = values[(bits >> 32) >= limit];
    }
    if (j < columns) {
      out[j] = values[(HashAppend(stream, j / 2) & 0xffffffff) >= limit];
    }
  }
}

}  // namespace ebb::models
