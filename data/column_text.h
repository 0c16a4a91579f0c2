// The text and the names of columns of a table, as its files have them.
#ifndef EBB_DATA_COLUMN_TEXT_H_
#define EBB_DATA_COLUMN_TEXT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/byte_source.h"
#include "data/encoding.h"
#include "data/source.h"

namespace ebb::data {

// Returns the field of each record in `column`, a name of the header or a
// number from 1, without its quotes. There is one for each example if none is
// left out. `encoding` is that of the training data. Blocks. kInvalidArgument:
// the source is not a table (SourceKind::kCsv) or has no such column. Else the
// errors of OpenReader() and Reader::Next().
absl::StatusOr<std::vector<std::string>> ReadColumnText(
    const SourceSpec& spec, const Encoding& encoding, const std::string& column,
    const OpenBytes& open = OpenFile);

// Returns what an option may call each column of the table: its name in the
// header, or its number if there is none. The errors of ReadColumnText().
absl::StatusOr<std::vector<std::string>> ReadColumnNames(
    const SourceSpec& spec, const OpenBytes& open = OpenFile);

}  // namespace ebb::data

#endif  // EBB_DATA_COLUMN_TEXT_H_
