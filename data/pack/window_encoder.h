// Writes windows as they are stored (docs/formats/packed.md).
#ifndef EBB_DATA_PACK_WINDOW_ENCODER_H_
#define EBB_DATA_PACK_WINDOW_ENCODER_H_

#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/pack/window.h"
#include "data/pack/window_schema.h"

namespace ebb::data::pack {

// The counts of a window of this schema. Its columns and hash are not known
// yet.
WindowEntry CountsOf(const WindowSchema& schema, const Window& window);

// Gives the columns to `write` one after the other, each with the bytes up to
// the next multiple of kAlignment. `compress`: with zstd, where that makes a
// column smaller. Returns the entry, whose file and offset are 0. Holds one
// column in memory. ResourceExhausted: zstd has no memory. Else the errors of
// `write`.
absl::StatusOr<WindowEntry> EncodeWindow(
    const WindowSchema& schema, const Window& window, bool compress,
    absl::FunctionRef<absl::Status(std::span<const char>)> write);

}  // namespace ebb::data::pack

#endif  // EBB_DATA_PACK_WINDOW_ENCODER_H_
