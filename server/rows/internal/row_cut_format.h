// The stored form of a cut: docs/formats/sparse-rows.md.
#ifndef EBB_SERVER_ROWS_INTERNAL_ROW_CUT_FORMAT_H_
#define EBB_SERVER_ROWS_INTERNAL_ROW_CUT_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/memory/block.h"
#include "server/rows/internal/renewal_hand.h"
#include "server/rows/row_layout.h"

namespace ebb::server::internal {

// The content of a part: the rows that changed since the part before it, and a
// run of the base. Either may be empty. Rows that later parts have again are
// dropped from it, a block at a time, as RenewalHand goes.
struct RowCutOutline {
  // Row numbers that exist at its end, live or not.
  int64_t capacity = 0;

  // Rows that changed, rows that are gone, and counters that changed.
  int64_t records = 0;
  int64_t removed = 0;
  int64_t changed_counters = 0;
  // Blocks of what changed that were dropped, its first.
  int64_t dropped = 0;

  // The run. It says which rows are live in the blocks [first_block,
  // end_block). The cut contains those blocks from `kept_block` on that have
  // live rows; there are `blocks` of them.
  int64_t first_block = 0;
  int64_t end_block = 0;
  int64_t kept_block = 0;
  int64_t blocks = 0;
  // Counters of admission that are in it.
  int64_t first_counter = 0;
  int64_t end_counter = 0;

  // XXH3 of each of its blocks.
  std::vector<uint64_t> checksums;
};

// The facts about a table, beside its parts, from which to go on.
struct RowCutFields {
  std::string table;
  uint64_t width = 0;
  int64_t slots = 0;
  uint64_t block_bytes = 0;
  int64_t unit_examples = 0;  // The unit of the rows' times.
  int64_t now = 0;
  int64_t rows = 0;
  uint64_t sweep_hand = 0;
  int64_t pushes = 0;
  int64_t created = 0;
  int64_t expired = 0;
  int64_t evicted = 0;
  int64_t not_admitted = 0;
  std::vector<RowCutOutline> parts;  // The oldest first.
  // Not where version 1 has what changed, whose rows come in another order: it
  // can be loaded, and the next cut is whole.
  bool goes_on = true;
};

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, RowCutOutline>
void VisitFields(Struct& outline, Visitor&& visit) {
  auto& [capacity, records, removed, changed_counters, dropped, first_block,
         end_block, kept_block, blocks, first_counter, end_counter, checksums] =
      outline;
  visit(capacity, records, removed, changed_counters, dropped, first_block,
        end_block, kept_block, blocks, first_counter, end_counter, checksums);
}

// All but the parts.
template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, RowCutFields>
void VisitFields(Struct& fields, Visitor&& visit) {
  auto& [table, width, slots, block_bytes, unit_examples, now, rows, sweep_hand,
         pushes, created, expired, evicted, not_admitted, parts, goes_on] =
      fields;
  visit(table, width, slots, block_bytes, unit_examples, now, rows, sweep_hand,
        pushes, created, expired, evicted, not_admitted);
}

// A part of cuts: the same object in all cuts that have it, so that what Seal
// finds out of it is known to the next.
struct RowCutPart {
  struct Block {
    uint64_t content_id = 0;
    int64_t bytes = 0;
    // Later parts have its content once this place (RenewalHand) was renewed:
    // its own place in the base, or that of the last changed row in it. A block
    // with other content is needed as long as its part.
    int64_t place = 0;
  };
  RowCutOutline outline;  // Without checksums before Seal.
  std::vector<Block> blocks;
  // Once this part was taken. Its rows that changed come in the order in which
  // the hand came by from there.
  RenewalHand hand;

  int64_t Bytes() const;
};

using RowCutParts = std::vector<std::shared_ptr<RowCutPart>>;

// A version that is stored, or is being written.
struct RowVersion {
  RowCutParts parts;
  RenewalHand hand;
  // Bytes of the base that were to be renewed by now, and are not.
  int64_t due = 0;
};

class RowPacking;

// The state from which Seal makes a header.
struct RowCutState {
  RowCutFields fields;  // Without parts.
  RowCutParts parts;
  // Rows to pack first, into blocks of the last part; or null.
  std::shared_ptr<RowPacking> packing;
};

// Version 1 where all rows are in one part, as in moves: so that older servers
// can take part in them.
std::string EncodeRowCutHeader(const RowCutFields& fields);
// Decodes a header. DataLoss: it is not from EncodeRowCutHeader, in this
// version or an earlier one. It checks nothing else.
absl::StatusOr<RowCutFields> DecodeRowCutHeader(absl::string_view table,
                                                const RowLayout& layout,
                                                absl::string_view header);

uint64_t RowBlockChecksum(std::span<const std::byte> bytes);

// A row that changed is its number and its record.
int64_t ChangeBytes(const RowLayout& layout);
// Dropped rows count, too.
int64_t ChangesBytes(const RowCutOutline& outline, const RowLayout& layout);
int64_t BitmapBytes(const RowCutOutline& outline, const RowLayout& layout);
int64_t CounterBytes(const RowCutOutline& outline);
// The stored bytes of the changes and of the bits.
int64_t PackedBytes(const RowCutOutline& outline, const RowLayout& layout,
                    int64_t block_bytes);
// The blocks that so many bytes take.
inline int64_t BlocksFor(int64_t bytes, int64_t block_bytes) {
  return (bytes + block_bytes - 1) / block_bytes;
}
// Row numbers of the run: [first, end).
std::pair<int64_t, int64_t> RowsOfRun(const RowCutOutline& outline,
                                      const RowLayout& layout);
// A changed counter: its place in the upper 24 bits.
inline constexpr int kCounterBits = 8;

// Writes bytes one after the other into blocks, which it borrows. Their content
// ids are drawn as it is made: all that is written after that counts as theirs.
class BlockWriter {
 public:
  explicit BlockWriter(std::span<BlockRef> blocks);
  // Moves to where the next bytes go, counted over all blocks.
  void Seek(size_t at) { at_ = at; }
  // The bytes fit into the rest of the blocks.
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
  // These are false at the end.
  [[nodiscard]] bool Get(std::span<std::byte> bytes);
  [[nodiscard]] bool Skip(size_t bytes);
  template <typename T>
  [[nodiscard]] bool GetValue(T* value) {
    return Get(std::as_writable_bytes(std::span<T>(value, 1)));
  }

 private:
  // Gives this many bytes, piece by piece.
  template <typename Take>
  bool Next(size_t bytes, Take take);

  std::vector<std::span<const std::byte>> blocks_;
  size_t next_ = 0;  // In blocks_.
  std::span<const std::byte> rest_;
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_ROW_CUT_FORMAT_H_
