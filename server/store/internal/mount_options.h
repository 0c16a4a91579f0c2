// The options with which a folder of shared checkpoints is mounted.
#ifndef EBB_SERVER_STORE_INTERNAL_MOUNT_OPTIONS_H_
#define EBB_SERVER_STORE_INTERNAL_MOUNT_OPTIONS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ebb::server {

// FailedPrecondition: the path, from the root and without links, is on NFS with
// a cache of names or attributes, so that lists do not show what another
// machine has just put. It says which options are missing. `mounts` is the text
// of /proc/self/mountinfo.
absl::Status CheckMountOptions(absl::string_view mounts,
                               absl::string_view path);

// Returns a warning about a network file system that may show changes late, and
// whose options are not known (CIFS, 9p, most of FUSE); empty: it is none.
std::string MountWarning(absl::string_view mounts, absl::string_view path);

// CheckMountOptions for a folder as it is mounted now; a warning is logged.
// What cannot be told is OK.
absl::Status CheckMountOf(const std::string& folder);

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_MOUNT_OPTIONS_H_
