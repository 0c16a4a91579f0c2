// A packed set on the disk, read window by window.
//
//   EBB_ASSIGN_OR_RETURN(auto set, PackedSet::Open("shirts.packed/train"));
//   Window window;
//   EBB_RETURN_IF_ERROR(set->Read(0, &window));
#ifndef EBB_DATA_PACK_PACKED_SET_H_
#define EBB_DATA_PACK_PACKED_SET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/fd.h"
#include "data/fingerprint.h"
#include "data/keys.h"
#include "data/pack/footer.h"

namespace ebb::data::pack {

// The examples of a window, as the set has them: features are not scaled, and
// labels are those of the files.
struct Window {
  int64_t examples = 0;
  std::vector<float> labels;   // (examples), or empty.
  std::vector<uint8_t> bytes;  // kBytes: (examples, features).
  // kDense: the same; else (entries).
  std::vector<float> values;
  std::vector<int64_t> offsets;  // kSparse and kKeyed: (examples + 1).
  std::vector<int32_t> ids;      // kSparse: (entries).
  std::vector<uint64_t> keys;    // kKeyed: (entries).
  std::vector<Field> fields;     // kKeyed: (entries).
};

// Immutable; any number of threads may use it at once.
class PackedSet {
 public:
  // Reads the footer and compares the sizes of the files of windows. Blocks on
  // the disk. kInvalidArgument, kNotFound: there is no such set.
  // kDataLoss: it is damaged, or not whole. kFailedPrecondition: a later
  // version of the format.
  static absl::StatusOr<std::shared_ptr<const PackedSet>> Open(
      const std::string& folder);

  const std::string& folder() const { return folder_; }
  const Footer& footer() const { return footer_; }
  // Names the content of the set. The bytes are those of all its files.
  const FileFingerprint& id() const { return id_; }

  // Reads the window with this number, which is one of the footer's, and checks
  // it. The memory that `out` has is used again. Blocks on the disk. kDataLoss,
  // naming file and window: it is damaged. kUnavailable: the disk cannot be
  // read.
  absl::Status Read(int64_t window, Window* out) const;

 private:
  PackedSet(std::string folder, Footer footer, FileFingerprint id)
      : folder_(std::move(folder)), footer_(std::move(footer)), id_(id) {}

  std::string PathOf(const WindowEntry& window) const;
  absl::Status Damaged(int64_t window, absl::string_view what) const;
  // Whether a window with the right checksum has a content that is possible.
  absl::Status Check(int64_t number, const Window& window) const;

  const std::string folder_;
  const Footer footer_;
  const FileFingerprint id_;
};

}  // namespace ebb::data::pack

#endif  // EBB_DATA_PACK_PACKED_SET_H_
