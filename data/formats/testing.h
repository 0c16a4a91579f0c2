// Helpers of the readers' tests.
#ifndef EBB_DATA_FORMATS_TESTING_H_
#define EBB_DATA_FORMATS_TESTING_H_

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/byte_source.h"
#include "data/keys.h"
#include "data/source.h"

namespace ebb::data::internal {

// `bytes` as gzip and the others write them.
std::string Gzip(absl::string_view bytes);
std::string Zlib(absl::string_view bytes, int level);
std::string Zstd(absl::string_view bytes);
std::string Xz(absl::string_view bytes);
std::string Bzip2(absl::string_view bytes);
std::string Lz4(absl::string_view bytes);

// The bytes of a file of tests/golden/readers.
std::string Golden(absl::string_view name);

// An IDX file of unsigned bytes.
std::string Idx(std::initializer_list<uint32_t> dimensions,
                absl::string_view bytes);

// A .npy file of version 1 whose header says so; `bytes` are its elements.
std::string Npy(absl::string_view descr, absl::string_view shape,
                absl::string_view bytes);
// The little-endian bytes of numbers.
template <typename Number>
std::string BytesOf(std::initializer_list<Number> numbers) {
  std::string bytes(numbers.size() * sizeof(Number), '\0');
  std::memcpy(bytes.data(), std::data(numbers), bytes.size());
  return bytes;
}

// A copy of an Example that outlives its reader.
struct ReadExample {
  float label = 0;
  std::vector<uint8_t> bytes;
  std::vector<float> values;
  std::vector<int32_t> ids;
  std::vector<uint64_t> keys;
  std::vector<Field> fields;
};

absl::StatusOr<std::vector<ReadExample>> ReadAll(const SourceSpec& spec,
                                                 const OpenBytes& open);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TESTING_H_
