// A part of a file in mapped memory, so that it is read without a copy.
#ifndef EBB_DATA_PACK_MAPPED_BYTES_H_
#define EBB_DATA_PACK_MAPPED_BYTES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/fd.h"
#include "data/pack/file_state.h"

namespace ebb::data::pack {

// Reading a mapped page that the disk no longer gives would end the process by
// SIGBUS. The first mapping of the process installs a handler: it puts zeros in
// the place of the page, and lost() tells. Signals that are of no mapping go to
// the handler before. What another process writes to the file is in the pages,
// too, and lost() tells that as well.
//
// Immutable but for the content of the file; any number of threads may use it.
class MappedBytes {
 public:
  // Maps the part, which must be within the file and not empty, and lets the
  // disk read what is not in memory. Does not wait for that. `state` is the
  // file's before anything of it was read.
  // kFailedPrecondition: the file system does not map files, or there are as
  // many mappings or open files as there may be at once; read the file.
  static absl::StatusOr<std::shared_ptr<const MappedBytes>> Map(
      const Fd& file, const FileState& state, int64_t offset, int64_t bytes,
      const std::string& path);
  ~MappedBytes();
  MappedBytes(const MappedBytes&) = delete;
  MappedBytes& operator=(const MappedBytes&) = delete;

  // Waits until all of it is in memory. kUnavailable: the disk cannot be read.
  absl::Status Load() const;

  absl::string_view bytes() const { return bytes_; }
  // Returns whether all of it was in memory already when it was mapped.
  bool was_cached() const { return was_cached_; }
  // True if some of the bytes that were read may have been others: zeros, or
  // what was written to the file since `state`. A system call.
  bool lost() const;

 private:
  MappedBytes(Fd file, const FileState& state, char* pages, int64_t mapped,
              absl::string_view bytes, bool was_cached, int region,
              std::string path)
      : file_(std::move(file)),
        state_(state),
        pages_(pages),
        mapped_(mapped),
        bytes_(bytes),
        was_cached_(was_cached),
        region_(region),
        path_(std::move(path)) {}

  const Fd file_;
  const FileState state_;
  char* const pages_;
  const int64_t mapped_;  // Bytes from there.
  const absl::string_view bytes_;
  const bool was_cached_;
  const int region_;  // Its number among those of the handler.
  const std::string path_;
};

}  // namespace ebb::data::pack

#endif  // EBB_DATA_PACK_MAPPED_BYTES_H_
