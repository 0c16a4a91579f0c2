// The role of each column of a table: the label, a feature, or neither.
#ifndef EBB_DATA_FORMATS_TABLES_TABLE_SCHEMA_H_
#define EBB_DATA_FORMATS_TABLES_TABLE_SCHEMA_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/encoding.h"
#include "data/formats/tables/columns.h"
#include "data/formats/tables/delimited.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data::internal {

struct TableSchema {
  Columns columns;
  // The first record is a header.
  bool header = false;
  // The columns of the features, in the order of the training data;
  // Columns::kNone for one that is left out.
  std::vector<size_t> features;
  // The column of the label; Columns::kNone without labels.
  size_t label = Columns::kNone;

  // Reads the first record, and looks at the second where that tells whether
  // the first is a header. `records` then stands at the first record.
  // `encoding` is that of the training data, or empty.
  static absl::StatusOr<TableSchema> Read(const SourceSpec& spec,
                                          const Encoding& encoding,
                                          DelimitedRecords* records);

  // Reader::Names().
  std::optional<ColumnNames> Names() const {
    return columns.NamesOf(features, label);
  }
};

// The records of a table.
DelimitedRecords OpenTable(const SourceSpec& spec, Input file);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TABLES_TABLE_SCHEMA_H_
