#include "data/pack/window_schema.h"

#include <cstddef>

#include "data/keys.h"

namespace ebb::data::pack {

int64_t WindowEntry::End() const {
  int64_t end = offset;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) end = offset + Aligned(end - offset);
    end += columns[i].stored_bytes;
  }
  return end;
}

std::vector<Column> WindowSchema::Columns() const {
  std::vector<Column> columns;
  if (has_labels) columns.push_back(Column::kLabels);
  switch (layout) {
    case Layout::kBytes:
      columns.push_back(Column::kBytes);
      break;
    case Layout::kDense:
      columns.push_back(Column::kValues);
      break;
    case Layout::kSparse:
      columns.insert(columns.end(),
                     {Column::kOffsets, Column::kIds, Column::kValues});
      break;
    case Layout::kKeyed:
      columns.insert(columns.end(), {Column::kOffsets, Column::kKeys,
                                     Column::kFields, Column::kValues});
      break;
  }
  return columns;
}

int64_t WindowSchema::RawBytes(Column column, int64_t examples,
                               int64_t entries) const {
  const auto of = [](int64_t count, size_t size) {
    return count * static_cast<int64_t>(size);
  };
  switch (column) {
    case Column::kLabels:
      return of(examples, sizeof(float));
    case Column::kBytes:
      return examples * features;
    case Column::kOffsets:
      return of(examples + 1, sizeof(int64_t));
    case Column::kIds:
      return of(entries, sizeof(int32_t));
    case Column::kKeys:
      return of(entries, sizeof(uint64_t));
    case Column::kFields:
      return of(entries, sizeof(Field));
    case Column::kValues:
      return of(rows() ? entries : examples * features, sizeof(float));
  }
  return 0;
}

// At most 2^30 examples of 2^31 features: it does not overflow.
int64_t WindowSchema::MemoryBytes(const WindowEntry& window) const {
  int64_t sum = 0;
  for (const Column column : Columns()) {
    sum += RawBytes(column, window.examples, window.entries);
  }
  return sum;
}

bool WindowSchema::IsPossible(const WindowEntry& window,
                              int64_t file_bytes) const {
  if (window.offset < 0 || window.examples < 0 || window.entries < 0 ||
      window.offset % kAlignment != 0 || window.examples > kMostWindowBytes ||
      window.entries > kMostWindowBytes ||
      (!rows() && window.examples * features > kMostWindowBytes) ||
      MemoryBytes(window) > kMostWindowBytes) {
    return false;
  }
  const std::vector<Column> kinds = Columns();
  if (window.columns.size() != kinds.size()) return false;
  int64_t end = window.offset;
  for (size_t i = 0; i < kinds.size(); ++i) {
    const StoredColumn& column = window.columns[i];
    if (column.raw_bytes < 0 || column.stored_bytes < 0 ||
        column.stored_bytes > column.raw_bytes ||
        (column.stored_bytes == 0) != (column.raw_bytes == 0)) {
      return false;
    }
    const bool ones =
        kinds[i] == Column::kValues && rows() && column.raw_bytes == 0;
    if (column.raw_bytes !=
            RawBytes(kinds[i], window.examples, window.entries) &&
        !ones) {
      return false;
    }
    if (end > file_bytes - column.stored_bytes) return false;
    end += Aligned(column.stored_bytes);
  }
  return true;
}

}  // namespace ebb::data::pack
