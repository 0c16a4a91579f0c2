// Which files a path stands for: one file, those of a folder, or those that a
// pattern matches.
#ifndef EBB_DATA_FIND_FILES_H_
#define EBB_DATA_FIND_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::data {

// More files than this are rather a mistake than data.
inline constexpr size_t kMaxFilesFound = size_t{1} << 22;

// The files that `path` stands for, in the order of their names (byte by byte,
// so that it is the same on every machine):
// - of a folder its files, but those that begin with "." or "_": Hadoop and
//   Spark put notes there. kInvalidArgument where there is none, or a folder
//   among them;
// - of a pattern with *, ? or [...] what it matches; kNotFound: nothing does;
// - else `path` itself, whether it is there or not.
absl::StatusOr<std::vector<std::string>> FindFiles(absl::string_view path);

// The same among `all`, the paths of the files of some store; folders are what
// stands before a "/" in them.
absl::StatusOr<std::vector<std::string>> FindFilesAmong(
    absl::string_view path, const std::vector<std::string>& all);

}  // namespace ebb::data

#endif  // EBB_DATA_FIND_FILES_H_
