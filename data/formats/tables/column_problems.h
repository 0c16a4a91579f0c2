// Mistakes in the fields of one table, by column: enough for a person to mend a
// file, or a job, in one go.
#ifndef EBB_DATA_FORMATS_TABLES_COLUMN_PROBLEMS_H_
#define EBB_DATA_FORMATS_TABLES_COLUMN_PROBLEMS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "data/formats/tables/columns.h"

namespace ebb::data::internal {

class ColumnProblems {
 public:
  // In the order of the message.
  enum class Kind {
    kRecord,   // The whole record: its width or its quotes.
    kLabel,    // The label cannot be read.
    kText,     // A field that is not a number.
    kDate,     // A field that is not a date.
    kMissing,  // A field that is missing.
    kOther,    // A field that is a number, but no good one.
  };

  // `message` is the mistake in a field of `column`; `place` is that of its
  // record.
  void Add(Kind kind, size_t column, absl::string_view place,
           absl::string_view message);

  // Appends to the message about records, if there is one.
  void AmendRecords(absl::string_view more);

  bool empty() const { return groups_.empty(); }
  void Clear() { groups_.clear(); }

  // kInvalidArgument, with a line for each kind of mistake: a single mistake
  // with its place, several with their columns and count. `rows` is the number
  // of records that were looked at.
  absl::Status Status(const Columns& columns, absl::string_view path,
                      int64_t rows) const;

 private:
  struct Group {
    int64_t count = 0;
    std::string place;  // Place of the first,
    std::string message;
  };
  // All columns with the same kind and number of wrong fields.
  std::string Line(Kind kind, const std::vector<size_t>& of,
                   const Columns& columns, absl::string_view path,
                   int64_t rows) const;

  std::map<std::pair<Kind, size_t>, Group> groups_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TABLES_COLUMN_PROBLEMS_H_
