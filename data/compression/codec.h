// The compressions that data files may have, each as a stream decoder.
#ifndef EBB_DATA_COMPRESSION_CODEC_H_
#define EBB_DATA_COMPRESSION_CODEC_H_

#include <cstddef>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::data::internal {

// Decodes one member after another: what `gzip` calls a member is a stream of
// xz and bzip2, and a frame of zstd and lz4. Not thread safe.
class Codec {
 public:
  struct Progress {
    size_t read = 0;
    size_t written = 0;
    bool ended = false;  // The member is complete, and all of it written.
  };

  virtual ~Codec() = default;
  // Gets ready for the first byte of a member. kResourceExhausted without
  // memory.
  virtual absl::Status Start() = 0;
  // Decodes from the front of `in`, which may be empty, to the front of `out`.
  // kDataLoss with the library's reason: the bytes are damaged;
  // kFailedPrecondition: to decode them takes more memory than is allowed.
  virtual absl::StatusOr<Progress> Decode(std::span<const char> in,
                                          std::span<char> out) = 0;
};

// A compression by its name, which is that of its command line tool, if it has
// one.
struct CodecKind {
  absl::string_view name;
  // How errors about damaged files end: what tells more.
  absl::string_view advice;
  std::unique_ptr<Codec> (*make)();
};

// The bytes that tell any kind from text.
inline constexpr size_t kMagicBytes = 12;

// The kind of compression that a file or member with this front has; null
// where it has none. `front` has kMagicBytes, unless there are fewer.
const CodecKind* FindCodec(absl::string_view front);

// Returns whether a further member of this kind may have this front.
bool Continues(const CodecKind& kind, absl::string_view front);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_COMPRESSION_CODEC_H_
