// Files that are not what ebb reads, told by how they begin.
#ifndef EBB_DATA_FORMATS_FOREIGN_H_
#define EBB_DATA_FORMATS_FOREIGN_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ebb::data::internal {

// The content that files should have. The front of a TFRecord file may look
// like any other format, and JSON is refused where it is not expected.
enum class Content { kOther, kTfRecord, kJson };

// How much of a file is enough to tell.
inline constexpr size_t kForeignBytes = 512;

// kInvalidArgument when a file that begins with `front` has a well-known format
// that ebb does not read: zip, Parquet, HDF5, an HTML page, ... Says which, and
// how to make text of it. `front` has kForeignBytes, unless there are fewer.
// Formats that another key of the job reads are refused unless they are
// `content`.
absl::Status RefuseForeign(absl::string_view path, absl::string_view front,
                           Content content = Content::kOther);

// The same for a file that is to be text: UTF-16 and UTF-32, with a byte order
// mark or without.
absl::Status RefuseOtherText(absl::string_view path, absl::string_view front);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_FOREIGN_H_
