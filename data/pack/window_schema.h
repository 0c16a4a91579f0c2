// The columns of a window of packed examples, and how large they are.
#ifndef EBB_DATA_PACK_WINDOW_SCHEMA_H_
#define EBB_DATA_PACK_WINDOW_SCHEMA_H_

#include <cstdint>
#include <vector>

#include "data/reader.h"

namespace ebb::data::pack {

// Columns begin at multiples of it.
inline constexpr int64_t kAlignment = 64;
constexpr int64_t Aligned(int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// Limits of a window: a damaged or foreign entry takes no more memory.
inline constexpr int64_t kMostWindowBytes = int64_t{1} << 30;

// One column of one window. It is compressed with zstd if it takes fewer bytes
// stored than raw.
struct StoredColumn {
  int64_t raw_bytes = 0;
  int64_t stored_bytes = 0;

  friend bool operator==(const StoredColumn&, const StoredColumn&) = default;
};

struct WindowEntry {
  int64_t file = 0;
  int64_t offset = 0;  // Its first column's. The others follow, aligned.
  int64_t examples = 0;
  int64_t entries = 0;  // Numbers in its rows; 0 in dense data.
  uint64_t hash = 0;    // XXH3 (64 bits) of the stored columns, end to end.
  // In the order of WindowSchema::Columns().
  std::vector<StoredColumn> columns;

  // The end of its last column.
  int64_t End() const;

  friend bool operator==(const WindowEntry&, const WindowEntry&) = default;
};

enum class Column { kLabels, kBytes, kOffsets, kIds, kKeys, kFields, kValues };

// The form that all windows of a set share.
struct WindowSchema {
  Layout layout = Layout::kDense;
  bool has_labels = false;
  // Missing values are NaN.
  bool gaps = false;
  int64_t features = 0;  // For keyed data the number of fields.

  bool rows() const {
    return layout == Layout::kSparse || layout == Layout::kKeyed;
  }
  // The columns of each window, in their order.
  std::vector<Column> Columns() const;
  // The raw bytes of a column, by the counts of its window. Values may take 0
  // instead: then all of them are 1.
  int64_t RawBytes(Column column, int64_t examples, int64_t entries) const;
  // Memory that the window takes when it is read.
  int64_t MemoryBytes(const WindowEntry& window) const;
  // Returns whether a window may say so of itself, within a file of so many
  // bytes. Its file and hash are not looked at.
  bool IsPossible(const WindowEntry& window, int64_t file_bytes) const;

  friend bool operator==(const WindowSchema&, const WindowSchema&) = default;
};

}  // namespace ebb::data::pack

#endif  // EBB_DATA_PACK_WINDOW_SCHEMA_H_
