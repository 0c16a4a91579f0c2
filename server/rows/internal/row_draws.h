// The random numbers of a table.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_DRAWS_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_DRAWS_H_

#include <cstdint>

#include "absl/numeric/int128.h"
#include "common/example_hash.h"
#include "server/rows/row_options.h"

namespace ebb::server::internal {

// The start of all sequences of random numbers of a table, unlike that of its
// initial values. They are functions of its seed and name.
inline uint64_t DrawsOf(const RowTableOptions& options) {
  uint64_t hash = HashAppend(HashAppend(1, options.seed), options.table.size());
  for (const char c : options.table) {
    hash = HashAppend(hash, static_cast<unsigned char>(c));
  }
  return hash;
}

// `hash` evenly over [0, size).
inline uint64_t Spread(uint64_t hash, uint64_t size) {
  return absl::Uint128High64(absl::uint128(hash) * size);
}

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_DRAWS_H_
