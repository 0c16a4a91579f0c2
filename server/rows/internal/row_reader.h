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
#include "server/rows/internal/row_frequencies.h"
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

// The parts of a table that finding and reading rows needs. Borrows all of
// them.
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
  // `prefetch_bytes` of a record, and its place in `beside` unless that is null
  // or keeps nothing, are on their way to the cache.
  //
  // Each step of a look-up waits for memory, so several keys take it together,
  // as in a pipeline: a key asks for its part of the index, kAhead keys later
  // for its record, and is read as many later.
  template <typename Visit>
  void ForEachKey(std::span<const uint64_t> keys, size_t prefetch_bytes,
                  const RowFrequencies* beside, Visit visit) const {
    constexpr size_t kAhead = 16;
    const bool keeps = beside != nullptr && beside->kept();
    struct Lookup {
      uint32_t hash;
      size_t at;  // In the index.
      const std::byte* record;
    };
    std::array<Lookup, 2 * kAhead> lookups;
    const auto lookup_of = [&](size_t i) -> Lookup& {
      return lookups[i % lookups.size()];
    };
    for (size_t step = 0; step < keys.size() + 2 * kAhead; ++step) {
      if (step >= 2 * kAhead) {
        const size_t i = step - 2 * kAhead;
        const Lookup& lookup = lookup_of(i);
        size_t at = lookup.at;
        const std::byte* record = lookup.record;
        while (record != nullptr && RowLayout::KeyOf(record) != keys[i]) {
          ++at;
          record =
              index.Has(at, lookup.hash) ? RecordOf(index.RowAt(at)) : nullptr;
        }
        visit(i, record == nullptr ? kNoRow : index.RowAt(at), record);
      }
      if (step >= kAhead && step - kAhead < keys.size()) {
        Lookup& lookup = lookup_of(step - kAhead);
        lookup.at = index.Find(lookup.hash);
        lookup.record = nullptr;
        if (index.Has(lookup.at, lookup.hash)) {
          const uint32_t row = index.RowAt(lookup.at);
          lookup.record = RecordOf(row);
          PrefetchBytes(lookup.record, prefetch_bytes);
          if (keeps) __builtin_prefetch(beside->PlaceOf(row));
        }
      }
      if (step < keys.size()) {
        Lookup& lookup = lookup_of(step);
        lookup.hash = RowIndex::HashOf(keys[step]);
        index.Prefetch(lookup.hash);
      }
    }
  }

  // out[i * width ...]: the weights of keys[i], or its initial ones where it
  // has no row, or one that has expired.
  void Gather(const RowAges& ages, uint32_t now, const RowInitializer& initial,
              std::span<const uint64_t> keys, std::span<float> out) const {
    const size_t width = layout.width();
    ForEachKey(keys, layout.weights_end(), nullptr,
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
