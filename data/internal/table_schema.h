// What each column of a table is: the label, a feature, or neither.
#ifndef EBB_DATA_INTERNAL_TABLE_SCHEMA_H_
#define EBB_DATA_INTERNAL_TABLE_SCHEMA_H_

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/encoding.h"
#include "data/internal/columns.h"
#include "data/internal/delimited.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data::internal {

struct TableSchema {
  // Where the column of a feature should be that is left out and not there.
  static constexpr size_t kNoColumn = std::numeric_limits<size_t>::max();

  Columns columns;
  // The first record is a header.
  bool header = false;
  // The columns of the features, in the order of the training data.
  std::vector<size_t> features;
  // The column of the label; kNoColumn without labels.
  size_t label = kNoColumn;

  // Reads the first record, and looks at the second where that tells whether
  // the first is a header. `records` then stands at the first record.
  // `encoding` is that of the training data, or empty.
  static absl::StatusOr<TableSchema> Read(const SourceSpec& spec,
                                          const Encoding& encoding,
                                          DelimitedRecords* records);

  // Reader::Names().
  std::optional<ColumnNames> Names() const;
};

// The records of a table.
DelimitedRecords OpenTable(const SourceSpec& spec, Input file);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_INTERNAL_TABLE_SCHEMA_H_
