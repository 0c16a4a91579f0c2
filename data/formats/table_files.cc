#include "data/formats/table_files.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"

namespace ebb::data::internal {

absl::StatusOr<std::vector<std::string>> TableFiles(const SourceSpec& spec,
                                                    const OpenBytes& open) {
  EBB_ASSIGN_OR_RETURN(std::vector<std::string> files, open.FilesOf(spec.path));
  for (const std::string& path : spec.further_paths) {
    EBB_ASSIGN_OR_RETURN(const std::vector<std::string> more,
                         open.FilesOf(path));
    files.insert(files.end(), more.begin(), more.end());
  }
  if (files.size() > kMaxFilesOfTable) {
    return absl::InvalidArgumentError(absl::StrCat(
        spec.Name(), ": these are ", files.size(), " files, more than ",
        kMaxFilesOfTable, "; join some of them"));
  }
  std::set<absl::string_view> seen;
  for (const std::string& file : files) {
    if (seen.insert(file).second) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        file,
        ": the data names this file twice; its examples would count "
        "twice, so name it once"));
  }
  return files;
}

absl::StatusOr<Input> OpenTableFiles(const SourceSpec& spec,
                                     const OpenBytes& open,
                                     const InputOptions& options) {
  EBB_ASSIGN_OR_RETURN(std::vector<std::string> files, TableFiles(spec, open));
  EBB_ASSIGN_OR_RETURN(Input input,
                       Input::Open(std::move(files), open, options));
  input.SkipComments(spec.comment);
  return input;
}

}  // namespace ebb::data::internal
