// Files of data sets on a machine that shares no file system with those that
// have them: fetched by need, chunk by chunk, into a folder of bounded size.
//
//   Cache cache = ...;
//   EBB_ASSIGN_OR_RETURN(CachedFile file, cache.Open("ebb://mnist/train.csv"));
//   Read(file.path);   // It is not deleted while `file` lives.
//
// Several processes may share a folder. A file is named after its content, and
// only its checksums are trusted: a part that is missing or damaged is fetched
// again. Files that no process has open make room, the one unused longest
// first. Locks (flock) mark open files, so the folder must be on this machine.
#ifndef EBB_DATASETS_CACHE_H_
#define EBB_DATASETS_CACHE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/fd.h"
#include "common/kill_point.h"
#include "datasets/manifest.h"
#include "datasets/target.h"

namespace ebb::datasets {

struct CacheOptions {
  // Made, if it is missing.
  std::string folder;
  // Most bytes of all files in it. Default 10 GiB; the files that one job reads
  // at once must fit.
  int64_t max_bytes = int64_t{10} << 30;
  // Chunks that are under way at once. Default 4.
  int threads = 4;
  // How long a file waits for others to be closed, where there is no room, or
  // for another process that fetches it and gets nothing.
  absl::Duration patience = absl::Minutes(10);
  KillPoints kill_points;
};

std::span<const absl::string_view> CacheKillPoints();

// A file that is whole; readable at `path` while this lives.
struct CachedFile {
  std::string path;
  Fd held;
};

// Thread-safe; calls block on the network and the disk.
class Cache {
 public:
  // `source` outlives it.
  static absl::StatusOr<std::unique_ptr<Cache>> Make(CacheOptions options,
                                                     Source* source);

  // `uri` is "ebb://NAME/PATH". InvalidArgument: it is malformed. NotFound:
  // there is no such data set, or no such file in it. ResourceExhausted: there
  // is no room. DataLoss: it is damaged at the source. Else the errors of the
  // source. While the source cannot be reached, files that are here already can
  // be opened.
  absl::StatusOr<CachedFile> Open(absl::string_view uri);
  // The URIs of the files of a data set, by path, fetching none of them. Errors
  // as of Open().
  absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& set);

 private:
  // Aborted: the set was replaced meanwhile.
  absl::StatusOr<CachedFile> OpenOnce(const DataUri& uri);

  Cache(CacheOptions options, Source* source)
      : options_(std::move(options)), source_(*source) {}

  // Returns the source's content under the name; or the last known one, if the
  // source cannot be reached.
  absl::StatusOr<Manifest> ManifestOf(const std::string& name);
  // The file, empty at first, and room for all of it.
  absl::Status Reserve(const std::string& path, int64_t bytes);
  // Returns whether there is room, once unused files are gone. Locked.
  absl::StatusOr<bool> MakeRoom(const std::string& but_of, int64_t bytes) const;
  // Returns the wrong chunks of the file, by their numbers in the set.
  static absl::StatusOr<std::vector<int64_t>> FindBad(const Manifest& manifest,
                                                      int64_t file, int fd,
                                                      const std::string& path);
  absl::Status Fetch(const std::string& name, const Manifest& manifest,
                     const std::vector<int64_t>& chunks, int fd,
                     const std::string& path);
  absl::StatusOr<Fd> LockAll() const;

  const CacheOptions options_;
  Source& source_;
};

}  // namespace ebb::datasets

#endif  // EBB_DATASETS_CACHE_H_
