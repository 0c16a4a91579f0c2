// A first pass over a table that has text: finds what each column becomes.
#ifndef EBB_DATA_FORMATS_TABLES_SURVEY_H_
#define EBB_DATA_FORMATS_TABLES_SURVEY_H_

#include "absl/status/statusor.h"
#include "data/formats/input.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data::internal {

// Reads the whole file. Leaves a column as numbers if its few texts look like
// mistakes: reading it then fails and says so. Skips records that cannot be
// read. kInvalidArgument: the options name columns that are not features, or
// day and month of dates cannot be told apart.
absl::StatusOr<FoundEncoding> SurveyTable(const SourceSpec& spec, Input file);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TABLES_SURVEY_H_
