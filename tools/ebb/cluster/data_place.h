// The place where data sets are kept, as a command line says it: a folder, or a
// scheduler that has one.
#ifndef EBB_TOOLS_EBB_CLUSTER_DATA_PLACE_H_
#define EBB_TOOLS_EBB_CLUSTER_DATA_PLACE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "datasets/set_store.h"
#include "datasets/target.h"
#include "rpc/data_sets.h"
#include "tools/ebb/cluster/cluster_access.h"

namespace ebb::tools {

// True if `place` is HOST:PORT or unix:PATH. A place with a slash, or without a
// port, is a folder.
bool IsDaemonAddress(absl::string_view place);

// Default name of a data set: that of its folder.
std::string SetNameOf(const std::string& folder);

// Returns the folder to which `ebb submit` fetches data sets: ebb/data in
// $XDG_CACHE_HOME, or in .cache of $HOME; empty: there is neither.
std::string DataCacheFolder();

class DataPlace {
 public:
  // Makes a missing folder only for a push, and only if a slash shows that it
  // is a folder: else it may be a mistyped address. InvalidArgument, NotFound:
  // perhaps that is so. `access` is the identity for asking a daemon; its
  // scheduler is set.
  static absl::StatusOr<DataPlace> Open(const std::string& place, bool to_push,
                                        ClusterAccess* access);

  // Valid as long as this lives.
  datasets::Target* target() const;
  absl::StatusOr<std::vector<datasets::SetSummary>> List() const;
  absl::Status Remove(absl::string_view name) const;
  // How jobs name a file of the set.
  std::string PathOf(absl::string_view set, absl::string_view file) const;

 private:
  // One of them.
  std::unique_ptr<datasets::SetStore> store_;
  std::unique_ptr<rpc::DataSetsClient> daemon_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CLUSTER_DATA_PLACE_H_
