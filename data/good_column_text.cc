#include "data/good_column_text.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "common/status_macros.h"
#include "data/column_text.h"
#include "data/dataset/fit.h"
#include "data/formats/table_files.h"
#include "data/formats/tables/table_schema.h"
#include "data/reader.h"

namespace ebb::data {

absl::StatusOr<std::vector<std::string>> ReadGoodColumnText(
    const SourceSpec& spec, const Index& training, const std::string& column,
    const OpenBytes& open) {
  if (spec.kind != SourceKind::kCsv ||
      spec.on_bad_example != OnBadExample::kSkip) {
    return ReadColumnText(spec, training.encoding, column, open);
  }
  EBB_ASSIGN_OR_RETURN(internal::Input files,
                       internal::OpenTableFiles(spec, open));
  internal::DelimitedRecords records =
      internal::OpenTable(spec, std::move(files));
  EBB_ASSIGN_OR_RETURN(
      const internal::TableSchema schema,
      internal::TableSchema::Read(spec, training.encoding, &records));
  EBB_ASSIGN_OR_RETURN(const size_t at, schema.columns.Resolve(column));
  EBB_ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader,
                       OpenReader(spec, open, training.encoding));
  const bool classes = internal::HasClasses(spec);
  std::vector<std::string> texts;
  Example example;
  bool more = !schema.header;  // The first record is an example.
  for (;;) {
    EBB_ASSIGN_OR_RETURN(const bool any, reader->Next(&example));
    if (!any) return texts;
    if (!internal::CheckExample(*reader, example, classes, training).ok()) {
      continue;
    }
    // The records before it are of bad examples.
    while (!more || records.Where() != reader->Where()) {
      EBB_ASSIGN_OR_RETURN(more, records.Next());
      if (!more) {
        return absl::FailedPreconditionError(
            spec.Name() + " changed while it was read; wait until it is whole");
      }
    }
    texts.emplace_back(records.fields()[at]);
  }
}

}  // namespace ebb::data
