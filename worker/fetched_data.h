// Data that jobs name as ebb://NAME/PATH: files of data sets that a daemon
// keeps, fetched into a cache on this machine.
#ifndef EBB_WORKER_FETCHED_DATA_H_
#define EBB_WORKER_FETCHED_DATA_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/kill_point.h"
#include "data/byte_source.h"
#include "rpc/security.h"

namespace ebb::worker {

struct FetchedDataOptions {
  // The scheduler that keeps the data.
  std::string address;
  rpc::SecurityPtr security;
  // As of datasets::CacheOptions. Without a folder there is no cache.
  std::string folder;
  int64_t max_bytes = int64_t{10} << 30;
  KillPoints kill_points;
  // True gives up what cannot be reached. May be null.
  std::function<bool()> stop;
};

// Opens files as data::OpenFile does, and what is of data sets from the cache,
// fetching what is missing; nobody deletes such a file while it is being read.
// Thread-safe; lives as long as anybody has it. The errors of
// datasets::Cache::Make; without a folder data sets are kFailedPrecondition
// when they are opened. Reaches for nobody before.
absl::StatusOr<data::OpenBytes> OpenFetched(FetchedDataOptions options);

// The same where nobody keeps data: says that `flag` would.
data::OpenBytes OpenFilesOnly(absl::string_view advice);

}  // namespace ebb::worker

#endif  // EBB_WORKER_FETCHED_DATA_H_
