// Columns that tell a model nothing, too much, or something else than their
// owner means. They are: one that counts the rows or is named as the index of a
// frame, one that equals the label, weights of examples, and a label that is
// the same in every row.
#ifndef EBB_DATA_FORMATS_TABLES_COLUMN_WATCH_H_
#define EBB_DATA_FORMATS_TABLES_COLUMN_WATCH_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "data/formats/tables/table_schema.h"

namespace ebb::data::internal {

// Looks at each record once, and only at the columns that may still be one of
// these: soon there are none. Not thread safe.
class ColumnWatch {
 public:
  // `looks_at_labels`: the model does. Else nothing is said of the label.
  ColumnWatch(const TableSchema& schema, bool looks_at_labels);

  void AddRow(const std::vector<absl::string_view>& fields) {
    ++rows_;
    if (!counting_.empty() || !equal_.empty() || one_label_) Look(fields);
  }

  // A sentence for each of them, with what to do.
  std::vector<std::string> Remarks(const TableSchema& schema) const;

 private:
  struct Counting {
    size_t column = 0;
    double first = 0;
  };
  // True if the column counted the rows so far, of which there are enough.
  bool CountsRows(size_t column) const;
  void Look(const std::vector<absl::string_view>& fields);

  const size_t label_;
  int64_t rows_ = 0;
  std::vector<Counting> counting_;
  std::vector<size_t> equal_;
  bool one_label_ = false;   // There is a label, the same in all rows so far,
  std::string first_label_;  // and this is it.
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TABLES_COLUMN_WATCH_H_
