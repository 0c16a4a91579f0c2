#include "tools/ebb/data_flags.h"

#include <memory>

#include "common/datasets/manifest.h"
#include "common/size_flag.h"
#include "common/status_macros.h"
#include "tools/ebb/data_place.h"
#include "tools/ebb/no_answer.h"
#include "worker/fetched_data.h"

namespace ebb::tools {

void AddDataFlags(CLI::App* command, DataFlags* flags) {
  flags->cache = DataCacheFolder();
  command
      ->add_option("--data-cache", flags->cache,
                   "Where data that the job names ebb://NAME/PATH is fetched "
                   "to")
      ->envname("EBB_DATA_CACHE")
      ->default_str("~/.cache/ebb/data");
  command
      ->add_option("--data-cache-bytes", flags->cache_bytes,
                   "Size of that folder, at most")
      ->envname("EBB_DATA_CACHE_BYTES")
      ->transform(SizeValue())
      ->default_str("10GiB");
}

data::OpenBytes OpenFromCluster(const ClusterAccess& access,
                                const DataFlags& flags) {
  struct State {
    ClusterAccess access;
    data::OpenBytes opened;
  };
  const auto state = std::make_shared<State>(State{access, nullptr});
  return [state, flags](absl::string_view path)
             -> absl::StatusOr<std::unique_ptr<data::ByteSource>> {
    if (!datasets::IsUri(path)) return data::OpenFile(path);
    if (state->opened == nullptr) {
      if (state->access.security == nullptr) {
        EBB_RETURN_IF_ERROR(state->access.Open());
      }
      EBB_ASSIGN_OR_RETURN(
          state->opened,
          worker::OpenFetched(
              {.address = state->access.scheduler,
               .security = state->access.security,
               .folder = flags.cache,
               .max_bytes = static_cast<int64_t>(flags.cache_bytes)}));
    }
    auto bytes = state->opened(path);
    if (bytes.ok()) return bytes;
    return WithAddress(bytes.status(), state->access.scheduler, Asked::kToLook);
  };
}

}  // namespace ebb::tools
