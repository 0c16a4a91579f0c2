// A data set: named files, cut into chunks that each have a checksum.
// docs/formats/data-set.md has the bytes.
//
//   EBB_ASSIGN_OR_RETURN(Manifest manifest, Manifest::Make(std::move(files)));
//   Send(manifest.bytes());   // Manifest::Decode() of them is the same.
#ifndef EBB_DATASETS_MANIFEST_H_
#define EBB_DATASETS_MANIFEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::datasets {

inline constexpr int64_t kChunkBytes = int64_t{1} << 20;
inline constexpr int64_t kMaxManifestBytes = int64_t{8} << 20;
inline constexpr int64_t kMaxFiles = 65536;
inline constexpr size_t kMaxSetNameBytes = 63;
inline constexpr size_t kMaxPathBytes = 1024;
// Folders in folders, the file included.
inline constexpr int kMaxDepth = 32;
// No file or folder of a data set begins so: what a store keeps beside them
// does.
inline constexpr absl::string_view kReservedPrefix = ".ebb";

// XXH3 of 128 bits, as elsewhere in ebb: it finds damage, not forgery.
struct Checksum {
  uint64_t high = 0;
  uint64_t low = 0;

  // 32 digits.
  std::string ToHex() const;
  friend bool operator==(const Checksum&, const Checksum&) = default;
};
Checksum ChecksumOf(absl::string_view bytes);

// The values that jobs begin with are sets of one file, which are named after
// what they hold: none of them can change, and to name one is to name its
// content. They are kept apart from other sets.
inline constexpr absl::string_view kInitialPrefix = "ebb.initial.";
// `id` is a Manifest::id().
std::string InitialSetOf(absl::string_view id);
bool IsInitialSet(absl::string_view name);

// InvalidArgument, saying what is wrong: a name has letters, digits, ".", "-"
// and "_", and begins with a letter or digit; it has at most kMaxSetNameBytes.
absl::Status CheckSetName(absl::string_view name);
// InvalidArgument: not 32 lower-case hexadecimal digits.
absl::Status CheckSetId(absl::string_view id);
// Checks a path of a file in a data set: relative, parted by "/", without empty
// parts, "." and "..", without control characters.
absl::Status CheckPath(absl::string_view path);

struct DataFile {
  std::string path;
  int64_t bytes = 0;
  // The checksum of each kChunkBytes; the last chunk may be shorter.
  std::vector<Checksum> chunks;
};

// "ebb://NAME/PATH", a file of a data set, in its parts; nothing: another path.
struct DataUri {
  std::string set;
  std::string path;
};
std::optional<DataUri> ParseUri(absl::string_view path);
// Returns whether it names, or should name, files of a data set.
bool IsUri(absl::string_view path);
// The data set that "ebb://NAME", or whatever follows the name after a "/", is
// of. InvalidArgument: it names none.
absl::StatusOr<std::string> SetOfUri(absl::string_view path);
// "ebb://NAME/PATH" for a file of a set.
std::string UriOf(absl::string_view set, absl::string_view path);

// Immutable; chunks are counted from 0 over all files, in the order of these.
class Manifest {
 public:
  // The place of a chunk.
  struct Place {
    int64_t file = 0;    // Index into files().
    int64_t offset = 0;  // Offset in the file.
    int64_t size = 0;
  };

  // The manifest of an empty set.
  Manifest() = default;

  // The files may be in any order. InvalidArgument: a path is malformed
  // (CheckPath), is there twice or is a folder of another; sizes and checksums
  // do not fit together; or it is all too large.
  static absl::StatusOr<Manifest> Make(std::vector<DataFile> files);
  // DataLoss: damaged, or not written by ebb; FailedPrecondition: by a later
  // one. And as Make.
  static absl::StatusOr<Manifest> Decode(absl::string_view bytes);

  const std::string& bytes() const { return bytes_; }
  // The checksum of bytes(), in hexadecimal: names what the set holds.
  const std::string& id() const { return id_; }
  // By path.
  const std::vector<DataFile>& files() const { return files_; }
  int64_t chunks() const { return first_chunk_.empty() ? 0 : chunks_; }
  int64_t total_bytes() const { return total_bytes_; }

  // Returns a file's first chunk; `file` is its number.
  int64_t first_chunk(int64_t file) const { return first_chunk_[file]; }
  // `chunk` is one of the set's.
  Place PlaceOf(int64_t chunk) const;
  const Checksum& ChecksumOfChunk(int64_t chunk) const;
  // The number of the file.
  std::optional<int64_t> Find(absl::string_view path) const;

 private:
  std::vector<DataFile> files_;
  std::vector<int64_t> first_chunk_;  // The first chunk of each file.
  int64_t chunks_ = 0;
  int64_t total_bytes_ = 0;
  std::string bytes_;
  std::string id_;
};

}  // namespace ebb::datasets

#endif  // EBB_DATASETS_MANIFEST_H_
