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
  // HOST:PORT of the scheduler that keeps the data; must be given.
  std::string address;
  rpc::SecurityPtr security;  // Null: plain text.
  // The folder and bytes of datasets::CacheOptions: at least all files of the
  // jobs that share the worker. Default: no cache, and 10 GiB with a folder.
  std::string folder;
  int64_t max_bytes = int64_t{10} << 30;
  // For tests: where this process kills itself. Default: nowhere.
  KillPoints kill_points;
  // True gives up what cannot be reached. Default null: patience alone ends it.
  std::function<bool()> stop;
};

// Opens files as data::OpenFile does, and files of data sets from the cache. It
// fetches missing ones; a file is not deleted while it is being read.
// Thread-safe; lives as long as it has holders. Connects only when a data set
// is opened. Errors: those of datasets::Cache::Make. Without a folder, opening
// a data set is kFailedPrecondition.
absl::StatusOr<data::OpenBytes> OpenFetched(FetchedDataOptions options);

// The same without a source of data sets: its error says that `flag` would give
// one.
data::OpenBytes OpenFilesOnly(absl::string_view advice);

}  // namespace ebb::worker

#endif  // EBB_WORKER_FETCHED_DATA_H_
