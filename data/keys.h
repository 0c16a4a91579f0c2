// The keys of sparse data: 64-bit numbers that name the rows of a model's
// sparse tables (docs/sparse-data.md).
#ifndef EBB_DATA_KEYS_H_
#define EBB_DATA_KEYS_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace ebb::data {

// Which column of a log, or which kind of thing, a key belongs to. From 0.
using Field = uint16_t;
inline constexpr int64_t kMaxFields = int64_t{1} << 16;

// The key of a word that stands in `field`: XXH64 of its bytes with the field
// as the seed. The same word has another key in another field, so all fields
// may share a table. Among n keys, two are expected to be equal n^2 / 2^65
// times: once in ten runs with 2 * 10^9 of them.
//
// It is part of the formats: trained rows have these names.
uint64_t KeyOf(Field field, absl::string_view word);

}  // namespace ebb::data

#endif  // EBB_DATA_KEYS_H_
