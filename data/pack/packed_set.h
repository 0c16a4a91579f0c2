// A packed set, read window by window: a folder, or the same in a bucket or on
// a web server.
//
//   EBB_ASSIGN_OR_RETURN(auto set, PackedSet::Open("shirts.packed/train",
//   open)); Window window; EBB_RETURN_IF_ERROR(set->Read(0, &window));
#ifndef EBB_DATA_PACK_PACKED_SET_H_
#define EBB_DATA_PACK_PACKED_SET_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/mutex.h"
#include "data/byte_source.h"
#include "data/fingerprint.h"
#include "data/pack/file_state.h"
#include "data/pack/footer.h"
#include "data/pack/window.h"
#include "data/pack/window_bytes.h"

namespace ebb::data::pack {

// Any number of threads may use it at once.
class PackedSet {
 public:
  // Reads the footer, and in a folder compares the sizes of the files of
  // windows; those elsewhere are compared when one is first read. Blocks.
  // kInvalidArgument, kNotFound: there is no such set. kDataLoss: it is
  // damaged, or not whole. kFailedPrecondition: a later version of the format.
  // The errors of `open`, which reaches what is elsewhere.
  static absl::StatusOr<std::shared_ptr<const PackedSet>> Open(
      const std::string& folder, const OpenBytes& open = OpenFile);

  const std::string& folder() const { return folder_; }
  const Footer& footer() const { return footer_; }
  // Names the content of the set. The bytes are those of all its files.
  const FileFingerprint& id() const { return id_; }

  // Memory that Read() takes beside the window while it reads what is
  // elsewhere: a part, and copies of it on its way from there and to the disk.
  // Nothing in a folder.
  int64_t fetched_bytes() const;

  // kMap: the features of dense data stay in the file, mapped, if they are not
  // compressed and the file system allows it. They are good if `mapped->lost()`
  // is false after they were used.
  enum class Way { kCopy, kMap };
  // Reads the window with this number, which is one of the footer's. Compares
  // its checksum the first time, and again if its file may have changed since,
  // or is elsewhere. The memory that `out` has is used again. Blocks.
  // kDataLoss, naming file and window: it is damaged. kUnavailable: it cannot
  // be read.
  absl::Status Read(int64_t window, Window* out, Way way = Way::kCopy) const;

 private:
  PackedSet(std::string folder, Footer footer, FileFingerprint id,
            OpenBytes open)
      : folder_(std::move(folder)),
        footer_(std::move(footer)),
        id_(id),
        open_(std::move(open)),
        checked_(footer_.windows.size()),
        elsewhere_(footer_.file_bytes.size()) {}

  absl::Status ReadOnce(int64_t window, Window* out, Way way) const;
  // In a folder.
  absl::Status CompareSizes() const;
  // The file is opened again when it is next read.
  void Forget(int64_t file) const;
  absl::StatusOr<WindowBytes> BytesOf(const WindowEntry& window) const;
  // The bytes of a file of windows that is elsewhere, which it then keeps.
  absl::StatusOr<std::shared_ptr<const ByteRanges>> Elsewhere(
      int64_t file) const;
  // Returns whether the window was checked in this state of its file.
  bool Checked(int64_t window, const FileState& state) const;
  std::string PathOf(const WindowEntry& window) const;
  absl::Status Damaged(int64_t window, absl::string_view what) const;

  const std::string folder_;
  const Footer footer_;
  const FileFingerprint id_;
  const OpenBytes open_;
  mutable Mutex mu_;
  // One for each window: the state of its file when it was checked.
  mutable std::vector<std::optional<FileState>> checked_ ABSL_GUARDED_BY(mu_);
  // One for each file: null until it is read elsewhere.
  mutable std::vector<std::shared_ptr<const ByteRanges>> elsewhere_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb::data::pack

#endif  // EBB_DATA_PACK_PACKED_SET_H_
