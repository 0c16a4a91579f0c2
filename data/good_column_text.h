// The text of a column of a table whose bad examples are left out.
#ifndef EBB_DATA_GOOD_COLUMN_TEXT_H_
#define EBB_DATA_GOOD_COLUMN_TEXT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/byte_source.h"
#include "data/index.h"
#include "data/source.h"

namespace ebb::data {

// Like ReadColumnText, but returns the fields of those examples alone that
// Dataset::LoadLike takes, if `spec` leaves bad ones out. `training` is of the
// training data.
absl::StatusOr<std::vector<std::string>> ReadGoodColumnText(
    const SourceSpec& spec, const Index& training, const std::string& column,
    const OpenBytes& open = OpenFile);

}  // namespace ebb::data

#endif  // EBB_DATA_GOOD_COLUMN_TEXT_H_
