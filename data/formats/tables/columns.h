// The columns of delimited text, as a header names them.
#ifndef EBB_DATA_FORMATS_TABLES_COLUMNS_H_
#define EBB_DATA_FORMATS_TABLES_COLUMNS_H_

#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/source.h"

namespace ebb::data::internal {

// Immutable.
class Columns {
 public:
  // Stands where a column should be that is not there.
  static constexpr size_t kNone = std::numeric_limits<size_t>::max();

  Columns() = default;
  // `names` is empty where there is no header. `where` is the place of the
  // first record, for messages.
  Columns(std::string where, size_t width, std::vector<std::string> names)
      : where_(std::move(where)), width_(width), names_(std::move(names)) {}

  size_t width() const { return width_; }
  bool named() const { return !names_.empty(); }
  const std::vector<std::string>& names() const { return names_; }

  // The index of the column that an option calls `column`: by its name, or by
  // its number from 1. A name wins. kInvalidArgument where there is none.
  absl::StatusOr<size_t> Resolve(const std::string& column) const;

  // The index of the first column that has one of the `known` names, in the
  // order of `known`. It ignores case, and all but letters and digits:
  // "user_id" is "userid".
  std::optional<size_t> Find(std::span<const absl::string_view> known) const;

  // The names of these columns, for Reader::Names(). nullopt: there is no
  // header, two features have one name, or the names are too long.
  std::optional<ColumnNames> NamesOf(const std::vector<size_t>& features,
                                     size_t label) const;

  // The names, as many as a message bears: "'a', 'b', ...".
  std::string Listed() const;
  // "column 3 ('petal length')".
  std::string Describe(size_t column) const;
  // Returns the column as an option of a job file names it: by its name, in
  // quotes if YAML needs them, or by its number.
  std::string InOption(size_t column) const;

  // "a.csv:1: what is wrong".
  template <typename... Args>
  absl::Status Bad(const Args&... args) const {
    return absl::InvalidArgumentError(absl::StrCat(where_, ": ", args...));
  }

 private:
  std::string where_;
  size_t width_ = 0;
  std::vector<std::string> names_;
};

// Finds the columns of training data in the header of other data. Borrows the
// columns.
class ColumnFinder {
 public:
  explicit ColumnFinder(const Columns& columns);

  bool Has(absl::string_view name) const { return places_.contains(name); }
  // `what` is what the column is in the training data: "the label".
  // kInvalidArgument where there is none, or where there are two.
  absl::StatusOr<size_t> Find(const std::string& name,
                              absl::string_view what) const;

 private:
  const Columns& columns_;
  std::map<absl::string_view, std::vector<size_t>> places_;
};

// True if an option calls a column by a name: then there must be a header.
bool IsName(absl::string_view column);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TABLES_COLUMNS_H_
