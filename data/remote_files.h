// Training data in buckets and on web servers.
#ifndef EBB_DATA_REMOTE_FILES_H_
#define EBB_DATA_REMOTE_FILES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/objects/credentials.h"
#include "common/objects/retries.h"
#include "data/byte_source.h"

namespace ebb::data {

// Returns whether the path is one of s3://BUCKET/KEY, http://HOST/PATH and
// https://HOST/PATH, perhaps with ?QUERY behind it.
bool IsRemote(absl::string_view path);

struct RemoteFilesOptions {
  // Only paths that begin with one of these are read; each ends with "/".
  // nullopt: all are.
  std::optional<std::vector<std::string>> sources;
  // The folder that keeps parts for the next reader; empty: none are kept.
  std::string cache_folder;
  uint64_t cache_bytes = uint64_t{10} << 30;
  // How much is read at once, and held in memory for each open file.
  uint64_t range_bytes = uint64_t{8} << 20;
  // False: what is compressed is read as it is.
  bool decompress = true;
  // Credentials and endpoints of buckets come from there (s3_objects.h).
  Environment environment = ProcessEnvironment;
  RetryOptions retries = {.patience = absl::Minutes(1)};
};

// "s3://BUCKET/..,https://HOST/.." as --sources has them; "all" is nullopt.
// InvalidArgument names the one that cannot be.
absl::StatusOr<std::optional<std::vector<std::string>>> ParseSources(
    absl::string_view text);

// Opens remote paths, and all others by `files`. A file is read part by part,
// and decompressed as a local one. Patterns and folders work in buckets.
// Errors: those of OpenBytes; kPermissionDenied: `sources` do not allow it, or
// the server does not; kDataLoss: the file was changed while it was read.
OpenBytes WithRemoteFiles(OpenBytes files, RemoteFilesOptions options);

}  // namespace ebb::data

#endif  // EBB_DATA_REMOTE_FILES_H_
