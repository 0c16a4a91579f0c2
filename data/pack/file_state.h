// Tells whether a file is still the one that was read.
#ifndef EBB_DATA_PACK_FILE_STATE_H_
#define EBB_DATA_PACK_FILE_STATE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "common/fd.h"

namespace ebb::data::pack {

// The state that the system tells of a file. It is another one if the file is
// another or was written to.
struct FileState {
  uint64_t device = 0;
  uint64_t number = 0;
  int64_t bytes = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;

  // kUnavailable, naming the path: the system does not tell.
  static absl::StatusOr<FileState> Of(const Fd& file, const std::string& path);

  // True if an open file has the same content. Its name may be that of another
  // one meanwhile.
  bool SameContent(const FileState& other) const {
    return bytes == other.bytes && modified_ns == other.modified_ns;
  }

  friend bool operator==(const FileState&, const FileState&) = default;
};

}  // namespace ebb::data::pack

#endif  // EBB_DATA_PACK_FILE_STATE_H_
