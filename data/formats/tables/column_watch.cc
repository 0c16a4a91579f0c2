#include "data/formats/tables/column_watch.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "data/bytes/text.h"

namespace ebb::data::internal {
namespace {

// Few rows are like that by chance.
constexpr int64_t kLeastRows = 10;

// Names by which other libraries know weights of examples. A mere "weight" may
// be that of a thing.
bool NamesWeights(absl::string_view column) {
  std::string name = absl::AsciiStrToLower(column);
  for (char& c : name) {
    if (c == ' ' || c == '-' || c == '.') c = '_';
  }
  return absl::EndsWith(name, "_weight") &&
         (absl::StartsWith(name, "sample_") ||
          absl::StartsWith(name, "instance_") ||
          absl::StartsWith(name, "example_") ||
          absl::StartsWith(name, "case_") || absl::StartsWith(name, "row_"));
}

// True if a column has the name of a pandas frame's index. In CSV an index
// mostly has no name, and pandas calls the column unnamed when it reads that.
bool NamesIndex(absl::string_view column, size_t place) {
  if (column.empty()) return place == 0;
  for (const absl::string_view front :
       {"Unnamed: ", "level_", "__index_level_"}) {
    absl::string_view rest = column;
    if (!absl::ConsumePrefix(&rest, front)) continue;
    absl::ConsumeSuffix(&rest, "__");
    return !rest.empty() && std::ranges::all_of(rest, absl::ascii_isdigit);
  }
  return false;
}

bool SameValue(absl::string_view a, absl::string_view b) {
  double x;
  double y;
  return a == b || (ParseNumber(a, &x) && ParseNumber(b, &y) && x == y);
}

}  // namespace

ColumnWatch::ColumnWatch(const TableSchema& schema, bool looks_at_labels)
    : label_(looks_at_labels ? schema.label : Columns::kNone),
      one_label_(label_ != Columns::kNone) {
  for (const size_t column : schema.features) {
    if (column == Columns::kNone) continue;
    counting_.push_back({column, 0});
    if (label_ != Columns::kNone) equal_.push_back(column);
  }
}

void ColumnWatch::Look(const std::vector<absl::string_view>& fields) {
  const auto before = static_cast<double>(rows_ - 1);
  std::erase_if(counting_, [&](Counting& one) {
    double value;
    if (!ParseNumber(fields[one.column], &value)) return true;
    if (rows_ == 1) one.first = value;
    return value != one.first + before;
  });
  std::erase_if(equal_, [&](size_t column) {
    return !SameValue(fields[column], fields[label_]);
  });
  if (one_label_) {
    if (rows_ == 1) first_label_ = std::string(fields[label_]);
    one_label_ = SameValue(fields[label_], first_label_);
  }
}

bool ColumnWatch::CountsRows(size_t column) const {
  return rows_ >= kLeastRows &&
         std::ranges::any_of(counting_, [&](const Counting& one) {
           return one.column == column;
         });
}

std::vector<std::string> ColumnWatch::Remarks(const TableSchema& schema) const {
  std::vector<std::string> remarks;
  const auto ignore = [&](size_t column) {
    return absl::StrCat("ignore: [", schema.columns.InOption(column), "]");
  };
  for (const size_t column : schema.features) {
    if (column == Columns::kNone || !schema.columns.named() ||
        !NamesWeights(schema.columns.names()[column])) {
      continue;
    }
    remarks.push_back(absl::StrCat(
        schema.columns.Describe(column),
        " is read as a feature: ebb counts every example the same and has no "
        "weights; unless it is a feature, leave it out: ",
        ignore(column)));
  }
  for (const size_t column : schema.features) {
    if (column == Columns::kNone || !schema.columns.named() ||
        !NamesIndex(schema.columns.names()[column], column) ||
        CountsRows(column)) {
      continue;
    }
    remarks.push_back(absl::StrCat(
        schema.columns.Describe(column),
        " has the name of a pandas frame's index, which says where a row "
        "stood, not what it is (frame.to_csv(PATH, index=False) writes none); "
        "unless it is a feature, leave it out: ",
        ignore(column)));
  }
  if (rows_ < kLeastRows) return remarks;
  if (one_label_) {
    remarks.push_back(absl::StrCat(
        "the label, ", schema.columns.Describe(label_), ", is ",
        Excerpt(first_label_),
        " in every row, so there is nothing to learn; if another column is "
        "the label, name it by label:"));
  }
  for (const Counting& one : counting_) {
    remarks.push_back(absl::StrCat(
        schema.columns.Describe(one.column),
        " counts the rows: it says where an example stands, not what it is; "
        "unless that is meant, leave it out: ",
        ignore(one.column)));
  }
  for (const size_t column : equal_) {
    remarks.push_back(
        absl::StrCat(schema.columns.Describe(column), " equals the label, ",
                     schema.columns.Describe(label_),
                     ", in every row: a model would copy it; leave it out: ",
                     ignore(column)));
  }
  return remarks;
}

}  // namespace ebb::data::internal
