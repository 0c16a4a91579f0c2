// The bytes of a growing set's objects (docs/formats/growing.md).
#ifndef EBB_DATA_GROWING_CODEC_H_
#define EBB_DATA_GROWING_CODEC_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/growing/headers.h"
#include "data/pack/window.h"

namespace ebb::data::growing {

// The most bytes of an object, and of its header.
inline constexpr int64_t kMostObjectBytes = int64_t{64} << 20;
inline constexpr int64_t kMostHeaderBytes = int64_t{16} << 20;

// The keys of objects.
inline constexpr char kAboutKey[] = "about";
std::string ObjectKey(int64_t place);  // "chain/00000000000000000017".
std::string FloorKey(int64_t floor);   // "floor/00000000000000000003".

ObjectHash HashOfObject(absl::string_view bytes);

// Decoding errors begin with `name`. DataLoss: the bytes are damaged, or are
// another object. FailedPrecondition: a later ebb wrote them.

std::string EncodeAbout(const About& about);
absl::StatusOr<About> DecodeAbout(absl::string_view name,
                                  absl::string_view bytes);

std::string EncodeFloor(const Floor& floor);
absl::StatusOr<Floor> DecodeFloor(absl::string_view name,
                                  absl::string_view bytes);

// Encodes an object with the columns of `window`, whose examples are
// `header->count`, and sets `header->window`. ResourceExhausted: it would be
// larger than kMostObjectBytes, or its header than kMostHeaderBytes.
absl::StatusOr<std::string> EncodeObject(const pack::WindowSchema& schema,
                                         const pack::Window& window,
                                         ObjectHeader* header);

// The header of an object. `bytes` are its front, or all of it. OutOfRange: the
// front is too short, and the message is how many bytes of it are needed, in
// digits alone.
absl::StatusOr<ObjectHeader> PeekHeader(absl::string_view name,
                                        absl::string_view bytes);

// Checks all bytes of an object, and returns its header.
absl::StatusOr<ObjectHeader> DecodeHeader(absl::string_view name,
                                          absl::string_view bytes);
// The same, with its columns. The memory that `window` has is used again.
absl::StatusOr<ObjectHeader> DecodeObject(absl::string_view name,
                                          absl::string_view bytes,
                                          const pack::WindowSchema& schema,
                                          pack::Window* window);

// Checks that an object is of this set, and stands at its own place. DataLoss.
absl::Status CheckPlace(absl::string_view name, const ObjectHeader& header,
                        const std::string& identity, int64_t place);

}  // namespace ebb::data::growing

#endif  // EBB_DATA_GROWING_CODEC_H_
