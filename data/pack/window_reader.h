// Reads windows as they are stored (docs/formats/packed.md).
#ifndef EBB_DATA_PACK_WINDOW_READER_H_
#define EBB_DATA_PACK_WINDOW_READER_H_

#include <string>

#include "absl/status/statusor.h"
#include "data/pack/window.h"
#include "data/pack/window_bytes.h"
#include "data/pack/window_schema.h"

namespace ebb::data::pack {

struct ReadWindowOptions {
  // The features of dense data stay in the file, mapped, if they are not
  // compressed and the file system allows it.
  bool map = false;
  // Compares the checksum, and checks that values are numbers.
  bool check = true;
};

// Reads a window that is possible in this schema. The memory that `out` has is
// used again. Returns what is wrong with it; empty: it is sound. Rows say where
// memory is read, so whether they are possible is looked at each time. Blocks.
// The errors of `stored`.
absl::StatusOr<std::string> ReadWindow(const WindowSchema& schema,
                                       const WindowEntry& entry,
                                       const ReadWindowOptions& options,
                                       WindowBytes* stored, Window* out);

}  // namespace ebb::data::pack

#endif  // EBB_DATA_PACK_WINDOW_READER_H_
