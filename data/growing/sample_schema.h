// Finds the schema of a growing set in its first messages.
#ifndef EBB_DATA_GROWING_SAMPLE_SCHEMA_H_
#define EBB_DATA_GROWING_SAMPLE_SCHEMA_H_

#include <span>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "data/growing/headers.h"
#include "data/source.h"

namespace ebb::data::growing {

// Sets the schema, the constants, the names and the header line of `about` as
// the messages say, read as `spec` says, which is not scaled. A table has a
// header line if the first message is one. Bad messages are passed over if the
// set keeps them aside. InvalidArgument: the messages are
// wrong, naming the first mistake by the number of the message; or the format
// has no messages of one line each.
absl::Status FindSchema(const SourceSpec& spec,
                        std::span<const absl::string_view> messages,
                        About* about);

}  // namespace ebb::data::growing

#endif  // EBB_DATA_GROWING_SAMPLE_SCHEMA_H_
