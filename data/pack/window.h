// The examples of a window in memory.
#ifndef EBB_DATA_PACK_WINDOW_H_
#define EBB_DATA_PACK_WINDOW_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "data/keys.h"
#include "data/pack/mapped_bytes.h"
#include "data/pack/window_schema.h"
#include "data/reader.h"

namespace ebb::data::pack {

// The examples of a window, as the set has them: features are not scaled, and
// labels are those of the files.
struct Window {
  int64_t examples = 0;
  std::vector<float> labels;   // (examples), or empty.
  std::vector<uint8_t> bytes;  // kBytes: (examples, features).
  // kDense: the same; else (entries).
  std::vector<float> values;
  std::vector<int64_t> offsets;  // kSparse and kKeyed: (examples + 1).
  std::vector<int32_t> ids;      // kSparse: (entries).
  std::vector<uint64_t> keys;    // kKeyed: (entries).
  std::vector<Field> fields;     // kKeyed: (entries).
  // Null, or what stands in place of `bytes` or dense `values`.
  std::shared_ptr<const MappedBytes> mapped;

  // An example of this schema becomes the last one.
  void Add(const WindowSchema& schema, const Example& example);
};

}  // namespace ebb::data::pack

#endif  // EBB_DATA_PACK_WINDOW_H_
