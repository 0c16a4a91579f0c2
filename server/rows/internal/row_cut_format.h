// The stored form of a cut: docs/formats/sparse-rows.md.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_CUT_FORMAT_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_CUT_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/memory/block.h"
#include "server/rows/row_layout.h"

namespace ebb::server::internal {

// A base, or what changed since the parts before it.
struct RowCutOutline {
  // Row numbers that exist at its end, live or not.
  int64_t capacity = 0;
  // Base: blocks with rows. Delta: rows that changed.
  int64_t records = 0;
  // Delta: rows that are gone.
  int64_t removed = 0;
  // Base: counters of admission. Delta: those that changed.
  int64_t counters = 0;
  // XXH3 of each of its blocks.
  std::vector<uint64_t> checksums;
};

// What is known of a table, beside its parts, to go on from.
struct RowCutFields {
  std::string table;
  uint64_t width = 0;
  int64_t slots = 0;
  uint64_t block_bytes = 0;
  int64_t unit_examples = 0;  // Of the rows' times.
  int64_t now = 0;
  int64_t rows = 0;
  uint64_t sweep_hand = 0;
  int64_t pushes = 0;
  int64_t created = 0;
  int64_t expired = 0;
  int64_t evicted = 0;
  int64_t not_admitted = 0;
  std::vector<RowCutOutline> parts;  // The base first.
};

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, RowCutOutline>
void VisitFields(Struct& outline, Visitor&& visit) {
  auto& [capacity, records, removed, counters, checksums] = outline;
  visit(capacity, records, removed, counters, checksums);
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, RowCutFields>
void VisitFields(Struct& fields, Visitor&& visit) {
  auto& [table, width, slots, block_bytes, unit_examples, now, rows, sweep_hand,
         pushes, created, expired, evicted, not_admitted, parts] = fields;
  visit(table, width, slots, block_bytes, unit_examples, now, rows, sweep_hand,
        pushes, created, expired, evicted, not_admitted, parts);
}

// A part of cuts: the same object in all cuts that have it, so that what Seal
// finds out of it is known to the next.
struct RowCutPart {
  struct Block {
    uint64_t content_id = 0;
    int64_t bytes = 0;
  };
  RowCutOutline outline;  // Without checksums before Seal.
  std::vector<Block> blocks;

  int64_t Bytes() const;
};

class RowPacking;

// What Seal makes a header of.
struct RowCutState {
  RowCutFields fields;  // Without parts.
  std::vector<std::shared_ptr<RowCutPart>> parts;
  // What it has to pack first, into blocks of the last part; or null.
  std::shared_ptr<RowPacking> packing;
};

std::string EncodeRowCutHeader(const RowCutFields& fields);
// DataLoss unless `header` is what EncodeRowCutHeader gave.
absl::StatusOr<RowCutFields> DecodeRowCutHeader(absl::string_view table,
                                                absl::string_view header);

uint64_t RowBlockChecksum(std::span<const std::byte> bytes);

// Sizes of what is packed, in bytes.
int64_t BaseBitmapBytes(int64_t capacity);
int64_t BaseCounterBytes(int64_t counters);
int64_t DeltaBytes(const RowCutOutline& outline, const RowLayout& layout);
// A changed counter of a delta: its place in the upper 24 bits.
inline constexpr int kCounterBits = 8;

// Writes bytes one after the other into blocks, which it borrows. Their content
// ids are drawn as it is made: all that is written after that counts as theirs.
class BlockWriter {
 public:
  explicit BlockWriter(std::span<BlockRef> blocks);
  // Where the next bytes go, counted over all blocks.
  void Seek(size_t at) { at_ = at; }
  // They fit into what is left of the blocks.
  void Put(std::span<const std::byte> bytes);
  template <typename T>
  void PutValue(T value) {
    Put(std::as_bytes(std::span<const T>(&value, 1)));
  }

 private:
  std::vector<std::byte*> blocks_;
  size_t block_bytes_ = 0;
  size_t at_ = 0;
};

// Reads them back.
class BlockReader {
 public:
  explicit BlockReader(std::vector<std::span<const std::byte>> blocks);
  // False at the end.
  [[nodiscard]] bool Get(std::span<std::byte> bytes);
  template <typename T>
  [[nodiscard]] bool GetValue(T* value) {
    return Get(std::as_writable_bytes(std::span<T>(value, 1)));
  }

 private:
  std::vector<std::span<const std::byte>> blocks_;
  size_t next_ = 0;  // In blocks_.
  std::span<const std::byte> rest_;
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_CUT_FORMAT_H_
