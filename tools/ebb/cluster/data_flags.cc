#include "tools/ebb/cluster/data_flags.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/program/size_flag.h"
#include "common/status_macros.h"
#include "data/find_files.h"
#include "datasets/manifest.h"
#include "tools/ebb/cluster/data_place.h"
#include "tools/ebb/status/no_answer.h"
#include "worker/fetched_data.h"

namespace ebb::tools {

namespace {

// Opens data sets, once one is named.
struct ClusterData {
  ClusterAccess access;
  DataFlags flags;
  std::optional<data::OpenBytes> opened;

  absl::Status Open() {
    if (opened.has_value()) return absl::OkStatus();
    if (access.security == nullptr) EBB_RETURN_IF_ERROR(access.Open());
    EBB_ASSIGN_OR_RETURN(
        opened, worker::OpenFetched(
                    {.address = access.scheduler,
                     .security = access.security,
                     .folder = flags.cache,
                     .max_bytes = static_cast<int64_t>(flags.cache_bytes)}));
    return absl::OkStatus();
  }
  template <typename T>
  absl::StatusOr<T> Named(absl::StatusOr<T> found) const {
    if (found.ok()) return found;
    return WithAddress(found.status(), access.scheduler, Asked::kToLook);
  }
};

}  // namespace

void AddDataFlags(CLI::App* command, DataFlags* flags) {
  flags->cache = DataCacheFolder();
  command
      ->add_option("--data-cache", flags->cache,
                   "Folder for data that the job names ebb://NAME/PATH")
      ->envname("EBB_DATA_CACHE")
      ->default_str("~/.cache/ebb/data");
  command
      ->add_option("--data-cache-bytes", flags->cache_bytes,
                   "Most bytes in that folder")
      ->envname("EBB_DATA_CACHE_BYTES")
      ->transform(SizeValue())
      ->default_str("10GiB");
}

data::OpenBytes OpenFromCluster(const ClusterAccess& access,
                                const DataFlags& flags) {
  const auto state =
      std::make_shared<ClusterData>(ClusterData{access, flags, {}});
  return {[state](absl::string_view path)
              -> absl::StatusOr<std::unique_ptr<data::ByteSource>> {
            if (!datasets::IsUri(path)) return data::OpenFile(path);
            EBB_RETURN_IF_ERROR(state->Open());
            return state->Named((*state->opened)(path));
          },
          [state](absl::string_view path)
              -> absl::StatusOr<std::vector<std::string>> {
            if (!datasets::IsUri(path)) return data::FindFiles(path);
            EBB_RETURN_IF_ERROR(state->Open());
            return state->Named(state->opened->FilesOf(path));
          }};
}

}  // namespace ebb::tools
