// Gives readers their bytes: a file or memory, plain or compressed.
#ifndef EBB_DATA_BYTE_SOURCE_H_
#define EBB_DATA_BYTE_SOURCE_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/find_files.h"

namespace ebb::data {

// A stream of bytes, read once from front to back by one thread.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills the front of `out`, which is not empty, and returns how much of it;
  // 0 only at the end. Blocks on the disk. kUnavailable when the medium cannot
  // be read, kDataLoss when what it holds is damaged.
  virtual absl::StatusOr<size_t> Read(std::span<char> out) = 0;

  // Shows the next bytes where they are, without a copy: at least `least`, and
  // fewer only at the end. They are valid until the next call of Show() or
  // Read(), and are not read by it: Pass() passes over them. Absent: they
  // cannot be shown, and Read() goes on with them. Another program may write to
  // them meanwhile, so they count only if CheckUnchanged() is good afterwards.
  // Show() checks that for what it showed before. The errors of Read(), and
  // kUnavailable: the file was changed while it was read.
  virtual absl::StatusOr<std::optional<absl::string_view>> Show(
      size_t /*least*/) {
    return std::nullopt;
  }
  // Passes over bytes that were shown. They stay valid.
  virtual void Pass(size_t /*bytes*/) {}
  // kUnavailable: what was shown is not what the file had when it was opened.
  virtual absl::Status CheckUnchanged() const { return absl::OkStatus(); }
};

// A file of which any part may be read, by any number of threads at once. It
// stays the file that it was when it was opened, or cannot be read.
class ByteRanges {
 public:
  virtual ~ByteRanges() = default;
  virtual uint64_t size() const = 0;
  // Fills `out` with the bytes from `offset` on, which must be there. Blocks.
  // kUnavailable: they cannot be read now; kDataLoss: the file was changed
  // since.
  virtual absl::Status Read(uint64_t offset, std::span<char> out) const = 0;
};

// How a program reaches data: opens what a path names, and finds which files a
// path stands for (find_files.h). Copies share what the functions share.
//
//   OpenBytes open = OpenFile;                 // Files of this machine.
//   OpenBytes memory = OpenMemory({{"a", "1,2"}});
class OpenBytes {
 public:
  // kNotFound when there is no such thing.
  using Open = std::function<absl::StatusOr<std::unique_ptr<ByteSource>>(
      absl::string_view path)>;
  // A function like FindFiles().
  using Find = std::function<absl::StatusOr<std::vector<std::string>>(
      absl::string_view path)>;
  using Ranges =
      std::function<absl::StatusOr<std::unique_ptr<const ByteRanges>>(
          absl::string_view path)>;

  // ranges: null where only files of this machine are read.
  OpenBytes(Open open, Find find, Ranges ranges = nullptr)
      : open_(std::move(open)),
        find_(std::move(find)),
        ranges_(std::move(ranges)) {}
  // Finds files of this machine. Implicit, for functions that only open.
  // NOLINTBEGIN(google-explicit-constructor)
  template <typename Function>
  requires std::convertible_to<Function, Open> OpenBytes(Function open)
      : OpenBytes(Open(std::move(open)), FindFiles) {}
  // NOLINTEND(google-explicit-constructor)

  absl::StatusOr<std::unique_ptr<ByteSource>> operator()(
      absl::string_view path) const {
    return open_(path);
  }
  absl::StatusOr<std::vector<std::string>> FilesOf(
      absl::string_view path) const {
    return find_(path);
  }
  // For what is elsewhere (remote_files.h). kInvalidArgument: this program
  // reads files of its machine alone.
  absl::StatusOr<std::unique_ptr<const ByteRanges>> RangesOf(
      absl::string_view path) const;

 private:
  Open open_;
  Find find_;
  Ranges ranges_;
};

// Opens the file at `path`. If it begins as gzip, zstd, xz, bzip2 or lz4 do, it
// is decompressed, whatever its name. kNotFound; kPermissionDenied;
// kInvalidArgument: it is not a regular file but a folder, a pipe or a device.
absl::StatusOr<std::unique_ptr<ByteSource>> OpenFile(absl::string_view path);

// The same; errors call it `name`.
absl::StatusOr<std::unique_ptr<ByteSource>> OpenFileAs(absl::string_view path,
                                                       absl::string_view name);

// The same over memory: the files are the entries of `files`, by path.
OpenBytes OpenMemory(std::map<std::string, std::string> files);

}  // namespace ebb::data

#endif  // EBB_DATA_BYTE_SOURCE_H_
