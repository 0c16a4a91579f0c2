#include "data/pack/window_encoder.h"

#include <zstd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/pack/running_hash.h"

namespace ebb::data::pack {
namespace {

// Faster levels compress hardly worse, and decompressing is as fast.
constexpr int kZstdLevel = 3;

template <typename Number>
std::vector<char> BytesOf(const std::vector<Number>& numbers) {
  std::vector<char> bytes(numbers.size() * sizeof(Number));
  if (!bytes.empty()) std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

std::vector<char> RawColumn(Column column, const Window& window, bool ones) {
  switch (column) {
    case Column::kLabels:
      return BytesOf(window.labels);
    case Column::kBytes:
      return BytesOf(window.bytes);
    case Column::kOffsets:
      return BytesOf(window.offsets);
    case Column::kIds:
      return BytesOf(window.ids);
    case Column::kKeys:
      return BytesOf(window.keys);
    case Column::kFields:
      return BytesOf(window.fields);
    case Column::kValues:
      return ones ? std::vector<char>() : BytesOf(window.values);
  }
  return {};
}

// Compresses a column, if that makes it smaller.
absl::StatusOr<StoredColumn> Store(bool compress, std::vector<char>* raw) {
  StoredColumn column;
  column.raw_bytes = column.stored_bytes = std::ssize(*raw);
  if (!compress || raw->empty()) return column;
  std::vector<char> compressed(ZSTD_compressBound(raw->size()));
  const size_t n = ZSTD_compress(compressed.data(), compressed.size(),
                                 raw->data(), raw->size(), kZstdLevel);
  if (ZSTD_isError(n) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "a window cannot be compressed: zstd: ", ZSTD_getErrorName(n)));
  }
  if (n < raw->size()) {
    compressed.resize(n);
    *raw = std::move(compressed);
    column.stored_bytes = static_cast<int64_t>(n);
  }
  return column;
}

}  // namespace

WindowEntry CountsOf(const WindowSchema& schema, const Window& window) {
  WindowEntry entry;
  entry.examples = window.examples;
  entry.entries = schema.rows() ? std::ssize(window.values) : 0;
  return entry;
}

absl::StatusOr<WindowEntry> EncodeWindow(
    const WindowSchema& schema, const Window& window, bool compress,
    absl::FunctionRef<absl::Status(std::span<const char>)> write) {
  WindowEntry entry = CountsOf(schema, window);
  const bool ones =
      schema.rows() &&
      std::ranges::all_of(window.values, [](float v) { return v == 1; });
  RunningHash hash;
  for (const Column kind : schema.Columns()) {
    std::vector<char> bytes = RawColumn(kind, window, ones);
    EBB_ASSIGN_OR_RETURN(const StoredColumn column, Store(compress, &bytes));
    hash.Add(bytes.data(), bytes.size());
    bytes.resize(static_cast<size_t>(Aligned(column.stored_bytes)));
    EBB_RETURN_IF_ERROR(write(bytes));
    entry.columns.push_back(column);
  }
  entry.hash = hash.Get();
  return entry;
}

}  // namespace ebb::data::pack
