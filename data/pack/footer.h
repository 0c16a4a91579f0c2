// The footer of a packed set (docs/formats/packed.md): all that is known of the
// set without reading a window.
#ifndef EBB_DATA_PACK_FOOTER_H_
#define EBB_DATA_PACK_FOOTER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/index.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data::pack {

// The footer's file within the folder of the set.
inline constexpr absl::string_view kFooterName = "footer.ebbp";
// The file of windows with this number: "windows-00000.ebbp".
std::string WindowsName(int64_t file);

// Columns begin at multiples of it.
inline constexpr int64_t kAlignment = 64;
constexpr int64_t Aligned(int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// Limits of a window: a damaged or foreign footer takes no more memory.
inline constexpr int64_t kMostWindowBytes = int64_t{1} << 30;

// One column of one window. It is compressed with zstd if it takes fewer bytes
// stored than raw.
struct StoredColumn {
  int64_t raw_bytes = 0;
  int64_t stored_bytes = 0;

  friend bool operator==(const StoredColumn&, const StoredColumn&) = default;
};

struct WindowEntry {
  int64_t file = 0;
  int64_t offset = 0;  // Its first column's. The others follow, aligned.
  int64_t examples = 0;
  int64_t entries = 0;  // Numbers in its rows; 0 in dense data.
  uint64_t hash = 0;    // XXH3 (64 bits) of the stored columns, end to end.
  // In the order of ColumnsOf().
  std::vector<StoredColumn> columns;

  friend bool operator==(const WindowEntry&, const WindowEntry&) = default;
};

enum class Column { kLabels, kBytes, kOffsets, kIds, kKeys, kFields, kValues };

struct Footer {
  Layout layout = Layout::kDense;
  bool has_labels = false;
  // Missing values are NaN. They stand for the mean of their column, unless the
  // model tells them from others.
  bool gaps = false;
  // Examples have been put in a random order, drawn from `seed`.
  bool shuffled = false;
  uint64_t seed = 0;
  int64_t window = 0;  // Examples of each window; the last may have fewer.
  // The sum of the absolute values of sparse or keyed rows.
  double absolute_sum = 0;
  // The meaning of the source, and its files. Features are not scaled. Classes
  // are those of labels that are whole numbers; the moments of labels are
  // absent if labels are texts.
  Index index;
  std::optional<ColumnNames> names;
  std::vector<int64_t> file_bytes;  // One entry for each file of windows.
  std::vector<WindowEntry> windows;

  bool rows() const {
    return layout == Layout::kSparse || layout == Layout::kKeyed;
  }
  int64_t entries() const;
  // The columns of each window, in their order.
  std::vector<Column> Columns() const;
  // The raw bytes of a column, by the counts of its window. Values may take 0
  // instead: then all of them are 1.
  int64_t RawBytes(Column column, int64_t examples, int64_t entries) const;
  // Memory that the window takes when it is read, and when it is being read.
  int64_t MemoryBytes(const WindowEntry& window) const;
  int64_t MostMemoryBytes() const;
  // Bytes of the largest compressed column.
  int64_t MostStoredBytes() const;

  std::string Encode() const;
  // Everything in a footer that is returned is consistent. kDataLoss: the bytes
  // are damaged. kFailedPrecondition: a later version wrote them.
  static absl::StatusOr<Footer> Decode(absl::string_view bytes);

  friend bool operator==(const Footer&, const Footer&) = default;
};

}  // namespace ebb::data::pack

#endif  // EBB_DATA_PACK_FOOTER_H_
