#include "data/pack/window_reader.h"

#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/status_macros.h"
#include "data/bytes/wide.h"
#include "data/pack/running_hash.h"

namespace ebb::data::pack {
namespace {

// Read at once.
constexpr int64_t kPieceBytes = int64_t{256} << 10;
// The same for mapped bytes. They are looked at twice, and so much stays in the
// first cache.
constexpr int64_t kMappedPieceBytes = int64_t{16} << 10;

constexpr int32_t kInfinity = 0x7f800000;
constexpr int32_t kMagnitude = 0x7fffffff;

// The largest magnitude as bits: infinity has the exponent's bits alone, and
// NaNs are beyond it.
EBB_WIDE int32_t LargestBits(const float* values, size_t count) {
  int32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    largest = std::max(largest, std::bit_cast<int32_t>(values[i]) & kMagnitude);
  }
  return largest;
}

EBB_WIDE bool AnyInfinite(const float* values, size_t count) {
  int32_t infinite = 0;
  for (size_t i = 0; i < count; ++i) {
    const int32_t bits = std::bit_cast<int32_t>(values[i]) & kMagnitude;
    infinite |= bits == kInfinity ? 1 : 0;
  }
  return infinite != 0;
}

// Returns whether all are numbers, or NaN with `gaps`.
bool AllNumbers(std::span<const float> values, bool gaps) {
  return gaps ? !AnyInfinite(values.data(), values.size())
              : LargestBits(values.data(), values.size()) < kInfinity;
}

template <typename Number>
char* Room(int64_t bytes, std::vector<Number>* to) {
  to->resize(static_cast<size_t>(bytes) / sizeof(Number));
  return reinterpret_cast<char*>(to->data());
}

char* RoomOf(Column column, int64_t bytes, Window* window) {
  switch (column) {
    case Column::kLabels:
      return Room(bytes, &window->labels);
    case Column::kBytes:
      return Room(bytes, &window->bytes);
    case Column::kOffsets:
      return Room(bytes, &window->offsets);
    case Column::kIds:
      return Room(bytes, &window->ids);
    case Column::kKeys:
      return Room(bytes, &window->keys);
    case Column::kFields:
      return Room(bytes, &window->fields);
    case Column::kValues:
      return Room(bytes, &window->values);
  }
  return nullptr;
}

// Returns what is wrong with the rows of a window.
std::string ProblemOfRows(const WindowSchema& schema, const WindowEntry& entry,
                          const Window& window) {
  if (!schema.rows()) return "";
  const std::vector<int64_t>& offsets = window.offsets;
  if (offsets.front() != 0 || offsets.back() != entry.entries ||
      !std::ranges::is_sorted(offsets)) {
    return "its rows do not follow each other";
  }
  for (size_t row = 0; row + 1 < offsets.size(); ++row) {
    for (int64_t i = offsets[row]; i < offsets[row + 1]; ++i) {
      if (schema.layout == Layout::kKeyed) {
        if (window.fields[i] < schema.features) continue;
        return "a field is too high";
      }
      const int32_t before = i == offsets[row] ? -1 : window.ids[i - 1];
      if (window.ids[i] > before && window.ids[i] < schema.features) continue;
      return "the features of a row do not ascend";
    }
  }
  return "";
}

// Reads the columns of one window.
class ColumnReader {
 public:
  ColumnReader(const WindowSchema& schema, const ReadWindowOptions& options,
               WindowBytes* stored, Window* out)
      : schema_(schema), options_(options), stored_(stored), out_(out) {}

  // Reads the column that begins at `offset`.
  absl::Status Read(Column kind, const StoredColumn& column, int64_t offset) {
    const bool raw = column.stored_bytes == column.raw_bytes;
    const bool features = kind == Column::kBytes || kind == Column::kValues;
    bool copies = true;
    if (options_.map && raw && features && !schema_.rows()) {
      EBB_ASSIGN_OR_RETURN(out_->mapped,
                           stored_->Map(offset, column.raw_bytes));
      copies = out_->mapped == nullptr;
    }
    char* to = nullptr;
    char* copy = nullptr;
    if (copies) {
      to = RoomOf(kind, column.raw_bytes, out_);
      copy = raw ? to : Room(column.stored_bytes, &compressed_);
    }
    const char* const from = copies ? copy : out_->mapped->bytes().data();
    // What is checked is read by that, while the disk reads what follows.
    if (!copies && !options_.check) EBB_RETURN_IF_ERROR(out_->mapped->Load());
    // Piece by piece, so that what is checked is still in the cache.
    const int64_t piece = copies ? kPieceBytes : kMappedPieceBytes;
    for (int64_t at = 0; at < column.stored_bytes && (copies || options_.check);
         at += piece) {
      const int64_t n = std::min(piece, column.stored_bytes - at);
      if (copies) {
        EBB_RETURN_IF_ERROR(stored_->Read(offset + at, copy + at, n));
      }
      if (!options_.check) continue;
      hash_.Add(from + at, static_cast<size_t>(n));
      if (raw) Check(kind, from + at, n);
    }
    if (raw) return absl::OkStatus();
    const size_t n =
        ZSTD_decompress(to, static_cast<size_t>(column.raw_bytes), from,
                        static_cast<size_t>(column.stored_bytes));
    if (ZSTD_isError(n) != 0 || n != static_cast<size_t>(column.raw_bytes)) {
      Notice("a column cannot be decompressed");
    } else if (options_.check) {
      Check(kind, to, column.raw_bytes);
    }
    return absl::OkStatus();
  }

  uint64_t hash() const { return hash_.Get(); }
  // The first thing that was wrong; empty: all is sound.
  const std::string& problem() const { return problem_; }

 private:
  void Notice(const char* what) {
    if (problem_.empty()) problem_ = what;
  }

  // Looks at the numbers of a column, or of a part of it.
  void Check(Column kind, const char* at, int64_t bytes) {
    const bool labels = kind == Column::kLabels;
    if (!labels && kind != Column::kValues) return;
    const std::span numbers(reinterpret_cast<const float*>(at),
                            static_cast<size_t>(bytes) / sizeof(float));
    if (AllNumbers(numbers, !labels && schema_.gaps)) return;
    Notice(labels ? "a label is no number" : "a value is no number");
  }

  const WindowSchema& schema_;
  const ReadWindowOptions& options_;
  WindowBytes* const stored_;  // Not owned.
  Window* const out_;          // Not owned.
  RunningHash hash_;
  std::vector<char> compressed_;
  std::string problem_;
};

}  // namespace

absl::StatusOr<std::string> ReadWindow(const WindowSchema& schema,
                                       const WindowEntry& entry,
                                       const ReadWindowOptions& options,
                                       WindowBytes* stored, Window* out) {
  const std::vector<Column> kinds = schema.Columns();
  out->examples = entry.examples;
  out->mapped = nullptr;
  ColumnReader columns(schema, options, stored, out);
  int64_t offset = entry.offset;
  for (size_t i = 0; i < kinds.size(); ++i) {
    EBB_RETURN_IF_ERROR(columns.Read(kinds[i], entry.columns[i], offset));
    offset += Aligned(entry.columns[i].stored_bytes);
  }
  if (options.check && columns.hash() != entry.hash) {
    return std::string("its checksum is wrong");
  }
  if (!columns.problem().empty()) return columns.problem();
  if (schema.rows() && out->values.empty()) {
    out->values.assign(static_cast<size_t>(entry.entries), 1);
  }
  return ProblemOfRows(schema, entry, *out);
}

}  // namespace ebb::data::pack
