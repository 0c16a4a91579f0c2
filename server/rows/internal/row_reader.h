// Looking up many rows at once.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_READER_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_READER_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "common/initializer.h"
#include "server/rows/row_ages.h"
#include "server/rows/row_index.h"
#include "server/rows/row_layout.h"

namespace ebb::server::internal {

inline constexpr uint32_t kNoRow = 0xffffffff;

inline void PrefetchBytes(const std::byte* from, size_t bytes) {
  constexpr size_t kLine = 64;
  for (size_t at = 0; at < bytes; at += kLine) __builtin_prefetch(from + at);
  __builtin_prefetch(from + bytes - 1);
}

// What finding and reading rows takes. Borrows all of it.
struct RowReader {
  const RowLayout& layout;
  const RowIndex& index;
  std::span<const std::byte* const> blocks;  // Null: has no rows.

  const std::byte* RecordOf(uint32_t row) const {
    const RowLayout::Place place = layout.PlaceOf(row);
    return blocks[place.block] + place.offset;
  }

  // Calls `visit(i, row, record)` for each key in order, with kNoRow and null
  // where it has no row. Rows that have expired are found. The first
  // `prefetch_bytes` of a record are on their way to the cache.
  //
  // Each step of a look-up waits for memory, so several keys take it together:
  // all ask for their part of the index, then all for their records, then all
  // read.
  template <typename Visit>
  void ForEachKey(std::span<const uint64_t> keys, size_t prefetch_bytes,
                  Visit visit) const {
    constexpr size_t kTogether = 32;
    std::array<uint32_t, kTogether> hashes;
    std::array<size_t, kTogether> found;
    std::array<const std::byte*, kTogether> records;
    for (size_t begin = 0; begin < keys.size(); begin += kTogether) {
      const size_t n = std::min(kTogether, keys.size() - begin);
      for (size_t i = 0; i < n; ++i) {
        hashes[i] = RowIndex::HashOf(keys[begin + i]);
        index.Prefetch(hashes[i]);
      }
      for (size_t i = 0; i < n; ++i) {
        found[i] = index.Find(hashes[i]);
        records[i] = nullptr;
        if (!index.Has(found[i], hashes[i])) continue;
        records[i] = RecordOf(index.RowAt(found[i]));
        PrefetchBytes(records[i], prefetch_bytes);
      }
      for (size_t i = 0; i < n; ++i) {
        const uint64_t key = keys[begin + i];
        size_t at = found[i];
        const std::byte* record = records[i];
        while (record != nullptr && RowLayout::KeyOf(record) != key) {
          ++at;
          record =
              index.Has(at, hashes[i]) ? RecordOf(index.RowAt(at)) : nullptr;
        }
        visit(begin + i, record == nullptr ? kNoRow : index.RowAt(at), record);
      }
    }
  }

  // out[i * width ...]: the weights of keys[i], or its initial ones where it
  // has no row, or one that has expired.
  void Gather(const RowAges& ages, uint32_t now, const RowInitializer& initial,
              std::span<const uint64_t> keys, std::span<float> out) const {
    const size_t width = layout.width();
    ForEachKey(keys, layout.weights_end(),
               [&](size_t i, uint32_t /*row*/, const std::byte* record) {
                 const std::span<float> to = out.subspan(i * width, width);
                 if (record == nullptr ||
                     ages.Expired(RowLayout::TouchedOf(record), now)) {
                   initial.Fill(keys[i], to);
                 } else {
                   std::memcpy(to.data(), RowLayout::WeightsOf(record),
                               width * sizeof(float));
                 }
               });
  }
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_READER_H_
