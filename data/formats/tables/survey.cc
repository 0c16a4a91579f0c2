#include "data/formats/tables/survey.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "data/bytes/odd_numbers.h"
#include "data/bytes/text.h"
#include "data/formats/tables/booleans.h"
#include "data/formats/tables/column_survey.h"
#include "data/formats/tables/table_schema.h"

namespace ebb::data::internal {
namespace {

// The texts of labels that are classes.
class LabelSurvey {
 public:
  // False for the first class that is not UTF-8.
  bool Add(absl::string_view field) {
    if (usual_.Has(field)) return true;
    ++given_;
    // An infinity is a number too, though the reader refuses it.
    double value;
    const bool number = ParseNumber(field, &value) && !std::isnan(value);
    if (!number) {
      ++texts_;
      odd_.Add(field);
    }
    if (classes_.size() > kMostClasses || classes_.contains(field)) return true;
    classes_.emplace(field);
    const bool good = !utf8_ || IsUtf8Text(field);
    utf8_ = utf8_ && good;
    return good;
  }

  // The classes in their order; nothing where labels are numbers, some of them
  // perhaps wrong, or where there are too many.
  std::vector<std::string> Classes() const {
    if (texts_ == 0 || texts_ * kRareTextOf < given_) return {};
    if (classes_.size() > kMostClasses) return {};
    // TRUE, True and true are one class.
    const auto words = BooleansOf(classes_);
    if (words.has_value() && classes_.size() > 2) {
      return {std::string(words->first), std::string(words->second)};
    }
    return {classes_.begin(), classes_.end()};
  }
  // Says what their owner should know of them; empty: nothing.
  std::string OddRemark() const { return odd_.Remark(); }

 private:
  static constexpr size_t kMostClasses = 65536;
  const MissingWords usual_{{}};
  int64_t given_ = 0;
  int64_t texts_ = 0;
  std::set<std::string, std::less<>> classes_;
  OddNumbers odd_;
  bool utf8_ = true;
};

// Returns the roles that the options give the columns.
absl::StatusOr<std::vector<ColumnSurvey::Role>> RolesOf(
    const CsvOptions& csv, const TableSchema& schema) {
  std::vector<ColumnSurvey::Role> roles(schema.features.size(),
                                        ColumnSurvey::Role::kAny);
  const auto name = [&](const std::vector<std::string>& columns,
                        absl::string_view key, ColumnSurvey::Role role) {
    for (const std::string& column : columns) {
      EBB_ASSIGN_OR_RETURN(const size_t at, schema.columns.Resolve(column));
      const auto feature =
          std::find(schema.features.begin(), schema.features.end(), at);
      if (feature == schema.features.end()) {
        return schema.columns.Bad(
            schema.columns.Describe(at), " in ", key,
            at == schema.label ? " is the label" : " is also ignored");
      }
      ColumnSurvey::Role& is = roles[feature - schema.features.begin()];
      if (is != ColumnSurvey::Role::kAny && is != role) {
        return schema.columns.Bad(schema.columns.Describe(at),
                                  " is in both categorical and dates");
      }
      is = role;
    }
    return absl::OkStatus();
  };
  EBB_RETURN_IF_ERROR(
      name(csv.categorical, "categorical", ColumnSurvey::Role::kCategorical));
  EBB_RETURN_IF_ERROR(name(csv.dates, "dates", ColumnSurvey::Role::kDate));
  return roles;
}

std::string ClassesRemark(const TableSchema& schema,
                          const std::vector<std::string>& classes) {
  constexpr size_t kListed = 5;
  std::vector<std::string> listed;
  for (const std::string& text : classes) {
    if (listed.size() == kListed) {
      listed.emplace_back("...");
      break;
    }
    listed.push_back(Excerpt(text));
  }
  return absl::StrCat(
      "the label, ", schema.columns.Describe(schema.label), ", has ",
      classes.size(),
      " classes, in the order of their texts: ", absl::StrJoin(listed, ", "));
}

}  // namespace

absl::StatusOr<FoundEncoding> SurveyTable(const SourceSpec& spec, Input file) {
  DelimitedRecords records = OpenTable(spec, std::move(file));
  EBB_ASSIGN_OR_RETURN(const TableSchema schema,
                       TableSchema::Read(spec, {}, &records));
  EBB_ASSIGN_OR_RETURN(const auto roles, RolesOf(spec.csv, schema));
  std::vector<ColumnSurvey> columns;
  for (const ColumnSurvey::Role role : roles) {
    columns.emplace_back(spec.csv, role);
  }
  LabelSurvey labels;
  // The first text of each column that is not UTF-8. It does no harm in one
  // whose texts are not kept.
  std::vector<absl::Status> bad_texts(columns.size());
  absl::Status bad_label;
  const auto bad_text = [&](size_t column, absl::string_view text) {
    return absl::InvalidArgumentError(
        absl::StrCat(records.Where(), ": ", schema.columns.Describe(column),
                     ": ", NotUtf8(text, records.file().path())));
  };
  for (bool pending = !schema.header;; pending = false) {
    if (!pending) {
      EBB_ASSIGN_OR_RETURN(const bool more, records.Next());
      if (!more) break;
    }
    const auto& fields = records.fields();
    if (!records.status().ok() || fields.size() != schema.columns.width()) {
      continue;
    }
    for (size_t i = 0; i < columns.size(); ++i) {
      const size_t column = schema.features[i];
      if (!columns[i].Add(fields[column])) {
        bad_texts[i] = bad_text(column, fields[column]);
      }
    }
    if (spec.has_labels && spec.looks_at_labels &&
        !labels.Add(fields[schema.label])) {
      bad_label = bad_text(schema.label, fields[schema.label]);
    }
  }

  FoundEncoding found;
  bool numbers_alone = true;
  for (size_t i = 0; i < columns.size(); ++i) {
    const std::string column = schema.columns.Describe(schema.features[i]);
    auto outcome = columns[i].Judge();
    if (!outcome.ok()) {
      return schema.columns.Bad(column, " ", outcome.status().message());
    }
    if (!outcome->encoding.values.empty()) {
      EBB_RETURN_IF_ERROR(bad_texts[i]);
    }
    numbers_alone = numbers_alone && outcome->encoding == ColumnEncoding{};
    if (!outcome->remark.empty()) {
      found.remarks.push_back(absl::StrCat(column, " ", outcome->remark));
    }
    found.encoding.columns.push_back(std::move(outcome->encoding));
  }
  if (numbers_alone) found.encoding.columns.clear();
  if (spec.has_labels && spec.label_kind == LabelKind::kClass) {
    found.encoding.classes = labels.Classes();
    if (!found.encoding.classes.empty()) {
      EBB_RETURN_IF_ERROR(bad_label);
      std::string remark = ClassesRemark(schema, found.encoding.classes);
      const std::string odd = labels.OddRemark();
      if (!odd.empty()) absl::StrAppend(&remark, ". ", odd);
      found.remarks.push_back(std::move(remark));
    }
  }
  if (found.encoding.features() > kMaxFeatures) {
    return schema.columns.Bad("the columns become ", found.encoding.features(),
                              " features, more than there can be; say a "
                              "smaller one_hot or hash_buckets");
  }
  return found;
}

}  // namespace ebb::data::internal
