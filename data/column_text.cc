#include "data/column_text.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/formats/table_files.h"
#include "data/formats/tables/table_schema.h"

namespace ebb::data {

absl::StatusOr<std::vector<std::string>> ReadColumnText(
    const SourceSpec& spec, const Encoding& encoding, const std::string& column,
    const OpenBytes& open) {
  if (spec.kind != SourceKind::kCsv) {
    return absl::InvalidArgumentError(absl::StrCat(
        spec.Name(), " is no table with columns (csv), so it has no column ",
        column));
  }
  EBB_ASSIGN_OR_RETURN(internal::Input files,
                       internal::OpenTableFiles(spec, open));
  internal::DelimitedRecords records =
      internal::OpenTable(spec, std::move(files));
  EBB_ASSIGN_OR_RETURN(const internal::TableSchema schema,
                       internal::TableSchema::Read(spec, encoding, &records));
  EBB_ASSIGN_OR_RETURN(const size_t at, schema.columns.Resolve(column));
  std::vector<std::string> texts;
  bool more = true;
  if (schema.header) {
    EBB_ASSIGN_OR_RETURN(more, records.Next());
  }
  while (more) {
    EBB_RETURN_IF_ERROR(records.status());
    if (at >= records.fields().size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(records.Where(), ": the line has no column ", column));
    }
    texts.emplace_back(records.fields()[at]);
    EBB_ASSIGN_OR_RETURN(more, records.Next());
  }
  return texts;
}

absl::StatusOr<std::vector<std::string>> ReadColumnNames(
    const SourceSpec& spec, const OpenBytes& open) {
  EBB_ASSIGN_OR_RETURN(internal::Input files,
                       internal::OpenTableFiles(spec, open));
  internal::DelimitedRecords records =
      internal::OpenTable(spec, std::move(files));
  EBB_ASSIGN_OR_RETURN(const internal::TableSchema schema,
                       internal::TableSchema::Read(spec, {}, &records));
  if (schema.columns.named()) return schema.columns.names();
  std::vector<std::string> numbers;
  for (size_t i = 1; i <= schema.columns.width(); ++i) {
    numbers.push_back(absl::StrCat(i));
  }
  return numbers;
}

}  // namespace ebb::data
