// The columns of delimited text, as a header names them.
#ifndef EBB_DATA_INTERNAL_COLUMNS_H_
#define EBB_DATA_INTERNAL_COLUMNS_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ebb::data::internal {

// Immutable.
class Columns {
 public:
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
  // order of `known`. Case and what is no letter or digit do not count:
  // "user_id" is "userid".
  std::optional<size_t> Find(std::span<const absl::string_view> known) const;

  // The names, as many as a message bears: "'a', 'b', ...".
  std::string Listed() const;
  // "column 3 ('petal length')".
  std::string Describe(size_t column) const;

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

// Whether an option calls a column by a name: then there must be a header.
bool IsName(absl::string_view column);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_INTERNAL_COLUMNS_H_
