#include "data/formats/tables/column_problems.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "data/bytes/text.h"

namespace ebb::data::internal {
namespace {

using ProblemKind = ColumnProblems::Kind;

absl::string_view WhatIsWrong(ProblemKind kind) {
  switch (kind) {
    case ProblemKind::kText:
      return "text";
    case ProblemKind::kDate:
      return "text that is no date";
    case ProblemKind::kMissing:
      return "a missing value";
    case ProblemKind::kRecord:
    case ProblemKind::kLabel:
    case ProblemKind::kOther:
      break;
  }
  return "a mistake";
}

absl::string_view Advice(ProblemKind kind) {
  switch (kind) {
    case ProblemKind::kText:
      return "; mend the fields, name them in missing_values, or the columns "
             "in categorical, dates or ignore";
    case ProblemKind::kDate:
      return "; write dates as 2021-03-04 or 2021-03-04 15:30, name words for "
             "no date in missing_values, or name the columns in categorical, "
             "not in dates";
    case ProblemKind::kMissing:
      return "; say missing: mean, or missing: and a number, or name the "
             "columns in ignore";
    case ProblemKind::kRecord:
    case ProblemKind::kLabel:
    case ProblemKind::kOther:
      break;
  }
  return "";
}

}  // namespace

void ColumnProblems::Add(ProblemKind kind, size_t column,
                         absl::string_view place, absl::string_view message) {
  Group& group = groups_[{kind, column}];
  if (group.count++ > 0) return;
  group.place = std::string(place);
  group.message = std::string(message);
}

void ColumnProblems::AmendRecords(absl::string_view more) {
  const auto found = groups_.find({ProblemKind::kRecord, 0});
  if (found != groups_.end()) absl::StrAppend(&found->second.message, more);
}

absl::Status ColumnProblems::Status(const Columns& columns,
                                    absl::string_view path,
                                    int64_t rows) const {
  if (empty()) return absl::OkStatus();
  // Columns of one kind with the same count share a line.
  std::map<std::pair<ProblemKind, int64_t>, std::vector<size_t>> lines;
  std::vector<std::pair<ProblemKind, int64_t>> order;
  for (const auto& [key, group] : groups_) {
    const auto [kind, column] = key;
    // A mistake that was made once is told by itself.
    const std::pair line = {
        kind, group.count > 1 ? group.count : -static_cast<int64_t>(column)};
    std::vector<size_t>& of = lines[line];
    if (of.empty()) order.push_back(line);
    of.push_back(column);
  }
  return absl::InvalidArgumentError(
      absl::StrJoin(order, "\n", [&](std::string* out, const auto& line) {
        absl::StrAppend(out,
                        Line(line.first, lines.at(line), columns, path, rows));
      }));
}

std::string ColumnProblems::Line(ProblemKind kind,
                                 const std::vector<size_t>& of,
                                 const Columns& columns, absl::string_view path,
                                 int64_t rows) const {
  constexpr size_t kMostNamed = 20;
  const Group& first = groups_.at({kind, of.front()});
  const std::string what =
      absl::StrCat(first.place, first.place.empty() ? "" : ": ", first.message);
  if (first.count == 1) {
    return kind == ProblemKind::kDate ? absl::StrCat(what, Advice(kind)) : what;
  }
  const std::string so = absl::StrCat(first.count, " of ", rows, " rows");
  if (kind == ProblemKind::kRecord || kind == ProblemKind::kLabel ||
      kind == ProblemKind::kOther) {
    return absl::StrCat(what, "; so it is in ", so);
  }
  // "'x' is not a number" of "column 2 ('b'): 'x' is not a number".
  const std::string described = columns.Describe(of.front());
  std::string example;
  if ((kind == ProblemKind::kText || kind == ProblemKind::kDate) &&
      absl::StartsWith(first.message, described)) {
    example =
        absl::StrCat(" (", first.message.substr(described.size() + 2), ")");
  }
  std::vector<std::string> names;
  for (const size_t column : of) {
    if (names.size() == kMostNamed) {
      names.push_back(absl::StrCat("and ", of.size() - kMostNamed, " more"));
      break;
    }
    names.push_back(columns.named() ? columns.names()[column]
                                    : absl::StrCat("column ", column + 1));
  }
  return absl::StrCat(path, ": ", absl::StrJoin(names, ", "), ": ",
                      WhatIsWrong(kind), " in ", so, ", first in ", first.place,
                      example, Advice(kind));
}

}  // namespace ebb::data::internal
