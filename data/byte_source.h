// Where readers get their bytes: a file or memory, plain or gzip.
#ifndef EBB_DATA_BYTE_SOURCE_H_
#define EBB_DATA_BYTE_SOURCE_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::data {

// A stream of bytes, read once from front to back by one thread.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills the front of `out`, which is not empty, and returns how much of it;
  // 0 only at the end. Blocks on the disk. kUnavailable when the medium cannot
  // be read, kDataLoss when what it holds is damaged.
  virtual absl::StatusOr<size_t> Read(std::span<char> out) = 0;
};

// Opens what `path` names; kNotFound when there is no such thing.
using OpenBytes = std::function<absl::StatusOr<std::unique_ptr<ByteSource>>(
    absl::string_view path)>;

// The file at `path`, decompressed when it begins as gzip does, whatever its
// name. kNotFound, kPermissionDenied, kInvalidArgument for a folder.
absl::StatusOr<std::unique_ptr<ByteSource>> OpenFile(absl::string_view path);

// The same; errors call it `name`.
absl::StatusOr<std::unique_ptr<ByteSource>> OpenFileAs(absl::string_view path,
                                                       absl::string_view name);

// The same over memory: the files are the entries of `files`, by path.
OpenBytes OpenMemory(std::map<std::string, std::string> files);

}  // namespace ebb::data

#endif  // EBB_DATA_BYTE_SOURCE_H_
