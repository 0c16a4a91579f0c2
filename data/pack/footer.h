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
#include "data/pack/window_schema.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data::pack {

// The footer's file within the folder of the set.
inline constexpr absl::string_view kFooterName = "footer.ebbp";
// The file of windows with this number: "windows-00000.ebbp".
std::string WindowsName(int64_t file);

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
  WindowSchema schema() const {
    return {layout, has_labels, gaps, index.features};
  }
  // Memory that the window takes when it is read, and when it is being read.
  int64_t MemoryBytes(const WindowEntry& window) const {
    return schema().MemoryBytes(window);
  }
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
