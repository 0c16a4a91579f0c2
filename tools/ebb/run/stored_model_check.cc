#include "tools/ebb/run/stored_model_check.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"

namespace ebb::tools {

namespace {

// NotFound: a partition has no version.
absl::Status FindNewest(const RunFolder& folder) {
  EBB_ASSIGN_OR_RETURN(const auto stored,
                       OpenCheckpoints({.name = folder.path()}));
  EBB_ASSIGN_OR_RETURN(const auto versions, stored->List());
  return NewestVersions(stored->job().plan, stored->line(), versions).status();
}

}  // namespace

absl::Status CheckModelIsThere(const RunFolder& folder) {
  std::error_code error;
  if (std::filesystem::exists(folder.File("shared"), error)) {
    return absl::OkStatus();
  }
  const absl::Status found = FindNewest(folder);
  // A script may have had several jobs, and a damaged store has its own errors.
  if (!absl::IsNotFound(found)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the run is complete, but its model is gone, and so are the copies in ",
      folder.shown(), "/shared: ", found.message(),
      "\n  hint: without --resume a new run begins"));
}

}  // namespace ebb::tools
