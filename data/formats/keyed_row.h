#ifndef EBB_DATA_FORMATS_KEYED_ROW_H_
#define EBB_DATA_FORMATS_KEYED_ROW_H_

#include <cstdint>
#include <vector>

#include "data/keys.h"
#include "data/reader.h"

namespace ebb::data::internal {

// The entries of a keyed example, its memory used again by the next one.
struct KeyedRow {
  std::vector<float> values;
  std::vector<uint64_t> keys;
  std::vector<Field> fields;

  void Clear() {
    values.clear();
    keys.clear();
    fields.clear();
  }
  void Add(Field field, uint64_t key, float value) {
    fields.push_back(field);
    keys.push_back(key);
    values.push_back(value);
  }
  Example AsExample(float label = 0) const {
    return {.label = label, .values = values, .keys = keys, .fields = fields};
  }
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_KEYED_ROW_H_
