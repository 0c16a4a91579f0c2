// A first pass over a table that has text: finds what each column becomes.
#ifndef EBB_DATA_INTERNAL_SURVEY_H_
#define EBB_DATA_INTERNAL_SURVEY_H_

#include "absl/status/statusor.h"
#include "data/internal/input.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data::internal {

// Reads the whole file. Leaves a column as numbers where its few texts look
// like mistakes: reading it then fails and says so. Records that cannot be read
// are passed over. kInvalidArgument where the options name columns that are no
// features, or where nobody can tell day from month in dates.
absl::StatusOr<FoundEncoding> SurveyTable(const SourceSpec& spec, Input file);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_INTERNAL_SURVEY_H_
