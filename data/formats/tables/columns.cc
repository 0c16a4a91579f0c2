#include "data/formats/tables/columns.h"

#include <algorithm>
#include <cstdint>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "common/nearest.h"
#include "common/yaml_text.h"
#include "data/bytes/text.h"

namespace ebb::data::internal {
namespace {

// The letters and digits of a name, in lower case.
std::string Folded(absl::string_view name) {
  std::string folded;
  for (const char c : name) {
    if (absl::ascii_isalnum(c)) folded.push_back(absl::ascii_tolower(c));
  }
  return folded;
}

}  // namespace

absl::StatusOr<size_t> Columns::Resolve(const std::string& column) const {
  const auto named = std::find(names_.begin(), names_.end(), column);
  if (named != names_.end()) {
    if (std::find(named + 1, names_.end(), column) != names_.end()) {
      return Bad("column ", Excerpt(column),
                 " is in the header twice; use its number, from 1");
    }
    return static_cast<size_t>(named - names_.begin());
  }
  int64_t number;
  if (absl::SimpleAtoi(column, &number)) {
    if (number >= 1 && number <= static_cast<int64_t>(width_)) {
      return static_cast<size_t>(number - 1);
    }
    return Bad("there is no column ", number, "; they count from 1 to ",
               width_);
  }
  if (names_.empty()) {
    return Bad("column ", Excerpt(column),
               " goes by a name, but there is no header; use its number, "
               "from 1");
  }
  const std::string near = NearestName(column, names_);
  return Bad("there is no column ", Excerpt(column), " among ", Listed(),
             near.empty() ? "" : absl::StrCat("; is it ", Excerpt(near), "?"));
}

std::optional<size_t> Columns::Find(
    std::span<const absl::string_view> known) const {
  std::vector<std::string> folded;
  folded.reserve(names_.size());
  for (const std::string& name : names_) folded.push_back(Folded(name));
  for (const absl::string_view name : known) {
    const auto found = std::find(folded.begin(), folded.end(), name);
    if (found != folded.end()) return found - folded.begin();
  }
  return std::nullopt;
}

std::string Columns::Listed() const {
  constexpr size_t kListed = 12;
  const auto listed = names_.begin() + std::min(kListed, names_.size());
  return absl::StrCat(
      absl::StrJoin(names_.begin(), listed, ", ",
                    [](std::string* out, const std::string& name) {
                      absl::StrAppend(out, Excerpt(name));
                    }),
      listed == names_.end() ? "" : ", ...");
}

std::string Columns::Describe(size_t column) const {
  if (names_.empty() || names_[column].empty()) {
    return absl::StrCat("column ", column + 1);
  }
  return absl::StrCat("column ", column + 1, " (", Excerpt(names_[column]),
                      ")");
}

std::string Columns::InOption(size_t column) const {
  if (names_.empty() || names_[column].empty()) return absl::StrCat(column + 1);
  const std::string& name = names_[column];
  // A number would be that of a column.
  return IsNumber(name) ? InYamlQuotes(name) : QuoteYaml(name);
}

std::optional<ColumnNames> Columns::NamesOf(const std::vector<size_t>& features,
                                            size_t label) const {
  if (names_.empty()) return std::nullopt;
  ColumnNames names;
  std::set<absl::string_view> seen;
  int64_t bytes = 0;
  for (const size_t column : features) {
    const std::string name = column == kNone ? "" : names_[column];
    names.features.push_back(name);
    bytes += static_cast<int64_t>(name.size());
    if (column != kNone && !seen.insert(names_[column]).second) {
      return std::nullopt;
    }
  }
  if (label != kNone) names.label = names_[label];
  bytes += static_cast<int64_t>(names.label.size());
  if (bytes > kMaxNameBytes) return std::nullopt;
  return names;
}

ColumnFinder::ColumnFinder(const Columns& columns) : columns_(columns) {
  const std::vector<std::string>& names = columns.names();
  for (size_t i = 0; i < names.size(); ++i) places_[names[i]].push_back(i);
}

absl::StatusOr<size_t> ColumnFinder::Find(const std::string& name,
                                          absl::string_view what) const {
  const auto found = places_.find(name);
  if (found == places_.end()) {
    return columns_.Bad("there is no column ", Excerpt(name), ", which is ",
                        what, " of the training data, among ",
                        columns_.Listed());
  }
  if (found->second.size() > 1) {
    return columns_.Bad("column ", Excerpt(name), " is in the header twice; ",
                        what, " of the training data has this name");
  }
  return found->second.front();
}

bool IsName(absl::string_view column) {
  return !column.empty() && !IsNumber(column);
}

}  // namespace ebb::data::internal
